#include "client/sizing.h"

#include <gtest/gtest.h>

#include "tests/support/refused.h"

namespace assay::client {
namespace {

Demand Usual() {
  Demand demand;
  demand.devices_a_day = 576'000;  // ten a second over 16 hours
  demand.hsm_rate = 500;
  return demand;
}

TEST(SizingTest, APeakIsBorneWhileOneReplicaIsAway) {
  Demand demand = Usual();
  const auto size = SizeFor(demand);
  ASSERT_TRUE(size.ok()) << size.status();
  EXPECT_DOUBLE_EQ(size->mean_rate, 10);
  EXPECT_DOUBLE_EQ(size->peak_rate, 20);
  EXPECT_EQ(size->replicas, 2u);
  demand.devices_a_day *= 1000;
  demand.hsm_rate = 1e6;
  const auto large = SizeFor(demand);
  EXPECT_GE(static_cast<double>((large->replicas - 1) * demand.cores_a_replica), large->cores);
}

TEST(SizingTest, AnHsmThatIsTooSlowIsSaidWithItsLimit) {
  Demand demand = Usual();
  demand.hsm_rate = 20;
  const auto size = SizeFor(demand);
  ASSERT_TRUE(size.ok());
  EXPECT_FALSE(size->hsm_suffices);
  EXPECT_DOUBLE_EQ(size->hsm_limit, 7);
  EXPECT_TRUE(SizeFor(Usual())->hsm_suffices);
}

TEST(SizingTest, IterationsAndOlderProcessorsCostMore) {
  Demand demand = Usual();
  const double usual = SizeFor(demand)->cpu_us;
  demand.kernel = "sha-ni";
  const double older = SizeFor(demand)->cpu_us;
  EXPECT_GT(older, usual);
  demand.kernel = "portable";
  EXPECT_GT(SizeFor(demand)->cpu_us, older);
  demand = Usual();
  demand.iterations = 100'000;
  EXPECT_GT(SizeFor(demand)->cpu_us, 4 * usual);
}

TEST(SizingTest, WhatMakesNoSenseIsRefusedByItsName) {
  const auto refused = [](auto change) {
    Demand demand = Usual();
    change(demand);
    return SizeFor(demand).status();
  };
  EXPECT_REFUSED(refused([](Demand& d) { d.devices_a_day = 0; }), FIELD_OUT_OF_RANGE);
  EXPECT_REFUSED(refused([](Demand& d) { d.hsm_rate = 0; }), FIELD_OUT_OF_RANGE);
  EXPECT_REFUSED(refused([](Demand& d) { d.iterations = 999; }), FIELD_OUT_OF_RANGE);
  EXPECT_REFUSED(refused([](Demand& d) { d.iterations = 100'001; }), FIELD_OUT_OF_RANGE);
  EXPECT_REFUSED(refused([](Demand& d) { d.hours_a_day = 25; }), FIELD_OUT_OF_RANGE);
  EXPECT_REFUSED(refused([](Demand& d) { d.kernel = "gpu"; }), FIELD_MALFORMED);
}

}  // namespace
}  // namespace assay::client
