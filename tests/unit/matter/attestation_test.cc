#include "matter/attestation.h"

#include <gtest/gtest.h>

#include "base/refusal.h"
#include "cert_vectors.h"
#include "software_key.h"

namespace assay::matter {
namespace {

uint16_t Id(const nlohmann::json& text) { return *IdFromText(text.get<std::string>()); }

class Attestation : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSAY_NEED_VECTORS();
    for (const char* paa :
         {"attestation/Chip-Test-PAA-FFF1-Cert.pem", "attestation/Chip-Test-PAA-NoVID-Cert.pem"}) {
      ASSERT_TRUE(paas_.Add(ReadVectorCertificate(paa)).ok());
    }
    ASSERT_TRUE(signers_.Add(ReadVectorCertificate("cd/Chip-Test-CD-Signing-Cert.pem"), true).ok());
  }
  AttestationInputs Inputs() const {
    AttestationInputs inputs;
    inputs.paas = &paas_;
    inputs.cd_trust = {&signers_, true};
    inputs.now = Utc("2026-11-22T00:00:00Z");
    return inputs;
  }
  PaaTrustStore paas_;
  CdSignerSet signers_;
};

TEST_F(Attestation, GivesTheSdksResultForAllCommissionerCases) {
  const auto expected = ReadVectorJson("commissioner_dut_expected.json");
  int count = 0;
  for (const auto& c : expected["cases"]) {
    SCOPED_TRACE(c["case"].get<std::string>() + ": " + c["description"].get<std::string>());
    const auto device =
        ReadVectorJson("commissioner_dut/" + c["case"].get<std::string>() + ".json");
    AttestationElements elements;
    elements.certification_declaration = Hex(device["certification_declaration"]);
    elements.nonce = Bytes(32, 0x11);
    if (device.contains("firmware_information")) {
      elements.firmware_information = Hex(device["firmware_information"]);
    }
    const Bytes tlv = *EncodeAttestationElements(elements);
    const Bytes challenge(16, 0x22);
    Bytes message = tlv;
    Append(message, challenge);
    const Bytes signature = SoftwareKey::FromScalar(Hex(device["dac_private_key"])).Sign(message);
    const Bytes dac = Hex(device["dac_cert"]);
    const Bytes pai = Hex(device["pai_cert"]);
    AttestationInputs inputs = Inputs();
    inputs.elements = tlv;
    inputs.challenge = challenge;
    inputs.signature = signature;
    inputs.nonce = elements.nonce;
    inputs.dac = dac;
    inputs.pai = pai;
    inputs.vendor_id = Id(c["basic_info_vid"]);
    inputs.product_id = Id(c["basic_info_pid"]);
    auto result = [&] { return static_cast<int>(VerifyAttestation(inputs).result); };
    EXPECT_EQ(result(), c["result_at_2026_11_22"][0].get<int>()) << c["result_at_2026_11_22"];
    inputs.now = Utc("2023-06-01T00:00:00Z");
    EXPECT_EQ(result(), c["result_at_2023_06_01"][0].get<int>()) << c["result_at_2023_06_01"];
    inputs.cd_trust.allow_test_signer = false;
    EXPECT_EQ(result(), c["result_test_cd_key_disallowed_2023_06_01"][0].get<int>());
    ++count;
  }
  EXPECT_EQ(count, 159);
}

TEST_F(Attestation, StrictModeNamesWhatCommissionersIgnore) {
  const char* const cases[] = {"struct_cd_device_type_id_mismatch", "struct_cd_security_info_wrong",
                               "struct_cd_security_level_wrong", "struct_cd_version_number_wrong",
                               "struct_cd_cert_id_mismatch"};
  const auto good = ReadVectorJson("commissioner_dut/struct_cd_version_number_match.json");
  auto content = [](const nlohmann::json& device) {
    return *DecodeCdContent(ParseCdEnvelope(Hex(device["certification_declaration"]))->content);
  };
  const CertificationDeclaration reference = content(good);
  CdRecord record;
  record.device_type_id = reference.device_type_id;
  record.certificate_id = reference.certificate_id;
  record.version_number = reference.version_number;
  EXPECT_TRUE(MatchCdRecord(reference, record).empty());
  for (const char* name : cases) {
    const auto device = ReadVectorJson("commissioner_dut/" + std::string(name) + ".json");
    const Bytes cms = Hex(device["certification_declaration"]);
    const CertificationDeclaration cd = *DecodeCdContent(ParseCdEnvelope(cms)->content);
    EXPECT_FALSE(MatchCdRecord(cd, record).empty()) << name;
  }
}

TEST_F(Attestation, JudgesSignaturesNoncesAndSizesAsTheSdk) {
  const auto vectors = ReadVectorJson("attestation_info/signed_vectors.json");
  const Certificate dac = ReadVectorCertificate(vectors["dac_cert"]);
  const Certificate pai = ReadVectorCertificate(vectors["pai_cert"]);
  for (const auto& c : vectors["vectors"]) {
    const Bytes elements = Hex(c["elements_hex"]), challenge = Hex(c["challenge_hex"]);
    const Bytes signature = Hex(c["signature_hex"]), nonce = Hex(c["nonce_hex"]);
    AttestationInputs inputs = Inputs();
    inputs.elements = elements;
    inputs.challenge = challenge;
    inputs.signature = signature;
    inputs.nonce = nonce;
    inputs.dac = dac.der();
    inputs.pai = pai.der();
    inputs.vendor_id = Id(vectors["basic_info_vid"]);
    inputs.product_id = Id(vectors["basic_info_pid"]);
    const AttestationOutcome outcome = VerifyAttestation(inputs);
    EXPECT_EQ(static_cast<int>(outcome.result), c["expect"][0].get<int>()) << c["name"];
    EXPECT_EQ(std::string(AttestationResultName(outcome.result)), c["expect"][1]) << c["name"];
    EXPECT_EQ(outcome.findings.empty(), outcome.result == AttestationResult::kSuccess);
    inputs.pai = {};
    if (outcome.result == AttestationResult::kSuccess) {
      EXPECT_EQ(VerifyAttestation(inputs).result, AttestationResult::kPaiMissing);
    }
  }
}

TEST_F(Attestation, ListsEveryFindingAndNotTheFirstAlone) {
  const auto vectors = ReadVectorJson("attestation_info/signed_vectors.json");
  const Certificate dac = ReadVectorCertificate(vectors["dac_cert"]);
  const Certificate pai = ReadVectorCertificate(vectors["pai_cert"]);
  const auto& c = vectors["vectors"][0];
  const Bytes elements = Hex(c["elements_hex"]), challenge(16, 1);
  const Bytes signature = Hex(c["signature_hex"]), nonce(32, 2);
  AttestationInputs inputs = Inputs();
  const PaaTrustStore none;
  inputs.elements = elements;
  inputs.challenge = challenge;
  inputs.signature = signature;
  inputs.nonce = nonce;
  inputs.dac = dac.der();
  inputs.pai = pai.der();
  inputs.paas = &none;
  inputs.vendor_id = 0xFFF1;
  inputs.product_id = 0x9999;
  std::vector<int> results;
  for (const Finding& finding : VerifyAttestation(inputs).findings) {
    results.push_back(static_cast<int>(finding.result));
  }
  EXPECT_EQ(results, (std::vector<int>{500, 101, 502, 605}));
}

TEST_F(Attestation, ElementsAreWrittenAndReadAsTheVectors) {
  const auto vectors = ReadVectorJson("attestation_info/elements_vectors.json");
  for (const auto& v : vectors["vectors"]) {
    const Bytes tlv = Hex(v["elements_hex"]);
    absl::StatusOr<AttestationElements> read = DecodeAttestationElements(tlv);
    SCOPED_TRACE(v["name"].get<std::string>());
    ASSERT_EQ(read.ok(), v["expect"] == "ok") << read.status();
    if (!read.ok()) continue;
    EXPECT_EQ(ToHex(read->certification_declaration), v["certification_declaration_hex"]);
    EXPECT_EQ(ToHex(read->nonce), v["nonce_hex"]);
    EXPECT_EQ(read->timestamp, v["timestamp"].get<uint32_t>());
    EXPECT_EQ(ToHex(read->firmware_information.value_or(Bytes())), v["firmware_info_hex"]);
    ASSERT_EQ(read->vendor_elements.size(), v["vendor_reserved"].size());
    for (size_t i = 0; i < read->vendor_elements.size(); ++i) {
      const VendorElement& vendor = read->vendor_elements[i];
      EXPECT_EQ(IdToText(vendor.vendor_id), v["vendor_reserved"][i]["vendor_id"]);
      EXPECT_EQ(IdToText(vendor.profile), v["vendor_reserved"][i]["profile"]);
      EXPECT_EQ(vendor.number, v["vendor_reserved"][i]["tag"].get<uint32_t>());
      EXPECT_EQ(ToHex(vendor.bytes), v["vendor_reserved"][i]["data_hex"]);
    }
    if (v["name"] != "one_unknown_context_tag_254") {
      EXPECT_EQ(ToHex(*EncodeAttestationElements(*read)), v["elements_hex"]);
    }
  }
}

TEST_F(Attestation, NocsrElementsAreWrittenReadAndVerified) {
  const auto vectors = ReadVectorJson("attestation_info/nocsr_vectors.json");
  const auto& c = vectors["construct"];
  NocsrElements elements;
  elements.csr = Hex(c["csr_hex"]);
  elements.nonce = Hex(c["nonce_hex"]);
  elements.vendor_reserved[0] = Hex(c["vendor_reserved1_hex"]);
  elements.vendor_reserved[2] = Hex(c["vendor_reserved3_hex"]);
  EXPECT_EQ(ToHex(*EncodeNocsrElements(elements)), c["elements_hex"]);
  const NocsrElements read = *DecodeNocsrElements(Hex(c["elements_hex"]));
  EXPECT_EQ(read.csr, elements.csr);
  EXPECT_EQ(read.vendor_reserved[2], elements.vendor_reserved[2]);
  EXPECT_FALSE(read.vendor_reserved[1].has_value());
  const auto& v = vectors["verify"];
  const SignatureVerifier key = *SignatureVerifier::Make(Hex(v["public_key_hex"]));
  const Bytes tlv = Hex(v["elements_hex"]), challenge = Hex(v["challenge_hex"]);
  EXPECT_TRUE(VerifyElementsSignature(key, tlv, challenge, Hex(v["good_signature_hex"])));
  EXPECT_FALSE(VerifyElementsSignature(key, tlv, challenge, Hex(v["bad_signature_hex"])));
}

}  // namespace
}  // namespace assay::matter
