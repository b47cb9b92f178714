// What a lot's identities have in common: kept once, for all replicas.
#include <mutex>
#include <set>

#include "tests/conformance/store/store_suite.h"

namespace assay::test_support {
namespace {

using StoreDictionaries = StoreTest;
INSTANTIATE_TEST_SUITE_P(Stores, StoreDictionaries, testing::Values("postgres", "memory"));

TEST_P(StoreDictionaries, ALotsIsTheFirstThatWasOffered) {
  const int64_t lot = OpenSampleLot(*store_, "lot-1", 5);
  const int64_t other = OpenSampleLot(*store_, "lot-2", 5);
  EXPECT_TRUE(store_->LotDictionary(lot, 1, {})->empty());
  EXPECT_EQ(*store_->LotDictionary(lot, 1, {1, 2, 3}), (Bytes{1, 2, 3}));
  EXPECT_EQ(*store_->LotDictionary(lot, 1, {4, 5, 6}), (Bytes{1, 2, 3}));
  EXPECT_EQ(*store_->LotDictionary(lot, 1, {}), (Bytes{1, 2, 3}));
  EXPECT_TRUE(store_->LotDictionary(lot, ~uint64_t{0}, {})->empty());
  EXPECT_EQ(*store_->LotDictionary(lot, ~uint64_t{0}, {7}), (Bytes{7}));
  EXPECT_EQ(*store_->LotDictionary(lot, 1, {}), (Bytes{1, 2, 3}));
  EXPECT_TRUE(store_->LotDictionary(other, 1, {})->empty());
}

TEST_P(StoreDictionaries, OfManyThatOfferAtOnceAllGetTheSame) {
  const int64_t lot = OpenSampleLot(*store_, "lot-1", 5);
  std::mutex mutex;
  std::set<Bytes> got;
  std::vector<std::thread> racers;
  for (uint8_t racer = 1; racer <= 8; ++racer) {
    racers.emplace_back([&, racer] {
      const auto kept = store_->LotDictionary(lot, 1, Bytes(1000, racer));
      ASSERT_TRUE(kept.ok()) << kept.status();
      const std::lock_guard lock(mutex);
      got.insert(*kept);
    });
  }
  for (std::thread& racer : racers) racer.join();
  EXPECT_EQ(got.size(), 1u);
}

}  // namespace
}  // namespace assay::test_support
