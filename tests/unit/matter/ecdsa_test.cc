#include "matter/ecdsa.h"

#include <gtest/gtest.h>
#include <openssl/rand.h>

#include "matter/ecdsa_tables.h"
#include "tests/unit/matter/software_key.h"

namespace assay::matter {
namespace {

Sha256Digest RandomDigest() {
  Sha256Digest digest;
  EXPECT_EQ(RAND_bytes(digest.data(), static_cast<int>(digest.size())), 1);
  return digest;
}

std::unique_ptr<const VerificationTables> TablesOf(const SoftwareKey& key) {
  const EC_GROUP* group = EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1);
  EC_POINT* point = EC_POINT_new(group);
  const auto encoded = key.Point();
  EXPECT_EQ(EC_POINT_oct2point(group, point, encoded.data(), encoded.size(), nullptr), 1);
  auto tables = VerificationTables::Make(point);
  EC_POINT_free(point);
  EC_GROUP_free(const_cast<EC_GROUP*>(group));
  return tables;
}

const Bytes kOrder = *FromHex("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551");

TEST(VerificationTables, JudgeAsOpenSslDoes) {
  const auto other = TablesOf(SoftwareKey::Fresh());
  for (int k = 0; k < 4; ++k) {
    const SoftwareKey key = SoftwareKey::Fresh();
    const auto tables = TablesOf(key);
    ASSERT_NE(tables, nullptr);
    for (int i = 0; i < 50; ++i) {
      const Sha256Digest digest = RandomDigest();
      Bytes signature = key.SignDigest(digest);
      EXPECT_TRUE(tables->Verify(digest, signature));
      EXPECT_FALSE(other->Verify(digest, signature));
      signature[static_cast<size_t>(i) % 64] ^= 1;
      EXPECT_FALSE(tables->Verify(digest, signature));
      signature[static_cast<size_t>(i) % 64] ^= 1;
      EXPECT_FALSE(tables->Verify(RandomDigest(), signature));
    }
  }
}

TEST(VerificationTables, TakeEveryDigestASignerMayMeet) {
  const SoftwareKey key = SoftwareKey::Fresh();
  const auto tables = TablesOf(key);
  Sha256Digest zero{}, above_order, order;
  above_order.fill(0xFF);
  std::copy(kOrder.begin(), kOrder.end(), order.begin());
  for (const Sha256Digest& digest : {zero, above_order, order}) {
    EXPECT_TRUE(tables->Verify(digest, key.SignDigest(digest)));
  }
}

TEST(VerificationTables, RefuseNumbersOutsideTheGroup) {
  const SoftwareKey key = SoftwareKey::Fresh();
  const auto tables = TablesOf(key);
  const Sha256Digest digest = RandomDigest();
  const Bytes good = key.SignDigest(digest);
  for (const size_t half : {0u, 32u}) {
    Bytes zero = good;
    std::fill_n(zero.begin() + static_cast<ptrdiff_t>(half), 32, uint8_t{0});
    EXPECT_FALSE(tables->Verify(digest, zero));
    Bytes order = good;
    std::copy(kOrder.begin(), kOrder.end(), order.begin() + static_cast<ptrdiff_t>(half));
    EXPECT_FALSE(tables->Verify(digest, order));
  }
  EXPECT_FALSE(tables->Verify(digest, ByteView(good).first(63)));
}

// e*G + r*Q is infinity for e = -r*d: no signature, whatever r and s say.
TEST(VerificationTables, RefuseThePointAtInfinity) {
  const Bytes one = *FromHex("0000000000000000000000000000000000000000000000000000000000000001");
  const auto tables = TablesOf(SoftwareKey::FromScalar(one));
  // d = 1, r = 1, so e = n - 1.
  Sha256Digest digest;
  std::copy(kOrder.begin(), kOrder.end(), digest.begin());
  digest[31] -= 1;
  RawSignature signature{};
  signature[31] = signature[63] = 1;
  EXPECT_FALSE(tables->Verify(digest, signature));
}

TEST(SignatureVerifier, JudgesTheSameBeforeAndAfterItMadeTables) {
  const SoftwareKey key = SoftwareKey::Fresh();
  const auto verifier = SignatureVerifier::Make(key.Point());
  ASSERT_TRUE(verifier.ok());
  const Sha256Digest digest = RandomDigest();
  const Bytes good = key.SignDigest(digest);
  Bytes bad = good;
  bad[40] ^= 0x10;
  for (int i = 0; i < 1500; ++i) {
    ASSERT_TRUE(verifier->Verify(digest, good)) << i;
    ASSERT_FALSE(verifier->Verify(digest, bad)) << i;
  }
}

}  // namespace
}  // namespace assay::matter
