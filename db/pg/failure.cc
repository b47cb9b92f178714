#include "db/pg/failure.h"

#include <chrono>
#include <mutex>
#include <pqxx/pqxx>
#include <string>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "base/log.h"
#include "base/refusal.h"

namespace assay::pg {
namespace {

bool Begins(std::string_view state, std::string_view prefix) {
  return state.substr(0, prefix.size()) == prefix;
}

// What the database or libpq said names hosts, sockets, users and tables: that is for whoever runs
// the service, not for its callers. While it is down every call fails alike, so the same words are
// written once in five seconds.
void LogFailure(std::string_view state, std::string_view said) {
  static std::mutex mutex;
  static std::string last;
  static std::chrono::steady_clock::time_point last_at;
  const auto now = std::chrono::steady_clock::now();
  {
    const std::lock_guard lock(mutex);
    if (said == last && now - last_at < std::chrono::seconds(5)) return;
    last = said;
    last_at = now;
  }
  LogWarning("store_failure", {{"sqlstate", state}, {"message", said}});
}

Failure OfState(const std::string& state, const std::string& message) {
  LogFailure(state, message);
  const std::string text =
      absl::StrCat("the database refused (SQLSTATE ", state, "); the service's log says more");
  if (state == "40001" || state == "40P01")
    return {Refuse(Reason::STORE_UNAVAILABLE, text), Remedy::kRepeat};
  // Read only: after a failover the connection may still lead to the old primary.
  if (state == "25006") return {Refuse(Reason::STORE_READ_ONLY, text), Remedy::kReconnect};
  // Shutting down or starting; a statement planned before a migration; a lost prepared statement.
  if (Begins(state, "57P") || Begins(state, "08") || state == "0A000" || state == "26000") {
    return {Refuse(Reason::STORE_UNAVAILABLE, text), Remedy::kReconnect};
  }
  // Disk full, out of memory, too many connections; timeouts; login; I/O errors.
  if (Begins(state, "53") || state == "57014" || state == "55P03" || Begins(state, "28") ||
      Begins(state, "58") || state == "25P03" || state == "3D000") {
    return {Refuse(Reason::STORE_UNAVAILABLE, text), Remedy::kNone};
  }
  if (state == "42501") {
    return {Refuse(Reason::STORE_READ_ONLY,
                   "the database does not let this program's role write what it must (SQLSTATE "
                   "42501): give its rights back; the service's log names the table"),
            Remedy::kNone};
  }
  if (state == "42P01" || state == "42703" || state == "42883" || state == "3F000") {
    return {Refuse(Reason::SCHEMA_MISMATCH,
                   absl::StrCat("the database schema is not this program's (SQLSTATE ", state,
                                "); run assayd migrate")),
            Remedy::kNone};
  }
  return {Refuse(Reason::INTERNAL, text), Remedy::kNone};
}

}  // namespace

Failure Classify(const std::exception& thrown, bool committing, bool alive) {
  const auto* sql = dynamic_cast<const pqxx::sql_error*>(&thrown);
  const bool answered = sql != nullptr && !sql->sqlstate().empty() && alive;
  if (committing && !answered) {
    return {Refuse(Reason::STORE_IN_DOUBT,
                   "the connection was lost while COMMIT was under way; the "
                   "outcome is unknown, ask again by the ticket"),
            Remedy::kNone};
  }
  if (answered) return OfState(sql->sqlstate(), sql->what());
  LogFailure("", thrown.what());
  if (!alive || dynamic_cast<const pqxx::broken_connection*>(&thrown) != nullptr) {
    return {Refuse(Reason::STORE_UNAVAILABLE, "the database does not answer"), Remedy::kReconnect};
  }
  return {Refuse(Reason::INTERNAL, "a fault in the store; the service's log says more"),
          Remedy::kNone};
}

}  // namespace assay::pg
