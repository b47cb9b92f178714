#include "db/pg/migrate.h"

#include <gtest/gtest.h>

#include <thread>

#include "base/refusal.h"
#include "tests/support/postgres_fixture.h"

namespace assay::pg {
namespace {

using test_support::PostgresCluster;

PgOptions NewDatabase() {
  PgOptions options;
  options.dsn = PostgresCluster::Shared().NewDatabase();
  return options;
}

TEST(Migrate, ADryRunListsWhatIsPendingAndChangesNothing) {
  const PgOptions options = NewDatabase();
  Migrator migrator(options);
  const auto pending = migrator.Pending();
  ASSERT_TRUE(pending.ok()) << pending.status();
  EXPECT_EQ(pending->size(), KnownMigrations().size());
  EXPECT_FALSE(PostgresCluster::Execute(options.dsn, "SELECT * FROM schema_migrations").ok());
}

TEST(Migrate, ApplyingTwiceDoesItOnce) {
  Migrator migrator(NewDatabase());
  const auto first = migrator.Apply();
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_EQ(first->size(), KnownMigrations().size());
  const auto second = migrator.Apply();
  ASSERT_TRUE(second.ok()) << second.status();
  EXPECT_TRUE(second->empty());
  const auto list = migrator.List();
  ASSERT_TRUE(list.ok()) << list.status();
  for (const Migration& migration : *list) EXPECT_TRUE(migration.applied_at.has_value());
}

TEST(Migrate, ManyProgramsAtOnceApplyEachMigrationOnce) {
  const PgOptions options = NewDatabase();
  std::atomic<size_t> applied{0};
  std::vector<std::thread> programs;
  for (int i = 0; i < 4; ++i) {
    programs.emplace_back([&] {
      const auto done = Migrator(options).Apply();
      EXPECT_TRUE(done.ok()) << done.status();
      if (done.ok()) applied += done->size();
    });
  }
  for (std::thread& program : programs) program.join();
  EXPECT_EQ(applied, KnownMigrations().size());
}

TEST(Migrate, AMigrationAppliedWithOtherContentIsRefused) {
  const PgOptions options = NewDatabase();
  ASSERT_TRUE(Migrator(options).Apply().ok());
  ASSERT_TRUE(PostgresCluster::Execute(options.dsn,
                                       "UPDATE schema_migrations SET checksum = sha256('other')")
                  .ok());
  const auto again = Migrator(options).Apply();
  EXPECT_TRUE(HasReason(again.status(), Reason::SCHEMA_MISMATCH)) << again.status();
}

TEST(Migrate, ASchemaNewerThanTheProgramIsRefusedUnlessItWorksWithIt) {
  const PgOptions options = NewDatabase();
  ASSERT_TRUE(Migrator(options).Apply().ok());
  ASSERT_TRUE(PostgresCluster::Execute(
                  options.dsn,
                  "INSERT INTO schema_migrations (version, name, checksum, works_with) "
                  "VALUES (9000, '9000_later', '', 1)")
                  .ok());
  EXPECT_FALSE(Migrator(options).List().ok());
  ASSERT_TRUE(PostgresCluster::Execute(options.dsn,
                                       "UPDATE schema_migrations SET checksum = sha256('later') "
                                       "WHERE version = 9000")
                  .ok());
  EXPECT_TRUE(Migrator(options).List().ok());
  ASSERT_TRUE(PostgresCluster::Execute(options.dsn,
                                       "UPDATE schema_migrations SET works_with = 9000 "
                                       "WHERE version = 9000")
                  .ok());
  const auto refused = Migrator(options).Pending();
  EXPECT_TRUE(HasReason(refused.status(), Reason::SCHEMA_MISMATCH)) << refused.status();
}

TEST(Migrate, TablesWithARowForEachDeviceAreSampledSparingly) {
  const PgOptions options = NewDatabase();
  ASSERT_TRUE(Migrator(options).Apply().ok());
  const auto others = PostgresCluster::Execute(options.dsn, R"(
    SELECT coalesce(string_agg(attrelid::regclass || '.' || attname, ', '), 'none')
      FROM pg_attribute
     WHERE attrelid = ANY (ARRAY['attempts', 'devices', 'device_outcomes', 'devices_waiting',
             'sealed_identities', 'ledger_entries', 'devices_dac_skid']::regclass[])
       AND attnum > 0 AND NOT attisdropped AND attstattarget <> 10)");
  ASSERT_TRUE(others.ok()) << others.status();
  EXPECT_EQ(*others, "none");
}

TEST(Migrate, ADatabaseThatIsDownIsARefusalAndNotAnException) {
  PgOptions options;
  options.dsn = "host=/nonexistent dbname=assay";
  const auto refused = Migrator(options).Apply();
  EXPECT_TRUE(HasReason(refused.status(), Reason::STORE_UNAVAILABLE)) << refused.status();
}

}  // namespace
}  // namespace assay::pg
