#include "matter/lane_tables.h"

#include <gtest/gtest.h>
#include <openssl/bn.h>
#include <openssl/obj_mac.h>
#include <openssl/rand.h>

#include <array>
#include <random>
#include <utility>
#include <vector>

#include "matter/ecdsa.h"
#include "tests/unit/matter/software_key.h"

namespace assay::matter {
namespace {

const Bytes kOrder = *FromHex("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551");

Sha256Digest RandomDigest() {
  Sha256Digest digest;
  EXPECT_EQ(RAND_bytes(digest.data(), static_cast<int>(digest.size())), 1);
  return digest;
}

// Right and wrong ones of several keys in one call, in every number of lanes.
TEST(LaneTables, JudgeEachLaneForItself) {
  if (!LaneTables::Run()) GTEST_SKIP() << "SKIPPED: this processor has no AVX-512 IFMA";
  std::vector<SoftwareKey> keys;
  std::vector<SignatureVerifier> verifiers;
  std::vector<std::unique_ptr<const LaneTables>> tables;
  for (int k = 0; k < 3; ++k) {
    keys.push_back(SoftwareKey::Fresh());
    const auto encoded = keys.back().Point();
    verifiers.push_back(*SignatureVerifier::Make(encoded));
    const std::unique_ptr<EC_GROUP, decltype(&EC_GROUP_free)> group(
        EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1), EC_GROUP_free);
    const std::unique_ptr<EC_POINT, decltype(&EC_POINT_free)> point(EC_POINT_new(group.get()),
                                                                    EC_POINT_free);
    ASSERT_EQ(EC_POINT_oct2point(group.get(), point.get(), encoded.data(), encoded.size(), nullptr),
              1);
    tables.push_back(LaneTables::Make(point.get()));
    ASSERT_NE(tables.back(), nullptr);
  }
  std::mt19937 draw(20261123);
  std::array<int, 2> seen{};
  for (int round = 0; round < 400; ++round) {
    const size_t count = 1 + draw() % kEcdsaLanes;
    std::vector<LaneCheck> checks(count);
    std::vector<Sha256Digest> digests(count);
    std::vector<Bytes> signatures(count);
    std::vector<bool> right(count);
    for (size_t i = 0; i < count; ++i) {
      const size_t key = draw() % keys.size();
      digests[i] = RandomDigest();
      signatures[i] = keys[key].SignDigest(digests[i]);
      switch (draw() % 6) {
        case 0:
          signatures[i][draw() % kRawSignatureSize] ^= static_cast<uint8_t>(1 << draw() % 8);
          break;
        case 1:  // no number a signature may have
          std::fill_n(signatures[i].begin() + 32, 32, uint8_t{0});
          break;
        case 2:
          std::copy(kOrder.begin(), kOrder.end(), signatures[i].begin());
          break;
        default:
          break;
      }
      right[i] = verifiers[key].Verify(digests[i], signatures[i]);
      checks[i] = {tables[key].get(), &digests[i], signatures[i]};
    }
    VerifyLanes(checks);
    for (size_t i = 0; i < count; ++i) {
      EXPECT_EQ(checks[i].verdict, right[i] ? LaneVerdict::kRight : LaneVerdict::kWrong);
      ++seen[right[i] ? 1 : 0];
    }
  }
  EXPECT_GT(seen[0], 100);
  EXPECT_GT(seen[1], 100);
}

using BigNumber = std::unique_ptr<BIGNUM, decltype(&BN_free)>;
BigNumber BigNumberOf(ByteView bytes) {
  return {BN_bin2bn(bytes.data(), static_cast<int>(bytes.size()), nullptr), BN_free};
}

// A right signature on the way to which the kernel's sum meets the very point it adds: the sum
// begins at 2^258 G, to which u1 G and then u2 Q are added, and Q is (2^258 + u1) / u2 times G.
struct Meeting {
  explicit Meeting(uint8_t u1, uint8_t u2) {
    const std::unique_ptr<EC_GROUP, decltype(&EC_GROUP_free)> group(
        EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1), EC_GROUP_free);
    const std::unique_ptr<BN_CTX, decltype(&BN_CTX_free)> context(BN_CTX_new(), BN_CTX_free);
    const std::unique_ptr<EC_POINT, decltype(&EC_POINT_free)> point(EC_POINT_new(group.get()),
                                                                    EC_POINT_free);
    const BigNumber n = BigNumberOf(kOrder), r = BigNumberOf({}), s = BigNumberOf({}),
                    e = BigNumberOf({}), d = BigNumberOf({}), sum = BigNumberOf({});
    const BigNumber u1_number = BigNumberOf(Bytes{u1}), u2_number = BigNumberOf(Bytes{u2});
    const BigNumber inverse(BN_mod_inverse(nullptr, u2_number.get(), n.get(), context.get()),
                            BN_free);
    BN_set_bit(d.get(), 258);
    BN_add(d.get(), d.get(), u1_number.get());
    BN_mod_mul(d.get(), d.get(), inverse.get(), n.get(), context.get());
    BN_mod_mul(sum.get(), u2_number.get(), d.get(), n.get(), context.get());
    BN_mod_add(sum.get(), sum.get(), u1_number.get(), n.get(), context.get());
    EC_POINT_mul(group.get(), point.get(), sum.get(), nullptr, nullptr, context.get());
    EC_POINT_get_affine_coordinates(group.get(), point.get(), r.get(), nullptr, context.get());
    BN_nnmod(r.get(), r.get(), n.get(), context.get());
    BN_mod_mul(s.get(), r.get(), inverse.get(), n.get(), context.get());
    BN_mod_mul(e.get(), u1_number.get(), s.get(), n.get(), context.get());
    BN_bn2binpad(d.get(), scalar.data(), 32);
    BN_bn2binpad(e.get(), digest.data(), 32);
    BN_bn2binpad(r.get(), raw.data(), 32);
    BN_bn2binpad(s.get(), raw.data() + 32, 32);
  }

  Bytes scalar = Bytes(32), raw = Bytes(kRawSignatureSize);
  Sha256Digest digest{};
};

TEST(LaneTables, SayWhereASumMeetsItsOwnPoint) {
  if (!LaneTables::Run()) GTEST_SKIP() << "SKIPPED: this processor has no AVX-512 IFMA";
  const std::unique_ptr<EC_GROUP, decltype(&EC_GROUP_free)> group(
      EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1), EC_GROUP_free);
  for (const auto& [u1, u2] : {std::pair<uint8_t, uint8_t>{1, 1}, {7, 3}, {63, 64}}) {
    const Meeting meeting(u1, u2);
    const SoftwareKey key = SoftwareKey::FromScalar(meeting.scalar);
    const auto encoded = key.Point();
    const std::unique_ptr<EC_POINT, decltype(&EC_POINT_free)> point(EC_POINT_new(group.get()),
                                                                    EC_POINT_free);
    ASSERT_EQ(EC_POINT_oct2point(group.get(), point.get(), encoded.data(), encoded.size(), nullptr),
              1);
    const auto tables = LaneTables::Make(point.get());
    ASSERT_NE(tables, nullptr);
    LaneCheck check{tables.get(), &meeting.digest, meeting.raw};
    VerifyLanes({&check, 1});
    EXPECT_EQ(check.verdict, LaneVerdict::kUnclear) << int{u1} << " " << int{u2};
    // Together with others it is judged all the same.
    const SignatureVerifier verifier = *SignatureVerifier::Make(encoded);
    for (int i = 0; i < 1100; ++i) ASSERT_TRUE(verifier.Verify(meeting.digest, meeting.raw));
    std::vector<SignatureCheck> checks(3);
    for (SignatureCheck& each : checks) {
      each = {&verifier, meeting.digest};
      std::copy(meeting.raw.begin(), meeting.raw.end(), each.raw.begin());
    }
    checks[1].digest[0] ^= 1;
    VerifyAll(checks);
    EXPECT_TRUE(checks[0].right);
    EXPECT_FALSE(checks[1].right);
    EXPECT_TRUE(checks[2].right);
  }
}

// e = n - 1 and r = s = 1 for the key 1: e*G + r*Q is the point at infinity, which has no x.
TEST(LaneTables, SayWhereTheSumIsAtInfinity) {
  if (!LaneTables::Run()) GTEST_SKIP() << "SKIPPED: this processor has no AVX-512 IFMA";
  const Bytes one = *FromHex("0000000000000000000000000000000000000000000000000000000000000001");
  const SoftwareKey key = SoftwareKey::FromScalar(one);
  const auto encoded = key.Point();
  const std::unique_ptr<EC_GROUP, decltype(&EC_GROUP_free)> group(
      EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1), EC_GROUP_free);
  const auto tables = LaneTables::Make(EC_GROUP_get0_generator(group.get()));
  ASSERT_NE(tables, nullptr);
  Sha256Digest digest;
  std::copy(kOrder.begin(), kOrder.end(), digest.begin());
  digest[31] -= 1;
  Bytes raw(kRawSignatureSize);
  raw[31] = raw[63] = 1;
  LaneCheck check{tables.get(), &digest, raw};
  VerifyLanes({&check, 1});
  EXPECT_EQ(check.verdict, LaneVerdict::kUnclear);

  // Asked together with others, the verifier gives OpenSSL's answer.
  const SignatureVerifier verifier = *SignatureVerifier::Make(encoded);
  const Sha256Digest other = RandomDigest();
  const Bytes good = key.SignDigest(other);
  for (int i = 0; i < 1100; ++i) ASSERT_TRUE(verifier.Verify(other, good));
  std::vector<SignatureCheck> checks(3);
  for (SignatureCheck& each : checks) {
    each = {&verifier, other};
    std::copy(good.begin(), good.end(), each.raw.begin());
  }
  checks[1].digest = digest;
  std::copy(raw.begin(), raw.end(), checks[1].raw.begin());
  VerifyAll(checks);
  EXPECT_TRUE(checks[0].right);
  EXPECT_FALSE(checks[1].right);
  EXPECT_TRUE(checks[2].right);
}

}  // namespace
}  // namespace assay::matter
