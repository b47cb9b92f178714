#include <atomic>

#include "absl/strings/str_cat.h"
#include "tests/conformance/store/store_suite.h"

namespace assay::test_support {
namespace {

using State = db::TicketView::State;
using StoreTickets = StoreTest;
INSTANTIATE_TEST_SUITE_P(Stores, StoreTickets, testing::Values("postgres", "memory"));

TEST_P(StoreTickets, ATicketIsNewThenInFlightThenSealed) {
  const int64_t lot = OpenSampleLot(*store_, "lot-1", 3);
  EXPECT_EQ(Look(lot, "t1").state, State::kNew);
  const db::Intent intent = SampleIntent(lot, "t1");
  const auto attempt = Claim(intent);
  ASSERT_TRUE(attempt.ok()) << attempt.status();
  const db::TicketView flying = Look(lot, "t1");
  EXPECT_EQ(flying.state, State::kInFlight);
  EXPECT_EQ(flying.attempt_id, *attempt);
  EXPECT_EQ(flying.request_digest, intent.request_digest);
  EXPECT_EQ(flying.instance_id, "replica-a");
  const db::Seal seal = SampleSeal(*attempt, intent, 24 * 1024);
  ASSERT_TRUE(Seal(seal).ok());
  const db::TicketView sealed = Look(lot, "t1");
  EXPECT_EQ(sealed.state, State::kSealed);
  EXPECT_EQ(sealed.sealed, seal.sealed);
  EXPECT_EQ(sealed.device_id, intent.device_id);
  EXPECT_EQ(sealed.image_sha256, seal.row.image_sha256);
  EXPECT_EQ(sealed.line, "line-1");
  EXPECT_EQ(LotNamed("lot-1").claimed, 1u);
  EXPECT_EQ(LotNamed("lot-1").sealed, 1u);
}

TEST_P(StoreTickets, ATicketInFlightIsNotClaimedAgain) {
  const int64_t lot = OpenSampleLot(*store_, "lot-1", 3);
  ASSERT_TRUE(Claim(SampleIntent(lot, "t1")).ok());
  EXPECT_REFUSED(Claim(SampleIntent(lot, "t1"), "replica-b").status(), TICKET_IN_FLIGHT);
  EXPECT_EQ(LotNamed("lot-1").claimed, 1u);
}

TEST_P(StoreTickets, TheLoserOfTheLastPlaceIsToldOfItsTicketAndNotOfTheQuota) {
  const int64_t lot = OpenSampleLot(*store_, "lot-1", 1);
  ASSERT_TRUE(Claim(SampleIntent(lot, "t1")).ok());
  EXPECT_REFUSED(Claim(SampleIntent(lot, "t1"), "replica-b").status(), TICKET_IN_FLIGHT);
  EXPECT_REFUSED(Claim(SampleIntent(lot, "t2")).status(), QUOTA_EXCEEDED);
}

TEST_P(StoreTickets, TheSameTicketInTwoLotsIsTwoTickets) {
  const int64_t first = OpenSampleLot(*store_, "lot-1", 1);
  const int64_t second = OpenSampleLot(*store_, "lot-2", 1);
  EXPECT_TRUE(Claim(SampleIntent(first, "t1")).ok());
  EXPECT_TRUE(Claim(SampleIntent(second, "t1")).ok());
}

TEST_P(StoreTickets, AnUnknownOrClosedLotIsRefused) {
  const int64_t lot = OpenSampleLot(*store_, "lot-1", 3);
  EXPECT_REFUSED(Claim(SampleIntent(lot + 100, "t1")).status(), LOT_UNKNOWN);
  ASSERT_TRUE(store_->CloseLot(SampleAct("lot.close", "lot-1"), "lot-1").ok());
  EXPECT_REFUSED(Claim(SampleIntent(lot, "t1")).status(), LOT_NOT_OPEN);
}

TEST_P(StoreTickets, WhatWasClaimedBeforeTheLotClosedIsStillSealed) {
  const int64_t lot = OpenSampleLot(*store_, "lot-1", 3);
  const db::Intent intent = SampleIntent(lot, "t1");
  const auto attempt = Claim(intent);
  ASSERT_TRUE(store_->CloseLot(SampleAct("lot.close", "lot-1"), "lot-1").ok());
  EXPECT_TRUE(Seal(SampleSeal(*attempt, intent)).ok());
}

TEST_P(StoreTickets, WhatMustBeUniqueIsRefusedByNameAndCostsNothing) {
  const int64_t lot = OpenSampleLot(*store_, "lot-1", 9);
  const int64_t second = OpenSampleLot(*store_, "lot-2", 9);
  const db::Intent first = SampleIntent(lot, "t1");
  ASSERT_TRUE(Claim(first).ok());
  db::Intent other = SampleIntent(lot, "t2");
  other.serial_number = first.serial_number;
  EXPECT_REFUSED(Claim(other).status(), SERIAL_NUMBER_TAKEN);
  other = SampleIntent(second, "t2");
  other.serial_number = first.serial_number;
  EXPECT_TRUE(Claim(other).ok());
  other = SampleIntent(second, "t3");
  other.public_key_sha256 = first.public_key_sha256;
  EXPECT_REFUSED(Claim(other).status(), PUBLIC_KEY_REUSED);
  other = SampleIntent(second, "t4");
  other.dac_serial = first.dac_serial;
  EXPECT_REFUSED(Claim(other).status(), INTERNAL);
  other = SampleIntent(second, "t5");
  other.device_id = first.device_id;
  EXPECT_REFUSED(Claim(other).status(), INTERNAL);
  EXPECT_EQ(LotNamed("lot-1").claimed, 1u);
  EXPECT_EQ(LotNamed("lot-2").claimed, 1u);
}

TEST_P(StoreTickets, DevicesWithoutAttestationShareTheAbsenceOfAKey) {
  const int64_t lot = OpenSampleLot(*store_, "lot-1", 9);
  for (const char* ticket : {"t1", "t2"}) {
    db::Intent intent = SampleIntent(lot, ticket);
    intent.public_key_sha256 = {};
    intent.dac_serial.clear();
    intent.pai.clear();
    EXPECT_TRUE(Claim(intent).ok());
  }
}

TEST_P(StoreTickets, OneItemsRefusalDoesNotTouchItsSiblings) {
  const int64_t lot = OpenSampleLot(*store_, "lot-1", 9);
  std::vector<db::Intent> batch;
  for (int i = 0; i < 6; ++i) batch.push_back(SampleIntent(lot, absl::StrCat("t", i)));
  batch[1].serial_number = batch[0].serial_number;
  batch[2].ticket = batch[0].ticket;
  batch[3].lot_id = lot + 100;
  batch[4].public_key_sha256 = batch[0].public_key_sha256;
  const auto results = store_->RecordIntents(batch, "replica-a");
  ASSERT_EQ(results.size(), 6u);
  EXPECT_TRUE(results[0].ok()) << results[0].status();
  EXPECT_REFUSED(results[1].status(), SERIAL_NUMBER_TAKEN);
  EXPECT_REFUSED(results[2].status(), TICKET_IN_FLIGHT);
  EXPECT_REFUSED(results[3].status(), LOT_UNKNOWN);
  EXPECT_REFUSED(results[4].status(), PUBLIC_KEY_REUSED);
  EXPECT_TRUE(results[5].ok()) << results[5].status();
  EXPECT_EQ(LotNamed("lot-1").claimed, 2u);
}

TEST_P(StoreTickets, WhenTheQuotaHoldsSomeTheFirstInOrderHaveIt) {
  const int64_t lot = OpenSampleLot(*store_, "lot-1", 3);
  std::vector<db::Intent> batch;
  for (int i = 0; i < 6; ++i) batch.push_back(SampleIntent(lot, absl::StrCat("t", i)));
  // The second clashes, so that its place goes to the fourth.
  batch[1].serial_number = batch[0].serial_number;
  const auto results = store_->RecordIntents(batch, "replica-a");
  EXPECT_TRUE(results[0].ok());
  EXPECT_REFUSED(results[1].status(), SERIAL_NUMBER_TAKEN);
  EXPECT_TRUE(results[2].ok());
  EXPECT_TRUE(results[3].ok());
  EXPECT_REFUSED(results[4].status(), QUOTA_EXCEEDED);
  EXPECT_REFUSED(results[5].status(), QUOTA_EXCEEDED);
  EXPECT_EQ(LotNamed("lot-1").claimed, 3u);
}

TEST_P(StoreTickets, ABatchMaySpanLots) {
  const int64_t first = OpenSampleLot(*store_, "lot-1", 1);
  const int64_t second = OpenSampleLot(*store_, "lot-2", 1);
  const std::vector<db::Intent> batch = {SampleIntent(second, "a"), SampleIntent(first, "b"),
                                         SampleIntent(second, "c"), SampleIntent(first, "d")};
  const auto results = store_->RecordIntents(batch, "replica-a");
  ASSERT_TRUE(results[0].ok() && results[1].ok());
  EXPECT_REFUSED(results[2].status(), QUOTA_EXCEEDED);
  EXPECT_REFUSED(results[3].status(), QUOTA_EXCEEDED);
  const std::vector<db::Seal> seals = {SampleSeal(*results[0], batch[0]),
                                       SampleSeal(*results[1], batch[1])};
  for (const absl::Status& status : store_->SealTickets(seals)) EXPECT_TRUE(status.ok()) << status;
  EXPECT_EQ(LotNamed("lot-1").sealed, 1u);
  EXPECT_EQ(LotNamed("lot-2").sealed, 1u);
}

TEST_P(StoreTickets, VoidingGivesTheQuotaBackButNeverTheDacSerial) {
  const int64_t lot = OpenSampleLot(*store_, "lot-1", 1);
  const db::Intent intent = SampleIntent(lot, "t1");
  const auto attempt = Claim(intent);
  ASSERT_TRUE(attempt.ok());
  ASSERT_TRUE(Void(*attempt).ok());
  EXPECT_EQ(Look(lot, "t1").state, State::kNew);
  EXPECT_EQ(LotNamed("lot-1").claimed, 0u);
  db::Intent again = SampleIntent(lot, "t1");
  again.dac_serial = intent.dac_serial;
  EXPECT_REFUSED(Claim(again).status(), INTERNAL);
  again = SampleIntent(lot, "t1");
  again.serial_number = intent.serial_number;
  again.public_key_sha256 = intent.public_key_sha256;
  EXPECT_TRUE(Claim(again).ok());
}

TEST_P(StoreTickets, AGivenDacWhoseAttemptWasVoidedMayComeAgain) {
  const int64_t lot = OpenSampleLot(*store_, "lot-1", 1);
  db::Intent intent = SampleIntent(lot, "t1");
  intent.tbs_sha256 = {};  // nothing is to be signed
  const auto attempt = Claim(intent);
  ASSERT_TRUE(attempt.ok());
  ASSERT_TRUE(Void(*attempt).ok());
  intent.device_id = SampleIntent(lot, "t1").device_id;
  const auto again = Claim(intent);
  EXPECT_TRUE(again.ok()) << again.status();
}

TEST_P(StoreTickets, TwoIssuersElsewhereMayUseTheSameDacSerialButOneOnlyOnce) {
  const int64_t lot = OpenSampleLot(*store_, "lot-1", 9);
  const db::Intent ours = SampleIntent(lot, "t1");
  ASSERT_TRUE(Claim(ours).ok());
  const auto given = [&](const char* ticket, uint8_t issuer) {
    db::Intent intent = SampleIntent(lot, ticket);
    intent.dac_serial = ours.dac_serial;
    intent.dac_issuer = Bytes(20, issuer);
    intent.tbs_sha256 = {};
    return intent;
  };
  const db::Intent first = given("t2", 1), second = given("t3", 2);
  const auto first_attempt = Claim(first), second_attempt = Claim(second);
  ASSERT_TRUE(first_attempt.ok()) << first_attempt.status();
  ASSERT_TRUE(second_attempt.ok()) << second_attempt.status();
  EXPECT_REFUSED(Claim(given("t4", 2)).status(), INTERNAL);
  EXPECT_EQ(LotNamed("lot-1").claimed, 3u);

  const std::vector<db::Seal> seals = {SampleSeal(*first_attempt, first),
                                       SampleSeal(*second_attempt, second)};
  ASSERT_TRUE(store_->SealTickets(std::span(seals).first(1))[0].ok());
  EXPECT_EQ(store_->FindDeviceByDacSerial(ours.dac_serial)->ticket, "t2");
  ASSERT_TRUE(store_->SealTickets(std::span(seals).last(1))[0].ok());
  EXPECT_REFUSED(store_->FindDeviceByDacSerial(ours.dac_serial).status(), DEVICE_UNKNOWN);
}

TEST_P(StoreTickets, VoidingTwiceGivesBackOnce) {
  const int64_t lot = OpenSampleLot(*store_, "lot-1", 5);
  const auto attempt = Claim(SampleIntent(lot, "t1"));
  ASSERT_TRUE(Claim(SampleIntent(lot, "t2")).ok());
  ASSERT_TRUE(Void(*attempt).ok());
  ASSERT_TRUE(Void(*attempt).ok());
  ASSERT_TRUE(Void(987654321).ok());
  EXPECT_EQ(LotNamed("lot-1").claimed, 1u);
}

TEST_P(StoreTickets, AVoidedAttemptIsNotSealed) {
  const int64_t lot = OpenSampleLot(*store_, "lot-1", 5);
  const db::Intent intent = SampleIntent(lot, "t1");
  const auto attempt = Claim(intent);
  ASSERT_TRUE(Void(*attempt).ok());
  EXPECT_REFUSED(Seal(SampleSeal(*attempt, intent)), TICKET_IN_FLIGHT);
  EXPECT_EQ(LotNamed("lot-1").sealed, 0u);
  EXPECT_REFUSED(store_->FindDevice(intent.device_id).status(), DEVICE_UNKNOWN);
}

TEST_P(StoreTickets, ASealedAttemptIsNotVoided) {
  const int64_t lot = OpenSampleLot(*store_, "lot-1", 5);
  const db::Intent intent = Issue(lot, "t1");
  ASSERT_TRUE(Void(Look(lot, "t1").attempt_id).ok());
  EXPECT_EQ(Look(lot, "t1").state, State::kSealed);
  EXPECT_EQ(LotNamed("lot-1").claimed, 1u);
}

TEST_P(StoreTickets, SealingTwiceWithTheSameRowIsFine) {
  const int64_t lot = OpenSampleLot(*store_, "lot-1", 5);
  const db::Intent intent = SampleIntent(lot, "t1");
  const db::Seal seal = SampleSeal(*Claim(intent), intent);
  const std::vector<db::Seal> both = {seal, seal};
  for (const absl::Status& status : store_->SealTickets(both)) EXPECT_TRUE(status.ok()) << status;
  EXPECT_TRUE(Seal(seal).ok());
  EXPECT_EQ(LotNamed("lot-1").sealed, 1u);
  db::Seal other = seal;
  other.row.image_sha256[0] ^= 1;
  EXPECT_REFUSED(Seal(other), INTERNAL);
}

TEST_P(StoreTickets, AnEndedLeaseMakesItsAttemptsDeadAndAnyReplicaVoidsThem) {
  const int64_t lot = OpenSampleLot(*store_, "lot-1", 5);
  ASSERT_TRUE(store_->RenewLease("replica-c", std::chrono::hours(1)).ok());
  const db::Intent intent = SampleIntent(lot, "t1");
  const auto attempt = Claim(intent, "replica-c");
  ASSERT_TRUE(Claim(SampleIntent(lot, "t2"), "replica-a").ok());
  EXPECT_EQ(Look(lot, "t1").state, State::kInFlight);
  EXPECT_EQ(*store_->VoidDeadAttempts(), 0);
  ASSERT_TRUE(store_->RenewLease("replica-c", std::chrono::seconds(0)).ok());
  EXPECT_EQ(Look(lot, "t1").state, State::kDead);
  EXPECT_EQ(*store_->VoidDeadAttempts(), 1);
  EXPECT_EQ(*store_->VoidDeadAttempts(), 0);
  EXPECT_EQ(Look(lot, "t1").state, State::kNew);
  EXPECT_EQ(Look(lot, "t2").state, State::kInFlight);
  EXPECT_EQ(LotNamed("lot-1").claimed, 1u);
  // The process was only slow: what it signed is never sealed.
  EXPECT_REFUSED(Seal(SampleSeal(*attempt, intent)), TICKET_IN_FLIGHT);
}

TEST_P(StoreTickets, EndingALeaseEndsItAtOnce) {
  const int64_t lot = OpenSampleLot(*store_, "lot-1", 5);
  ASSERT_TRUE(Claim(SampleIntent(lot, "t1"), "replica-b").ok());
  ASSERT_TRUE(store_->EndLease("replica-b").ok());
  EXPECT_EQ(Look(lot, "t1").state, State::kDead);
}

TEST_P(StoreTickets, ManyRacersForTheLastPlacesGetExactlyThose) {
  constexpr int kRacers = 8, kEach = 25, kQuota = 60;
  const int64_t lot = OpenSampleLot(*store_, "lot-1", kQuota);
  std::atomic<int> won{0}, refused{0}, other{0};
  std::vector<std::thread> racers;
  for (int racer = 0; racer < kRacers; ++racer) {
    racers.emplace_back([&, racer] {
      for (int i = 0; i < kEach; ++i) {
        const std::vector<db::Intent> batch = {SampleIntent(lot, absl::StrCat(racer, "-", i, "a")),
                                               SampleIntent(lot, absl::StrCat(racer, "-", i, "b"))};
        for (const auto& result : store_->RecordIntents(batch, "replica-a")) {
          ++(result.ok()                                          ? won
             : HasReason(result.status(), Reason::QUOTA_EXCEEDED) ? refused
                                                                  : other);
        }
      }
    });
  }
  for (std::thread& racer : racers) racer.join();
  EXPECT_EQ(won, kQuota);
  EXPECT_EQ(refused, kRacers * kEach * 2 - kQuota);
  EXPECT_EQ(other, 0);
  EXPECT_EQ(LotNamed("lot-1").claimed, static_cast<uint64_t>(kQuota));
}

TEST_P(StoreTickets, TheSameTicketsFromManyReplicasAreEachClaimedOnce) {
  constexpr int kReplicas = 6, kTickets = 40;
  const int64_t lot = OpenSampleLot(*store_, "lot-1", 1000);
  const int64_t second = OpenSampleLot(*store_, "lot-2", 1000);
  std::atomic<int> won{0}, in_flight{0}, other{0};
  std::vector<std::thread> replicas;
  for (int replica = 0; replica < kReplicas; ++replica) {
    replicas.emplace_back([&, replica] {
      for (int i = 0; i < kTickets; i += 4) {
        std::vector<db::Intent> batch;
        for (int k = 0; k < 4; ++k) {
          // Every replica in another order, across lots.
          const int number = replica % 2 == 0 ? i + k : i + 3 - k;
          batch.push_back(SampleIntent(number % 3 == 0 ? second : lot, absl::StrCat("t", number)));
        }
        for (const auto& result : store_->RecordIntents(batch, absl::StrCat("replica-", replica))) {
          ++(result.ok()                                            ? won
             : HasReason(result.status(), Reason::TICKET_IN_FLIGHT) ? in_flight
                                                                    : other);
        }
      }
    });
  }
  for (std::thread& replica : replicas) replica.join();
  EXPECT_EQ(won, kTickets);
  EXPECT_EQ(in_flight, kTickets * (kReplicas - 1));
  EXPECT_EQ(other, 0);
}

TEST_P(StoreTickets, SealAndVoidRacingEndInOneOfTheTwo) {
  constexpr int kTickets = 60;
  const int64_t lot = OpenSampleLot(*store_, "lot-1", kTickets);
  std::vector<db::Seal> seals;
  std::vector<db::Void> voids;
  for (int i = 0; i < kTickets; ++i) {
    const db::Intent intent = SampleIntent(lot, absl::StrCat("t", i));
    const auto attempt = Claim(intent);
    ASSERT_TRUE(attempt.ok()) << attempt.status();
    seals.push_back(SampleSeal(*attempt, intent));
    voids.push_back({*attempt, "LEASE_ENDED"});
  }
  std::atomic<uint64_t> sealed{0};
  std::thread sealer([&] {
    for (size_t i = 0; i < seals.size(); i += 5) {
      for (const auto& status : store_->SealTickets(std::span(seals).subspan(i, 5))) {
        if (status.ok()) {
          ++sealed;
        } else {
          EXPECT_REFUSED(status, TICKET_IN_FLIGHT);
        }
      }
    }
  });
  std::thread voider([&] {
    for (size_t i = voids.size(); i > 0; i -= 5) {
      for (const auto& status : store_->VoidAttempts(std::span(voids).subspan(i - 5, 5))) {
        EXPECT_TRUE(status.ok()) << status;
      }
    }
  });
  sealer.join();
  voider.join();
  const db::Lot after = LotNamed("lot-1");
  EXPECT_EQ(after.sealed, sealed);
  EXPECT_EQ(after.claimed, sealed);
}

TEST_P(StoreTickets, TextThatCannotBeStoredIsRefusedAlone) {
  const int64_t lot = OpenSampleLot(*store_, "lot-1", 5);
  std::vector<db::Intent> batch = {SampleIntent(lot, "t1"), SampleIntent(lot, "t2"),
                                   SampleIntent(lot, "t3")};
  batch[0].ticket = std::string("a\0b", 3);
  batch[1].serial_number = "\xC3\x28";
  const auto results = store_->RecordIntents(batch, "replica-a");
  EXPECT_REFUSED(results[0].status(), FIELD_MALFORMED);
  EXPECT_REFUSED(results[1].status(), FIELD_MALFORMED);
  EXPECT_TRUE(results[2].ok()) << results[2].status();
}

TEST_P(StoreTickets, AnEmptyBatchIsNothing) {
  EXPECT_TRUE(store_->FindTickets({}).empty());
  EXPECT_TRUE(store_->RecordIntents({}, "replica-a").empty());
  EXPECT_TRUE(store_->SealTickets({}).empty());
  EXPECT_TRUE(store_->VoidAttempts({}).empty());
  EXPECT_TRUE(store_->ConfirmDevices({}).empty());
}

}  // namespace
}  // namespace assay::test_support
