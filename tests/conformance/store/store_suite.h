// One suite over every store.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/refusal.h"
#include "db/store.h"
#include "tests/support/memory_store.h"
#include "tests/support/refused.h"
#include "tests/support/store_fixture.h"
#include "tests/support/store_samples.h"

namespace assay::test_support {

class StoreTest : public testing::TestWithParam<std::string> {
 protected:
  StoreTest() {
    if (GetParam() == "memory") {
      store_ = std::make_shared<MemoryStore>(clock_);
    } else {
      store_ = NewPgStore();
    }
    // Long enough for every test; a lease of no seconds has ended.
    EXPECT_TRUE(store_->RenewLease("replica-a", std::chrono::hours(1)).ok());
    EXPECT_TRUE(store_->RenewLease("replica-b", std::chrono::hours(1)).ok());
  }

  absl::StatusOr<int64_t> Claim(const db::Intent& intent,
                                const std::string& instance = "replica-a") {
    return store_->RecordIntents({&intent, 1}, instance)[0];
  }
  absl::Status Seal(const db::Seal& seal) { return store_->SealTickets({&seal, 1})[0]; }
  absl::Status Void(int64_t attempt) {
    const db::Void one{attempt, "HSM_TIMEOUT"};
    return store_->VoidAttempts({&one, 1})[0];
  }
  db::TicketView Look(int64_t lot, const std::string& ticket) {
    const db::TicketKey key{lot, ticket};
    auto view = store_->FindTickets({&key, 1})[0];
    EXPECT_TRUE(view.ok()) << view.status();
    return view.ok() ? *view : db::TicketView{};
  }
  absl::StatusOr<db::ConfirmResult> Confirm(int64_t lot, const std::string& ticket,
                                            db::DeviceState outcome = db::DeviceState::kProvisioned,
                                            const std::string& line = "line-1") {
    const db::Confirmation one{lot, ticket, line, "spiffe://assay.test/line/1", outcome};
    return store_->ConfirmDevices({&one, 1})[0];
  }
  // Claims and seals; the intent that was used.
  db::Intent Issue(int64_t lot, const std::string& ticket) {
    const db::Intent intent = SampleIntent(lot, ticket);
    const auto attempt = Claim(intent);
    EXPECT_TRUE(attempt.ok()) << attempt.status();
    if (attempt.ok()) {
      EXPECT_TRUE(Seal(SampleSeal(*attempt, intent)).ok());
    }
    return intent;
  }
  db::Lot LotNamed(const std::string& name) {
    const auto lot = store_->FindLot(name);
    EXPECT_TRUE(lot.ok()) << lot.status();
    return lot.ok() ? *lot : db::Lot{};
  }

  SystemClock clock_;
  std::shared_ptr<db::Store> store_;
};

}  // namespace assay::test_support
