#include "hsm/policy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "base/refusal.h"
#include "tests/support/software_token.h"

namespace assay::hsm {
namespace {

KeyDescription GoodKey(KeyPurpose purpose) {
  test_support::SoftwareToken token;
  return *token.GenerateKey("key", purpose);
}

std::string Drifted(KeyPurpose purpose, const std::function<void(KeyDescription&)>& change) {
  KeyDescription key = GoodKey(purpose);
  change(key);
  const auto refusal = RefusalOf(CheckKeyPolicy(key));
  return refusal && refusal->reason == Reason::HSM_KEY_UNFIT ? refusal->field : "";
}

TEST(KeyPolicy, AcceptsKeysMadeForTheirPurpose) {
  EXPECT_TRUE(CheckKeyPolicy(GoodKey(KeyPurpose::kSigning)).ok());
  EXPECT_TRUE(CheckKeyPolicy(GoodKey(KeyPurpose::kWrapping)).ok());
}

TEST(KeyPolicy, NamesTheAttributeOfASigningKeyThatDrifted) {
  constexpr auto kSigning = KeyPurpose::kSigning;
  EXPECT_EQ(Drifted(kSigning, [](auto& key) { key.label.clear(); }), "CKA_LABEL");
  EXPECT_EQ(Drifted(kSigning, [](auto& key) { key.sensitive = false; }), "CKA_SENSITIVE");
  EXPECT_EQ(Drifted(kSigning, [](auto& key) { key.hidden = false; }), "CKA_PRIVATE");
  EXPECT_EQ(Drifted(kSigning, [](auto& key) { key.extractable = true; }), "CKA_EXTRACTABLE");
  EXPECT_EQ(Drifted(kSigning, [](auto& key) { key.always_sensitive = false; }),
            "CKA_ALWAYS_SENSITIVE");
  EXPECT_EQ(Drifted(kSigning, [](auto& key) { key.never_extractable = false; }),
            "CKA_NEVER_EXTRACTABLE");
  EXPECT_EQ(Drifted(kSigning, [](auto& key) { key.local = false; }), "CKA_LOCAL");
  EXPECT_EQ(Drifted(kSigning, [](auto& key) { key.sign = false; }), "CKA_SIGN");
  EXPECT_EQ(Drifted(kSigning, [](auto& key) { key.sign_recover = true; }), "CKA_SIGN_RECOVER");
  EXPECT_EQ(Drifted(kSigning, [](auto& key) { key.decrypt = true; }), "CKA_DECRYPT");
  EXPECT_EQ(Drifted(kSigning, [](auto& key) { key.encrypt = true; }), "CKA_ENCRYPT");
  EXPECT_EQ(Drifted(kSigning, [](auto& key) { key.unwrap = true; }), "CKA_UNWRAP");
  EXPECT_EQ(Drifted(kSigning, [](auto& key) { key.wrap = true; }), "CKA_WRAP");
  EXPECT_EQ(Drifted(kSigning, [](auto& key) { key.derive = true; }), "CKA_DERIVE");
  EXPECT_EQ(Drifted(kSigning, [](auto& key) { key.modifiable = true; }), "CKA_MODIFIABLE");
  EXPECT_EQ(Drifted(kSigning, [](auto& key) { key.public_point.reset(); }), "CKA_EC_POINT");
  EXPECT_EQ(Drifted(kSigning, [](auto& key) { (*key.public_point)[64] ^= 1; }), "CKA_EC_POINT");
}

TEST(KeyPolicy, NamesTheAttributeOfAWrappingKeyThatDrifted) {
  constexpr auto kWrapping = KeyPurpose::kWrapping;
  EXPECT_EQ(Drifted(kWrapping, [](auto& key) { key.encrypt = false; }), "CKA_ENCRYPT");
  EXPECT_EQ(Drifted(kWrapping, [](auto& key) { key.decrypt = false; }), "CKA_DECRYPT");
  EXPECT_EQ(Drifted(kWrapping, [](auto& key) { key.sign = true; }), "CKA_SIGN");
  EXPECT_EQ(Drifted(kWrapping, [](auto& key) { key.verify = true; }), "CKA_VERIFY");
  EXPECT_EQ(Drifted(kWrapping, [](auto& key) { key.extractable = true; }), "CKA_EXTRACTABLE");
}

TEST(KeyPolicy, BearsATokenThatDoesNotTellWhetherKeysAreModifiable) {
  KeyDescription key = GoodKey(KeyPurpose::kSigning);
  key.modifiable.reset();
  EXPECT_TRUE(CheckKeyPolicy(key).ok());
}

TEST(KeyPolicy, SaysSoWhereTheTokenDoesNotTellWhatMustBeKnown) {
  KeyDescription key = GoodKey(KeyPurpose::kSigning);
  key.always_sensitive = false;
  key.untold = {"CKA_ALWAYS_SENSITIVE"};
  EXPECT_THAT(std::string(CheckKeyPolicy(key).message()),
              testing::HasSubstr("the token does not tell it"));
}

TEST(KeyPolicy, EachAttributeThatChangesIsDrift) {
  const KeyDescription first = GoodKey(KeyPurpose::kSigning);
  EXPECT_EQ(DriftedAttribute(first, first), "");
  const auto drifted = [&first](const std::function<void(KeyDescription&)>& change) {
    KeyDescription now = first;
    change(now);
    return DriftedAttribute(first, now);
  };
  EXPECT_EQ(drifted([](auto& key) { key.hidden = false; }), "CKA_PRIVATE");
  EXPECT_EQ(drifted([](auto& key) { key.always_sensitive = false; }), "CKA_ALWAYS_SENSITIVE");
  EXPECT_EQ(drifted([](auto& key) { key.sign_recover = true; }), "CKA_SIGN_RECOVER");
  EXPECT_EQ(drifted([](auto& key) { key.local = false; }), "CKA_LOCAL");
  EXPECT_EQ(drifted([](auto& key) { key.never_extractable = false; }), "CKA_NEVER_EXTRACTABLE");
  EXPECT_EQ(drifted([](auto& key) { key.verify = true; }), "CKA_VERIFY");
}

TEST(KeyPolicy, AcceptsAnImportedKeyOnlyWhereImportIsAllowed) {
  KeyDescription key = GoodKey(KeyPurpose::kSigning);
  key.local = key.never_extractable = key.always_sensitive = false;
  EXPECT_TRUE(CheckKeyPolicy(key, KeyOrigin::kImportAllowed).ok());
  EXPECT_FALSE(CheckKeyPolicy(key, KeyOrigin::kMadeInToken).ok());
}

TEST(KeyPolicy, IsTheSameInWords) {
  const auto rules = PolicyInWords(KeyPurpose::kSigning, KeyOrigin::kMadeInToken);
  std::vector<std::string> attributes;
  for (const PolicyRule& rule : rules) attributes.emplace_back(rule.attribute);
  EXPECT_THAT(attributes, testing::IsSupersetOf({"CKA_SENSITIVE", "CKA_EXTRACTABLE", "CKA_LOCAL",
                                                 "CKA_EC_POINT", "CKA_SIGN"}));
}

}  // namespace
}  // namespace assay::hsm
