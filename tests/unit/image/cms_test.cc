#include "image/cms.h"

#include <gtest/gtest.h>
#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/obj_mac.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "base/refusal.h"
#include "matter/certificate.h"
#include "tests/unit/image/image_vectors.h"

namespace assay::image {
namespace {

// A software key in the HSM's place: digest in, r and s out.
class TestKey {
 public:
  TestKey() : key_(EC_KEY_new_by_curve_name(NID_X9_62_prime256v1)) {
    EXPECT_EQ(EC_KEY_generate_key(key_), 1);
  }
  ~TestKey() { EC_KEY_free(key_); }
  TestKey(const TestKey&) = delete;
  TestKey& operator=(const TestKey&) = delete;

  Bytes Point() const {
    Bytes point(65);
    EXPECT_EQ(
        EC_POINT_point2oct(EC_KEY_get0_group(key_), EC_KEY_get0_public_key(key_),
                           POINT_CONVERSION_UNCOMPRESSED, point.data(), point.size(), nullptr),
        65u);
    return point;
  }
  Bytes Sign(ByteView message) const {
    const Sha256Digest digest = Sha256(message);
    ECDSA_SIG* signature = ECDSA_do_sign(digest.data(), digest.size(), key_);
    Bytes raw(64);
    BN_bn2binpad(ECDSA_SIG_get0_r(signature), raw.data(), 32);
    BN_bn2binpad(ECDSA_SIG_get0_s(signature), raw.data() + 32, 32);
    ECDSA_SIG_free(signature);
    return raw;
  }

 private:
  EC_KEY* key_;
};

class Cms : public ::testing::Test {
 protected:
  void SetUp() override {
    ImageSignerFields fields;
    fields.common_name = "Assay image signer";
    fields.public_key = key_.Point();
    fields.serial_number = {0x7A, 1, 2, 3};
    fields.not_before = absl::FromUnixSeconds(1700000000);
    fields.not_after = absl::InfiniteFuture();
    const auto tbs = EncodeImageSignerTbs(fields);
    ASSERT_TRUE(tbs.ok()) << tbs.status();
    const auto certificate = AssembleImageSignerCertificate(*tbs, key_.Sign(*tbs));
    ASSERT_TRUE(certificate.ok()) << certificate.status();
    certificate_ = *certificate;
    const auto cms = AssembleDetachedCms(certificate_, key_.Sign(content_));
    ASSERT_TRUE(cms.ok()) << cms.status();
    cms_ = *cms;
  }

  // Exit code of stock OpenSSL over these files.
  int OpensslVerdict(const Bytes& cms, const Bytes& content, std::string_view more) {
    const std::filesystem::path folder =
        std::filesystem::path(::testing::TempDir()) /
        ("assay_cms_" +
         std::string(::testing::UnitTest::GetInstance()->current_test_info()->name()));
    std::filesystem::create_directories(folder);
    const auto put = [&](const char* name, std::string_view text) {
      std::ofstream(folder / name, std::ios::binary) << text;
    };
    put("image.p7s", AsText(cms));
    put("image.bin", AsText(content));
    put("signer.pem", matter::Certificate::Parse(certificate_)->ToPem());
    const std::string command =
        "cd '" + folder.string() +
        "' && /usr/bin/openssl cms -verify -binary -inform DER -in image.p7s -content "
        "image.bin -CAfile signer.pem -out /dev/null " +
        std::string(more) + " 2>err.txt";
    const int verdict = std::system(command.c_str());
    std::filesystem::remove_all(folder);
    return verdict;
  }

  // A delegate's certificate and what it signed, the way the service makes them.
  Bytes Delegate(absl::Time from, absl::Duration life) {
    const Bytes point = delegate_.Point();
    const Bytes serial = {0x11, 0x22};
    const auto tbs = EncodeImageDelegateTbs(certificate_, {.public_key = point,
                                                           .serial_number = serial,
                                                           .not_before = from,
                                                           .not_after = from + life});
    EXPECT_TRUE(tbs.ok()) << tbs.status();
    return *AssembleImageSignerCertificate(*tbs, key_.Sign(*tbs));
  }

  TestKey key_, delegate_;
  Bytes certificate_;
  Bytes cms_;
  Bytes content_ = Bytes(24576, 0xA5);
};

TEST_F(Cms, IsAcceptedByStockOpensslForAnyPurposeAndByDefault) {
  if (!std::filesystem::exists("/usr/bin/openssl")) GTEST_SKIP() << "SKIPPED: no openssl program";
  EXPECT_EQ(OpensslVerdict(cms_, content_, "-purpose any"), 0);
  EXPECT_EQ(OpensslVerdict(cms_, content_, ""), 0);
  EXPECT_EQ(OpensslVerdict(cms_, content_, "-x509_strict"), 0);
}

TEST_F(Cms, IsRefusedByStockOpensslAfterOneChangedBit) {
  if (!std::filesystem::exists("/usr/bin/openssl")) GTEST_SKIP() << "SKIPPED: no openssl program";
  Bytes changed = content_;
  changed[12345] ^= 1;
  EXPECT_NE(OpensslVerdict(cms_, changed, "-purpose any"), 0);
}

TEST_F(Cms, OfADelegateIsAcceptedByStockOpensslWithTheSameTrustFileForItsDay) {
  if (!std::filesystem::exists("/usr/bin/openssl")) GTEST_SKIP() << "SKIPPED: no openssl program";
  const absl::Time now = absl::FromUnixSeconds(absl::ToUnixSeconds(absl::Now()));
  const Bytes certificate = Delegate(now - absl::Minutes(5), absl::Hours(24));
  const Bytes cms = *AssembleDetachedCms(certificate, delegate_.Sign(content_));
  EXPECT_EQ(OpensslVerdict(cms, content_, "-purpose any"), 0);
  EXPECT_EQ(OpensslVerdict(cms, content_, ""), 0);
  EXPECT_EQ(OpensslVerdict(cms, content_, "-x509_strict"), 0);
  const std::string later = "-attime " + std::to_string(absl::ToUnixSeconds(now) + 3 * 86400);
  EXPECT_NE(OpensslVerdict(cms, content_, later), 0) << "its day is over";
  EXPECT_EQ(OpensslVerdict(cms, content_, "-no_check_time"), 0) << "as docs/security.md says";
  Bytes changed = content_;
  changed[1] ^= 1;
  EXPECT_NE(OpensslVerdict(cms, changed, ""), 0);
}

TEST_F(Cms, OfADelegateIsAcceptedByOurOwnCheckAlsoYearsLater) {
  const Bytes certificate = Delegate(absl::FromUnixSeconds(1700000000), kDelegateLife);
  const Bytes cms = *AssembleDetachedCms(certificate, delegate_.Sign(content_));
  EXPECT_TRUE(VerifyDetachedCms(cms, content_, certificate_).ok());
  Bytes changed = content_;
  changed[1] ^= 1;
  EXPECT_TRUE(HasReason(VerifyDetachedCms(cms, changed, certificate_), Reason::VERIFY_FAILED));
  for (size_t i = 0; i < cms.size(); i += 7) {
    Bytes broken = cms;
    broken[i] ^= 1;
    EXPECT_FALSE(VerifyDetachedCms(broken, content_, certificate_).ok()) << i;
  }
}

TEST_F(Cms, OfADelegateThatNobodyOrAnotherCertifiedIsRefused) {
  const Bytes good = Delegate(absl::FromUnixSeconds(1700000000), absl::Hours(24));
  const auto read = matter::Certificate::Parse(good);
  ASSERT_TRUE(read.ok());
  // The delegate's own signature in the image key's place, and a certificate for a whole year.
  const Bytes forged =
      *AssembleImageSignerCertificate(read->tbs(), delegate_.Sign(ToBytes(read->tbs())));
  const Bytes cms = *AssembleDetachedCms(forged, delegate_.Sign(content_));
  EXPECT_TRUE(HasReason(VerifyDetachedCms(cms, content_, certificate_), Reason::VERIFY_FAILED));
  const Bytes point = delegate_.Point();
  const Bytes serial = {0x11};
  const absl::Time from = absl::FromUnixSeconds(1700000000);
  EXPECT_FALSE(EncodeImageDelegateTbs(certificate_, {.public_key = point,
                                                     .serial_number = serial,
                                                     .not_before = from,
                                                     .not_after = from + absl::Hours(25)})
                   .ok());
  EXPECT_FALSE(EncodeImageDelegateTbs(good, {.public_key = point,
                                             .serial_number = serial,
                                             .not_before = from,
                                             .not_after = from + absl::Hours(1)})
                   .ok())
      << "a delegate certifies nobody";
  EXPECT_TRUE(CheckMayDelegate(certificate_).ok());
  EXPECT_TRUE(HasReason(CheckMayDelegate(good), Reason::FIELD_NOT_ALLOWED));
}

TEST_F(Cms, OfATemplateIsTheSameAsOfAnewOne) {
  const auto form = DetachedCmsTemplate::Make(certificate_);
  ASSERT_TRUE(form.ok());
  for (int i = 0; i < 300; ++i) {
    const Bytes raw = key_.Sign(Bytes(1, static_cast<uint8_t>(i)));
    EXPECT_EQ(*form->Fill(raw), *AssembleDetachedCms(certificate_, raw));
  }
  EXPECT_FALSE(form->Fill(Bytes(63)).ok());
}

TEST_F(Cms, IsAcceptedByOurOwnCheck) {
  EXPECT_TRUE(VerifyDetachedCms(cms_, content_, certificate_).ok());
  EXPECT_TRUE(VerifyDetachedCmsDigest(cms_, Sha256(content_), certificate_).ok());
}

TEST_F(Cms, IsRefusedOverOtherBytes) {
  Bytes changed = content_;
  changed.back() ^= 0x80;
  EXPECT_TRUE(HasReason(VerifyDetachedCms(cms_, changed, certificate_), Reason::VERIFY_FAILED));
}

TEST_F(Cms, IsRefusedFromAnotherSigner) {
  TestKey other;
  ImageSignerFields fields;
  fields.common_name = "Assay image signer";
  fields.public_key = other.Point();
  fields.serial_number = {1};
  fields.not_before = absl::FromUnixSeconds(1700000000);
  fields.not_after = absl::FromUnixSeconds(1800000000);
  const auto tbs = EncodeImageSignerTbs(fields);
  ASSERT_TRUE(tbs.ok());
  const auto certificate = AssembleImageSignerCertificate(*tbs, other.Sign(*tbs));
  const auto forged = AssembleDetachedCms(*certificate, other.Sign(content_));
  ASSERT_TRUE(forged.ok());
  EXPECT_TRUE(HasReason(VerifyDetachedCms(*forged, content_, certificate_), Reason::VERIFY_FAILED));
}

TEST_F(Cms, NoChangedByteOfTheSignatureFilePasses) {
  for (size_t i = 0; i < cms_.size(); ++i) {
    Bytes changed = cms_;
    changed[i] ^= 0x01;
    EXPECT_FALSE(VerifyDetachedCms(changed, content_, certificate_).ok()) << i;
    EXPECT_FALSE(VerifyDetachedCms(ByteView(cms_).first(i), content_, certificate_).ok()) << i;
  }
}

TEST_F(Cms, RefusesMalformedFieldsOfTheSignersCertificate) {
  ImageSignerFields fields;
  fields.common_name = "x";
  fields.public_key = key_.Point();
  fields.serial_number = {1};
  fields.not_before = absl::FromUnixSeconds(1700000000);
  fields.not_after = absl::FromUnixSeconds(1800000000);
  ASSERT_TRUE(EncodeImageSignerTbs(fields).ok());
  ImageSignerFields bad = fields;
  bad.serial_number = {0x80};
  EXPECT_FALSE(EncodeImageSignerTbs(bad).ok());
  bad = fields;
  bad.common_name = "";
  EXPECT_FALSE(EncodeImageSignerTbs(bad).ok());
  bad = fields;
  bad.not_after = bad.not_before;
  EXPECT_FALSE(EncodeImageSignerTbs(bad).ok());
  bad = fields;
  bad.public_key[64] ^= 1;
  EXPECT_FALSE(EncodeImageSignerTbs(bad).ok()) << "not on the curve";
}

}  // namespace
}  // namespace assay::image
