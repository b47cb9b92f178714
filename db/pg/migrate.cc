#include "db/pg/migrate.h"

#include <algorithm>
#include <charconv>

#include "absl/functional/function_ref.h"
#include "absl/strings/str_cat.h"
#include "base/refusal.h"
#include "db/pg/embedded_migrations.h"
#include "db/pg/failure.h"
#include "db/pg/schema.h"
#include "db/pg/session.h"

namespace assay::pg {
namespace {

// "assay" in ASCII: the advisory lock's number.
constexpr char kLock[] = "418347610489";

const Statement kTableExists = {"schema_exists",
                                "SELECT to_regclass('schema_migrations') IS NOT NULL"};
const Statement kApplied = {"schema_applied",
                            "SELECT version, name, checksum, works_with, applied_at FROM "
                            "schema_migrations ORDER BY version"};
const Statement kRecord = {"schema_record",
                           "INSERT INTO schema_migrations (version, name, checksum, works_with) "
                           "VALUES ($1::bigint, $2::text, $3::bytea, $4::bigint)"};
constexpr char kCreateTable[] =
    "CREATE TABLE IF NOT EXISTS schema_migrations (version int PRIMARY KEY, name text NOT NULL, "
    "checksum bytea NOT NULL, works_with int NOT NULL, applied_at timestamptz NOT NULL DEFAULT "
    "now())";

int LeadingNumber(std::string_view text) {
  int number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

std::vector<Migration> ReadKnown() {
  constexpr std::string_view kMark = "-- works-with: ";
  std::vector<Migration> known;
  for (const EmbeddedMigration& embedded : EmbeddedMigrations()) {
    Migration migration;
    migration.version = LeadingNumber(embedded.name);
    migration.name = embedded.name;
    migration.sql = embedded.sql;
    migration.checksum = Sha256(AsBytes(embedded.sql));
    migration.works_with = embedded.sql.starts_with(kMark)
                               ? LeadingNumber(embedded.sql.substr(kMark.size()))
                               : migration.version;
    known.push_back(std::move(migration));
  }
  return known;
}

template <typename Body>
absl::Status Guarded(const PgOptions& options, Body body) {
  try {
    Session session(options);
    return body(session);
  } catch (const std::exception& thrown) {
    return Classify(thrown, /*committing=*/false, /*alive=*/true).status;
  }
}

std::vector<Migration> PendingOf(const std::vector<Migration>& applied) {
  std::vector<Migration> pending;
  for (const Migration& known : KnownMigrations()) {
    const bool there = std::any_of(applied.begin(), applied.end(), [&](const Migration& row) {
      return row.version == known.version;
    });
    if (!there) pending.push_back(known);
  }
  return pending;
}

}  // namespace

const std::vector<Migration>& KnownMigrations() {
  static const auto* known = new std::vector<Migration>(ReadKnown());
  return *known;
}

int SchemaVersion() { return KnownMigrations().back().version; }

std::vector<Migration> ReadApplied(Session& session) {
  std::vector<Migration> applied;
  if (!session.Run(kTableExists).Bool(0, 0)) return applied;
  const Rows rows = session.Run(kApplied);
  for (int i = 0; i < rows.size(); ++i) {
    Migration migration;
    migration.version = static_cast<int>(rows.Int(i, 0));
    migration.name = rows.Text(i, 1);
    migration.checksum = rows.Digest(i, 2);
    migration.works_with = static_cast<int>(rows.Int(i, 3));
    migration.applied_at = rows.Time(i, 4);
    applied.push_back(std::move(migration));
  }
  return applied;
}

absl::Status JudgeSchema(const std::vector<Migration>& applied) {
  const auto& known = KnownMigrations();
  for (const Migration& row : applied) {
    const auto same = std::find_if(known.begin(), known.end(), [&](const Migration& mine) {
      return mine.version == row.version;
    });
    if (same == known.end() && row.works_with > SchemaVersion()) {
      return Refuse(Reason::SCHEMA_MISMATCH,
                    absl::StrCat("the database has migration ", row.name,
                                 ", which needs a program of schema ", row.works_with,
                                 " or later; this one knows ", SchemaVersion()));
    }
    if (same != known.end() && same->checksum != row.checksum) {
      return Refuse(Reason::SCHEMA_MISMATCH,
                    absl::StrCat("migration ", row.name,
                                 " was applied with other content than this program's"));
    }
  }
  return absl::OkStatus();
}

Migrator::Migrator(PgOptions options) : options_(std::move(options)) {
  // A migration may rightly take long; a lock it cannot get must not hold up the line behind it.
  options_.statement_timeout = std::chrono::seconds(30);
}

absl::StatusOr<std::vector<Migration>> Migrator::List() {
  std::vector<Migration> all = KnownMigrations();
  const absl::Status status = Guarded(options_, [&](Session& session) -> absl::Status {
    const auto applied = ReadApplied(session);
    for (Migration& migration : all) {
      for (const Migration& row : applied) {
        if (row.version == migration.version) migration.applied_at = row.applied_at;
      }
    }
    return JudgeSchema(applied);
  });
  if (!status.ok()) return status;
  return all;
}

absl::StatusOr<std::vector<Migration>> Migrator::Pending() {
  std::vector<Migration> pending;
  const absl::Status status = Guarded(options_, [&](Session& session) -> absl::Status {
    const auto applied = ReadApplied(session);
    pending = PendingOf(applied);
    return JudgeSchema(applied);
  });
  if (!status.ok()) return status;
  return pending;
}

absl::StatusOr<std::vector<Migration>> Migrator::Apply() {
  std::vector<Migration> done;
  const absl::Status status = Guarded(options_, [&](Session& session) -> absl::Status {
    // Held by the session, so that it ends with it, whatever happens; waiting for it takes as long
    // as it takes.
    session.RunScript(
        absl::StrCat("SET statement_timeout = 0; SET lock_timeout = 0; SELECT pg_advisory_lock(",
                     kLock, "); SET lock_timeout = '10s'"));
    const auto applied = ReadApplied(session);
    ASSAY_RETURN_IF_ERROR(JudgeSchema(applied));
    for (Migration& migration : PendingOf(applied)) {
      pqxx::work work(session);
      session.RunScript(kCreateTable);
      session.RunScript(migration.sql);
      session.Run(kRecord, Params()
                               .Int(migration.version)
                               .Text(migration.name)
                               .Blob(migration.checksum)
                               .Int(migration.works_with));
      work.commit();
      done.push_back(std::move(migration));
    }
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return done;
}

}  // namespace assay::pg
