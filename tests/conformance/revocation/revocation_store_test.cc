// One suite over every store of revocations and verifications.
#include "db/pg/revocation_store.h"

#include <gtest/gtest.h>

#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "absl/time/clock.h"
#include "db/pg/pg_store.h"
#include "db/revocation_store.h"
#include "tests/support/memory_revocation_store.h"
#include "tests/support/memory_store.h"
#include "tests/support/postgres_fixture.h"
#include "tests/support/refused.h"
#include "tests/support/store_fixture.h"
#include "tests/support/store_samples.h"

namespace assay::test_support {
namespace {

constexpr int kReason = 1;

class RevocationStoreTest : public testing::TestWithParam<std::string> {
 protected:
  RevocationStoreTest() {
    if (GetParam() == "memory") {
      auto memory = std::make_shared<MemoryStore>(clock_);
      revocations_ = std::make_shared<MemoryRevocationStore>(*memory, clock_);
      store_ = memory;
    } else {
      const pg::PgOptions options = NewMigratedDatabase();
      store_ = pg::OpenStore(options);
      revocations_ = pg::OpenRevocationStore(options);
    }
    EXPECT_TRUE(store_->RenewLease("replica-a", std::chrono::hours(1)).ok());
    db::Pai pai;
    pai.name = "pai-fff1";
    pai.vendor_id = 0xFFF1;
    pai.state = db::PaiState::kActive;
    pai.key_label = "assay-pai-fff1";
    pai.public_key = Bytes(65, 4);
    EXPECT_TRUE(store_->CreatePai(SampleAct("pai.create", pai.name), pai).ok());
    lot_ = OpenSampleLot(*store_, "L1", 100);
  }

  std::string IssueIn(int64_t lot, const std::string& ticket) {
    const db::Intent intent = SampleIntent(lot, ticket);
    const auto attempt = store_->RecordIntents({&intent, 1}, "replica-a")[0];
    EXPECT_TRUE(attempt.ok()) << attempt.status();
    const db::Seal seal = SampleSeal(*attempt, intent);
    EXPECT_TRUE(store_->SealTickets({&seal, 1})[0].ok());
    return intent.device_id;
  }
  db::ManifestRow Row(const std::string& device) {
    const auto row = store_->FindDevice(device);
    EXPECT_TRUE(row.ok()) << row.status();
    return row.ok() ? *row : db::ManifestRow();
  }
  db::RevocationOutcome Revoke(const std::string& device) {
    const auto outcome =
        revocations_->RevokeDevice(SampleAct("device.revoke", device), device, kReason);
    EXPECT_TRUE(outcome.ok()) << outcome.status();
    return outcome.ok() ? *outcome : db::RevocationOutcome();
  }
  db::CrlDraft Draft(uint64_t floor = 0, uint64_t first = 0, uint64_t count = 1000) {
    const auto draft = revocations_->DraftCrl("pai-fff1", floor, first, count);
    EXPECT_TRUE(draft.ok()) << draft.status();
    return draft.ok() ? *draft : db::CrlDraft();
  }
  static db::StoredCrl List(uint64_t number) {
    db::StoredCrl crl;
    crl.issuer = "pai-fff1";
    crl.number = number;
    crl.entries = number % 10;
    crl.this_update = absl::FromUnixSeconds(1'800'000'000);
    crl.next_update = absl::FromUnixSeconds(1'800'600'000);
    crl.der = {1, 2, 3, static_cast<uint8_t>(number)};
    crl.signer_certificate = {9};
    return crl;
  }
  db::Verification Begun(const std::string& id, std::chrono::seconds lifetime) {
    db::Verification begun;
    begun.id = id;
    begun.device_id = "device-1";
    begun.line = "line-1";
    begun.actor = "spiffe://assay.test/line/1";
    begun.nonce = Bytes(32, 7);
    begun.challenge = Bytes(16, 8);
    const auto kept = revocations_->BeginVerification(begun, lifetime);
    EXPECT_TRUE(kept.ok()) << kept.status();
    return kept.ok() ? *kept : begun;
  }

  SystemClock clock_;
  std::shared_ptr<db::Store> store_;
  std::shared_ptr<db::RevocationStore> revocations_;
  int64_t lot_ = 0;
};

TEST_P(RevocationStoreTest, ARevokedDeviceBearsItsStateLosesItsSealedIdentityAndStandsInTheList) {
  const std::string device = IssueIn(lot_, "t1");
  const std::string other = IssueIn(lot_, "t2");
  const db::RevocationOutcome outcome = Revoke(device);
  EXPECT_EQ(outcome.revoked, 1u);
  EXPECT_FALSE(outcome.before);
  EXPECT_EQ(outcome.issuer, "pai-fff1");
  EXPECT_EQ(Row(device).state, static_cast<int>(db::DeviceState::kRevoked));
  EXPECT_EQ(Row(other).state, static_cast<int>(db::DeviceState::kSealed));
  const db::TicketKey key{lot_, "t1"};
  EXPECT_EQ(store_->FindTickets({&key, 1})[0]->state, db::TicketView::State::kWiped);
  EXPECT_TRUE(revocations_->FindStanding(device)->device_revoked);
  EXPECT_FALSE(revocations_->FindStanding(other)->device_revoked);
  const db::CrlDraft draft = Draft();
  ASSERT_EQ(draft.entries.size(), 1u);
  EXPECT_EQ(draft.entries[0].subject, device);
  EXPECT_EQ(draft.entries[0].reason, kReason);
  const Bytes serial = Row(device).dac_serial;
  EXPECT_TRUE(std::ranges::equal(draft.entries[0].serial,
                                 ByteView(serial).subspan(serial[0] == 0 ? 1 : 0)));
}

TEST_P(RevocationStoreTest, RevokingTwiceHasOneEffectAndItsRequestIdOne) {
  const std::string device = IssueIn(lot_, "t1");
  const db::Act act = SampleAct("device.revoke", device);
  EXPECT_FALSE(revocations_->RevokeDevice(act, device, kReason)->before);
  EXPECT_TRUE(revocations_->RevokeDevice(act, device, kReason)->before);
  EXPECT_TRUE(Revoke(device).before);
  db::Act other = act;
  other.digest[0] ^= 1;
  EXPECT_REFUSED(revocations_->RevokeDevice(other, device, kReason).status(), REQUEST_CONFLICT);
  EXPECT_EQ(Draft().entries.size(), 1u);
}

TEST_P(RevocationStoreTest, AnUnknownDeviceLotAndPaiAreRefused) {
  EXPECT_REFUSED(revocations_->RevokeDevice(SampleAct("a", "b"), "nobody", kReason).status(),
                 DEVICE_UNKNOWN);
  EXPECT_REFUSED(revocations_->RevokeLot(SampleAct("a", "b"), "nowhere", kReason).status(),
                 LOT_UNKNOWN);
  EXPECT_REFUSED(
      revocations_->RevokePai(SampleAct("a", "b"), {"none", "@00", {1}}, kReason).status(),
      PAI_UNKNOWN);
  EXPECT_REFUSED(revocations_->FindStanding("nobody").status(), DEVICE_UNKNOWN);
}

TEST_P(RevocationStoreTest, AConfirmedDeviceIsRevokedAndTheLineHearsOnlyWhatItSaidBefore) {
  const std::string device = IssueIn(lot_, "t1");
  const db::Confirmation confirmation{lot_, "t1", "", "spiffe://assay.test/line/1",
                                      db::DeviceState::kProvisioned};
  ASSERT_TRUE(store_->ConfirmDevices({&confirmation, 1})[0].ok());
  EXPECT_EQ(Revoke(device).revoked, 1u);
  EXPECT_EQ(Row(device).state, static_cast<int>(db::DeviceState::kRevoked));
  // A line that lost its answer asks again; the device stays revoked.
  const auto again = store_->ConfirmDevices({&confirmation, 1})[0];
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_TRUE(again->before);
  EXPECT_EQ(Row(device).state, static_cast<int>(db::DeviceState::kRevoked));
  db::Confirmation otherwise = confirmation;
  otherwise.outcome = db::DeviceState::kScrapped;
  EXPECT_REFUSED(store_->ConfirmDevices({&otherwise, 1})[0].status(), CONFIRM_CONFLICT);
}

TEST_P(RevocationStoreTest, ALineThatConfirmsARevokedDeviceHearsThatItWasRevoked) {
  Revoke(IssueIn(lot_, "t1"));
  const db::Confirmation confirmation{lot_, "t1", "", "spiffe://assay.test/line/1",
                                      db::DeviceState::kProvisioned};
  const absl::Status refused = store_->ConfirmDevices({&confirmation, 1})[0].status();
  EXPECT_REFUSED(refused, CONFIRM_CONFLICT);
  EXPECT_EQ(refused.message(),
            "outcome: the unit was revoked before anything was said of it (got PROVISIONED)");
}

TEST_P(RevocationStoreTest, ARevokedLotIsClosedAndItsDevicesAreSweptInPiecesAlsoThoseSealedLater) {
  std::vector<std::string> devices;
  for (int i = 0; i < 5; ++i) devices.push_back(IssueIn(lot_, "t" + std::to_string(i)));
  Revoke(devices[2]);
  const db::Intent late = SampleIntent(lot_, "late");
  const auto attempt = store_->RecordIntents({&late, 1}, "replica-a")[0];
  ASSERT_TRUE(attempt.ok());
  const auto outcome = revocations_->RevokeLot(SampleAct("lot.revoke", "L1"), "L1", kReason);
  ASSERT_TRUE(outcome.ok()) << outcome.status();
  EXPECT_FALSE(outcome->before);
  EXPECT_EQ(store_->FindLot("L1")->state, db::LotState::kClosed);
  EXPECT_TRUE(revocations_->FindStanding(devices[4])->device_revoked);
  const auto sweep = [&] {
    int rounds = 0;
    while (*revocations_->SweepRevokedLots("L1", 2) > 0) ++rounds;
    return rounds;
  };
  EXPECT_GE(sweep(), 2);
  for (const std::string& device : devices) {
    EXPECT_EQ(Row(device).state, static_cast<int>(db::DeviceState::kRevoked));
  }
  EXPECT_EQ(Draft().entries.size(), 5u);

  const db::Seal seal = SampleSeal(*attempt, late);
  ASSERT_TRUE(store_->SealTickets({&seal, 1})[0].ok());
  EXPECT_EQ(sweep(), 1);
  EXPECT_EQ(Draft().entries.size(), 6u);
  EXPECT_TRUE(revocations_->RevokeLot(SampleAct("lot.revoke", "L1"), "L1", kReason)->before);
}

TEST_P(RevocationStoreTest, ARevokedPaiIsRetiredAndStandsAgainstItsDevices) {
  const std::string device = IssueIn(lot_, "t1");
  EXPECT_FALSE(revocations_->FindStanding(device)->pai_revoked);
  const auto outcome = revocations_->RevokePai(SampleAct("pai.revoke", "pai-fff1"),
                                               {"pai-fff1", "@00", {0, 5}}, kReason);
  ASSERT_TRUE(outcome.ok()) << outcome.status();
  EXPECT_EQ(outcome->revoked, 1u);
  EXPECT_EQ(store_->FindPai("pai-fff1")->state, db::PaiState::kRetired);
  EXPECT_TRUE(revocations_->FindStanding(device)->pai_revoked);
  EXPECT_FALSE(revocations_->FindStanding(device)->device_revoked);
  EXPECT_TRUE(
      revocations_
          ->RevokePai(SampleAct("pai.revoke", "pai-fff1"), {"pai-fff1", "@00", {5}}, kReason)
          ->before);
}

TEST_P(RevocationStoreTest, NumbersGrowAndAreNeverBelowTheFloorAndHigherOnesHoldAllThatLowerDid) {
  EXPECT_EQ(Draft(100).number, 100u);
  EXPECT_EQ(Draft(50).number, 101u);
  EXPECT_EQ(Draft(500).number, 500u);
  std::vector<std::string> devices;
  for (int i = 0; i < 24; ++i) devices.push_back(IssueIn(lot_, "t" + std::to_string(i)));
  std::vector<db::CrlDraft> drafts(24);
  std::vector<std::thread> threads;
  for (int side = 0; side < 2; ++side) {
    threads.emplace_back([&, side] {
      for (int i = 0; i < 12; ++i) {
        Revoke(devices[static_cast<size_t>(side * 12 + i)]);
        drafts[static_cast<size_t>(side * 12 + i)] = Draft();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  std::sort(drafts.begin(), drafts.end(),
            [](const auto& a, const auto& b) { return a.number < b.number; });
  for (size_t i = 1; i < drafts.size(); ++i) {
    EXPECT_LT(drafts[i - 1].number, drafts[i].number);
    ASSERT_LE(drafts[i - 1].entries.size(), drafts[i].entries.size());
    for (size_t k = 0; k < drafts[i - 1].entries.size(); ++k) {
      EXPECT_EQ(drafts[i - 1].entries[k].serial, drafts[i].entries[k].serial);
      EXPECT_EQ(drafts[i].entries[k].number, k);
    }
  }
  EXPECT_EQ(Draft(0, 10, 5).entries.size(), 5u);
  EXPECT_EQ(Draft(0, 10, 5).entries[0].number, 10u);
  EXPECT_EQ(Draft(0, 20, 5).entries.size(), 4u);
}

TEST_P(RevocationStoreTest, AListOfALowerNumberNeverReplacesOneOfAHigher) {
  EXPECT_FALSE(revocations_->FindCrl("pai-fff1", 0)->has_value());
  ASSERT_TRUE(revocations_->SaveCrl(List(7)).ok());
  ASSERT_TRUE(revocations_->SaveCrl(List(5)).ok());
  auto kept = *revocations_->FindCrl("pai-fff1", 0);
  ASSERT_TRUE(kept.has_value());
  EXPECT_EQ(kept->number, 7u);
  ASSERT_TRUE(revocations_->SaveCrl(List(8)).ok());
  kept = *revocations_->FindCrl("pai-fff1", 0);
  EXPECT_EQ(kept->number, 8u);
  EXPECT_EQ(kept->der, List(8).der);
  EXPECT_EQ(kept->this_update, List(8).this_update);
  EXPECT_EQ(kept->next_update, List(8).next_update);
  EXPECT_EQ(kept->signer_certificate, List(8).signer_certificate);
}

TEST_P(RevocationStoreTest, ADelegatedSignerIsKeptWithTheIssuer) {
  const db::CrlSigner signer{"assay-crl-x", {1, 2}};
  ASSERT_TRUE(
      revocations_->SetCrlSigner(SampleAct("crl.delegate", "pai-fff1"), "pai-fff1", signer).ok());
  const auto state = revocations_->FindCrlState("pai-fff1");
  ASSERT_TRUE(state.ok() && state->signer);
  EXPECT_EQ(state->signer->key_label, "assay-crl-x");
  EXPECT_EQ(Draft().signer->certificate, signer.certificate);
  EXPECT_FALSE(revocations_->FindCrlState("another")->signer);
}

TEST_P(RevocationStoreTest, AVerificationEndsOnceAndOnlyInItsTime) {
  const db::Verification begun = Begun("v1", std::chrono::hours(1));
  EXPECT_GT(begun.expires_at, absl::UnixEpoch());
  auto found = *revocations_->FindVerification("v1");
  ASSERT_TRUE(found.has_value());
  EXPECT_EQ(found->nonce, begun.nonce);
  EXPECT_EQ(found->challenge, begun.challenge);
  EXPECT_FALSE(found->expired);
  EXPECT_FALSE(found->evidence);
  db::Verification ended = *found;
  ended.evidence = Sha256(AsBytes("evidence"));
  ended.result = 302;
  ended.answer = {4, 5};
  EXPECT_TRUE(*revocations_->EndVerification(ended));
  ended.result = 0;
  EXPECT_FALSE(*revocations_->EndVerification(ended));
  found = *revocations_->FindVerification("v1");
  EXPECT_EQ(found->result, 302);
  EXPECT_EQ(found->evidence, ended.evidence);
  EXPECT_EQ(found->answer, ended.answer);

  ended = Begun("v2", std::chrono::seconds(0));
  EXPECT_TRUE((*revocations_->FindVerification("v2"))->expired);
  ended.evidence = Sha256(AsBytes("late"));
  EXPECT_FALSE(*revocations_->EndVerification(ended));
  EXPECT_FALSE(revocations_->FindVerification("v3")->has_value());
}

INSTANTIATE_TEST_SUITE_P(Stores, RevocationStoreTest, testing::Values("memory", "pg"),
                         [](const auto& named) { return named.param; });

}  // namespace
}  // namespace assay::test_support
