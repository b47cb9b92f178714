#include "client/command/system_commands.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/time/time.h"
#include "assay/v1/catalog.grpc.pb.h"
#include "assay/v1/system.grpc.pb.h"
#include "base/refusal.h"
#include "client/show.h"

namespace assay::client {
namespace {

using System = v1::SystemService::Stub;
using Catalog = v1::CatalogService::Stub;

absl::Time TimeOf(const google::protobuf::Timestamp& stamp) {
  return absl::FromUnixSeconds(stamp.seconds());
}

double Seconds(const google::protobuf::Duration& duration) {
  return static_cast<double>(duration.seconds()) + duration.nanos() / 1e9;
}

// "12 days", "3 hours", "in the past".
std::string Left(absl::Duration left) {
  if (left < absl::ZeroDuration()) return "ENDED";
  if (left >= absl::Hours(48)) return absl::StrCat(left / absl::Hours(24), " days");
  if (left >= absl::Hours(2)) return absl::StrCat(left / absl::Hours(1), " hours");
  return absl::StrCat(left / absl::Minutes(1), " minutes");
}

std::string Head(const std::string& version, const std::string& mode, const std::string& caller,
                 const std::vector<std::string>& roles) {
  return absl::StrCat("server    assayd ", version, ", ", mode, " mode\n", "caller    ", caller,
                      " (", absl::StrJoin(roles, ", "), ")\n");
}

std::string HsmLine(const v1::HsmState& hsm) {
  std::string line = absl::StrCat(hsm.signatures(), " signatures since the start, ", hsm.queued(),
                                  " waiting, ", hsm.signers_busy(), " signers busy");
  if (hsm.signers_stuck() > 0) absl::StrAppend(&line, ", ", hsm.signers_stuck(), " STUCK");
  if (hsm.resting()) absl::StrAppend(&line, ", RESTING after failures");
  return line;
}

std::string DatabaseLine(const v1::DatabaseState& database) {
  std::string line = database.schema() == 0
                         ? "NO ANSWER"
                         : absl::StrCat("schema ", database.schema(), " (this program knows ",
                                        database.schema_known(), ")");
  absl::StrAppend(&line, ", ", database.connections(), " connections, ", database.busy(), " busy, ",
                  database.waiting(), " calls waiting");
  if (database.has_clock_offset()) {
    absl::StrAppendFormat(&line, ", clock %+.3f s", Seconds(database.clock_offset()));
  }
  return line;
}

std::string LedgerLine(const v1::LedgerState& ledger) {
  return absl::StrFormat("%d entries, %d signed, %.1f s behind%s%s", ledger.entries(),
                         ledger.signed_entries(), Seconds(ledger.lag()),
                         ledger.leading() ? ", sequenced by this replica" : "",
                         ledger.forked() ? ", FORKED" : "");
}

std::string PartsLine(const v1::SystemStatus& status) {
  std::vector<std::string> parts;
  for (const auto& part : status.parts()) {
    parts.push_back(part.well() ? absl::StrCat(part.name(), " well")
                                : absl::StrCat(part.name(), " ILL: ", part.message()));
  }
  return absl::StrJoin(parts, "; ");
}

std::string ReplicasText(const v1::SystemStatus& status) {
  std::string text;
  for (const auto& replica : status.replicas()) {
    const double left = Seconds(replica.lease_left());
    absl::StrAppend(&text, text.empty() ? "replicas  " : "          ", replica.instance(),
                    left > 0 ? absl::StrFormat(", lease %.0f s", left)
                             : std::string(", FENCED: its lease ran out"),
                    replica.instance() == status.instance() ? ", answers this\n" : "\n");
  }
  return text;
}

std::string EndingsText(const v1::SystemStatus& status) {
  std::string text;
  for (const auto& ending : status.endings()) {
    const absl::Time at = TimeOf(ending.at());
    // 9999-12-31, as RFC 5280 has it for what has no end.
    const bool never = at > absl::FromUnixSeconds(253'000'000'000);
    absl::StrAppend(&text, text.empty() ? "ends      " : "          ", ending.what(), ": ",
                    never ? "never"
                          : absl::StrCat(absl::FormatTime("%Y-%m-%d", at, absl::UTCTimeZone()),
                                         ", ", Left(at - TimeOf(status.now()))),
                    "\n");
  }
  return text;
}

std::string SystemText(const v1::SystemStatus& status) {
  std::string text = Head(status.version(), status.mode(), status.caller(),
                          {status.roles().begin(), status.roles().end()});
  absl::StrAppend(&text, "state     ", status.ready() ? "READY" : "NOT READY", ", up ",
                  Left(TimeOf(status.now()) - TimeOf(status.started_at())), "; ", PartsLine(status),
                  "\n", ReplicasText(status));
  absl::StrAppend(&text, "work      ", status.tickets_in_flight(), " tickets under way, ",
                  status.crypto_queue(), " waiting for a processor\n", "hsm       ",
                  HsmLine(status.hsm()), "\n", "database  ", DatabaseLine(status.database()), "\n",
                  "ledger    ", LedgerLine(status.ledger()), "\n", EndingsText(status));
  return text;
}

// For callers that may not see the system, and for servers that know no such call.
absl::Status ShowServer(Context& context, Connection& connection) {
  const auto stub = v1::CatalogService::NewStub(connection.channel());
  const auto server = connection.Call(*stub, &Catalog::GetServer, v1::GetServerRequest());
  if (!server.ok()) return server.status();
  if (context.json()) {
    context.PrintMessage(*server);
  } else {
    context.Print(Head(server->version(), server->mode(), server->caller(),
                       {server->roles().begin(), server->roles().end()}));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status ShowSystem(Context& context, Connection& connection) {
  const auto stub = v1::SystemService::NewStub(connection.channel());
  const auto status = connection.Call(*stub, &System::GetSystem, v1::GetSystemRequest());
  if (HasReason(status.status(), Reason::ROLE_MISSING) ||
      status.status().code() == absl::StatusCode::kUnimplemented) {
    return ShowServer(context, connection);
  }
  if (!status.ok()) return status.status();
  if (context.json()) {
    context.PrintMessage(*status);
  } else {
    context.Print(SystemText(*status));
  }
  return absl::OkStatus();
}

}  // namespace assay::client
