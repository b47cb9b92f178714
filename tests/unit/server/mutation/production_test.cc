// What production refuses that a sandbox takes.
#include <gtest/gtest.h>

#include <future>

#include "matter/passcode.h"
#include "matter/test_credentials.h"
#include "server/authority/pai_check.h"
#include "tests/unit/matter/software_key.h"
#include "tests/unit/server/issue/workshop.h"
#include "tests/unit/server/mutation/raw_certificate.h"
#include "tests/vectors/vectors.h"

namespace assay::mutation {
namespace {

using namespace matter;

std::string ReadVectorFile(const std::string& name) {
  return test::LoadVector("matter/" + name).value_or("");
}

// The private keys of the SDK's PAAs are public: here is one at work for a real vendor.
class SdkAuthority {
 public:
  SdkAuthority()
      : paa(*Certificate::ParsePem(ReadVectorFile("attestation/Chip-Test-PAA-NoVID-Cert.pem"))),
        key(SoftwareKey::FromPem(ReadVectorFile("attestation/Chip-Test-PAA-NoVID-Key.pem"))) {}

  Bytes PaiFor(ByteView point) const {
    RawCertificate raw;
    raw.issuer = ToBytes(paa.subject());
    raw.subject = NameOf({Attribute(kOidCommonName, "PAI"), Attribute(kOidVendorId, "131B")});
    raw.not_before = absl::Now() - absl::Hours(24);
    raw.not_after = absl::Now() + absl::Hours(24 * 365);
    raw.point = ToBytes(point);
    raw.extensions = {{ToBytes(kOidBasicConstraints), true, AuthorityConstraints(0)},
                      {ToBytes(kOidKeyUsage), true, KeyUsage(0x06, 1)},
                      {ToBytes(kOidSubjectKeyId), false, SubjectKeyId(KeyIdOf(point))},
                      {ToBytes(kOidAuthorityKeyId), false, AuthorityKeyId(paa.subject_key_id())}};
    const Bytes tbs = EncodeRaw(raw);
    return Assemble(raw, tbs, key.Sign(tbs));
  }

  Certificate paa;
  SoftwareKey key;
};

absl::Status Check(const SdkAuthority& sdk, ByteView point, bool production) {
  const Bytes pai = sdk.PaiFor(point), paa = ToBytes(sdk.paa.der());
  const std::vector<Bytes> trusted = {paa};
  return authority::CheckPaiCandidate(
      {.certificate = pai,
       .paa_certificate = paa,
       .vendor_id = 0x131B,
       .product_id = std::nullopt,
       .public_key = point},
      {.production = production, .trusted_paas = &trusted, .now = absl::Now()});
}

TEST(Production, RefusesThePaasOfTheSdkThoughSomebodyTrustsThem) {
  if (ReadVectorFile("README.md").empty()) GTEST_SKIP() << test::kNoVectors;
  const SdkAuthority sdk;
  const Bytes point = SoftwareKey::Fresh().Point();
  EXPECT_TRUE(Check(sdk, point, false).ok()) << Check(sdk, point, false);
  const absl::Status refused = Check(sdk, point, true);
  ASSERT_TRUE(HasReason(refused, Reason::TEST_CREDENTIAL)) << refused;
  EXPECT_EQ(RefusalOf(refused)->field, "paa_certificate");
}

TEST(Production, RefusesThePaisOfTheSdkByTheirKey) {
  if (ReadVectorFile("README.md").empty()) GTEST_SKIP() << test::kNoVectors;
  const SdkAuthority sdk;
  const Certificate test_pai =
      *Certificate::ParsePem(ReadVectorFile("attestation/Chip-Test-PAI-FFF1-8000-Cert.pem"));
  const absl::Status refused = Check(sdk, test_pai.public_key(), true);
  ASSERT_TRUE(HasReason(refused, Reason::TEST_CREDENTIAL)) << refused;
  EXPECT_EQ(RefusalOf(refused)->field, "certificate");
}

TEST(Production, RefusesDeclarationsOfTheSdksSignerByItsKeyIdAndOfASandbox) {
  if (ReadVectorFile("README.md").empty()) GTEST_SKIP() << test::kNoVectors;
  const std::string declaration = ReadVectorFile("cd/Chip-Test-CD-FFF2-8001-8002.der");
  CdSignerSet signers;
  signers.AddSdkTestSigner();
  EXPECT_TRUE(VerifyCd(AsBytes(declaration), {&signers, true}).ok());
  EXPECT_TRUE(
      HasReason(VerifyCd(AsBytes(declaration), {&signers, false}).status(), Reason::CD_UNTRUSTED));
  issue::Workshop shop;
  CdSignerSet own;
  ASSERT_TRUE(own.Add(*Certificate::Parse(shop.sandbox.cd_certificate), true).ok());
  const std::string made = shop.Declaration(0xFFF1, 0x8000);
  EXPECT_TRUE(VerifyCd(AsBytes(made), {&own, true}).ok());
  EXPECT_TRUE(HasReason(VerifyCd(AsBytes(made), {&own, false}).status(), Reason::CD_UNTRUSTED));
}

class ProductionHouse : public testing::Test {
 protected:
  ProductionHouse() {
    lot::CatalogOptions options;
    options.production = true;
    const auto signer = Certificate::Parse(shop.sandbox.cd_certificate);
    EXPECT_TRUE(options.cd_signers.Add(*signer, false).ok());
    catalog = std::make_unique<lot::Catalog>(shop.store, shop.token, shop.random, shop.clock,
                                             std::move(options));
  }
  absl::Status Apply(const v1::ProductSpec& spec) {
    v1::ApplyProductRequest request;
    request.set_request_id(shop.NextId());
    request.set_name("light");
    *request.mutable_spec() = spec;
    return catalog->ApplyProduct(shop.operator_caller, request).status();
  }
  absl::Status Issue(const std::function<void(v1::DeviceValues&)>& change, bool production) {
    hsm::SignerPoolOptions signer_options;
    const auto signers = std::make_shared<hsm::SignerPool>(shop.token, signer_options);
    issue::PipelineOptions options;
    options.instance_id = "instance-1";
    options.production = production;
    options.image_certificate = shop.sandbox.image_certificate;
    EXPECT_TRUE(shop.store->RenewLease(options.instance_id, std::chrono::seconds(60)).ok());
    issue::Pipeline pipeline(shop.store, shop.token, signers, shop.random, shop.clock,
                             shop.observer, options);
    v1::IssueRequest request = issue::Workshop::Request("lot", shop.NextId());
    change(*request.mutable_values());
    std::promise<absl::Status> answer;
    pipeline.Submit(shop.line_caller, request, Deadline::In(std::chrono::minutes(1)),
                    [&](issue::Outcome outcome) { answer.set_value(outcome.status()); });
    return answer.get_future().get();
  }

  issue::Workshop shop;
  std::unique_ptr<lot::Catalog> catalog;
};

TEST_F(ProductionHouse, RefusesTestVendors) {
  for (uint32_t vendor = 0xFFF1; vendor <= 0xFFF4; ++vendor) {
    v1::ProductSpec spec = shop.Light();
    spec.set_vendor_id(vendor);
    const absl::Status refused = Apply(spec);
    EXPECT_TRUE(HasReason(refused, Reason::TEST_CREDENTIAL)) << refused;
    EXPECT_EQ(RefusalOf(refused)->field, "spec.vendor_id");
  }
}

TEST_F(ProductionHouse, RefusesTheDefaultPasscodeAndDiscriminator) {
  constexpr uint16_t kVendor = 0x131B;
  shop.MakePai("pai-131b", kVendor);
  v1::ProductSpec spec = shop.Light();
  spec.set_vendor_id(kVendor);
  spec.set_certification_declaration(shop.Declaration(kVendor, 0x8000));
  spec.set_values_from_line(true);
  ASSERT_TRUE(shop.Open("lot", spec, 10).ok());
  const auto passcode = [](auto& values) { values.set_passcode(kDefaultPasscode); };
  const auto discriminator = [](auto& values) { values.set_discriminator(kDefaultDiscriminator); };
  EXPECT_TRUE(Issue(passcode, false).ok());
  EXPECT_TRUE(Issue(discriminator, false).ok());
  const uint64_t claimed = shop.LotNow("lot").claimed();
  const int signatures = shop.observer.Count(issue::Step::kSign);
  for (const auto& refused : {Issue(passcode, true), Issue(discriminator, true)}) {
    ASSERT_TRUE(RefusalOf(refused)) << refused;
    EXPECT_FALSE(refused.ok());
    EXPECT_NE(RefusalOf(refused)->field.find("values."), std::string::npos) << refused;
  }
  EXPECT_EQ(shop.LotNow("lot").claimed(), claimed);
  EXPECT_EQ(shop.observer.Count(issue::Step::kSign), signatures);
}

}  // namespace
}  // namespace assay::mutation
