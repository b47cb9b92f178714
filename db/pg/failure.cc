#include "db/pg/failure.h"

#include <pqxx/pqxx>
#include <string>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "base/refusal.h"

namespace assay::pg {
namespace {

bool Begins(std::string_view state, std::string_view prefix) {
  return state.substr(0, prefix.size()) == prefix;
}

std::string FirstLine(std::string_view text) {
  return std::string(text.substr(0, text.find('\n')));
}

Failure OfState(const std::string& state, const std::string& message) {
  const std::string text = absl::StrCat("the database: ", message, " (SQLSTATE ", state, ")");
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
  if (state == "42P01" || state == "42703" || state == "42883" || state == "3F000") {
    return {Refuse(Reason::SCHEMA_MISMATCH, text), Remedy::kNone};
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
  if (answered) return OfState(sql->sqlstate(), FirstLine(sql->what()));
  if (!alive || dynamic_cast<const pqxx::broken_connection*>(&thrown) != nullptr) {
    return {
        Refuse(Reason::STORE_UNAVAILABLE, absl::StrCat("the database: ", FirstLine(thrown.what()))),
        Remedy::kReconnect};
  }
  return {Refuse(Reason::INTERNAL, absl::StrCat("the store: ", FirstLine(thrown.what()))),
          Remedy::kNone};
}

}  // namespace assay::pg
