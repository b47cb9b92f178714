// One field of a good request changed at a time: refused with its reason, before anything is
// signed and without leaving anything behind. A test a row, named after it.
#include "tests/unit/server/mutation/mutation_table.h"

#include "matter/csr.h"

namespace assay::mutation {
namespace {

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
