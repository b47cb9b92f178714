// The real pipeline through thousands of interleavings: replicas crash at any call, answers are
// lost, commits are in doubt, clocks jump, and at the end each ticket has one identity.
#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <iostream>

#include "tests/chaos/simulation/world.h"

namespace assay::simulation {
namespace {

uint64_t Setting(const char* name, uint64_t otherwise) {
  const char* const text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

class Simulation : public testing::Test {
 protected:
  static Ground& TheGround() {
    static Ground ground;
    return ground;
  }
  // Faults of the world of that seed.
  Facts Run(uint64_t seed, Planted planted = Planted::kNone) {
    World world(TheGround(), fibers_, seed, planted);
    const Facts facts = world.Run();
    issued_ += world.issued();
    replicas_ += world.replicas();
    return facts;
  }
  // The first seed whose world finds the bug and says so; 0 when none of so many does.
  uint64_t FirstToFind(Planted planted, std::string_view said, uint64_t worlds,
                       std::string& found) {
    for (uint64_t seed = 1; seed <= worlds; ++seed) {
      const Facts facts = Run(seed, planted);
      for (const std::string& fault : facts.faults) {
        if (fault.find(said) == std::string::npos) continue;
        found = fault;
        return seed;
      }
    }
    return 0;
  }

  Fibers fibers_;
  int issued_ = 0, replicas_ = 0;
};

TEST_F(Simulation, KeepsEveryPromiseInEveryWorld) {
  const uint64_t only = Setting("ASSAY_SIM_SEED", 0);
  const uint64_t first = only != 0 ? only : Setting("ASSAY_SIM_FIRST", 1);
  const uint64_t worlds = only != 0 ? 1 : Setting("ASSAY_SIM_WORLDS", 600);
  const auto began = std::chrono::steady_clock::now();
  Facts sum;
  for (uint64_t seed = first; seed < first + worlds; ++seed) {
    const Facts facts = Run(seed);
    sum.crashes += facts.crashes;
    sum.lost_replies += facts.lost_replies;
    sum.doubts += facts.doubts;
    sum.refusals += facts.refusals;
    sum.dac_signatures += facts.dac_signatures;
    if (only != 0) std::cerr << facts.trace;
    for (const std::string& fault : facts.faults) {
      ADD_FAILURE() << fault << "\nReplay: ASSAY_SIM_SEED=" << seed;
    }
    if (HasFailure()) return;
  }
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
  std::cout << "simulation: " << worlds << " worlds in " << took.count() << " s ("
            << static_cast<int>(static_cast<double>(worlds) * 60 / took.count()) << " a minute), "
            << replicas_ << " replicas, faults injected: " << sum.crashes << " crashes, "
            << sum.lost_replies << " lost replies, " << sum.doubts
            << " commits in doubt and not done, " << sum.refusals << " refusals; "
            << sum.dac_signatures << " signatures, " << issued_
            << " identities issued, 0 lost, 0 doubled, 0 over quota\n";
  if (worlds > 100) {
    EXPECT_GT(sum.crashes, 100);
    EXPECT_GT(sum.lost_replies, 100);
    EXPECT_GT(sum.doubts, 10);
  }
}

TEST_F(Simulation, RepeatsAWorldByItsSeed) {
  for (const uint64_t seed : {3, 17, 42, 1000}) {
    const std::string once = Run(seed).trace;
    EXPECT_EQ(once, Run(seed).trace) << seed;
    EXPECT_NE(once, Run(seed + 1).trace) << seed;
  }
}

// A simulation that finds nothing proves nothing: these bugs it must find.
class PlantedBug : public Simulation,
                   public testing::WithParamInterface<std::pair<Planted, const char*>> {};

TEST_P(PlantedBug, IsFound) {
  std::string found;
  const uint64_t seed = FirstToFind(GetParam().first, GetParam().second, 300, found);
  EXPECT_NE(seed, 0U) << "no world of 300 finds it";
  std::cout << "found by seed " << seed << ": " << found << "\n";
}

const std::pair<Planted, const char*> kBugs[] = {
    {Planted::kIntentForgotten, "signed what was not recorded first"},
    {Planted::kDoubleClaim, "and with other bytes as"},
    {Planted::kDoubtGuessed, "given and not sealed"},
    {Planted::kVoidForgotten, "was lost"},
    {Planted::kEntryForgotten, "ledger entr"}};
std::string BugName(const testing::TestParamInfo<std::pair<Planted, const char*>>& bug) {
  constexpr const char* kNames[] = {"None",         "IntentForgotten", "DoubleClaim",
                                    "DoubtGuessed", "VoidForgotten",   "EntryForgotten"};
  return kNames[static_cast<size_t>(bug.param.first)];
}
INSTANTIATE_TEST_SUITE_P(Simulation, PlantedBug, testing::ValuesIn(kBugs), BugName);

}  // namespace
}  // namespace assay::simulation
