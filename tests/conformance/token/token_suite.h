// What every token must do, whatever is behind it. A program includes this once and names its
// tokens with INSTANTIATE_TEST_SUITE_P(..., TokenConformance, ...).
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "base/random.h"
#include "base/refusal.h"
#include "hsm/p256.h"
#include "hsm/policy.h"
#include "hsm/token.h"

namespace assay::hsm {

// A token and what has to live as long as it.
struct TokenRig {
  std::shared_ptr<void> stage;
  std::shared_ptr<Token> token;
  bool makes_wrapping_keys = true;
  bool imports = true;
  bool unwraps = false;  // brings keys in wrapped
  size_t keys = 2;       // a TPM without a resource manager holds few
};

struct TokenMaker {
  std::string name;
  std::function<TokenRig()> make;  // may skip the test by giving no token
};

inline void PrintTo(const TokenMaker& maker, std::ostream* out) { *out << maker.name; }

class TokenConformance : public testing::TestWithParam<TokenMaker> {
 protected:
  void SetUp() override {
    rig_ = GetParam().make();
    if (!rig_.token) GTEST_SKIP() << "SKIPPED: " << GetParam().name << " is not installed";
  }
  void TearDown() override {
    rig_.token.reset();
    rig_.stage.reset();
  }
  Token& token() { return *rig_.token; }
  static Sha256Digest DigestOf(std::string_view text) { return Sha256(AsBytes(text)); }

  TokenRig rig_;
};

TEST_P(TokenConformance, DescribesItself) {
  const auto told = token().Describe();
  ASSERT_TRUE(told.ok()) << told.status();
  EXPECT_FALSE(told->label.empty());
  EXPECT_FALSE(told->manufacturer.empty());
  EXPECT_EQ(told->signing_lacks, "");
  EXPECT_EQ(told->wrapping_lacks.empty(), rig_.makes_wrapping_keys) << told->wrapping_lacks;
}

TEST_P(TokenConformance, MakesASigningKeyThatKeepsThePolicyAndSigns) {
  const auto key = token().GenerateKey("pai", KeyPurpose::kSigning);
  ASSERT_TRUE(key.ok()) << key.status();
  EXPECT_EQ(key->label, "pai");
  EXPECT_FALSE(key->id.empty());
  EXPECT_TRUE(CheckKeyPolicy(*key).ok()) << CheckKeyPolicy(*key);
  const Sha256Digest digest = DigestOf("to be signed");
  const auto signature = token().Sign("pai", digest);
  ASSERT_TRUE(signature.ok()) << signature.status();
  EXPECT_TRUE(VerifySignature(*key->public_point, digest, *signature));
  EXPECT_FALSE(VerifySignature(*key->public_point, DigestOf("other"), *signature));
  EXPECT_TRUE(token().CheckHealth("pai").ok());
}

TEST_P(TokenConformance, FindsAKeyAsItWasMade) {
  const auto made = token().GenerateKey("ledger", KeyPurpose::kSigning);
  ASSERT_TRUE(made.ok()) << made.status();
  const auto found = token().FindKey("ledger");
  ASSERT_TRUE(found.ok()) << found.status();
  EXPECT_EQ(found->id, made->id);
  EXPECT_EQ(found->public_point, made->public_point);
  EXPECT_TRUE(CheckKeyPolicy(*found).ok()) << CheckKeyPolicy(*found);
}

TEST_P(TokenConformance, NamesAKeyThatIsMissing) {
  EXPECT_TRUE(HasReason(token().FindKey("nobody").status(), Reason::HSM_KEY_MISSING));
  EXPECT_TRUE(HasReason(token().Sign("nobody", DigestOf("x")).status(), Reason::HSM_KEY_MISSING));
  EXPECT_TRUE(HasReason(token().DestroyKey("nobody"), Reason::HSM_KEY_MISSING));
  EXPECT_TRUE(HasReason(token().CheckHealth("nobody"), Reason::HSM_KEY_MISSING));
  EXPECT_THAT(token().FindKey("nobody").status().message(), testing::HasSubstr("nobody"));
}

TEST_P(TokenConformance, RefusesALabelThatIsTakenOrEmpty) {
  const auto first = token().GenerateKey("pai", KeyPurpose::kSigning);
  ASSERT_TRUE(first.ok()) << first.status();
  const auto second = token().GenerateKey("pai", KeyPurpose::kSigning);
  EXPECT_TRUE(HasReason(second.status(), Reason::HSM_KEY_UNFIT)) << second.status();
  EXPECT_EQ(token().FindKey("pai")->public_point, first->public_point);
  EXPECT_TRUE(
      HasReason(token().GenerateKey("", KeyPurpose::kSigning).status(), Reason::HSM_KEY_UNFIT));
}

TEST_P(TokenConformance, ListsAndDestroysKeys) {
  ASSERT_TRUE(token().GenerateKey("a", KeyPurpose::kSigning).ok());
  if (rig_.keys > 1) {
    ASSERT_TRUE(token().GenerateKey("b", KeyPurpose::kSigning).ok());
  }
  ASSERT_TRUE(token().Sign("a", DigestOf("x")).ok());
  auto keys = token().ListKeys();
  ASSERT_TRUE(keys.ok()) << keys.status();
  ASSERT_EQ(keys->size(), rig_.keys);
  EXPECT_EQ(keys->front().label, "a");
  if (rig_.keys > 1) {
    EXPECT_EQ(keys->back().label, "b");
  }
  const absl::Status destroyed = token().DestroyKey("a");
  ASSERT_TRUE(destroyed.ok()) << destroyed;
  EXPECT_TRUE(HasReason(token().Sign("a", DigestOf("x")).status(), Reason::HSM_KEY_MISSING));
  keys = token().ListKeys();
  ASSERT_TRUE(keys.ok());
  EXPECT_EQ(keys->size(), rig_.keys - 1);
  if (rig_.keys > 1) {
    EXPECT_TRUE(token().GenerateKey("a", KeyPurpose::kSigning).ok());
  }
}

TEST_P(TokenConformance, WrapsAndUnwrapsUnderAKeyThatStays) {
  const auto key = token().GenerateKey("lots", KeyPurpose::kWrapping);
  if (!rig_.makes_wrapping_keys) {
    EXPECT_TRUE(HasReason(key.status(), Reason::HSM_KEY_UNFIT)) << key.status();
    EXPECT_THAT(key.status().message(), testing::HasSubstr("cannot make AES keys"));
    return;
  }
  ASSERT_TRUE(key.ok()) << key.status();
  EXPECT_TRUE(CheckKeyPolicy(*key).ok()) << CheckKeyPolicy(*key);
  const Bytes secret = ToBytes(AsBytes("a lot key of 32 bytes, as it were"));
  for (const ByteView plain : {ByteView(secret), ByteView(secret).first(1), ByteView()}) {
    const auto sealed = token().Encrypt("lots", plain, AsBytes("lot 7"));
    ASSERT_TRUE(sealed.ok()) << sealed.status();
    EXPECT_EQ(sealed->size(), plain.size() + 28);
    const auto opened = token().Decrypt("lots", *sealed, AsBytes("lot 7"));
    ASSERT_TRUE(opened.ok()) << opened.status();
    EXPECT_EQ(ToBytes(opened->view()), ToBytes(plain));
  }
}

TEST_P(TokenConformance, GivesEachWrappingItsOwnNonce) {
  if (!rig_.makes_wrapping_keys) return;
  ASSERT_TRUE(token().GenerateKey("lots", KeyPurpose::kWrapping).ok());
  const auto first = token().Encrypt("lots", AsBytes("same"), {});
  const auto second = token().Encrypt("lots", AsBytes("same"), {});
  ASSERT_TRUE(first.ok() && second.ok());
  EXPECT_NE(*first, *second);
}

TEST_P(TokenConformance, RejectsWrappedBytesThatWereChanged) {
  if (!rig_.makes_wrapping_keys) return;
  ASSERT_TRUE(token().GenerateKey("lots", KeyPurpose::kWrapping).ok());
  auto sealed = token().Encrypt("lots", AsBytes("secret"), AsBytes("lot 7"));
  ASSERT_TRUE(sealed.ok());
  const auto rejects = [&](ByteView bytes, std::string_view associated) {
    const absl::Status status = token().Decrypt("lots", bytes, AsBytes(associated)).status();
    return HasReason(status, Reason::HSM_DATA_REJECTED);
  };
  EXPECT_TRUE(rejects(*sealed, "lot 8"));
  EXPECT_TRUE(rejects(ByteView(*sealed).first(27), "lot 7"));
  EXPECT_TRUE(rejects(ByteView(*sealed).first(sealed->size() - 1), "lot 7"));
  EXPECT_TRUE(rejects({}, "lot 7"));
  for (const size_t at : {size_t{0}, size_t{12}, sealed->size() - 1}) {
    Bytes changed = *sealed;
    changed[at] ^= 1;
    EXPECT_TRUE(rejects(changed, "lot 7")) << at;
  }
  EXPECT_TRUE(token().Decrypt("lots", *sealed, AsBytes("lot 7")).ok());
}

TEST_P(TokenConformance, KeepsEachKeyToItsPurpose) {
  ASSERT_TRUE(token().GenerateKey("pai", KeyPurpose::kSigning).ok());
  EXPECT_TRUE(HasReason(token().Encrypt("pai", AsBytes("x"), {}).status(), Reason::HSM_KEY_UNFIT));
  if (!rig_.makes_wrapping_keys) return;
  ASSERT_TRUE(token().GenerateKey("lots", KeyPurpose::kWrapping).ok());
  EXPECT_TRUE(HasReason(token().Sign("lots", DigestOf("x")).status(), Reason::HSM_KEY_UNFIT));
}

TEST_P(TokenConformance, BringsInASandboxKeyThatThenStays) {
  Bytes one(32);
  one[31] = 1;
  const auto key = token().ImportSigningKey("sandbox", SecretBytes::CopyOf(one));
  if (!rig_.imports) {
    EXPECT_TRUE(HasReason(key.status(), Reason::HSM_KEY_UNFIT)) << key.status();
    EXPECT_THAT(key.status().message(), testing::HasSubstr("takes no keys in"));
    return;
  }
  ASSERT_TRUE(key.ok()) << key.status();
  EXPECT_EQ(key->wrapped, rig_.unwraps);
  // The public point of the scalar 1 is P-256's generator.
  EXPECT_EQ(ToHex(ByteView(*key->public_point).first(9)), "046b17d1f2e12c4247");
  EXPECT_TRUE(CheckKeyPolicy(*key, KeyOrigin::kImportAllowed).ok());
  EXPECT_TRUE(HasReason(CheckKeyPolicy(*key), Reason::HSM_KEY_UNFIT));
  const auto signature = token().Sign("sandbox", DigestOf("x"));
  ASSERT_TRUE(signature.ok()) << signature.status();
  EXPECT_TRUE(VerifySignature(*key->public_point, DigestOf("x"), *signature));
}

TEST_P(TokenConformance, RefusesAScalarThatIsNoKey) {
  if (!rig_.imports) return;
  for (const Bytes& scalar : {Bytes(32, 0), Bytes(32, 0xff), Bytes(31, 1), Bytes()}) {
    const auto key = token().ImportSigningKey("sandbox", SecretBytes::CopyOf(scalar));
    EXPECT_TRUE(HasReason(key.status(), Reason::HSM_KEY_UNFIT)) << key.status();
  }
  EXPECT_TRUE(HasReason(token().FindKey("sandbox").status(), Reason::HSM_KEY_MISSING));
}

TEST_P(TokenConformance, GivesRandomBytes) {
  std::array<uint8_t, 32> first{}, second{};
  ASSERT_TRUE(token().FillRandom(first).ok());
  ASSERT_TRUE(token().FillRandom(second).ok());
  EXPECT_NE(first, second);
  EXPECT_TRUE(token().FillRandom({}).ok());
}

TEST_P(TokenConformance, SignsForManyThreads) {
  const auto key = token().GenerateKey("pai", KeyPurpose::kSigning);
  ASSERT_TRUE(key.ok()) << key.status();
  std::atomic<int> good = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 10; ++i) {
        const Sha256Digest digest = DigestOf(std::to_string(t * 100 + i));
        const auto signature = token().Sign("pai", digest);
        if (signature.ok() && VerifySignature(*key->public_point, digest, *signature)) ++good;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(good, 40);
}

inline std::string NameOfMaker(const testing::TestParamInfo<TokenMaker>& info) {
  return info.param.name;
}

}  // namespace assay::hsm
