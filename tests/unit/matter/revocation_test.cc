#include <gtest/gtest.h>

#include "cert_vectors.h"
#include "matter/crl.h"
#include "matter/der.h"
#include "matter/revocation_set.h"
#include "matter/tbs.h"
#include "software_key.h"

namespace assay::matter {
namespace {

Certificate Vector(const std::string& name) { return ReadVectorCertificate("revocation/" + name); }

Crl ReadCrl(const std::string& name) {
  absl::StatusOr<Crl> crl = ParseCrl(AsBytes(ReadVectorFile("revocation/" + name)));
  EXPECT_TRUE(crl.ok()) << name << crl.status();
  return *crl;
}

TEST(Crl, UpstreamListsAreReadAndWrittenByteForByte) {
  ASSAY_NEED_VECTORS();
  const auto expected = ReadVectorJson("revocation/expected.json");
  for (const auto& c : expected["crls"]) {
    SCOPED_TRACE(c["crl"].get<std::string>());
    const Crl crl = ReadCrl(c["crl"]);
    EXPECT_EQ(ToHex(crl.fields.issuer), c["issuer_name_der_hex"]);
    EXPECT_EQ(ToUpperHex(crl.fields.authority_key_id), c["aki_hex"]);
    EXPECT_EQ(EncodeDerUnsigned(crl.fields.crl_number),
              EncodeDerUint64(c["crl_number"].get<uint64_t>()));
    EXPECT_EQ(crl.fields.idp_uri, c["idp"].is_null() ? "" : c["idp"]["uri"].get<std::string>());
    EXPECT_EQ(crl.fields.indirect, !c["idp"].is_null() && c["idp"]["indirect"].get<bool>());
    ASSERT_EQ(crl.fields.entries.size(), c["entries"].size());
    std::string issuer;
    for (size_t i = 0; i < crl.fields.entries.size(); ++i) {
      const auto& entry = c["entries"][i];
      EXPECT_EQ(ToUpperHex(crl.fields.entries[i].serial), entry["serial"]);
      EXPECT_EQ(crl.fields.entries[i].revoked_at, Utc(entry["revocation_date"]));
      if (!entry["certificate_issuer_name_der_hex"].is_null()) {
        issuer = entry["certificate_issuer_name_der_hex"];
      }
      EXPECT_EQ(ToHex(crl.fields.entries[i].certificate_issuer), issuer);
    }
    EXPECT_EQ(ToHex(*EncodeCrlTbs(crl.fields)), ToHex(crl.tbs));
    EXPECT_EQ(ToHex(AssembleCertificate(crl.tbs, crl.signature)), ToHex(crl.der));
    for (const std::string signer : c["verifies_under"]) {
      EXPECT_TRUE(CheckCrlSigner(crl, Vector(signer)).ok()) << signer;
    }
    EXPECT_FALSE(CheckCrlSigner(crl, Vector("indirect/Chip-Test-PAI-FFF1-02-Cert.pem")).ok());
  }
}

TEST(Crl, RefusesTruncationsAndFlippedBytes) {
  ASSAY_NEED_VECTORS();
  const Crl crl = ReadCrl("indirect/Chip-Test-PAI-FFF1-Delegated-CRL.der");
  const Certificate signer = Vector("indirect/Chip-Test-PAI-Delegate-FFF1-01-Cert.pem");
  for (size_t at = 0; at < crl.der.size(); ++at) {
    EXPECT_FALSE(ParseCrl(ByteView(crl.der).first(at)).ok());
    Bytes changed = crl.der;
    changed[at] ^= 1;
    absl::StatusOr<Crl> read = ParseCrl(changed);
    EXPECT_FALSE(read.ok() && CheckCrlSigner(*read, signer).ok()) << at;
  }
}

TEST(Crl, AnEmptyListAndAHighSerialAreWritten) {
  CrlFields fields;
  fields.issuer = EncodeName(MatterName("PAI", 0xFFF1, {}));
  fields.this_update = Utc("2026-11-22T00:00:00Z");
  fields.next_update = fields.this_update + absl::Hours(24);
  fields.authority_key_id = Bytes(20, 1);
  fields.crl_number = {0};
  const SoftwareKey key = SoftwareKey::Fresh();
  Bytes tbs = *EncodeCrlTbs(fields);
  EXPECT_TRUE(ParseCrl(AssembleCertificate(tbs, key.Sign(tbs)))->fields.entries.empty());
  fields.entries.push_back({Bytes{0xFF, 0x00}, fields.this_update, {}});
  tbs = *EncodeCrlTbs(fields);
  EXPECT_EQ(ParseCrl(AssembleCertificate(tbs, key.Sign(tbs)))->fields.entries[0].serial,
            (Bytes{0xFF, 0x00}));
  fields.next_update = fields.this_update;
  EXPECT_FALSE(EncodeCrlTbs(fields).ok());
}

TEST(RevocationSet, LooksUpTheUpstreamDevices) {
  ASSAY_NEED_VECTORS();
  const std::string text = ReadVectorFile("revocation/revocation-sets/revocation-set.json");
  absl::StatusOr<RevocationSet> set = RevocationSet::Parse(text);
  ASSERT_TRUE(set.ok()) << set.status();
  EXPECT_EQ(nlohmann::json::parse(set->ToJson()), nlohmann::json::parse(text));
  const auto expected = ReadVectorJson("revocation/expected.json");
  for (const auto& c : expected["chain_status"]) {
    const auto device =
        ReadVectorJson("revocation/dac-provider-test-vectors/" + c["case"].get<std::string>());
    const Certificate dac = *Certificate::Parse(Hex(device["dac_cert"]));
    const Certificate pai = *Certificate::Parse(Hex(device["pai_cert"]));
    EXPECT_EQ(dac.SerialText(), c["dac_serial"]);
    EXPECT_EQ(pai.SerialText(), c["pai_serial"]);
    EXPECT_EQ(static_cast<int>(set->Check(dac, pai)), c["result"].get<int>()) << c["case"];
  }
}

TEST(RevocationSet, JudgesAsTheSdkAndRefusesWhatTheSdkPassesOver) {
  ASSAY_NEED_VECTORS();
  const auto cases = ReadVectorJson("revocation/revocation_set_cases.json");
  int refused = 0;
  for (const auto& c : cases["cases"]) {
    if (c["revocation_set_text"].is_null()) continue;
    const bool first = c["chain"].get<std::string>().starts_with("DAC FFF1-8000-0004");
    const Certificate dac =
        ReadVectorCertificate(first ? "attestation/Chip-Test-DAC-FFF1-8000-0004-Cert.pem"
                                    : "attestation/Chip-Test-DAC-FFF2-8001-0008-Cert.pem");
    const Certificate pai =
        ReadVectorCertificate(first ? "attestation/Chip-Test-PAI-FFF1-8000-Cert.pem"
                                    : "attestation/Chip-Test-PAI-FFF2-8001-Cert.pem");
    absl::StatusOr<RevocationSet> set =
        RevocationSet::Parse(c["revocation_set_text"].get<std::string>());
    if (!set.ok()) {
      // Only sets the SDK takes for "not revoked" may be refused: that is failing closed.
      EXPECT_EQ(c["expect"], "Success") << c["name"] << set.status();
      ++refused;
      continue;
    }
    EXPECT_EQ(std::string(AttestationResultName(set->Check(dac, pai))), c["expect"]) << c["name"];
  }
  EXPECT_EQ(refused, 7);
}

TEST(RevocationSet, EntriesMadeFromListsAreTheUpstreamGenerators) {
  ASSAY_NEED_VECTORS();
  const auto golden = ReadVectorJson("revocation/revocation-sets/revocation-set.json");
  const std::string in = "indirect/";
  struct Source {
    std::string crl, signer, delegator;
    size_t index;
  } const sources[] = {
      {"Chip-Test-PAA-FFF1-CRL.der", "Chip-Test-PAA-FFF1-Cert.pem", "", 0},
      {"Matter-Development-PAI-FFF1-noPID-CRL.der", "Matter-Development-PAI-FFF1-noPID-Cert.pem",
       "", 1},
      {"Chip-Test-PAI-FFF1-noPID-Revoked-CRL.der", "Chip-Test-PAI-FFF1-noPID-Revoked-Cert.pem", "",
       2},
      {in + "Chip-Test-PAA-FFF1-Delegated-CRL.der", in + "Chip-Test-PAA-Delegate-FFF1-Cert.pem",
       "Chip-Test-PAA-FFF1-Cert.pem", 3},
      {in + "Chip-Test-PAI-FFF1-Delegated-CRL.der", in + "Chip-Test-PAI-Delegate-FFF1-01-Cert.pem",
       in + "Chip-Test-PAI-FFF1-01-Cert.pem", 4},
      {in + "Chip-Test-PAI-FFF1-Delegated-CRL.der", in + "Chip-Test-PAI-Delegate-FFF1-02-Cert.pem",
       in + "Chip-Test-PAI-FFF1-02-Cert.pem", 5},
  };
  for (const Source& source : sources) {
    std::optional<Certificate> delegator;
    if (!source.delegator.empty()) delegator = Vector(source.delegator);
    absl::StatusOr<RevocationEntry> entry = RevocationEntryOf(
        ReadCrl(source.crl), Vector(source.signer), delegator ? &*delegator : nullptr);
    ASSERT_TRUE(entry.ok()) << source.crl << entry.status();
    const auto made = nlohmann::json::parse(RevocationSet::Make({*entry}).ToJson());
    EXPECT_EQ(made[0], golden[source.index]) << source.crl;
  }
}

}  // namespace
}  // namespace assay::matter
