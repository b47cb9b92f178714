#include "ceremony/plan.h"

#include "base/refusal.h"
#include "hsm/policy.h"
#include "tests/unit/ceremony/ceremony_folder.h"

namespace assay::ceremony {
namespace {

class PlanTest : public CeremonyFolder {
 protected:
  // What the reader says of the good file with one thing changed.
  std::string ComplaintOf(const std::string& from, const std::string& to) {
    const auto plan = Read(Replaced(std::string(kHeadText) + kPolicyText + kKeysText, from, to));
    EXPECT_FALSE(plan.ok()) << to;
    EXPECT_TRUE(HasReason(plan.status(), Reason::FIELD_MALFORMED)) << plan.status();
    return std::string(plan.status().message());
  }
  void ExpectComplaint(const std::string& from, const std::string& to,
                       const std::string& complaint) {
    const std::string told = ComplaintOf(from, to);
    EXPECT_NE(told.find(complaint), std::string::npos) << to << ": " << told;
  }
};

TEST_F(PlanTest, AFileIsReadWithItsDefaultsAndItsFilesBesideIt) {
  const auto plan = Read();
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_TRUE(plan->production);
  ASSERT_EQ(plan->keys.size(), 4u);
  EXPECT_EQ(plan->keys[0].vendor_id, 0x131B);
  EXPECT_EQ(plan->keys[0].product_id, 0x1000);
  EXPECT_EQ(plan->keys[0].csr_file, (folder_ / "light.csr").string());
  EXPECT_EQ(plan->keys[1].label, "assay-image");
  EXPECT_EQ(plan->keys[3].label, "assay-wrapping");
  EXPECT_EQ(plan->transcript_file, (folder_ / "transcript.json").string());
}

TEST_F(PlanTest, ThePolicyIsWrittenOutWholeAndNeverLaxerThanTheHouses) {
  ExpectComplaint("CKA_EXTRACTABLE: false", "CKA_EXTRACTABLE: true",
                  "policy.signing.CKA_EXTRACTABLE: must be false");
  ExpectComplaint("CKA_SENSITIVE: true,", "", "policy.signing.CKA_SENSITIVE");
  ExpectComplaint("CKA_SIGN_RECOVER: false", "CKA_SIGN_RECOVER: true",
                  "policy.signing.CKA_SIGN_RECOVER: must be false");
  ExpectComplaint("CKA_ALWAYS_SENSITIVE: true, ", "", "policy.signing.CKA_ALWAYS_SENSITIVE");
  ExpectComplaint("CKA_LOCAL: true", "CKA_LOCAL: false", "policy.signing.CKA_LOCAL: must be true");
  ExpectComplaint("CKA_DERIVE: false}", "CKA_DERIVE: false, CKA_COPYABLE: true}", "CKA_COPYABLE");
  ExpectComplaint("CKA_WRAP: false", "CKA_WRAP: true", "policy.wrapping.CKA_WRAP: must be false");
}

TEST_F(PlanTest, ProductionNeedsTwoDifferentPeople) {
  ExpectComplaint("[Ada Example, Ben Example]", "[Ada Example]",
                  "operators: production needs two different people");
  ExpectComplaint("[Ada Example, Ben Example]", "[Ada Example, ' ada example']",
                  "stands there twice");
  EXPECT_TRUE(Read(Replaced(Replaced(std::string(kHeadText) + kPolicyText + kKeysText,
                                     "mode: production", "mode: sandbox"),
                            "[Ada Example, Ben Example]", "[Ada Example]"))
                  .ok());
}

TEST_F(PlanTest, ProductionTakesNoTestVendorAndNoSandboxKey) {
  ExpectComplaint("0x131B", "0xFFF1", "keys[0].vendor_id: FFF1 to FFF4 are for tests");
  ExpectComplaint("{use: ledger}", "{use: sandbox-paa, certificate: paa.pem}",
                  "a sandbox's key has no place in production");
}

TEST_F(PlanTest, WhatIsMissingTwiceOrUnknownIsNamed) {
  ExpectComplaint("label: pai-light, ", "", "keys[0].label");
  ExpectComplaint("{use: ledger}", "{use: ledger, label: assay-image}",
                  "the label assay-image is given twice");
  ExpectComplaint("csr: light.csr", "csr: transcript.json", "is given twice");
  ExpectComplaint("use: image", "use: picture", "keys[1].use: must be pai, image");
  ExpectComplaint("0x131B", "0x1FFFF", "keys[0].vendor_id: must be 0x0001 to 0xFFF4");
  ExpectComplaint("mode: production", "mode: live", "mode: must be sandbox or production");
  ExpectComplaint("label: t, ", "", "token.label");
  ExpectComplaint("transcript: transcript.json\n", "", "transcript");
}

TEST_F(PlanTest, TheHousesPolicyInAttributesIsTheOneTokensAreHeldTo) {
  for (const hsm::KeyPurpose purpose : {hsm::KeyPurpose::kSigning, hsm::KeyPurpose::kWrapping}) {
    const WrittenPolicy policy = HousePolicy(purpose);
    for (const hsm::PolicyRule& rule : hsm::PolicyInWords(purpose, hsm::KeyOrigin::kMadeInToken)) {
      const auto written = policy.find(rule.attribute);
      if (written == policy.end()) continue;
      EXPECT_EQ(rule.rule, written->second ? "must be true" : "must be false") << rule.attribute;
    }
  }
}

}  // namespace
}  // namespace assay::ceremony
