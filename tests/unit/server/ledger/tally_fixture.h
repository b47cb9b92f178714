// What the tests of both tallies stand on: a store in memory and a clock that is set.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "tests/support/memory_ledger_store.h"

namespace assay::ledger {

class SetClock final : public Clock {
 public:
  absl::Time Now() const override { return now; }
  absl::Time now = absl::FromUnixSeconds(1'800'000'000);
};

template <typename Tally>
class TallyTest : public testing::Test {
 protected:
  // The bodies that were written so far.
  std::vector<std::string> Entries() const {
    std::vector<std::string> bodies;
    for (const auto& [id, entry] : store_->entries) bodies.push_back(entry.written.body);
    return bodies;
  }
  SetClock clock_;
  std::shared_ptr<test_support::MemoryLedgerStore> store_ =
      std::make_shared<test_support::MemoryLedgerStore>(clock_);
  Tally tally_{store_, clock_};
};

}  // namespace assay::ledger
