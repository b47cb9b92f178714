#include "matter/onboarding.h"

#include <gtest/gtest.h>

#include "base/random.h"
#include "base/refusal.h"
#include "matter/base38.h"
#include "matter/onboarding_extension.h"
#include "matter/passcode.h"
#include "tests/vectors/vectors.h"

namespace assay::matter {
namespace {

using nlohmann::json;

SetupPayload Sdk() {
  return {.vendor_id = 0xFFF1,
          .product_id = 0x8001,
          .discovery = discovery::kOnNetwork,
          .discriminator = 3840,
          .passcode = 20202021};
}

SetupPayload PayloadOf(const json& row) {
  SetupPayload payload;
  payload.version = row["version"];
  payload.vendor_id = row["vid"];
  payload.product_id = row["pid"];
  payload.flow = static_cast<CommissioningFlow>(row["flow"].get<int>());
  payload.discovery = row["discovery"];
  payload.discriminator = row["discriminator"];
  payload.passcode = row["passcode"];
  return payload;
}

TEST(QrCode, TheSdkExampleReadsAndWritesAsTheSdkDoes) {
  EXPECT_EQ(EncodeQr(Sdk()).value(), "MT:-24J0AFN00KA0648G00");
  EXPECT_EQ(ParseQr("MT:-24J0AFN00KA0648G00").value(), Sdk());
  EXPECT_EQ(EncodeManualCode(Sdk()).value(), "34970112332");
}

TEST(QrCode, AgreesWithTheSdkVectors) {
  const auto vectors = test::LoadVectorJson("matter/onboarding/qr_vectors.json");
  if (!vectors) GTEST_SKIP() << test::kNoVectors;
  std::vector<SetupPayload> payloads;
  for (const json& row : vectors->at("vectors")) {
    const SetupPayload payload = PayloadOf(row);
    payloads.push_back(payload);
    const std::string qr = row["qr"], manual = row["manual_code"];
    EXPECT_EQ(EncodeQr(payload).value(), qr);
    EXPECT_EQ(ParseQr(qr).value(), payload) << qr;
    EXPECT_EQ(EncodeManualCode(payload).value(), manual);
    EXPECT_EQ(FormatManualCode(manual), row["manual_code_dashed"].get<std::string>());
    EXPECT_TRUE(CheckCodes(payload, qr, manual).ok());
  }
  payloads.resize(vectors->at("concatenated")["count"].get<size_t>());
  const std::string concatenated = vectors->at("concatenated")["qr"];
  EXPECT_EQ(EncodeQr(payloads).value(), concatenated);
  EXPECT_EQ(ParseQrs(concatenated).value(), payloads);
  EXPECT_FALSE(ParseQr(concatenated).ok());
  for (const json& row : vectors->at("invalid")) {
    EXPECT_FALSE(ParseQrs(row["qr"].get<std::string>()).ok()) << row;
  }
  for (const json& row : vectors->at("extract_payload")) {
    EXPECT_EQ(ExtractPayload(row["input"].get<std::string>()), row["payload"].get<std::string>())
        << row;
  }
}

TEST(QrCode, AgreesWithTheSdkExtensionVectors) {
  const auto vectors = test::LoadVectorJson("matter/onboarding/qr_vectors.json");
  if (!vectors) GTEST_SKIP() << test::kNoVectors;
  for (const json& row : vectors->at("tlv_vectors")) {
    const Bytes tlv = test::HexOf(row["tlv_hex"]);
    SetupPayload payload = PayloadOf(row["payload"]);
    payload.extension = ParseExtension(tlv).value();
    const std::string qr = row["qr"];
    EXPECT_EQ(ParseQr(qr).value(), payload) << qr;
    // The SDK's writer puts vendor tags first; ours keeps ascending order, so those texts differ.
    const bool is_ascending = EncodeExtension(payload.extension) == tlv;
    if (is_ascending) {
      EXPECT_EQ(EncodeQr(payload).value(), qr);
    }
    EXPECT_EQ(is_ascending,
              row["description"].get<std::string>().find("upstream default") == std::string::npos);
    EXPECT_EQ(ParseQr(EncodeQr(payload).value()).value(), payload);
  }
}

TEST(QrCode, AgreesWithTheMfgTool) {
  const auto rows = test::LoadVectorCsv("mfg_tool/onboarding/payloads.csv");
  if (!rows) GTEST_SKIP() << test::kNoVectors;
  const auto number = [](const std::string& text) { return std::stoul(text, nullptr, 0); };
  for (const auto& row : *rows) {
    SetupPayload payload;
    payload.vendor_id = static_cast<uint16_t>(number(row[0]));
    payload.product_id = static_cast<uint16_t>(number(row[1]));
    payload.flow = static_cast<CommissioningFlow>(number(row[2]));
    payload.discovery = static_cast<uint8_t>(number(row[3]));
    payload.discriminator = static_cast<uint16_t>(number(row[4]));
    payload.passcode = static_cast<uint32_t>(std::stoul(row[5]));
    EXPECT_EQ(EncodeQr(payload).value(), row[6]);
    EXPECT_EQ(EncodeManualCode(payload).value(), row[7]);
    EXPECT_TRUE(CheckCodes(payload, row[6], row[7]).ok());
  }
}

// What a label may not carry, one field at a time.
struct Fault {
  const char* field;
  Reason reason;
  void (*spoil)(SetupPayload&);
};
constexpr Fault kFaults[] = {
    {"version", Reason::FIELD_OUT_OF_RANGE, [](SetupPayload& p) { p.version = 1; }},
    {"vendor_id", Reason::FIELD_OUT_OF_RANGE, [](SetupPayload& p) { p.vendor_id = 0xFFF5; }},
    {"product_id", Reason::FIELD_OUT_OF_RANGE, [](SetupPayload& p) { p.product_id = 0; }},
    {"flow", Reason::FIELD_OUT_OF_RANGE,
     [](SetupPayload& p) { p.flow = static_cast<CommissioningFlow>(3); }},
    {"discovery", Reason::FIELD_REQUIRED, [](SetupPayload& p) { p.discovery = 0; }},
    {"discovery", Reason::FIELD_OUT_OF_RANGE, [](SetupPayload& p) { p.discovery = 0x42; }},
    {"discriminator", Reason::FIELD_OUT_OF_RANGE, [](SetupPayload& p) { p.discriminator = 4096; }},
    {"passcode", Reason::PASSCODE_FORBIDDEN, [](SetupPayload& p) { p.passcode = 12345678; }},
    {"passcode", Reason::PASSCODE_FORBIDDEN, [](SetupPayload& p) { p.passcode = 134217729; }},
    {"extension.serial_number", Reason::FIELD_TOO_LONG,
     [](SetupPayload& p) { p.extension.serial_number = std::string(33, 'x'); }},
    {"extension.serial_number", Reason::FIELD_MALFORMED,
     [](SetupPayload& p) { p.extension.serial_number = std::string("\xFF"); }},
    {"extension.salt", Reason::FIELD_OUT_OF_RANGE,
     [](SetupPayload& p) {
       p.extension.spake2p = Spake2pParameters{1000, Bytes(15)};
     }},
    {"extension.vendor", Reason::FIELD_OUT_OF_RANGE,
     [](SetupPayload& p) { p.extension.vendor[0x7F] = 1; }},
    {"extension", Reason::FIELD_TOO_LONG,
     [](SetupPayload& p) { p.extension.vendor[0x80] = std::string(140, 'x'); }},
};

TEST(QrCode, EveryFieldThatMayNotStandOnALabelIsRefusedByName) {
  for (const Fault& fault : kFaults) {
    SetupPayload payload = Sdk();
    fault.spoil(payload);
    const absl::Status status = EncodeQr(payload).status();
    EXPECT_TRUE(HasReason(status, fault.reason)) << fault.field << ": " << status;
    EXPECT_EQ(RefusalOf(status)->field, fault.field);
  }
}

TEST(QrCode, ReservedDiscoveryBitsAreReadButNotWritten) {
  // The example with discovery 0x44: bit 6 of the byte that follows 3+16+16+2 bits.
  Bytes bytes = FromBase38("-24J0AFN00KA0648G00").value();
  bytes[5] = static_cast<uint8_t>(bytes[5] | 0x08);
  const auto payload = ParseQr("MT:" + ToBase38(bytes));
  ASSERT_TRUE(payload.ok()) << payload.status();
  EXPECT_EQ(payload->discovery, 0x44);
  EXPECT_FALSE(EncodeQr(*payload).ok());
}

TEST(QrCode, NonZeroPaddingAndSurplusBytesAreRefused) {
  Bytes bytes = FromBase38("-24J0AFN00KA0648G00").value();
  bytes[10] |= 0x80;
  EXPECT_FALSE(ParseQr("MT:" + ToBase38(bytes)).ok());
  bytes[10] &= 0x0F;
  bytes.push_back(0);
  EXPECT_FALSE(ParseQr("MT:" + ToBase38(bytes)).ok());
}

TEST(QrCode, NoRefusalHoldsTheCodeOrThePasscode) {
  const absl::Status status = ParseQr("MT:M5L90MP500W-GT68D20").status();
  EXPECT_EQ(status.ToString().find("111111111"), std::string::npos);
  EXPECT_EQ(status.ToString().find("W-GT68D20"), std::string::npos);
}

TEST(QrCode, AnExtensionWithAllMembersReadsBack) {
  SetupPayload payload = Sdk();
  payload.extension.serial_number = uint64_t{1} << 40;
  payload.extension.spake2p = Spake2pParameters{100000, Bytes(32, 0xA5)};
  payload.extension.device_count = 4;
  payload.extension.commissioning_timeout_s = 900;
  payload.extension.vendor[0x80] = "text";
  payload.extension.vendor[0xFF] = -5;
  EXPECT_EQ(ParseQr(EncodeQr(payload).value()).value(), payload);
}

TEST(QrCode, AnExtensionWithRepeatedReservedOrHalfMembersIsRefused) {
  const auto refuses = [](std::string_view hex) {
    return !ParseExtension(FromHex(hex).value()).ok();
  };
  EXPECT_TRUE(refuses("152c0001312c00013218"));  // serial number twice
  EXPECT_TRUE(refuses("1524050118"));            // reserved tag 5
  EXPECT_TRUE(refuses("152501e80318"));          // iterations without a salt
  EXPECT_TRUE(refuses("1526030001000018"));      // 256 devices
  EXPECT_TRUE(refuses("15280018"));              // serial number a boolean
  EXPECT_TRUE(refuses("152c000131"));            // not closed
  EXPECT_TRUE(refuses("152c0001311800"));        // surplus byte
  EXPECT_TRUE(refuses("172c00013118"));          // a list
  EXPECT_TRUE(ParseExtension({}).value().IsEmpty());
}

TEST(QrCode, ACodeThatIsTooLongIsRefused) {
  const std::vector<SetupPayload> payloads(215, Sdk());
  EXPECT_TRUE(HasReason(EncodeQr(payloads).status(), Reason::FIELD_TOO_LONG));
  EXPECT_TRUE(EncodeQr(std::span(payloads).first(214)).ok());
  EXPECT_TRUE(
      HasReason(EncodeQr(std::span<const SetupPayload>()).status(), Reason::REQUEST_MALFORMED));
}

TEST(ManualPairingCode, RefusesPasscodesNoLabelMayCarry) {
  EXPECT_TRUE(ParseManualCode("34970112332").ok());
  EXPECT_TRUE(ReadManualCode("01120767810").ok());
  EXPECT_TRUE(HasReason(ParseManualCode("01120767810").status(), Reason::PASSCODE_FORBIDDEN));
  EXPECT_TRUE(HasReason(ParseManualCode("23610875350").status(), Reason::PASSCODE_FORBIDDEN));
}

TEST(Codes, ReadBackAsTheRecordTheyWereMadeFrom) {
  SystemRandom random;
  for (int i = 0; i < 500; ++i) {
    SetupPayload payload = Sdk();
    payload.flow = static_cast<CommissioningFlow>(i % 3);
    payload.passcode = DrawPasscode(random);
    payload.discriminator = DrawDiscriminator(random);
    const std::string qr = EncodeQr(payload).value();
    const std::string manual = EncodeManualCode(payload).value();
    ASSERT_TRUE(CheckCodes(payload, qr, manual).ok());
  }
}

TEST(Codes, AnyDifferenceFromTheRecordIsFoundAndNamed) {
  const std::string qr = EncodeQr(Sdk()).value(), manual = EncodeManualCode(Sdk()).value();
  const auto rule = [&](const SetupPayload& record) {
    const auto refusal = RefusalOf(CheckCodes(record, qr, manual));
    return refusal ? refusal->field + " " + refusal->rule : "";
  };
  EXPECT_EQ(rule(Sdk()), "");
  SetupPayload record = Sdk();
  record.discriminator = 3841;
  EXPECT_EQ(rule(record), "qr_code must read back as the record's discriminator");
  record = Sdk();
  record.passcode = 20202022;
  EXPECT_EQ(rule(record), "qr_code must read back as the record's passcode");
  record = Sdk();
  record.extension.device_count = 1;
  EXPECT_EQ(rule(record), "qr_code must read back as the record's extension");
  record = Sdk();
  record.passcode = 20202022;
  EXPECT_EQ(RefusalOf(CheckCodes(record, EncodeQr(record).value(), manual))->field, "manual_code");
  EXPECT_TRUE(HasReason(CheckCodes(Sdk(), "MT:", manual), Reason::VERIFY_FAILED));
}

}  // namespace
}  // namespace assay::matter
