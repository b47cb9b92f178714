#include "matter/certification_declaration.h"

#include <gtest/gtest.h>

#include "base/refusal.h"
#include "cert_vectors.h"
#include "matter/tlv.h"
#include "software_key.h"

namespace assay::matter {
namespace {

CertificationDeclaration CdFrom(const nlohmann::json& j) {
  CertificationDeclaration cd;
  cd.format_version = j["format_version"];
  cd.vendor_id = j["vendor_id"];
  cd.product_ids = j["pids"].get<std::vector<uint16_t>>();
  cd.device_type_id = j["device_type_id"];
  cd.certificate_id = j["certificate_id"];
  cd.security_level = j["security_level"];
  cd.security_information = j["security_information"];
  cd.version_number = j["version_number"];
  cd.certification_type = j["certification_type"];
  if (j.contains("ovid")) cd.dac_origin_vendor_id = j["ovid"].get<uint16_t>();
  if (j.contains("opid")) cd.dac_origin_product_id = j["opid"].get<uint16_t>();
  return cd;
}

CertificationDeclaration PlainCd() {
  CertificationDeclaration cd;
  cd.vendor_id = 0xFFF1;
  cd.product_ids = {0x8000};
  cd.certificate_id = "ZIG20141ZB330001-24";
  return cd;
}

TEST(CertificationDeclaration, WritesAndReadsAllVectors) {
  ASSAY_NEED_VECTORS();
  const auto vectors = ReadVectorJson("cd/cd_vectors.json");
  CdSignerSet signers;
  ASSERT_TRUE(signers.Add(*Certificate::Parse(Hex(vectors["signer_cert_der_hex"])), true).ok());
  const CdTrust trust{&signers, true};
  for (const auto& c : vectors["cases"]) {
    const CertificationDeclaration cd = CdFrom(c["elements"]);
    const Bytes cms = Hex(c["cms_hex"]);
    EXPECT_EQ(ToHex(*EncodeCdContent(cd)), c["content_tlv_hex"]);
    EXPECT_EQ(*DecodeCdContent(Hex(c["content_tlv_hex"])), cd);
    const CdEnvelope envelope = *ParseCdEnvelope(cms);
    EXPECT_EQ(ToHex(envelope.content), c["content_tlv_hex"]);
    EXPECT_EQ(ToHex(AssembleCd(envelope.content, envelope.signer_key_id,
                               *SignatureFromDer(envelope.signature_der))),
              c["cms_hex"]);
    absl::StatusOr<VerifiedCd> verified = VerifyCd(cms, trust);
    ASSERT_TRUE(verified.ok()) << verified.status();
    EXPECT_TRUE(verified->by_test_signer);
    EXPECT_TRUE(HasReason(VerifyCd(cms, {&signers, false}).status(), Reason::CD_UNTRUSTED));
    for (size_t at = 0; at < cms.size(); ++at) {
      Bytes changed = cms;
      changed[at] ^= 1;
      EXPECT_FALSE(VerifyCd(changed, trust).ok()) << at;
    }
  }
  for (const auto& c : vectors["decode_errors"]) {
    EXPECT_TRUE(
        HasReason(DecodeCdContent(Hex(c["content_tlv_hex"])).status(), Reason::CD_MALFORMED))
        << c["why"];
  }
  const Bytes untrusted = Hex(vectors["untrusted_cd_cms_hex"]);
  EXPECT_TRUE(HasReason(VerifyCd(untrusted, trust).status(), Reason::CD_UNTRUSTED));
  EXPECT_EQ(ToHex(*CdSignerKeyId(untrusted)), vectors["untrusted_cd_kid_hex"]);
  ASSERT_TRUE(
      signers.Add(*Certificate::Parse(Hex(vectors["untrusted_cd_cert_der_hex"])), false).ok());
  absl::StatusOr<VerifiedCd> now_trusted = VerifyCd(untrusted, trust);
  EXPECT_TRUE(now_trusted.ok()) << now_trusted.status();
}

TEST(CertificationDeclaration, ReadsTheTestDeclarations) {
  ASSAY_NEED_VECTORS();
  CdSignerSet signers;
  ASSERT_TRUE(signers.Add(ReadVectorCertificate("cd/Chip-Test-CD-Signing-Cert.pem"), false).ok());
  for (int i = 1; i <= 5; ++i) {
    const std::string name = "cd/CSA_Matter_CD_Signing_Key_00" + std::to_string(i) + ".cert.pem";
    EXPECT_TRUE(signers.Add(ReadVectorCertificate(name), false).ok()) << name;
  }
  EXPECT_TRUE(signers.Find(kTestCdSignerKeyId)->is_test);
  const auto decoded = ReadVectorJson("cd/test_cd_decoded.json");
  int count = 0;
  for (const auto& entry : std::filesystem::directory_iterator(MatterVectors() / "cd")) {
    const std::string name = entry.path().filename();
    if (entry.path().extension() != ".der") continue;
    const std::string cms = ReadVectorFile("cd/" + name);
    absl::StatusOr<VerifiedCd> verified = VerifyCd(AsBytes(cms), {&signers, true});
    ASSERT_TRUE(verified.ok()) << name << verified.status();
    const auto& all = decoded.contains(name) ? decoded : decoded["cds"];
    EXPECT_EQ(verified->cd, CdFrom(all[name])) << name;
    EXPECT_EQ(cms.size(), all[name]["cms_len"].get<size_t>());
    ++count;
  }
  EXPECT_EQ(count, 10);
}

TEST(CertificationDeclaration, SandboxesKnowTheSdksTestSignerWithoutItsCertificate) {
  ASSAY_NEED_VECTORS();
  CdSignerSet signers;
  signers.AddSdkTestSigner();
  const std::string file = ReadVectorFile("cd/Chip-Test-CD-FFF2-8001.der");
  const ByteView cms = AsBytes(file);
  EXPECT_TRUE(VerifyCd(cms, {&signers, true}).ok());
  EXPECT_FALSE(VerifyCd(cms, {&signers, false}).ok());
}

TEST(CertificationDeclaration, OneMadeHereIsAcceptedUnderItsSignerOnly) {
  ASSAY_NEED_VECTORS();
  const SoftwareKey key = SoftwareKey::FromPem(ReadVectorFile("cd/Chip-Test-CD-Signing-Key.pem"));
  CertificationDeclaration cd = PlainCd();
  cd.product_ids.assign(100, 0x8000);
  cd.authorized_paas.emplace(10);
  const Bytes content = *EncodeCdContent(cd);
  CdSignerSet signers;
  ASSERT_TRUE(signers.Add(ReadVectorCertificate("cd/Chip-Test-CD-Signing-Cert.pem"), true).ok());
  const Bytes cms = AssembleCd(content, kTestCdSignerKeyId, key.Sign(content));
  EXPECT_LE(cms.size(), kMaxCdSize);
  EXPECT_EQ(VerifyCd(cms, {&signers, true})->cd, cd);
  EXPECT_TRUE(HasReason(VerifyCd(cms, {}).status(), Reason::CD_UNTRUSTED));
  const Bytes forged = AssembleCd(content, kTestCdSignerKeyId, SoftwareKey::Fresh().Sign(content));
  EXPECT_TRUE(HasReason(VerifyCd(forged, {&signers, true}).status(), Reason::CD_SIGNATURE));
  cd.certification_type = CertificationDeclaration::kOfficial;
  const Bytes official = *EncodeCdContent(cd);
  EXPECT_TRUE(HasReason(
      VerifyCd(AssembleCd(official, kTestCdSignerKeyId, key.Sign(official)), {&signers, true})
          .status(),
      Reason::CD_UNTRUSTED));
}

TEST(CertificationDeclaration, RefusesContentThatCannotBeWritten) {
  auto encodes = [](auto change) {
    CertificationDeclaration cd = PlainCd();
    change(cd);
    return EncodeCdContent(cd).ok();
  };
  using Cd = CertificationDeclaration;
  EXPECT_TRUE(encodes([](Cd&) {}));
  EXPECT_FALSE(encodes([](Cd& cd) { cd.product_ids.clear(); }));
  EXPECT_FALSE(encodes([](Cd& cd) { cd.product_ids.assign(101, 1); }));
  EXPECT_FALSE(encodes([](Cd& cd) { cd.certificate_id.pop_back(); }));
  EXPECT_FALSE(encodes([](Cd& cd) { cd.dac_origin_vendor_id = 1; }));
  EXPECT_FALSE(encodes([](Cd& cd) { cd.dac_origin_product_id = 1; }));
  EXPECT_FALSE(encodes([](Cd& cd) { cd.authorized_paas.emplace(); }));
  EXPECT_FALSE(encodes([](Cd& cd) { cd.authorized_paas.emplace(11); }));
  EXPECT_FALSE(encodes([](Cd& cd) { cd.certification_type = 3; }));
}

TEST(CertificationDeclaration, CoversExactlyTheDeviceItIsFor) {
  CertificationDeclaration cd = PlainCd();
  const CdSubject good{0xFFF1, 0x8000, 0xFFF1, 0x8000, 0xFFF1, 0x8000, std::nullopt};
  EXPECT_TRUE(CheckCdCovers(cd, good).ok());
  auto first = [&](auto change) {
    CdSubject subject = good;
    change(subject);
    const Findings findings = MatchCd(cd, subject);
    return findings.empty() ? AttestationResult::kSuccess : findings[0].result;
  };
  using R = AttestationResult;
  EXPECT_EQ(first([](CdSubject& s) { s.basic_info_vid = 1; }), R::kCdInvalidVendorId);
  EXPECT_EQ(first([](CdSubject& s) { s.basic_info_pid = 1; }), R::kCdInvalidProductId);
  EXPECT_EQ(first([](CdSubject& s) { s.dac_vid = 1; }), R::kCdInvalidVendorId);
  EXPECT_EQ(first([](CdSubject& s) { s.pai_vid = 1; }), R::kCdInvalidVendorId);
  EXPECT_EQ(first([](CdSubject& s) { s.dac_pid = 1; }), R::kCdInvalidProductId);
  EXPECT_EQ(first([](CdSubject& s) { s.pai_pid = 1; }), R::kCdInvalidProductId);
  EXPECT_EQ(first([](CdSubject& s) { s.pai_pid = std::nullopt; }), R::kSuccess);
  cd.authorized_paas.emplace(1);
  EXPECT_EQ(first([](CdSubject&) {}), R::kCdInvalidPaa);
  EXPECT_EQ(first([](CdSubject& s) { s.paa_key_id = KeyId{}; }), R::kSuccess);
  CdRecord record;
  EXPECT_TRUE(MatchCdRecord(cd, record).empty());
  cd.security_level = 1;
  record.version_number = 7;
  record.device_type_id = 9;
  record.certificate_id = "CSA00000000000000-0";
  EXPECT_EQ(MatchCdRecord(cd, record).size(), 4u);
  EXPECT_TRUE(MatchCdRecord(cd, record)[0].strict);
}

TEST(Tlv, NumbersAndLengthsTakeTheFewestOctets) {
  TlvWriter writer;
  writer.StartStructure(TlvTag::Anonymous());
  writer.PutUnsigned(TlvTag::Context(0), 255);
  writer.PutUnsigned(TlvTag::Context(1), 256);
  writer.PutSigned(TlvTag::Context(2), -129);
  writer.PutBoolean(TlvTag::Context(3), true);
  writer.PutNull(TlvTag::Context(4));
  writer.PutUtf8(TlvTag::Context(5), "é");
  writer.PutBytes(TlvTag::FullyQualified(0xFFF1, 0x003E, 1), Bytes{9});
  writer.EndContainer();
  EXPECT_EQ(ToHex(writer.Take()),
            "152400ff250100012102"
            "7fff"
            "2903"
            "3404"
            "2c0502c3a9"
            "d0f1ff3e0001000109"
            "18");
}

TEST(Tlv, ReaderRefusesWhatDoesNotNestOrEnd) {
  auto walk = [](const char* hex) {
    const Bytes bytes = *FromHex(hex);
    TlvReader reader(bytes);
    while (true) {
      absl::StatusOr<std::optional<TlvElement>> next = reader.Next();
      if (!next.ok()) return next.status();
      if (!next->has_value()) return reader.Finish();
    }
  };
  EXPECT_TRUE(walk("1518").ok());
  EXPECT_TRUE(walk("15360118370218"
                   "18")
                  .ok());
  for (const char* bad : {"15", "18", "151818", "1f", "1530", "30", "300105", "3001", "2c0001ff",
                          "1300000000000000ff", "3818", "15380118"}) {
    EXPECT_FALSE(walk(bad).ok()) << bad;
  }
  std::string deep;
  for (int i = 0; i < 20; ++i) deep += "15";
  for (int i = 0; i < 20; ++i) deep += "18";
  EXPECT_FALSE(walk(deep.c_str()).ok());
}

}  // namespace
}  // namespace assay::matter
