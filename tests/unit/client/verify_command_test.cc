// `assay verify` as people run it, over connectedhomeip's commissioner vectors.
#include <gtest/gtest.h>

#include <fstream>

#include "client/command/run.h"
#include "matter/attestation.h"
#include "tests/unit/client/test_folder.h"
#include "tests/unit/matter/cert_vectors.h"
#include "tests/unit/matter/software_key.h"

namespace assay::client {
namespace {

using matter::Hex;
using matter::ReadVectorJson;

class VerifyCommand : public testing::Test {
 protected:
  std::string Path(const std::string& name) const { return folder_ / name; }
  void Write(const std::string& name, const std::string& bytes) const {
    std::ofstream(Path(name), std::ios::binary) << bytes;
  }
  // The result's number; -1 where there is none.
  int Judge(std::vector<std::string> arguments) {
    testing::internal::CaptureStdout();
    testing::internal::CaptureStderr();
    code_ = RunCommandLine(arguments);
    const std::string out = testing::internal::GetCapturedStdout();
    testing::internal::GetCapturedStderr();
    const auto told = nlohmann::json::parse(out, nullptr, false);
    return told.is_object() ? told.value("result", -1) : -1;
  }
  TestFolder folder_;
  int code_ = 0;
};

std::string Vector(const std::string& name) { return (matter::MatterVectors() / name).string(); }

TEST_F(VerifyCommand, GivesTheSdksResultForAllCommissionerCases) {
  ASSAY_NEED_VECTORS();
  const auto expected = ReadVectorJson("commissioner_dut_expected.json");
  size_t count = 0;
  for (const auto& c : expected["cases"]) {
    const std::string name = c["case"];
    SCOPED_TRACE(name);
    const auto device = ReadVectorJson("commissioner_dut/" + name + ".json");
    matter::AttestationElements elements;
    elements.certification_declaration = Hex(device["certification_declaration"]);
    elements.nonce = Bytes(32, 0x11);
    if (device.contains("firmware_information")) {
      elements.firmware_information = Hex(device["firmware_information"]);
    }
    const Bytes tlv = *EncodeAttestationElements(elements);
    Bytes message = tlv;
    Append(message, Bytes(16, 0x22));
    const Bytes signature =
        matter::SoftwareKey::FromScalar(Hex(device["dac_private_key"])).Sign(message);
    Write("dac.der", ToText(Hex(device["dac_cert"])));
    Write("pai.der", ToText(Hex(device["pai_cert"])));
    Write("elements.bin", ToText(tlv));
    Write("signature.bin", ToText(signature));
    const std::vector<std::string> common = {"--json",
                                             "verify",
                                             "--dac",
                                             Path("dac.der"),
                                             "--pai",
                                             Path("pai.der"),
                                             "--paa",
                                             Vector("attestation/Chip-Test-PAA-FFF1-Cert.pem"),
                                             Vector("attestation/Chip-Test-PAA-NoVID-Cert.pem"),
                                             "--cd-signer",
                                             Vector("cd/Chip-Test-CD-Signing-Cert.pem"),
                                             "--elements",
                                             Path("elements.bin"),
                                             "--signature",
                                             "@" + Path("signature.bin"),
                                             "--nonce",
                                             ToHex(Bytes(32, 0x11)),
                                             "--challenge",
                                             ToHex(Bytes(16, 0x22)),
                                             "-v",
                                             "0x" + c["basic_info_vid"].get<std::string>(),
                                             "-p",
                                             "0x" + c["basic_info_pid"].get<std::string>()};
    const struct {
      const char* at;
      bool test_signer;
      const char* expected;
    } runs[] = {
        {"2026-11-22T00:00:00Z", true, "result_at_2026_11_22"},
        {"2023-06-01T00:00:00Z", true, "result_at_2023_06_01"},
        {"2023-06-01T00:00:00Z", false, "result_test_cd_key_disallowed_2023_06_01"},
    };
    for (const auto& run : runs) {
      std::vector<std::string> arguments = common;
      arguments.insert(arguments.end(), {"--at", run.at});
      if (run.test_signer) arguments.push_back("--sdk-test-signer");
      const int result = c[run.expected][0];
      EXPECT_EQ(Judge(arguments), result) << run.expected;
      EXPECT_EQ(code_, result == 0 ? 0 : 1) << run.expected;
    }
    ++count;
  }
  EXPECT_EQ(count, 159u);
}

}  // namespace
}  // namespace assay::client
