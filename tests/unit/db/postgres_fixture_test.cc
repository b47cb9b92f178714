#include "tests/support/postgres_fixture.h"

#include <gtest/gtest.h>

namespace assay::test_support {
namespace {

TEST(PostgresFixture, GivesEachTestADatabaseOfItsOwn) {
  PostgresCluster& cluster = PostgresCluster::Shared();
  const std::string first = cluster.NewDatabase();
  const std::string second = cluster.NewDatabase();
  ASSERT_NE(first, second);
  ASSERT_TRUE(PostgresCluster::Execute(first, "CREATE TABLE unit (id int)").ok());
  EXPECT_FALSE(PostgresCluster::Execute(second, "SELECT * FROM unit").ok());
}

TEST(PostgresFixture, KeepsItsRowsOverACrash) {
  auto cluster = PostgresCluster::Start();
  ASSERT_TRUE(cluster.ok()) << cluster.status();
  const std::string dsn = (*cluster)->NewDatabase();
  ASSERT_TRUE(PostgresCluster::Execute(dsn, "CREATE TABLE unit AS SELECT 7 AS id").ok());
  ASSERT_TRUE((*cluster)->Restart(/*immediate=*/true).ok());
  const auto row = PostgresCluster::Execute(dsn, "SELECT id FROM unit");
  ASSERT_TRUE(row.ok()) << row.status();
  EXPECT_EQ(*row, "7");
}

}  // namespace
}  // namespace assay::test_support
