#include "server/authority/authority.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/refusal.h"
#include "matter/certificate.h"
#include "matter/certificate_format.h"
#include "matter/certification_declaration.h"
#include "matter/csr.h"
#include "matter/name.h"
#include "matter/tbs.h"
#include "tests/support/software_token.h"
#include "tests/unit/server/authority/pai_store.h"

namespace assay::authority {
namespace {

using matter::Certificate;

class FixedClock final : public Clock {
 public:
  absl::Time Now() const override { return now; }
  absl::Time now = absl::FromUnixSeconds(1'800'000'000);
};

const access::Caller kOperator{.uri = "spiffe://t/operator/ann",
                               .line = "",
                               .roles = {access::Role::kOperator},
                               .factories = {},
                               .lots = {}};
const access::Caller kLine{.uri = "spiffe://t/line/1",
                           .line = "",
                           .roles = {access::Role::kLine},
                           .factories = {},
                           .lots = {}};

class AuthorityTest : public testing::Test {
 protected:
  AuthorityTest() {
    SandboxKeys none;
    auto keys = PrepareSandbox(*token_, random_, clock_, none);
    EXPECT_TRUE(keys.ok()) << keys.status();
    if (keys.ok()) sandbox_ = *keys;
  }

  Authority Make(bool production = false, std::vector<Bytes> trusted = {}) {
    AuthorityOptions options;
    options.production = production;
    options.trusted_paas = std::move(trusted);
    if (!production) {
      options.sandbox_paa_key = std::string(kSandboxPaaKey);
      options.sandbox_paa_certificate = sandbox_.paa_certificate;
      options.sandbox_cd_key = std::string(kSandboxCdKey);
      options.sandbox_cd_certificate = sandbox_.cd_certificate;
    }
    return Authority(store_, token_, random_, clock_, std::move(options));
  }

  static v1::CreatePaiRequest CreateRequest(const std::string& name, uint32_t vendor) {
    v1::CreatePaiRequest request;
    request.set_request_id("create-" + name);
    request.set_name(name);
    request.set_vendor_id(vendor);
    return request;
  }
  template <typename Request>
  static Request Named(const std::string& id, const std::string& name) {
    Request request;
    request.set_request_id(id);
    request.set_name(name);
    return request;
  }
  static v1::InstallPaiRequest Install(const std::string& name, ByteView pai, ByteView paa) {
    auto request = Named<v1::InstallPaiRequest>("install-" + name, name);
    request.set_certificate(ToText(pai));
    request.set_paa_certificate(ToText(paa));
    return request;
  }

  struct Root {
    std::string label;
    Bytes certificate;
  };
  // A PAA of somebody else's, whose key happens to lie in the same token.
  Root MakePaa(const std::string& label, std::optional<uint16_t> vendor = std::nullopt) {
    const auto key = token_->GenerateKey(label, hsm::KeyPurpose::kSigning);
    const auto tbs = matter::EncodePaaTbs(
        {.common_name = label,
         .vid = vendor,
         .pid = std::nullopt,
         .serial = {1, 2, 3},
         .validity = {clock_.now - absl::Hours(48), clock_.now + absl::Hours(24 * 365)},
         .public_key = *key->public_point});
    EXPECT_TRUE(tbs.ok()) << tbs.status();
    return {label, matter::AssembleCertificate(*tbs, *token_->Sign(label, Sha256(*tbs)))};
  }
  // Fields as a PAA's owner fills them in; `change` spoils one.
  Bytes SignPai(const Root& root, const v1::Pai& pai,
                const std::function<void(matter::TbsFields&)>& change = {}) {
    const auto paa = Certificate::Parse(root.certificate);
    const Bytes subject = matter::EncodeName(matter::MatterName(
        "PAI", static_cast<uint16_t>(pai.vendor_id()),
        pai.has_product_id() ? std::optional(static_cast<uint16_t>(pai.product_id()))
                             : std::nullopt));
    const Bytes serial{0x11, 0x22};
    matter::TbsFields fields{
        .serial = serial,
        .issuer = paa->subject(),
        .validity = {clock_.now - absl::Hours(1), clock_.now + absl::Hours(24 * 100)},
        .subject = subject,
        .public_key = AsBytes(pai.public_key()),
        .basic_constraints = {.ca = true, .path_len = 0},
        .key_usage = matter::kKeyCertSign | matter::kCrlSign,
        .subject_key_id = {},
        .authority_key_id = paa->subject_key_id(),
        .more_extensions = {}};
    if (change) change(fields);
    const Bytes tbs = matter::EncodeTbs(fields);
    return matter::AssembleCertificate(tbs, *token_->Sign(root.label, Sha256(tbs)));
  }

  std::shared_ptr<PaiStore> store_ = std::make_shared<PaiStore>();
  std::shared_ptr<test_support::SoftwareToken> token_ =
      std::make_shared<test_support::SoftwareToken>();
  SystemRandom random_;
  FixedClock clock_;
  SandboxKeys sandbox_;
};

#define EXPECT_REFUSED(result, expected_reason, expected_field)                                  \
  do {                                                                                           \
    const auto& refused_result = (result);                                                       \
    EXPECT_TRUE(HasReason(refused_result.status(), expected_reason)) << refused_result.status(); \
    if (const auto refusal = RefusalOf(refused_result.status())) {                               \
      EXPECT_EQ(refusal->field, expected_field);                                                 \
    }                                                                                            \
  } while (false)

TEST_F(AuthorityTest, ASandboxPaiGoesFromKeyToActive) {
  Authority authority = Make();
  auto request = CreateRequest("esp", 0x131B);
  request.set_product_id(0x1000);
  const auto created = authority.CreatePai(kOperator, request);
  ASSERT_TRUE(created.ok()) << created.status();
  EXPECT_EQ(created->state(), v1::PAI_STATE_PENDING);
  EXPECT_EQ(created->key_label(), "assay-pai-esp");
  const auto csr = matter::ParseCsr(AsBytes(created->csr()));
  ASSERT_TRUE(csr.ok()) << csr.status();
  EXPECT_EQ(matter::NameToText(*matter::DecodeName(csr->subject)),
            "CN=Assay PAI esp,VID=131B,PID=1000");

  const auto signed_pai =
      authority.SignSandboxPai(kOperator, Named<v1::SignSandboxPaiRequest>("s", "esp"));
  ASSERT_TRUE(signed_pai.ok()) << signed_pai.status();
  EXPECT_EQ(signed_pai->state(), v1::PAI_STATE_PENDING);
  const auto pai = Certificate::Parse(AsBytes(signed_pai->certificate()));
  const auto paa = Certificate::Parse(sandbox_.paa_certificate);
  ASSERT_TRUE(pai.ok() && paa.ok());
  EXPECT_TRUE(matter::CheckFormat(*pai, matter::Role::kPai).empty());
  EXPECT_TRUE(matter::CheckFormat(*paa, matter::Role::kPaa).empty());
  EXPECT_TRUE(pai->IsSignedBy(*paa));
  EXPECT_EQ(pai->validity().not_after, matter::NeverExpires());

  const auto active = authority.ActivatePai(kOperator, Named<v1::ActivatePaiRequest>("a", "esp"));
  ASSERT_TRUE(active.ok()) << active.status();
  EXPECT_EQ(active->state(), v1::PAI_STATE_ACTIVE);
  const auto retired = authority.RetirePai(kOperator, Named<v1::RetirePaiRequest>("r", "esp"));
  ASSERT_TRUE(retired.ok()) << retired.status();
  EXPECT_EQ(retired->state(), v1::PAI_STATE_RETIRED);
  EXPECT_REFUSED(authority.ActivatePai(kOperator, Named<v1::ActivatePaiRequest>("b", "esp")),
                 Reason::PAI_NOT_ACTIVE, "name");
  EXPECT_EQ(authority.ListPais(kOperator, {})->pais_size(), 1);
}

TEST_F(AuthorityTest, TheSameRequestAgainHasNoSecondEffectAndAnotherIsAConflict) {
  Authority authority = Make();
  const auto first = authority.CreatePai(kOperator, CreateRequest("a", 0xFFF1));
  const auto again = authority.CreatePai(kOperator, CreateRequest("a", 0xFFF1));
  ASSERT_TRUE(first.ok() && again.ok()) << again.status();
  EXPECT_EQ(first->SerializeAsString(), again->SerializeAsString());
  EXPECT_EQ(store_->acts.size(), 1u);
  EXPECT_REFUSED(authority.CreatePai(kOperator, CreateRequest("a", 0xFFF2)),
                 Reason::REQUEST_CONFLICT, "");
  auto other = CreateRequest("a", 0xFFF1);
  other.set_request_id("another");
  EXPECT_TRUE(authority.CreatePai(kOperator, other).ok());  // the very PAI there is
  other.set_vendor_id(0xFFF2);
  EXPECT_REFUSED(authority.CreatePai(kOperator, other), Reason::PAI_CONFLICT, "");
  other.set_vendor_id(0xFFF1);
  other.set_product_id(0x8000);
  EXPECT_REFUSED(authority.CreatePai(kOperator, other), Reason::PAI_CONFLICT, "");
  EXPECT_EQ(store_->acts.size(), 1u);

  auto sign = Named<v1::SignSandboxPaiRequest>("s", "a");
  const auto one = authority.SignSandboxPai(kOperator, sign);
  const auto two = authority.SignSandboxPai(kOperator, sign);
  ASSERT_TRUE(one.ok() && two.ok()) << two.status();
  EXPECT_EQ(one->certificate(), two->certificate());
  // Activating and retiring have the same bytes: their digests must still differ.
  ASSERT_TRUE(authority.ActivatePai(kOperator, Named<v1::ActivatePaiRequest>("x", "a")).ok());
  EXPECT_REFUSED(authority.RetirePai(kOperator, Named<v1::RetirePaiRequest>("x", "a")),
                 Reason::REQUEST_CONFLICT, "");
}

TEST_F(AuthorityTest, AKeyLeftByADeadCreateIsTakenUp) {
  Authority authority = Make();
  store_->fault = Refuse(Reason::STORE_UNAVAILABLE, "cut");
  ASSERT_FALSE(authority.CreatePai(kOperator, CreateRequest("a", 0xFFF1)).ok());
  store_->fault = absl::OkStatus();
  const auto key = token_->GenerateKey("assay-pai-a", hsm::KeyPurpose::kSigning);
  ASSERT_TRUE(key.ok());
  const auto created = authority.CreatePai(kOperator, CreateRequest("a", 0xFFF1));
  ASSERT_TRUE(created.ok()) << created.status();
  EXPECT_EQ(created->public_key(), ToText(*key->public_point));
}

TEST_F(AuthorityTest, OnlyOperatorsChangeAndWrongFieldsAreNamed) {
  Authority authority = Make();
  EXPECT_REFUSED(authority.CreatePai(kLine, CreateRequest("a", 0xFFF1)), Reason::ROLE_MISSING,
                 "caller");
  EXPECT_REFUSED(authority.ListPais(kLine, {}), Reason::ROLE_MISSING, "caller");
  auto request = CreateRequest("a", 0xFFF1);
  request.clear_request_id();
  EXPECT_REFUSED(authority.CreatePai(kOperator, request), Reason::FIELD_REQUIRED, "request_id");
  EXPECT_REFUSED(authority.CreatePai(kOperator, CreateRequest("a b", 0xFFF1)),
                 Reason::FIELD_MALFORMED, "name");
  EXPECT_REFUSED(authority.CreatePai(kOperator, CreateRequest("a", 0)), Reason::FIELD_OUT_OF_RANGE,
                 "vendor_id");
  EXPECT_REFUSED(authority.CreatePai(kOperator, CreateRequest("a", 0xFFF5)),
                 Reason::FIELD_OUT_OF_RANGE, "vendor_id");
  request = CreateRequest("a", 0xFFF1);
  request.set_common_name("x Mvid:FFF2");
  EXPECT_EQ(RefusalOf(authority.CreatePai(kOperator, request).status())->field, "common_name");
  EXPECT_REFUSED(authority.ActivatePai(kOperator, Named<v1::ActivatePaiRequest>("1", "none")),
                 Reason::PAI_UNKNOWN, "");
}

TEST_F(AuthorityTest, InstallingTakesACertificateOfATrustedPaaAsDerOrPem) {
  const Root root = MakePaa("their-paa");
  Authority authority = Make(true, {root.certificate});
  const auto created = authority.CreatePai(kOperator, CreateRequest("real", 0x131B));
  ASSERT_TRUE(created.ok()) << created.status();
  const Bytes pai = SignPai(root, *created);
  auto request = Install("real", AsBytes(matter::ToPem("CERTIFICATE", pai)), root.certificate);
  const auto installed = authority.InstallPai(kOperator, request);
  ASSERT_TRUE(installed.ok()) << installed.status();
  EXPECT_EQ(installed->certificate(), ToText(pai));
  EXPECT_TRUE(authority.InstallPai(kOperator, request).ok());
  EXPECT_TRUE(authority.ActivatePai(kOperator, Named<v1::ActivatePaiRequest>("a", "real")).ok());
  EXPECT_TRUE(authority.InstallPai(kOperator, request).ok());
  auto second = Install(
      "real",
      SignPai(root, *created, [](auto& fields) { fields.key_usage |= matter::kDigitalSignature; }),
      root.certificate);
  second.set_request_id("second");
  EXPECT_REFUSED(authority.InstallPai(kOperator, second), Reason::PAI_CONFLICT, "certificate");
}

TEST_F(AuthorityTest, InstallingRefusesWhatBreaksARule) {
  const Root root = MakePaa("their-paa");
  const Root stranger = MakePaa("stranger");
  const Root vendors = MakePaa("vendor-paa", 0x1234);
  Authority authority = Make(true, {root.certificate, vendors.certificate});
  const auto pai = authority.CreatePai(kOperator, CreateRequest("real", 0x131B));
  ASSERT_TRUE(pai.ok()) << pai.status();
  const auto refuse = [&](const char* what, Reason reason, const char* field,
                          const Bytes& certificate, const Bytes& paa) {
    SCOPED_TRACE(what);
    EXPECT_REFUSED(authority.InstallPai(kOperator, Install("real", certificate, paa)), reason,
                   field);
  };
  v1::Pai other_key = *pai;
  other_key.set_public_key(ToText(*token_->FindKey("stranger")->public_point));
  refuse("another key", Reason::PAI_INVALID, "certificate", SignPai(root, other_key),
         root.certificate);
  v1::Pai other_vendor = *pai;
  other_vendor.set_vendor_id(0x131C);
  refuse("another vendor", Reason::PAI_INVALID, "certificate", SignPai(root, other_vendor),
         root.certificate);
  v1::Pai with_product = *pai;
  with_product.set_product_id(0x1000);
  refuse("a product", Reason::PAI_INVALID, "certificate", SignPai(root, with_product),
         root.certificate);
  refuse("expired", Reason::PAI_INVALID, "certificate",
         SignPai(root, *pai,
                 [&](auto& fields) { fields.validity.not_after = clock_.now - absl::Minutes(1); }),
         root.certificate);
  refuse("not yet valid", Reason::PAI_INVALID, "certificate",
         SignPai(root, *pai,
                 [&](auto& fields) { fields.validity.not_before = clock_.now + absl::Minutes(1); }),
         root.certificate);
  refuse("no pathLen", Reason::PAI_INVALID, "certificate",
         SignPai(root, *pai, [](auto& fields) { fields.basic_constraints.path_len.reset(); }),
         root.certificate);
  refuse("another issuer's key id", Reason::PAI_INVALID, "certificate", SignPai(stranger, *pai),
         root.certificate);
  refuse("an untrusted PAA", Reason::PAA_UNTRUSTED, "paa_certificate", SignPai(stranger, *pai),
         stranger.certificate);
  refuse("a PAA of another vendor", Reason::PAI_INVALID, "paa_certificate", SignPai(vendors, *pai),
         vendors.certificate);
  Bytes bent = SignPai(root, *pai);
  bent.back() ^= 1;
  refuse("one bit of the signature", Reason::PAI_INVALID, "certificate", bent, root.certificate);
  refuse("no certificate", Reason::PAI_INVALID, "certificate", {1, 2, 3}, root.certificate);
  EXPECT_TRUE(store_->pais.at("real").certificate.empty());
}

TEST_F(AuthorityTest, ProductionRefusesWhatIsForSandboxes) {
  const Root root = MakePaa("their-paa");
  Authority production = Make(true, {root.certificate});
  EXPECT_REFUSED(production.CreatePai(kOperator, CreateRequest("t", 0xFFF1)),
                 Reason::TEST_CREDENTIAL, "vendor_id");
  ASSERT_TRUE(production.CreatePai(kOperator, CreateRequest("r", 0x131B)).ok());
  EXPECT_REFUSED(production.SignSandboxPai(kOperator, Named<v1::SignSandboxPaiRequest>("s", "r")),
                 Reason::TEST_CREDENTIAL, "");
  EXPECT_REFUSED(production.SignSandboxDeclaration(kOperator, {}), Reason::TEST_CREDENTIAL, "");
}

TEST_F(AuthorityTest, ActivationNeedsTheCertificateAndTheVeryKey) {
  Authority authority = Make();
  ASSERT_TRUE(authority.CreatePai(kOperator, CreateRequest("a", 0xFFF1)).ok());
  EXPECT_REFUSED(authority.ActivatePai(kOperator, Named<v1::ActivatePaiRequest>("1", "a")),
                 Reason::PAI_NOT_ACTIVE, "name");
  ASSERT_TRUE(authority.SignSandboxPai(kOperator, Named<v1::SignSandboxPaiRequest>("s", "a")).ok());
  ASSERT_TRUE(token_->DestroyKey("assay-pai-a").ok());
  EXPECT_REFUSED(authority.ActivatePai(kOperator, Named<v1::ActivatePaiRequest>("2", "a")),
                 Reason::HSM_KEY_MISSING, "");
  ASSERT_TRUE(token_->GenerateKey("assay-pai-a", hsm::KeyPurpose::kSigning).ok());
  EXPECT_REFUSED(authority.ActivatePai(kOperator, Named<v1::ActivatePaiRequest>("3", "a")),
                 Reason::HSM_KEY_UNFIT, "name");
}

TEST_F(AuthorityTest, AWrongSignatureOfTheTokenNeverLeaves) {
  Authority authority = Make();
  ASSERT_TRUE(authority.CreatePai(kOperator, CreateRequest("a", 0xFFF1)).ok());
  token_->SetGarbageSignatures(true);
  EXPECT_TRUE(HasReason(authority.CreatePai(kOperator, CreateRequest("b", 0xFFF1)).status(),
                        Reason::HSM_BAD_SIGNATURE));
  EXPECT_TRUE(HasReason(
      authority.SignSandboxPai(kOperator, Named<v1::SignSandboxPaiRequest>("s", "a")).status(),
      Reason::HSM_BAD_SIGNATURE));
  EXPECT_TRUE(store_->pais.at("a").certificate.empty());
}

TEST_F(AuthorityTest, ASandboxDeclarationVerifiesAndIsNeverOfficial) {
  Authority authority = Make();
  v1::SignSandboxDeclarationRequest request;
  request.set_vendor_id(0x131B);
  request.add_product_ids(0x1000);
  request.set_device_type_id(0x0100);
  request.set_version_number(1);
  const auto response = authority.SignSandboxDeclaration(kOperator, request);
  ASSERT_TRUE(response.ok()) << response.status();
  matter::CdSignerSet signers;
  ASSERT_TRUE(signers.Add(*Certificate::Parse(sandbox_.cd_certificate), true).ok());
  const auto verified = matter::VerifyCd(AsBytes(response->declaration()),
                                         {.signers = &signers, .allow_test_signer = true});
  ASSERT_TRUE(verified.ok()) << verified.status();
  EXPECT_EQ(verified->cd.vendor_id, 0x131B);
  EXPECT_THAT(verified->cd.product_ids, testing::ElementsAre(0x1000));
  EXPECT_EQ(verified->cd.certification_type, matter::CertificationDeclaration::kDevelopment);
  request.add_product_ids(0x10000);
  EXPECT_REFUSED(authority.SignSandboxDeclaration(kOperator, request), Reason::FIELD_OUT_OF_RANGE,
                 "product_ids");
}

TEST_F(AuthorityTest, PreparingASandboxTwiceChangesNothingAndAStrangersFileIsRefused) {
  const auto again = PrepareSandbox(*token_, random_, clock_, sandbox_);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->paa_certificate, sandbox_.paa_certificate);
  EXPECT_EQ(again->cd_certificate, sandbox_.cd_certificate);
  EXPECT_EQ(again->image_certificate, sandbox_.image_certificate);
  EXPECT_EQ(token_->ListKeys()->size(), 5u);
  SandboxKeys mixed = sandbox_;
  mixed.cd_certificate = sandbox_.paa_certificate;
  EXPECT_TRUE(HasReason(PrepareSandbox(*token_, random_, clock_, mixed).status(),
                        Reason::FIELDS_CONTRADICT));
}

}  // namespace
}  // namespace assay::authority
