#include "matter/ecdsa.h"

#include <gtest/gtest.h>
#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/rand.h>

#include <vector>

#include "matter/ecdsa_tables.h"
#include "matter/lane_tables.h"
#include "tests/unit/matter/software_key.h"

namespace assay::matter {
namespace {

Sha256Digest RandomDigest() {
  Sha256Digest digest;
  EXPECT_EQ(RAND_bytes(digest.data(), static_cast<int>(digest.size())), 1);
  return digest;
}

// A key's tables, of either kind.
class Tables {
 public:
  virtual ~Tables() = default;
  virtual bool Verify(const Sha256Digest& digest, ByteView raw) const = 0;
};

class OpenSslTables final : public Tables {
 public:
  explicit OpenSslTables(const EC_POINT* point) : tables_(VerificationTables::Make(point)) {}
  bool Verify(const Sha256Digest& digest, ByteView raw) const override {
    return tables_->Verify(digest, raw);
  }

 private:
  std::unique_ptr<const VerificationTables> tables_;
};

// A signature alone in its lanes.
class SideBySideTables final : public Tables {
 public:
  explicit SideBySideTables(const EC_POINT* point) : tables_(LaneTables::Make(point)) {}
  bool Verify(const Sha256Digest& digest, ByteView raw) const override {
    if (raw.size() != kRawSignatureSize) return false;
    LaneCheck check{tables_.get(), &digest, raw};
    VerifyLanes({&check, 1});
    return check.verdict == LaneVerdict::kRight;
  }

 private:
  std::unique_ptr<const LaneTables> tables_;
};

enum class Kind { kOpenSsl, kSideBySide };

class VerificationTablesTest : public testing::TestWithParam<Kind> {
 protected:
  void SetUp() override {
    if (GetParam() == Kind::kSideBySide && !LaneTables::Run()) {
      GTEST_SKIP() << "SKIPPED: this processor has no AVX-512 IFMA";
    }
  }

  static std::unique_ptr<const Tables> TablesOf(const EC_POINT* point) {
    if (GetParam() == Kind::kOpenSsl) return std::make_unique<OpenSslTables>(point);
    return std::make_unique<SideBySideTables>(point);
  }
  static std::unique_ptr<const Tables> TablesOf(const SoftwareKey& key) {
    EC_GROUP* group = EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1);
    EC_POINT* point = EC_POINT_new(group);
    const auto encoded = key.Point();
    EXPECT_EQ(EC_POINT_oct2point(group, point, encoded.data(), encoded.size(), nullptr), 1);
    auto tables = TablesOf(point);
    EC_POINT_free(point);
    EC_GROUP_free(group);
    return tables;
  }
};
INSTANTIATE_TEST_SUITE_P(Tables, VerificationTablesTest,
                         testing::Values(Kind::kOpenSsl, Kind::kSideBySide), [](const auto& each) {
                           return each.param == Kind::kOpenSsl ? "OpenSsl" : "SideBySide";
                         });

const Bytes kOrder = *FromHex("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551");

TEST_P(VerificationTablesTest, JudgeAsOpenSslDoes) {
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

TEST_P(VerificationTablesTest, TakeEveryDigestASignerMayMeet) {
  const SoftwareKey key = SoftwareKey::Fresh();
  const auto tables = TablesOf(key);
  Sha256Digest zero{}, above_order, order;
  above_order.fill(0xFF);
  std::copy(kOrder.begin(), kOrder.end(), order.begin());
  for (const Sha256Digest& digest : {zero, above_order, order}) {
    EXPECT_TRUE(tables->Verify(digest, key.SignDigest(digest)));
  }
}

TEST_P(VerificationTablesTest, RefuseNumbersOutsideTheGroup) {
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
TEST_P(VerificationTablesTest, RefuseThePointAtInfinity) {
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

// The x of a signature's point is nearly always below the order. Where it is not, r is x - n: such
// signatures cannot be found by signing, so a key is made for the point.
TEST_P(VerificationTablesTest, TakeAPointWhoseXIsAboveTheOrder) {
  const std::unique_ptr<EC_GROUP, decltype(&EC_GROUP_free)> group(
      EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1), EC_GROUP_free);
  const std::unique_ptr<BN_CTX, decltype(&BN_CTX_free)> context(BN_CTX_new(), BN_CTX_free);
  const auto number = [](ByteView bytes) {
    return std::unique_ptr<BIGNUM, decltype(&BN_free)>(
        BN_bin2bn(bytes.data(), static_cast<int>(bytes.size()), nullptr), BN_free);
  };
  const auto new_point = [&] {
    return std::unique_ptr<EC_POINT, decltype(&EC_POINT_free)>(EC_POINT_new(group.get()),
                                                               EC_POINT_free);
  };
  const auto n = number(kOrder);
  int taken = 0;
  for (uint8_t low = 1; low < 40; ++low) {
    RawSignature signature{};
    signature[31] = low;  // r
    signature[40] = 0x5A;
    signature[63] = low;  // s
    const Sha256Digest digest = RandomDigest();
    const auto r = number(ByteView(signature).first(32)),
               s = number(ByteView(signature).subspan(32));
    const auto e = number(digest);
    const auto x = number({});
    const auto point = new_point(), key = new_point(), shift = new_point();
    BN_add(x.get(), r.get(), n.get());
    if (EC_POINT_set_compressed_coordinates(group.get(), point.get(), x.get(), low & 1,
                                            context.get()) != 1) {
      continue;  // the curve has no point of this x
    }
    // Q = (s R - e G) / r
    const auto inverse = number({});
    ASSERT_NE(BN_mod_inverse(inverse.get(), r.get(), n.get(), context.get()), nullptr);
    EC_POINT_mul(group.get(), shift.get(), e.get(), nullptr, nullptr, context.get());
    EC_POINT_invert(group.get(), shift.get(), context.get());
    EC_POINT_mul(group.get(), key.get(), nullptr, point.get(), s.get(), context.get());
    EC_POINT_add(group.get(), key.get(), key.get(), shift.get(), context.get());
    EC_POINT_mul(group.get(), key.get(), nullptr, key.get(), inverse.get(), context.get());
    const auto tables = TablesOf(key.get());
    ASSERT_NE(tables, nullptr);
    EXPECT_TRUE(tables->Verify(digest, signature)) << int{low};
    // OpenSSL agrees.
    P256Point encoded{};
    EC_POINT_point2oct(group.get(), key.get(), POINT_CONVERSION_UNCOMPRESSED, encoded.data(),
                       encoded.size(), context.get());
    EXPECT_TRUE(SignatureVerifier::Make(encoded)->Verify(digest, signature)) << int{low};
    signature[31] ^= 0x40;
    EXPECT_FALSE(tables->Verify(digest, signature));
    ++taken;
  }
  EXPECT_GE(taken, 5);
}

// Numbers near the ends of their ranges, right and wrong alike, as OpenSSL judges them.
TEST_P(VerificationTablesTest, JudgeNumbersAtTheEdgesAsOpenSslDoes) {
  const SoftwareKey key = SoftwareKey::Fresh();
  const auto tables = TablesOf(key);
  std::vector<Bytes> edges;
  for (const uint8_t low : {1, 2, 3, 4, 5, 0x7F}) {
    Bytes small(32);
    small[31] = low;
    edges.push_back(small);
    Bytes large = kOrder;
    large[31] = static_cast<uint8_t>(large[31] - low);
    edges.push_back(large);
    Bytes power(32);
    power[low % 32] = 0x80;
    edges.push_back(power);
  }
  for (const Bytes& r : edges) {
    for (const Bytes& s : edges) {
      Bytes signature = r;
      Append(signature, s);
      const Sha256Digest digest = RandomDigest();
      const auto fresh = SignatureVerifier::Make(key.Point());
      ASSERT_TRUE(fresh.ok());
      EXPECT_EQ(tables->Verify(digest, signature), fresh->Verify(digest, signature));
    }
  }
}

// Keys that are asked often beside one that is not, more of them than there are lanes.
TEST(SignatureVerifier, JudgesManyTogetherAsEachAlone) {
  const SoftwareKey often = SoftwareKey::Fresh(), seldom = SoftwareKey::Fresh();
  const SignatureVerifier often_verifier = *SignatureVerifier::Make(often.Point());
  const SignatureVerifier seldom_verifier = *SignatureVerifier::Make(seldom.Point());
  const Sha256Digest digest = RandomDigest();
  const Bytes good = often.SignDigest(digest);
  for (int i = 0; i < 1100; ++i) ASSERT_TRUE(often_verifier.Verify(digest, good));
  for (size_t count = 0; count <= 20; ++count) {
    std::vector<SignatureCheck> checks(count);
    for (size_t i = 0; i < count; ++i) {
      const bool is_often = i % 5 != 3;
      checks[i].key = is_often ? &often_verifier : &seldom_verifier;
      checks[i].digest = RandomDigest();
      const Bytes raw = (is_often ? often : seldom).SignDigest(checks[i].digest);
      std::copy(raw.begin(), raw.end(), checks[i].raw.begin());
      if (i % 3 == 1) checks[i].raw[17] ^= 4;
    }
    VerifyAll(checks);
    for (size_t i = 0; i < count; ++i) EXPECT_EQ(checks[i].right, i % 3 != 1) << i;
  }
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
