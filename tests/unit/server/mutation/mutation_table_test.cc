// One field of a good request changed at a time: refused with its reason, before anything is
// signed and without leaving anything behind. A test a row, named after it.
#include <gmock/gmock.h>

#include <atomic>

#include "matter/csr.h"
#include "matter/lint.h"
#include "tests/unit/server/issue/workshop.h"
#include "tests/unit/server/mutation/raw_certificate.h"

namespace assay::mutation {
namespace {

using namespace matter;
using testing::HasSubstr;

class MutationTable : public testing::Test {
 protected:
  MutationTable() {
    const auto root = shop.token->GenerateKey("their-paa", hsm::KeyPurpose::kSigning);
    root_point = ToBytes(*root->public_point);
    root_der = SignedByRoot(GoodPaa());
    authority::AuthorityOptions options;
    options.trusted_paas = {root_der};
    authority = std::make_unique<authority::Authority>(shop.store, shop.token, shop.random,
                                                       shop.clock, options);
    v1::CreatePaiRequest create;
    create.set_request_id("create");
    create.set_name("pai");
    create.set_vendor_id(0x131B);
    const auto made = authority->CreatePai(shop.operator_caller, create);
    EXPECT_TRUE(made.ok()) << made.status();
    pai_point = ToBytes(AsBytes(made->public_key()));
  }

  // ---- good ones
  RawCertificate GoodPaa() {
    RawCertificate raw;
    raw.subject = raw.issuer = NameOf({Attribute(kOidCommonName, "Their PAA")});
    raw.not_before = now - absl::Hours(48);
    raw.not_after = now + absl::Hours(24 * 3650);
    raw.point = root_point;
    const KeyId id = KeyIdOf(root_point);
    raw.extensions = {{ToBytes(kOidBasicConstraints), true, AuthorityConstraints(1)},
                      {ToBytes(kOidKeyUsage), true, KeyUsage(0x06, 1)},
                      {ToBytes(kOidSubjectKeyId), false, SubjectKeyId(id)},
                      {ToBytes(kOidAuthorityKeyId), false, AuthorityKeyId(id)}};
    return raw;
  }
  RawCertificate GoodPai() {
    RawCertificate raw;
    raw.issuer = GoodPaa().subject;
    raw.subject = NameOf({Attribute(kOidCommonName, "Our PAI"), Attribute(kOidVendorId, "131B")});
    raw.not_before = now - absl::Hours(24);
    raw.not_after = now + absl::Hours(24 * 365);
    raw.point = pai_point;
    raw.extensions = {{ToBytes(kOidBasicConstraints), true, AuthorityConstraints(0)},
                      {ToBytes(kOidKeyUsage), true, KeyUsage(0x06, 1)},
                      {ToBytes(kOidSubjectKeyId), false, SubjectKeyId(KeyIdOf(pai_point))},
                      {ToBytes(kOidAuthorityKeyId), false, AuthorityKeyId(KeyIdOf(root_point))}};
    return raw;
  }
  Bytes SignedByRoot(const RawCertificate& raw) {
    const Bytes tbs = EncodeRaw(raw);
    return Assemble(raw, tbs, *shop.token->Sign("their-paa", Sha256(tbs)));
  }

  // ---- what is refused
  absl::Status Install(const Bytes& pai, const Bytes& paa) {
    v1::InstallPaiRequest request;
    request.set_request_id(shop.NextId());
    request.set_name("pai");
    request.set_certificate(ToText(pai));
    request.set_paa_certificate(ToText(paa));
    std::atomic<int> signatures = 0;
    shop.token->SetBeforeCall([&](std::string_view call, std::string_view) {
      if (call == "Sign") ++signatures;
      return absl::OkStatus();
    });
    const absl::Status status = authority->InstallPai(shop.operator_caller, request).status();
    shop.token->SetBeforeCall({});
    EXPECT_EQ(signatures, 0);
    if (!status.ok()) {
      EXPECT_TRUE(shop.store->FindPai("pai")->certificate.empty());
    }
    return status;
  }
  void ExpectPaiRefused(const std::function<void(RawCertificate&)>& spoil,
                        const std::string& rule) {
    RawCertificate raw = GoodPai();
    spoil(raw);
    const absl::Status status = Install(SignedByRoot(raw), root_der);
    ASSERT_TRUE(HasReason(status, Reason::PAI_INVALID)) << status;
    EXPECT_EQ(RefusalOf(status)->field, "certificate") << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr(rule));
  }
  void ExpectPaaRefused(const std::function<void(RawCertificate&)>& spoil,
                        const std::string& rule) {
    RawCertificate raw = GoodPaa();
    spoil(raw);
    const absl::Status status = Install(SignedByRoot(GoodPai()), SignedByRoot(raw));
    ASSERT_TRUE(HasReason(status, Reason::PAI_INVALID)) << status;
    EXPECT_EQ(RefusalOf(status)->field, "paa_certificate") << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr(rule));
  }

  // ---- a DAC about to be signed
  void ExpectDacRefused(const std::function<void(RawCertificate&)>& spoil,
                        const std::string& field) {
    const Bytes pai_der = SignedByRoot(GoodPai());
    const Certificate pai = *Certificate::Parse(pai_der), paa = *Certificate::Parse(root_der);
    RawCertificate raw = GoodDac();
    DacLintContext context;
    context.pai = &pai;
    context.paa = &paa;
    context.vid = 0x131B;
    context.pid = 0x1000;
    context.public_key = device_point;
    const Bytes serial = raw.serial;
    context.serial = serial;
    context.now = now;
    ASSERT_TRUE(LintDac(EncodeRaw(raw), context).ok()) << LintDac(EncodeRaw(raw), context);
    spoil(raw);
    const absl::Status status = LintDac(EncodeRaw(raw), context);
    ASSERT_TRUE(HasReason(status, Reason::LINT_FAILED)) << status;
    EXPECT_THAT(RefusalOf(status)->field, testing::StartsWith(field)) << status;
  }
  RawCertificate GoodDac() {
    RawCertificate raw;
    raw.issuer = GoodPai().subject;
    raw.subject = NameOf({Attribute(kOidCommonName, "Lamp"), Attribute(kOidVendorId, "131B"),
                          Attribute(kOidProductId, "1000")});
    raw.not_before = now - absl::Minutes(5);
    raw.not_after = now + absl::Hours(24 * 300);
    raw.point = device_point;
    raw.extensions = {{ToBytes(kOidBasicConstraints), true, EncodeDer(kDerSequence, Bytes{})},
                      {ToBytes(kOidKeyUsage), true, KeyUsage(0x80, 7)},
                      {ToBytes(kOidSubjectKeyId), false, SubjectKeyId(KeyIdOf(device_point))},
                      {ToBytes(kOidAuthorityKeyId), false, AuthorityKeyId(KeyIdOf(pai_point))}};
    return raw;
  }

  // ---- products and units of the workshop, under its own PAI of FFF1
  absl::Status Apply(const v1::ProductSpec& spec) {
    v1::ApplyProductRequest request;
    request.set_request_id(shop.NextId());
    request.set_name("light");
    *request.mutable_spec() = spec;
    return shop.catalog->ApplyProduct(shop.operator_caller, request).status();
  }
  std::string DeclarationFor(
      const std::function<void(v1::SignSandboxDeclarationRequest&)>& change) {
    v1::SignSandboxDeclarationRequest request;
    request.set_vendor_id(0xFFF1);
    request.add_product_ids(0x8000);
    request.set_device_type_id(22);
    change(request);
    const auto made = shop.authority->SignSandboxDeclaration(shop.operator_caller, request);
    EXPECT_TRUE(made.ok()) << made.status();
    return made.ok() ? made->declaration() : "";
  }
  void ExpectDeclarationRefused(const std::string& declaration, Reason reason) {
    v1::ProductSpec spec = shop.Light();
    spec.set_certification_declaration(declaration);
    const absl::Status status = Apply(spec);
    EXPECT_TRUE(HasReason(status, reason)) << status;
    EXPECT_FALSE(shop.store->FindProduct("light").ok());
  }

  issue::Workshop shop;
  const absl::Time now = absl::FromUnixSeconds(absl::ToUnixSeconds(absl::Now()));
  Bytes root_point, root_der, pai_point;
  Bytes device_point =
      ToBytes(*shop.token->GenerateKey("a-device", hsm::KeyPurpose::kSigning)->public_point);
  std::unique_ptr<authority::Authority> authority;
};

TEST_F(MutationTable, NothingChangedIsTaken) {
  const absl::Status status = Install(SignedByRoot(GoodPai()), root_der);
  EXPECT_TRUE(status.ok()) << status;
}

TEST_F(MutationTable, WrongVersion) {
  ExpectPaiRefused([](auto& c) { c.version = 1; }, "version");
  ExpectDacRefused([](auto& c) { c.version = 1; }, "dac.version");
}

TEST_F(MutationTable, SignatureAlgorithm) {
  const auto sha384 = [](auto& c) { c.signature_oid.back() = 3; };
  ExpectPaiRefused(sha384, "ecdsa-with-SHA256");
  ExpectDacRefused(sha384, "dac.signature");
}

TEST_F(MutationTable, Curve) {
  const auto other = [](auto& c) { c.curve_oid = {0x2B, 0x81, 0x04, 0x00, 0x0A}; };  // secp256k1
  ExpectPaiRefused(other, "prime256v1");
  ExpectDacRefused(other, "dac");
}

TEST_F(MutationTable, SizeAbove600) {
  const auto large = [](auto& c) {
    c.extensions.push_back({{0x2B, 6, 1, 4, 1, 0x82, 0xA2, 0x7C, 9}, false, Bytes(400, 0x05)});
  };
  ExpectPaiRefused(large, "600");
  ExpectDacRefused(large, "dac");
}

TEST_F(MutationTable, VidLowerCase) {
  ExpectPaiRefused(
      [](auto& c) {
        c.subject = NameOf({Attribute(kOidCommonName, "Our PAI"), Attribute(kOidVendorId, "131b")});
      },
      "upper-case");
  ExpectDacRefused(
      [](auto& c) {
        c.subject = NameOf({Attribute(kOidCommonName, "Lamp"), Attribute(kOidVendorId, "131b"),
                            Attribute(kOidProductId, "1000")});
      },
      "dac.subject");
}

TEST_F(MutationTable, VidInCommonNameWhilePidInOid) {
  ExpectPaiRefused(
      [](auto& c) {
        c.subject = NameOf(
            {Attribute(kOidCommonName, "Our PAI Mvid:131B"), Attribute(kOidProductId, "1000")});
      },
      "");
  ExpectDacRefused(
      [](auto& c) {
        c.subject =
            NameOf({Attribute(kOidCommonName, "Lamp Mvid:131B"), Attribute(kOidProductId, "1000")});
      },
      "dac.subject");
}

TEST_F(MutationTable, DuplicateAttribute) {
  ExpectPaiRefused(
      [](auto& c) {
        c.subject = NameOf({Attribute(kOidCommonName, "Our PAI"), Attribute(kOidVendorId, "131B"),
                            Attribute(kOidVendorId, "131B")});
      },
      "");
  ExpectDacRefused(
      [](auto& c) {
        c.subject = NameOf({Attribute(kOidVendorId, "131B"), Attribute(kOidProductId, "1000"),
                            Attribute(kOidProductId, "1000")});
      },
      "dac.subject");
}

TEST_F(MutationTable, PaiWithoutVid) {
  ExpectPaiRefused([](auto& c) { c.subject = NameOf({Attribute(kOidCommonName, "Our PAI")}); },
                   "vendor id");
}

TEST_F(MutationTable, PaaWithPid) {
  ExpectPaaRefused(
      [](auto& c) {
        c.subject = c.issuer =
            NameOf({Attribute(kOidCommonName, "Their PAA"), Attribute(kOidProductId, "1000")});
      },
      "product id");
}

TEST_F(MutationTable, PaiOrDacVidMismatch) {
  ExpectPaiRefused(
      [](auto& c) {
        c.subject = NameOf({Attribute(kOidCommonName, "Our PAI"), Attribute(kOidVendorId, "131C")});
      },
      "must be 131B");
  ExpectDacRefused(
      [](auto& c) {
        c.subject = NameOf({Attribute(kOidCommonName, "Lamp"), Attribute(kOidVendorId, "131C"),
                            Attribute(kOidProductId, "1000")});
      },
      "dac.subject");
  v1::ProductSpec spec = shop.Light();
  spec.set_vendor_id(0xFFF2);
  spec.set_certification_declaration(shop.Declaration(0xFFF2, 0x8000));
  spec.mutable_dac()->set_pai("pai-fff1");
  const auto opened = shop.Open("other-vendor", spec, 1);
  EXPECT_TRUE(HasReason(opened.status(), Reason::PAI_INVALID)) << opened.status();
}

TEST_F(MutationTable, PidMismatch) {
  ExpectPaiRefused(
      [](auto& c) {
        c.subject = NameOf({Attribute(kOidCommonName, "Our PAI"), Attribute(kOidVendorId, "131B"),
                            Attribute(kOidProductId, "1001")});
      },
      "product id must be none");
  ExpectDacRefused(
      [](auto& c) {
        c.subject = NameOf({Attribute(kOidCommonName, "Lamp"), Attribute(kOidVendorId, "131B"),
                            Attribute(kOidProductId, "1001")});
      },
      "dac.subject");
}

TEST_F(MutationTable, PathLenMissingOrOne) {
  for (const std::optional<uint8_t> length :
       {std::optional<uint8_t>(), std::optional<uint8_t>(1)}) {
    ExpectPaiRefused(
        [&](auto& c) { c.Find(kOidBasicConstraints)->value = AuthorityConstraints(length); },
        "basic_constraints");
  }
  ExpectDacRefused([](auto& c) { c.Find(kOidBasicConstraints)->value = AuthorityConstraints(0); },
                   "dac.basic_constraints");
}

TEST_F(MutationTable, KeyUsageBitsMissingOrExtra) {
  ExpectPaiRefused([](auto& c) { c.Find(kOidKeyUsage)->value = KeyUsage(0x04, 2); }, "key_usage");
  ExpectPaiRefused([](auto& c) { c.Find(kOidKeyUsage)->value = KeyUsage(0x26, 1); }, "key_usage");
  ExpectPaiRefused([](auto& c) { c.Remove(kOidKeyUsage); }, "key_usage");
  ExpectDacRefused([](auto& c) { c.Find(kOidKeyUsage)->value = KeyUsage(0xA0, 5); },
                   "dac.key_usage");
  ExpectDacRefused([](auto& c) { c.Find(kOidKeyUsage)->value = KeyUsage(0x06, 1); },
                   "dac.key_usage");
  ExpectDacRefused([](auto& c) { c.Remove(kOidKeyUsage); }, "dac");
}

TEST_F(MutationTable, BasicConstraintsOrKeyUsageNotCritical) {
  ExpectPaiRefused([](auto& c) { c.Find(kOidBasicConstraints)->critical = false; }, "critical");
  ExpectPaiRefused([](auto& c) { c.Find(kOidKeyUsage)->critical = false; }, "critical");
  ExpectDacRefused([](auto& c) { c.Find(kOidBasicConstraints)->critical = false; }, "dac");
  ExpectDacRefused([](auto& c) { c.Find(kOidKeyUsage)->critical = false; }, "dac");
}

TEST_F(MutationTable, KeyIdsCritical) {
  ExpectPaiRefused([](auto& c) { c.Find(kOidSubjectKeyId)->critical = true; }, "critical");
  ExpectPaiRefused([](auto& c) { c.Find(kOidAuthorityKeyId)->critical = true; }, "critical");
  ExpectDacRefused([](auto& c) { c.Find(kOidSubjectKeyId)->critical = true; }, "dac");
  ExpectDacRefused([](auto& c) { c.Find(kOidAuthorityKeyId)->critical = true; }, "dac");
}

TEST_F(MutationTable, KeyIdsMissing) {
  ExpectPaiRefused([](auto& c) { c.Remove(kOidSubjectKeyId); }, "subject_key_id");
  ExpectPaiRefused([](auto& c) { c.Remove(kOidAuthorityKeyId); }, "authority_key_id");
  ExpectDacRefused([](auto& c) { c.Remove(kOidSubjectKeyId); }, "dac");
  ExpectDacRefused([](auto& c) { c.Remove(kOidAuthorityKeyId); }, "dac");
}

TEST_F(MutationTable, KeyIdsOfTheWrongLength) {
  const Bytes short_id(19, 7);
  ExpectPaiRefused([&](auto& c) { c.Find(kOidSubjectKeyId)->value = SubjectKeyId(short_id); },
                   "subject_key_id");
  ExpectPaiRefused([&](auto& c) { c.Find(kOidAuthorityKeyId)->value = AuthorityKeyId(short_id); },
                   "authority_key_id");
  ExpectDacRefused([&](auto& c) { c.Find(kOidSubjectKeyId)->value = SubjectKeyId(short_id); },
                   "dac");
  ExpectDacRefused([&](auto& c) { c.Find(kOidAuthorityKeyId)->value = AuthorityKeyId(short_id); },
                   "dac");
}

TEST_F(MutationTable, AuthorityKeyIdIsNotTheIssuersSubjectKeyId) {
  const Bytes other_id(20, 7);
  ExpectPaiRefused([&](auto& c) { c.Find(kOidAuthorityKeyId)->value = AuthorityKeyId(other_id); },
                   "authority key id must be the PAA's subject key id");
  ExpectDacRefused([&](auto& c) { c.Find(kOidAuthorityKeyId)->value = AuthorityKeyId(other_id); },
                   "dac.authority_key_id");
}

TEST_F(MutationTable, NotBeforeBeforeThePaisNotBefore) {
  ExpectDacRefused([this](auto& c) { c.not_before = now - absl::Hours(25); }, "dac.not_before");
  ExpectPaiRefused([this](auto& c) { c.not_before = now - absl::Hours(72); },
                   "PAA must be valid when");
}

TEST_F(MutationTable, ExpiredPai) {
  ExpectPaiRefused([this](auto& c) { c.not_after = now - absl::Minutes(1); }, "has expired");
  ExpectPaiRefused([this](auto& c) { c.not_before = now + absl::Minutes(10); }, "not valid yet");
  ExpectDacRefused([this](auto& c) { c.not_after = now + absl::Hours(24 * 400); }, "dac.not_after");
}

TEST_F(MutationTable, PaiForAnotherKey) {
  ExpectPaiRefused([this](auto& c) { c.point = device_point; }, "key in the HSM");
}

TEST_F(MutationTable, RepeatedPublicKey) {
  v1::ProductSpec spec = shop.Light();
  spec.mutable_dac()->set_attestation(v1::ATTESTATION_CSR);
  ASSERT_TRUE(shop.Open("csr", spec, 5).ok());
  const Bytes info =
      EncodeCsrInfo(EncodeName(MatterName("unit", std::nullopt, std::nullopt)), device_point);
  const Bytes csr = AssembleCsr(info, *shop.token->Sign("a-device", Sha256(info)));
  v1::IssueRequest request = issue::Workshop::Request("csr", "t-1");
  request.set_csr(ToText(csr));
  const auto first = shop.Issue(request);
  ASSERT_TRUE(first.ok()) << first.status();
  const int signatures = shop.observer.Count(issue::Step::kSign);
  request.set_ticket("t-2");
  const auto second = shop.Issue(request);
  EXPECT_TRUE(HasReason(second.status(), Reason::PUBLIC_KEY_REUSED)) << second.status();
  EXPECT_EQ(shop.observer.Count(issue::Step::kSign), signatures);
  EXPECT_EQ(shop.LotNow("csr").claimed(), 1u);
}

TEST_F(MutationTable, DeclarationForAnotherVidOrPid) {
  ExpectDeclarationRefused(DeclarationFor([](auto& d) { d.set_vendor_id(0xFFF2); }),
                           Reason::CD_MISMATCH);
  ExpectDeclarationRefused(DeclarationFor([](auto& d) { d.set_product_ids(0, 0x8001); }),
                           Reason::CD_MISMATCH);
}

TEST_F(MutationTable, DeclarationSignedByAnUnknownKey) {
  lot::CatalogOptions options;  // no signers, and the same store
  lot::Catalog knows_nobody(shop.store, shop.token, shop.random, shop.clock, options);
  v1::ApplyProductRequest request;
  request.set_request_id(shop.NextId());
  request.set_name("light");
  *request.mutable_spec() = shop.Light();
  const auto applied = knows_nobody.ApplyProduct(shop.operator_caller, request);
  EXPECT_TRUE(HasReason(applied.status(), Reason::CD_UNTRUSTED)) << applied.status();
  EXPECT_FALSE(shop.store->FindProduct("light").ok());
  std::string bent = shop.Declaration(0xFFF1, 0x8000);
  bent.back() = static_cast<char>(bent.back() ^ 1);
  ExpectDeclarationRefused(bent, Reason::CD_SIGNATURE);
}

TEST_F(MutationTable, AuthorizedPaaListWithoutThisPaa) {
  ExpectDeclarationRefused(
      DeclarationFor([](auto& d) { d.add_authorized_paas(std::string(20, '\x07')); }),
      Reason::CD_MISMATCH);
  const Certificate paa = *Certificate::Parse(shop.sandbox.paa_certificate);
  v1::ProductSpec spec = shop.Light();
  spec.set_certification_declaration(
      DeclarationFor([&](auto& d) { d.add_authorized_paas(ToText(paa.subject_key_id())); }));
  EXPECT_TRUE(Apply(spec).ok());
}

// The declaration is held against what is trusted now, not only when the product was registered.
TEST_F(MutationTable, DeclarationsAreCheckedAgainBeforeALotOpens) {
  ASSERT_TRUE(Apply(shop.Light()).ok());
  v1::OpenLotRequest open;
  open.set_request_id(shop.NextId());
  open.set_name("lot");
  open.set_product("light");
  open.set_factory("shenzhen");
  open.set_count(1);
  lot::CatalogOptions options;  // the signer was taken off the list since
  lot::Catalog later(shop.store, shop.token, shop.random, shop.clock, options);
  const auto refused = later.OpenLot(shop.operator_caller, open);
  EXPECT_TRUE(HasReason(refused.status(), Reason::CD_UNTRUSTED)) << refused.status();
  EXPECT_TRUE(shop.catalog->OpenLot(shop.operator_caller, open).ok());
}

}  // namespace
}  // namespace assay::mutation
