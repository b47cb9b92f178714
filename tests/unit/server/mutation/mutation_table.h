// Good certificates, declarations and requests, and what spoils one field of them must come to.
#pragma once

#include <gmock/gmock.h>

#include <atomic>
#include <functional>
#include <memory>
#include <string>

#include "matter/lint.h"
#include "tests/unit/server/issue/workshop.h"
#include "tests/unit/server/mutation/raw_certificate.h"

namespace assay::mutation {

using namespace matter;

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
    EXPECT_THAT(std::string(status.message()), testing::HasSubstr(rule));
  }
  void ExpectPaaRefused(const std::function<void(RawCertificate&)>& spoil,
                        const std::string& rule) {
    RawCertificate raw = GoodPaa();
    spoil(raw);
    const absl::Status status = Install(SignedByRoot(GoodPai()), SignedByRoot(raw));
    ASSERT_TRUE(HasReason(status, Reason::PAI_INVALID)) << status;
    EXPECT_EQ(RefusalOf(status)->field, "paa_certificate") << status;
    EXPECT_THAT(std::string(status.message()), testing::HasSubstr(rule));
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

}  // namespace assay::mutation
