// The database as it was at one moment, read by several connections at once.
#pragma once

#include <memory>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "db/pg/session.h"

namespace assay::fsck {

using pg::Params;
using pg::Rows;
using pg::Session;
using pg::Statement;

// What the checker is to read never waits for locks and never ends early; a read-only role does.
class Snapshot {
 public:
  // STORE_UNAVAILABLE, SCHEMA_MISMATCH. `connections` beyond the first share the first one's
  // REPEATABLE READ snapshot; where the database cannot share one there is one.
  static absl::StatusOr<std::unique_ptr<Snapshot>> Open(const pg::PgOptions& options,
                                                        int connections);

  int size() const { return static_cast<int>(sessions_.size()); }
  // One thread a session.
  Session& session(int i) { return *sessions_[static_cast<size_t>(i)]; }

 private:
  explicit Snapshot(pg::PgOptions options) : options_(std::move(options)) {}
  void Begin(int connections);

  const pg::PgOptions options_;
  std::vector<std::unique_ptr<Session>> sessions_;
};

// Runs `body`; what the database's library throws becomes a refusal.
absl::Status Guarded(absl::FunctionRef<absl::Status()> body);

}  // namespace assay::fsck
