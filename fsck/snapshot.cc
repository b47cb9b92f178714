#include "fsck/snapshot.h"

#include "absl/strings/str_cat.h"
#include "base/refusal.h"
#include "db/pg/failure.h"
#include "db/pg/schema.h"

namespace assay::fsck {
namespace {

// The store's own settings forbid scans and sorts: right for the issuing path, wrong for reading
// everything.
constexpr char kSettings[] =
    "RESET enable_seqscan; RESET enable_bitmapscan; RESET enable_hashjoin; "
    "RESET enable_mergejoin; RESET enable_material; RESET enable_sort; "
    "SET statement_timeout = 0; SET lock_timeout = 0; "
    "SET idle_in_transaction_session_timeout = 0; SET application_name = 'assay-fsck'";
constexpr char kBegin[] = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

const Statement kExport = {"fsck_export", "SELECT pg_export_snapshot()"};

}  // namespace

absl::Status Guarded(absl::FunctionRef<absl::Status()> body) {
  try {
    return body();
  } catch (const std::exception& thrown) {
    return pg::Classify(thrown, false, true).status;
  }
}

void Snapshot::Begin(int connections) {
  sessions_.push_back(std::make_unique<Session>(options_));
  sessions_[0]->RunScript(kSettings);
  sessions_[0]->RunScript(kBegin);
  if (connections < 2) return;
  const std::string id = sessions_[0]->Run(kExport).Text(0, 0);
  for (int i = 1; i < connections; ++i) {
    auto session = std::make_unique<Session>(options_);
    session->RunScript(kSettings);
    session->RunScript(kBegin);
    session->RunScript(absl::StrCat("SET TRANSACTION SNAPSHOT '", id, "'"));
    sessions_.push_back(std::move(session));
  }
}

absl::StatusOr<std::unique_ptr<Snapshot>> Snapshot::Open(const pg::PgOptions& options,
                                                         int connections) {
  std::unique_ptr<Snapshot> snapshot(new Snapshot(options));
  const absl::Status status = Guarded([&]() -> absl::Status {
    snapshot->Begin(connections);
    return pg::JudgeSchema(pg::ReadApplied(snapshot->session(0)));
  });
  if (!status.ok()) return status;
  return snapshot;
}

}  // namespace assay::fsck
