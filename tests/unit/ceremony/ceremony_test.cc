#include "ceremony/ceremony.h"

#include <gmock/gmock.h>

#include "base/refusal.h"
#include "hsm/p256.h"
#include "matter/certificate.h"
#include "matter/csr.h"
#include "matter/name.h"
#include "tests/support/drifting_token.h"
#include "tests/support/software_token.h"
#include "tests/unit/ceremony/ceremony_folder.h"

namespace assay::ceremony {
namespace {

using test_support::DriftingToken;
using test_support::SoftwareToken;

class FixedClock final : public Clock {
 public:
  absl::Time Now() const override { return absl::FromUnixSeconds(1'800'000'000); }
};

class CeremonyTest : public CeremonyFolder {
 protected:
  CeremonyTest() : plan_(*Read()) {}

  absl::StatusOr<Outcome> RunNow(hsm::Token& token) {
    return ceremony::Run(plan_, token, random_, clock_, both_, "assay-ceremony test");
  }
  absl::StatusOr<Outcome> RunNow() { return RunNow(*token_); }
  std::filesystem::path Transcript() const { return plan_.transcript_file; }

  std::shared_ptr<SoftwareToken> token_ = std::make_shared<SoftwareToken>();
  SystemRandom random_;
  FixedClock clock_;
  Plan plan_;
  std::vector<Confirmation> both_ = {{"Ada Example", "by --yes", clock_.Now()},
                                     {"Ben Example", "by --yes", clock_.Now()}};
};

TEST_F(CeremonyTest, MakesEveryKeyItsFilesAndATranscriptTheKeysSign) {
  const auto outcome = RunNow();
  ASSERT_TRUE(outcome.ok()) << outcome.status();
  EXPECT_EQ(token_->ListKeys()->size(), 4u);

  const auto csr_der = matter::FromPem("CERTIFICATE REQUEST", ReadText(folder_ / "light.csr"));
  ASSERT_TRUE(csr_der.ok()) << csr_der.status();
  const auto csr = matter::ParseCsr(*csr_der);
  ASSERT_TRUE(csr.ok()) << csr.status();
  EXPECT_EQ(matter::NameToText(*matter::DecodeName(csr->subject)),
            "CN=Assay PAI,VID=131B,PID=1000");
  const auto image = matter::Certificate::ParsePem(ReadText(folder_ / "image.pem"));
  ASSERT_TRUE(image.ok()) << image.status();
  EXPECT_TRUE(image->IsSignedBy(*image));

  const auto checked = CheckTranscript(ReadText(Transcript()));
  ASSERT_TRUE(checked.ok()) << checked.status();
  EXPECT_THAT(checked->operators, testing::ElementsAre("Ada Example", "Ben Example"));
  ASSERT_EQ(checked->keys.size(), 4u);
  EXPECT_EQ(checked->keys[0].public_key, ToBytes(csr->public_key));
  EXPECT_EQ(checked->keys[0].origin, "made in this ceremony");
  const auto& told = checked->content;
  EXPECT_EQ(told["token"]["model"], "in memory");
  EXPECT_EQ(told["token"]["firmware"], "1.0");
  EXPECT_EQ(told["keys"][0]["attributes"]["CKA_EXTRACTABLE"], false);
  EXPECT_EQ(told["policy"]["signing"]["CKA_SENSITIVE"], true);
  EXPECT_EQ(told["ceremony"]["sha256"], ToHex(plan_.digest));
  EXPECT_FALSE(std::filesystem::exists(Transcript().string() + ".journal"));
}

TEST_F(CeremonyTest, DryRunChangesNothing) {
  const auto ahead = LookAhead(plan_, *token_);
  ASSERT_TRUE(ahead.ok()) << ahead.status();
  ASSERT_EQ(ahead->keys.size(), 4u);
  EXPECT_EQ(ahead->keys[0].state, KeyView::State::kToBeMade);
  EXPECT_TRUE(token_->ListKeys()->empty());
  EXPECT_TRUE(std::filesystem::is_empty(folder_));
}

TEST_F(CeremonyTest, ASecondRunChangesNothing) {
  ASSERT_TRUE(RunNow().ok());
  const std::string before = ReadText(Transcript());
  const auto again = RunNow();
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_TRUE(again->done_before);
  EXPECT_EQ(ReadText(Transcript()), before);
  EXPECT_EQ(token_->ListKeys()->size(), 4u);
}

// The token stops answering at each call in turn, as if the program had been killed there.
TEST_F(CeremonyTest, ARunThatWasKilledAnywhereIsTakenUpWithoutASecondKey) {
  int fatal = 0;
  for (;; ++fatal) {
    token_ = std::make_shared<SoftwareToken>();
    int calls = 0;
    token_->SetBeforeCall([&](std::string_view, std::string_view) {
      return calls++ < fatal ? absl::OkStatus() : Refuse(Reason::HSM_UNAVAILABLE, "killed");
    });
    const bool ended = RunNow().ok();
    token_->SetBeforeCall({});
    std::vector<std::string> before;
    const auto made_before = token_->ListKeys();
    ASSERT_TRUE(made_before.ok());
    const auto again = RunNow();
    ASSERT_TRUE(again.ok()) << "killed at call " << fatal << ": " << again.status();
    EXPECT_EQ(token_->ListKeys()->size(), 4u);
    for (const hsm::KeyDescription& key : *made_before) {
      EXPECT_EQ(token_->FindKey(key.label)->public_point, key.public_point) << key.label;
    }
    const auto checked = CheckTranscript(ReadText(Transcript()));
    ASSERT_TRUE(checked.ok()) << checked.status();
    for (const TranscriptKey& key : checked->keys) {
      EXPECT_EQ(key.origin, "made in this ceremony") << "killed at call " << fatal;
    }
    if (ended) break;
    for (const auto& entry : std::filesystem::directory_iterator(folder_)) {
      std::filesystem::remove(entry.path());
    }
  }
  EXPECT_GT(fatal, 12);
}

TEST_F(CeremonyTest, InProductionAKeyThatWasThereBeforeIsRefusedByNameAndNothingIsMade) {
  ASSERT_TRUE(token_->GenerateKey("assay-ledger", hsm::KeyPurpose::kSigning).ok());
  const auto refused = RunNow();
  EXPECT_TRUE(HasReason(refused.status(), Reason::HSM_KEY_UNFIT)) << refused.status();
  EXPECT_EQ(RefusalOf(refused.status())->field, "keys.assay-ledger");
  EXPECT_EQ(token_->ListKeys()->size(), 1u);
  plan_.production = false;
  ASSERT_TRUE(RunNow().ok());
  EXPECT_EQ(CheckTranscript(ReadText(Transcript()))->keys[2].origin, "in the token before");
}

TEST_F(CeremonyTest, AKeyThatDiffersFromThePolicyIsRefusedByNameAndAttribute) {
  struct Case {
    const char* attribute;
    void (*drift)(hsm::KeyDescription&);
  };
  const Case cases[] = {
      {"CKA_SENSITIVE", [](hsm::KeyDescription& key) { key.sensitive = false; }},
      {"CKA_PRIVATE", [](hsm::KeyDescription& key) { key.hidden = false; }},
      {"CKA_ALWAYS_SENSITIVE", [](hsm::KeyDescription& key) { key.always_sensitive = false; }},
      {"CKA_SIGN_RECOVER", [](hsm::KeyDescription& key) { key.sign_recover = true; }},
      {"CKA_EXTRACTABLE", [](hsm::KeyDescription& key) { key.extractable = true; }},
      {"CKA_NEVER_EXTRACTABLE", [](hsm::KeyDescription& key) { key.never_extractable = false; }},
      {"CKA_LOCAL", [](hsm::KeyDescription& key) { key.local = false; }},
      {"CKA_MODIFIABLE", [](hsm::KeyDescription& key) { key.modifiable = true; }},
      {"CKA_SIGN", [](hsm::KeyDescription& key) { key.sign = false; }},
      {"CKA_DECRYPT", [](hsm::KeyDescription& key) { key.decrypt = true; }},
      {"CKA_UNWRAP", [](hsm::KeyDescription& key) { key.unwrap = true; }},
      {"CKA_DERIVE", [](hsm::KeyDescription& key) { key.derive = true; }},
      {"CKA_EC_POINT", [](hsm::KeyDescription& key) { key.public_point->at(64) ^= 1; }},
  };
  for (const Case& one : cases) {
    DriftingToken drifting(std::make_shared<SoftwareToken>());
    drifting.Drift("pai-light", one.drift);
    const auto refused = RunNow(drifting);
    EXPECT_TRUE(HasReason(refused.status(), Reason::HSM_KEY_UNFIT)) << one.attribute;
    EXPECT_EQ(RefusalOf(refused.status())->field, std::string("keys.pai-light.") + one.attribute);
    EXPECT_FALSE(std::filesystem::exists(Transcript())) << one.attribute;
    // And the next run, which finds it made, refuses it too.
    EXPECT_TRUE(HasReason(RunNow(drifting).status(), Reason::HSM_KEY_UNFIT)) << one.attribute;
  }
}

TEST_F(CeremonyTest, WhatTheTokenDoesNotTellIsSaidInTheTranscriptOrRefused) {
  DriftingToken drifting(token_);
  drifting.Drift("pai-light", [](hsm::KeyDescription& key) { key.untold = {"CKA_UNWRAP"}; });
  ASSERT_TRUE(RunNow(drifting).ok()) << RunNow(drifting).status();
  const auto transcript = CheckTranscript(ReadText(Transcript()));
  ASSERT_TRUE(transcript.ok()) << transcript.status();
  const auto& attributes = transcript->content["keys"][0]["attributes"];
  EXPECT_EQ(attributes["CKA_UNWRAP"], "not told by the token");
  EXPECT_EQ(attributes["CKA_SIGN_RECOVER"], false);
  drifting.Drift("pai-light", [](hsm::KeyDescription& key) {
    key.always_sensitive = false;
    key.untold = {"CKA_ALWAYS_SENSITIVE"};
  });
  const auto refused = RunNow(drifting);
  EXPECT_EQ(RefusalOf(refused.status())->field, "keys.pai-light.CKA_ALWAYS_SENSITIVE");
}

TEST_F(CeremonyTest, ATokenThatCannotHoldAKeyIsNamedBeforeAnythingIsMade) {
  token_->SetWrappingLacks("CKM_AES_GCM");
  const auto refused = RunNow();
  ASSERT_TRUE(HasReason(refused.status(), Reason::HSM_KEY_UNFIT)) << refused.status();
  EXPECT_EQ(RefusalOf(refused.status())->field, "keys.assay-wrapping");
  EXPECT_THAT(std::string(refused.status().message()), testing::HasSubstr("CKM_AES_GCM"));
  EXPECT_TRUE(token_->ListKeys()->empty());
  EXPECT_FALSE(std::filesystem::exists(Transcript()));
}

TEST_F(CeremonyTest, AKeyReplacedSinceTheTranscriptIsFound) {
  ASSERT_TRUE(RunNow().ok());
  ASSERT_TRUE(token_->DestroyKey("assay-ledger").ok());
  EXPECT_TRUE(HasReason(RunNow().status(), Reason::HSM_KEY_MISSING));
  ASSERT_TRUE(token_->GenerateKey("assay-ledger", hsm::KeyPurpose::kSigning).ok());
  const auto refused = RunNow();
  EXPECT_TRUE(HasReason(refused.status(), Reason::HSM_KEY_UNFIT)) << refused.status();
  EXPECT_EQ(RefusalOf(refused.status())->field, "keys.assay-ledger");
}

TEST_F(CeremonyTest, WithoutBothOperatorsNothingIsMade) {
  both_.pop_back();
  EXPECT_TRUE(HasReason(RunNow().status(), Reason::SECOND_PERSON_REQUIRED));
  both_.push_back(both_.front());
  EXPECT_TRUE(HasReason(RunNow().status(), Reason::SECOND_PERSON_REQUIRED));
  both_.back().name = "Eve";
  EXPECT_TRUE(HasReason(RunNow().status(), Reason::SECOND_PERSON_REQUIRED));
  EXPECT_TRUE(token_->ListKeys()->empty());
}

TEST_F(CeremonyTest, AFileOfAnotherKeyIsNeverReplaced) {
  std::ofstream(folder_ / "light.csr") << "somebody's\n";
  const auto refused = RunNow();
  EXPECT_TRUE(HasReason(refused.status(), Reason::FIELDS_CONTRADICT)) << refused.status();
  EXPECT_EQ(ReadText(folder_ / "light.csr"), "somebody's\n");
  std::filesystem::remove(folder_ / "light.csr");
  EXPECT_TRUE(RunNow().ok());
}

TEST_F(CeremonyTest, AFileChangedHalfWayIsRefusedUntilTheCeremonyIsFinished) {
  int calls = 0;
  token_->SetBeforeCall([&](std::string_view call, std::string_view) {
    return call == "Sign" && ++calls > 1 ? Refuse(Reason::HSM_UNAVAILABLE, "killed")
                                         : absl::OkStatus();
  });
  ASSERT_FALSE(RunNow().ok());
  token_->SetBeforeCall({});
  const Plan first = plan_;
  plan_.digest = Sha256(AsBytes("changed"));
  EXPECT_FALSE(RunNow().ok());
  plan_ = first;
  EXPECT_TRUE(RunNow().ok());
}

TEST_F(CeremonyTest, AWronglySigningTokenLeavesNoTranscript) {
  token_->SetGarbageSignatures(true);
  EXPECT_FALSE(RunNow().ok());
  EXPECT_FALSE(std::filesystem::exists(Transcript()));
}

TEST_F(CeremonyTest, ATranscriptWithAnyWordChangedIsNotTrusted) {
  ASSERT_TRUE(RunNow().ok());
  const std::string good = ReadText(Transcript());
  ASSERT_TRUE(CheckTranscript(good).ok());
  const std::pair<const char*, const char*> changes[] = {
      {"Ben Example", "Eve Example"},
      {"\"CKA_EXTRACTABLE\": false", "\"CKA_EXTRACTABLE\": true"},
      {"\"firmware\": \"1.0\"", "\"firmware\": \"1.1\""},
      {"made in this ceremony", "in the token before"},
      {"\"software\"", "\"software\": \"a\",\n  \"software\""},
      {"2027-01-15", "2027-01-14"},
  };
  for (const auto& [from, to] : changes) {
    const auto bent = CheckTranscript(Replaced(good, from, to));
    EXPECT_TRUE(HasReason(bent.status(), Reason::NOTE_UNTRUSTED)) << to << ": " << bent.status();
  }
  nlohmann::json unsigned_one = nlohmann::json::parse(good);
  unsigned_one["signatures"].erase(0);
  EXPECT_TRUE(
      HasReason(CheckTranscript(RenderTranscript(unsigned_one)).status(), Reason::NOTE_UNTRUSTED));
  unsigned_one["signatures"] = nlohmann::json::array();
  EXPECT_FALSE(CheckTranscript(RenderTranscript(unsigned_one)).ok());
  EXPECT_TRUE(HasReason(CheckTranscript("{}").status(), Reason::FIELD_MALFORMED));
  EXPECT_TRUE(HasReason(CheckTranscript("no json").status(), Reason::FIELD_MALFORMED));
  const std::string deep(1'000'000, '[');
  EXPECT_TRUE(HasReason(CheckTranscript(deep).status(), Reason::FIELD_MALFORMED));
  for (const char* part : {"ceremony", "token", "operators", "keys", "signatures"}) {
    nlohmann::json shapeless = nlohmann::json::parse(good);
    shapeless[part] = 7;
    EXPECT_TRUE(
        HasReason(CheckTranscript(RenderTranscript(shapeless)).status(), Reason::FIELD_MALFORMED))
        << part;
  }
}

}  // namespace
}  // namespace assay::ceremony
