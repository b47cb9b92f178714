#include "matter/certificate.h"

#include <gtest/gtest.h>

#include "cert_vectors.h"
#include "matter/certificate_format.h"
#include "matter/name.h"
#include "matter/oid.h"
#include "matter/tbs.h"

namespace assay::matter {
namespace {

Name NameFrom(const nlohmann::json& rdns) {
  Name name;
  for (const auto& rdn : rdns) {
    RelativeName relative;
    for (const auto& attribute : rdn) {
      EXPECT_EQ(attribute["asn1_type"], "UTF8String");
      relative.push_back({*OidFromText(attribute["oid"].get<std::string>()),
                          attribute["value"].get<std::string>(), kDerUtf8String});
    }
    name.relative_names.push_back(relative);
  }
  return name;
}

uint16_t UsageFrom(const nlohmann::json& names) {
  uint16_t usage = 0;
  for (const std::string name : names) {
    usage |= name == "digital_signature" ? kDigitalSignature
             : name == "key_cert_sign"   ? kKeyCertSign
                                         : kCrlSign;
  }
  return usage;
}

TEST(Tbs, WritesAllGoldenCertificatesByteForByte) {
  ASSAY_NEED_VECTORS();
  int count = 0;
  const auto golden = ReadVectorJson("issuance_golden_tbs.json");
  for (const auto& c : golden["cases"]) {
    SCOPED_TRACE(c["cert"].get<std::string>());
    const Certificate issuer = ReadVectorCertificate(c["issuer_cert"]);
    const Certificate wanted = ReadVectorCertificate(c["cert"]);
    const Bytes subject = EncodeName(NameFrom(c["subject_rdns"]));
    const Bytes key = Hex(c["public_key_hex"]);
    const Bytes serial = Hex(c["serial_hex"]);
    BasicConstraints constraints{c["basic_constraints"]["ca"].get<bool>(), std::nullopt};
    if (!c["basic_constraints"]["path_len"].is_null()) {
      constraints.path_len = c["basic_constraints"]["path_len"].get<uint32_t>();
    }
    TbsFields fields{.serial = serial,
                     .issuer = issuer.subject(),
                     .validity = {Utc(c["not_before"]), Utc(c["not_after"])},
                     .subject = subject,
                     .public_key = key,
                     .basic_constraints = constraints,
                     .key_usage = UsageFrom(c["key_usage"]),
                     .subject_key_id = {},
                     .authority_key_id = issuer.subject_key_id(),
                     .more_extensions = {}};
    // A few certificates of the set carry distribution points, which the file leaves to the reader.
    for (const Extension& e : wanted.extensions()) {
      if (std::ranges::equal(e.oid, kOidCrlDistributionPoints)) {
        const Bytes oid = EncodeDer(kDerOid, e.oid);
        const Bytes value = EncodeDer(kDerOctetString, e.value);
        fields.more_extensions.push_back(EncodeDer(kDerSequence, {ByteView(oid), ByteView(value)}));
      }
    }
    const Bytes tbs = EncodeTbs(fields);
    EXPECT_EQ(ToHex(tbs), c["tbs_hex"]);
    const Bytes whole = AssembleCertificate(tbs, *wanted.raw_signature());
    EXPECT_EQ(ToHex(whole), ToHex(wanted.der()));
    EXPECT_EQ(whole.size(), c["der_len"].get<size_t>());
    EXPECT_TRUE(wanted.IsSignedBy(issuer));
    EXPECT_EQ(wanted.SerialText(), c["serial_hex"]);
    ++count;
  }
  EXPECT_EQ(count, 88);
}

TEST(Name, ReadsVendorAndProductIdsOfAllAttributeCases) {
  ASSAY_NEED_VECTORS();
  const auto cases = ReadVectorJson("vid_pid_attr_cases.json");
  for (const auto& c : cases["string_cases"]) {
    const std::string attribute = c["attr"];
    const Bytes oid = attribute == "MatterVID"    ? ToBytes(kOidVendorId)
                      : attribute == "MatterPID"  ? ToBytes(kOidProductId)
                      : attribute == "CommonName" ? ToBytes(kOidCommonName)
                                                  : ToBytes(kOidOrganization);
    const Name name{{{{oid, c["value"].get<std::string>(), kDerUtf8String}}}};
    absl::StatusOr<NameIds> ids = IdsOfEncodedName(EncodeName(name));
    SCOPED_TRACE(c.dump());
    ASSERT_EQ(ids.ok(), c["ok"].get<bool>()) << ids.status();
    if (!ids.ok()) continue;
    EXPECT_EQ(ids->vid.has_value() ? nlohmann::json(IdToText(*ids->vid)) : nullptr, c["vid"]);
    EXPECT_EQ(ids->pid.has_value() ? nlohmann::json(IdToText(*ids->pid)) : nullptr, c["pid"]);
    EXPECT_EQ(*IdsOfName(*DecodeName(EncodeName(name))), *ids);
  }
  for (const auto& c : cases["cert_cases"]) {
    const Certificate certificate = ReadVectorCertificate(c["cert"]);
    SCOPED_TRACE(c.dump());
    ASSERT_TRUE(certificate.subject_ids().ok());
    const NameIds& ids = *certificate.subject_ids();
    EXPECT_EQ(ids.vid.has_value() ? nlohmann::json(IdToText(*ids.vid)) : nullptr, c["vid"]);
    EXPECT_EQ(ids.pid.has_value() ? nlohmann::json(IdToText(*ids.pid)) : nullptr, c["pid"]);
  }
}

TEST(Name, ARepeatedIdOrAMixOfFormsIsNotTaken) {
  const NameAttribute vid{ToBytes(kOidVendorId), "FFF1", kDerUtf8String};
  const NameAttribute cn{ToBytes(kOidCommonName), "x Mvid:FFF2 Mpid:8000", kDerUtf8String};
  EXPECT_FALSE(IdsOfName(Name{{{vid}, {vid}}}).ok());
  const NameIds mixed = *IdsOfName(Name{{{cn}, {vid}}});
  EXPECT_EQ(mixed.vid, 0xFFF1);
  EXPECT_FALSE(mixed.pid.has_value());
  EXPECT_EQ(NameToText(MatterName("Lamp", 0xFFF1, 0x8000)), "CN=Lamp,VID=FFF1,PID=8000");
}

TEST(Name, ACommonNameMayNotPlayVendorId) {
  EXPECT_TRUE(CheckCommonName("cn", "Lamp 0001").ok());
  EXPECT_TRUE(CheckCommonName("cn", std::string(64, 'x')).ok());
  for (const std::string& bad : {std::string(), std::string(65, 'x'), std::string("a Mvid:FFF1"),
                                 std::string("Mpid:"), std::string("a\nb"), std::string("\xFF")}) {
    EXPECT_FALSE(CheckCommonName("cn", bad).ok()) << bad;
  }
}

TEST(CertificateFormat, JudgesAllCasesAsTheSdk) {
  ASSAY_NEED_VECTORS();
  const auto cases = ReadVectorJson("cert_format_cases.json");
  for (const auto& c : cases["cases"]) {
    if (c["cert"].is_null()) {
      EXPECT_FALSE(Certificate::Parse({}).ok());
      continue;
    }
    const std::string type = c["type"];
    const Role role = type == "PAA" ? Role::kPaa : type == "PAI" ? Role::kPai : Role::kDac;
    absl::StatusOr<Certificate> certificate = Certificate::ParsePem(ReadVectorFile(c["cert"]));
    const bool fits = certificate.ok() && CheckFormat(*certificate, role).empty();
    EXPECT_EQ(fits, c["expect"] == "ok") << c.dump();
  }
}

TEST(CertificateChain, JudgesAllCasesAsTheSdk) {
  ASSAY_NEED_VECTORS();
  const auto cases = ReadVectorJson("cert_chain_cases.json");
  for (const auto& c : cases["cases"]) {
    std::optional<Certificate> paa, pai, dac;
    if (!c["paa"].is_null()) paa = ReadVectorCertificate(c["paa"]);
    if (!c["pai"].is_null()) pai = ReadVectorCertificate(c["pai"]);
    if (!c["dac"].is_null()) dac = ReadVectorCertificate(c["dac"]);
    const Findings findings =
        CheckChain(paa ? &*paa : nullptr, pai ? &*pai : nullptr, dac ? &*dac : nullptr);
    const std::string expect = c["expect"];
    const AttestationResult wanted =
        expect == "Success"               ? AttestationResult::kSuccess
        : expect == "RootArgumentInvalid" ? AttestationResult::kPaaArgumentInvalid
        : expect == "LeafArgumentInvalid" ? AttestationResult::kDacArgumentInvalid
                                          : AttestationResult::kDacSignatureInvalid;
    EXPECT_EQ(findings.empty() ? AttestationResult::kSuccess : findings[0].result, wanted)
        << c.dump();
  }
}

TEST(CertificateChain, AnIssuerSignsOnlyWithinItsValidity) {
  ASSAY_NEED_VECTORS();
  const auto cases = ReadVectorJson("issuance_time_cases.json");
  for (const auto& c : cases["cases"]) {
    if (c["candidate"].is_null() || c["issuer"].is_null()) continue;
    const bool valid = WasValidAtIssuance(ReadVectorCertificate(c["candidate"]),
                                          ReadVectorCertificate(c["issuer"]));
    EXPECT_EQ(valid, c["expect"] == "ok") << c.dump();
  }
}

TEST(Certificate, ReadsDistributionPointsAsTheSdk) {
  ASSAY_NEED_VECTORS();
  const auto cases = ReadVectorJson("cdp_cases.json");
  for (const auto& c : cases["uri_cases"]) {
    if (c["cert"].is_null()) continue;
    const absl::StatusOr<std::string> uri = ReadVectorCertificate(c["cert"]).CdpUri();
    EXPECT_EQ(uri.ok() ? nlohmann::json(*uri) : nullptr, c["uri"]) << c.dump();
  }
  for (const auto& c : cases["crl_issuer_cases"]) {
    if (c["cert"].is_null()) continue;
    const absl::StatusOr<Bytes> issuer = ReadVectorCertificate(c["cert"]).CdpCrlIssuer();
    ASSERT_EQ(issuer.ok(), c["result"] == "OK") << c.dump();
    if (!issuer.ok()) continue;
    const Certificate wanted = ReadVectorCertificate(c["crl_issuer_is_subject_of"]);
    EXPECT_EQ(*issuer, ToBytes(wanted.subject())) << c.dump();
  }
}

TEST(Certificate, ComesBackFromPemAndSurvivesCopies) {
  ASSAY_NEED_VECTORS();
  std::optional<Certificate> first =
      ReadVectorCertificate("attestation/Chip-Test-PAI-FFF1-8000-Cert.pem");
  const Certificate copy = *first;
  const Bytes subject = ToBytes(first->subject());
  first.reset();
  EXPECT_EQ(ToBytes(copy.subject()), subject);
  EXPECT_EQ(ToBytes(Certificate::ParsePem(copy.ToPem())->der()), ToBytes(copy.der()));
  EXPECT_EQ(ParsePemCertificates(copy.ToPem() + copy.ToPem())->size(), 2u);
  EXPECT_FALSE(ParsePemCertificates("").ok());
}

TEST(Certificate, RefusesEveryTruncationAndSurvivesEveryFlippedByte) {
  ASSAY_NEED_VECTORS();
  const Certificate whole =
      ReadVectorCertificate("attestation/Chip-Test-DAC-FFF1-8000-0000-Cert.pem");
  const Bytes der = ToBytes(whole.der());
  for (size_t size = 0; size < der.size(); ++size) {
    EXPECT_FALSE(Certificate::Parse(ByteView(der).first(size)).ok()) << size;
  }
  for (size_t at = 0; at < der.size(); ++at) {
    for (uint8_t mask : {0x01, 0x80, 0xFF}) {
      Bytes changed = der;
      changed[at] ^= mask;
      absl::StatusOr<Certificate> read = Certificate::Parse(changed);
      if (read.ok()) CheckFormat(*read, Role::kDac);
    }
  }
}

}  // namespace
}  // namespace assay::matter
