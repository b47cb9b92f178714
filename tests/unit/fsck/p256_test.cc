#include "fsck/p256.h"

#include <algorithm>

#include "base/random.h"
#include "tests/unit/matter/software_key.h"

namespace assay::fsck {
namespace {

using matter::SoftwareKey;

SignatureCheck CheckOf(const FixedKey& key, const SoftwareKey& signer, const Sha256Digest& digest) {
  SignatureCheck check{&key, digest, {}, false};
  const Bytes raw = signer.SignDigest(digest);
  std::copy(raw.begin(), raw.end(), check.signature.begin());
  return check;
}

Sha256Digest Drawn() {
  SystemRandom random;
  return Sha256(random.Draw(32));
}

TEST(P256Test, EveryRightSignatureOfSeveralKeysIsRightInOneBatch) {
  std::vector<SoftwareKey> signers;
  std::vector<FixedKey> keys;
  for (int i = 0; i < 3; ++i) {
    signers.push_back(SoftwareKey::Fresh());
    keys.push_back(*FixedKey::Make(signers.back().Point()));
  }
  std::vector<SignatureCheck> checks;
  for (size_t i = 0; i < 1500; ++i) {
    checks.push_back(CheckOf(keys[i % 3], signers[i % 3], Drawn()));
  }
  CheckSignatures(checks);
  EXPECT_TRUE(std::ranges::all_of(checks, &SignatureCheck::right));
}

TEST(P256Test, AWrongOneAmongRightOnesIsTheOneThatIsWrong) {
  const SoftwareKey signer = SoftwareKey::Fresh(), other = SoftwareKey::Fresh();
  const FixedKey key = *FixedKey::Make(signer.Point());
  std::vector<SignatureCheck> checks;
  for (int i = 0; i < 40; ++i) checks.push_back(CheckOf(key, signer, Drawn()));
  for (size_t i = 0; i < 8; ++i) checks[i].signature[i * 8] ^= 1;
  checks[8].digest[31] ^= 1;
  checks[9] = CheckOf(key, other, checks[9].digest);
  std::fill_n(checks[10].signature.begin(), 32, 0);       // r = 0
  std::fill_n(checks[11].signature.begin() + 32, 32, 0);  // s = 0
  std::fill_n(checks[12].signature.begin(), 64, 0xFF);    // beyond the order
  CheckSignatures(checks);
  for (size_t i = 0; i < checks.size(); ++i) EXPECT_EQ(checks[i].right, i > 12) << i;
}

TEST(P256Test, DigestsAtTheEndsOfTheirRangeAgreeWithOpenSsl) {
  const SoftwareKey signer = SoftwareKey::Fresh();
  const FixedKey key = *FixedKey::Make(signer.Point());
  Sha256Digest zero{}, ones{};
  ones.fill(0xFF);
  std::vector<SignatureCheck> checks = {CheckOf(key, signer, zero), CheckOf(key, signer, ones)};
  CheckSignatures(checks);
  EXPECT_TRUE(checks[0].right);
  EXPECT_TRUE(checks[1].right);
}

TEST(P256Test, SmallKeysWhoseSumsMeetTheGeneratorsOwnMultiplesAreChecked) {
  // Q = 1 * G and 2 * G: both tables hold the same points, so sums meet equal ones.
  for (const uint8_t scalar : {1, 2, 3}) {
    Bytes bytes(32);
    bytes[31] = scalar;
    const SoftwareKey signer = SoftwareKey::FromScalar(bytes);
    const FixedKey key = *FixedKey::Make(signer.Point());
    std::vector<SignatureCheck> checks;
    for (int i = 0; i < 200; ++i) checks.push_back(CheckOf(key, signer, Drawn()));
    CheckSignatures(checks);
    EXPECT_TRUE(std::ranges::all_of(checks, &SignatureCheck::right)) << int{scalar};
  }
}

TEST(P256Test, APointOffTheCurveIsNoKey) {
  Bytes point = SoftwareKey::Fresh().Point();
  point[40] ^= 1;
  EXPECT_FALSE(FixedKey::Make(point).ok());
}

}  // namespace
}  // namespace assay::fsck
