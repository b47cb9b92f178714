#include "server/ops/system_watch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>

#include "base/refusal.h"
#include "server/ops/figures.h"
#include "server/ops/metrics_table.h"

namespace assay::ops {
namespace {

using ::testing::HasSubstr;

class FixedClock final : public Clock {
 public:
  absl::Time Now() const override { return now; }
  absl::Time now = absl::FromUnixSeconds(1'800'000'000);
};

class Facts final : public db::SystemStore {
 public:
  absl::StatusOr<db::SystemFacts> ReadSystem() override { return facts; }
  absl::StatusOr<db::SystemFacts> facts = db::SystemFacts{};
};

class SystemWatchTest : public ::testing::Test {
 protected:
  absl::Status CheckWithOffset(absl::Duration offset) {
    store->facts = db::SystemFacts{clock.now - offset, 4, {{"a/1", absl::Seconds(20)}}};
    return watch.CheckClock();
  }
  FixedClock clock;
  std::shared_ptr<Facts> store = std::make_shared<Facts>();
  SystemWatch watch{store, clock};
};

TEST_F(SystemWatchTest, AClockThatAgreesIsWell) {
  EXPECT_TRUE(CheckWithOffset(absl::Seconds(2)).ok());
  EXPECT_EQ(watch.offset(), absl::Seconds(2));
  EXPECT_EQ(watch.facts()->replicas.size(), 1u);
}

TEST_F(SystemWatchTest, AClockAnHourOffIsRefusedEitherWay) {
  EXPECT_THAT(std::string(CheckWithOffset(absl::Hours(1)).message()),
              HasSubstr("1h ahead of the database's"));
  EXPECT_THAT(std::string(CheckWithOffset(-absl::Hours(1)).message()),
              HasSubstr("1h behind the database's"));
  EXPECT_EQ(watch.Figures()[0].figures[0].value, -3600);
}

TEST_F(SystemWatchTest, ADatabaseThatIsAwayIsNotTheClocksTrouble) {
  store->facts = Refuse(Reason::STORE_UNAVAILABLE, "away");
  EXPECT_TRUE(watch.CheckClock().ok());
  EXPECT_TRUE(watch.Figures().empty());
  EXPECT_FALSE(CheckWithOffset(absl::Hours(1)).ok());
  store->facts = Refuse(Reason::STORE_UNAVAILABLE, "away");
  EXPECT_FALSE(watch.CheckClock().ok());  // what was known of the clock stays
  EXPECT_FALSE(watch.facts().has_value());
}

TEST(LeaseFiguresTest, AReplicaIsFencedOnceItsLeaseRanOut) {
  const auto value = [](std::chrono::milliseconds left) {
    for (const FigureFamily& family : LeaseFigures(left)) {
      if (family.name == "assay_fenced") return family.figures[0].value;
    }
    return -1.0;
  };
  EXPECT_EQ(value(std::chrono::milliseconds(1)), 0);
  EXPECT_EQ(value(std::chrono::milliseconds(0)), 1);
}

// docs/operations.md holds the table as the code makes it: assayd metrics-table.
TEST(MetricsTableTest, TheDocumentationHoldsIt) {
  std::ifstream file(std::string(ASSAY_SOURCE_DIR) + "/docs/operations.md");
  const std::string page{std::istreambuf_iterator<char>(file), {}};
  EXPECT_THAT(page, HasSubstr(MetricsTable()));
}

TEST(MetricsTableTest, NamesFollowPrometheusConventions) {
  const std::string table = MetricsTable();
  EXPECT_EQ(table.find("_milliseconds"), std::string::npos);
  for (size_t at = 0; (at = table.find("| counter |", at)) != std::string::npos; ++at) {
    const size_t line = table.rfind('\n', at) + 1;
    EXPECT_THAT(table.substr(line, at - line), HasSubstr("_total`"));
  }
}

}  // namespace
}  // namespace assay::ops
