// Brings a database's schema to what this program needs.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/bytes.h"
#include "db/pg/pg_options.h"

namespace assay::pg {

struct Migration {
  int version = 0;   // the number its file begins with
  std::string name;  // "0001_identities"
  std::string sql;
  Sha256Digest checksum{};  // of the SQL
  // Programs that know this version or a later one work with the schema after this migration, so
  // that old and new programs can run side by side ("-- works-with: N" in the file's first line).
  int works_with = 0;
  std::optional<absl::Time> applied_at;
};

// The migrations built into this program, in order.
const std::vector<Migration>& KnownMigrations();

// The version this program was built for.
int SchemaVersion();

// What schema_migrations holds, judged by what this program knows: OK, or SCHEMA_MISMATCH saying
// what is wrong. `applied` has version, checksum and works_with of each applied migration.
absl::Status JudgeSchema(const std::vector<Migration>& applied);

// Not thread-safe; several programs may run it at once, an advisory lock lets one through at a
// time. SCHEMA_MISMATCH when a migration was applied with other content, or the schema is newer
// than this program can work with; STORE_UNAVAILABLE. A migration is one transaction: it is there
// wholly or not at all.
class Migrator {
 public:
  explicit Migrator(PgOptions options);

  // Every known migration, with the time it was applied.
  absl::StatusOr<std::vector<Migration>> List();
  // What Apply would run; changes nothing.
  absl::StatusOr<std::vector<Migration>> Pending();
  // Runs what is pending and returns it.
  absl::StatusOr<std::vector<Migration>> Apply();

 private:
  PgOptions options_;
};

}  // namespace assay::pg
