// `assay ceremony` on tpm2-pkcs11: a token that keeps the policy for signing keys and cannot hold a
// wrapping key.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>

#include "base/refusal.h"
#include "ceremony/transcript.h"
#include "tests/support/tpm_fixture.h"

namespace assay::ceremony {
namespace {

using testing::HasSubstr;
namespace fs = std::filesystem;

std::string ReadText(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

class TpmCeremony : public testing::Test {
 protected:
  void SetUp() override {
    if (!test_support::Tpm::Installed()) GTEST_SKIP() << "SKIPPED: swtpm is not installed";
    tpm_.emplace();
    folder_ = fs::path(tpm_->pin_file()).parent_path();
  }
  // The example as it is given to people, for this token.
  void WritePlan(bool with_wrapping_key) {
    std::istringstream example(
        ReadText(fs::path(ASSAY_SOURCE_DIR) / "deploy/examples/ceremony.yaml"));
    std::ofstream plan(folder_ / "ceremony.yaml");
    for (std::string line; std::getline(example, line);) {
      if (line.find("  module:") == 0) line = "  module: " + test_support::Tpm::ModulePath();
      if (line.find("  # pin_file:") == 0) line = "  pin_file: pin";
      if (line == "  - use: wrapping" && !with_wrapping_key) continue;
      plan << line << "\n";
    }
  }
  int Run(const std::string& arguments) {
    const std::string command = std::string(ASSAY_BINARY_DIR) + "/bin/assay-ceremony " + arguments +
                                " >" + (folder_ / "said").string() + " 2>&1 </dev/null";
    const int ended = std::system(command.c_str());
    said_ = ReadText(folder_ / "said");
    return WEXITSTATUS(ended);
  }
  std::string Plan() const { return (folder_ / "ceremony.yaml").string(); }
  std::string RunBoth() const {
    return "run --yes --operator 'Ada Example' --operator 'Ben Example' " + Plan();
  }

  std::optional<test_support::Tpm> tpm_;
  fs::path folder_;
  std::string said_;
};

TEST_F(TpmCeremony, MakesSigningKeysThatKeepThePolicyAndSignTheirTranscript) {
  WritePlan(false);
  ASSERT_EQ(Run(RunBoth()), 0) << said_;
  const auto transcript = CheckTranscript(ReadText(folder_ / "ceremony-transcript.json"));
  ASSERT_TRUE(transcript.ok()) << transcript.status();
  ASSERT_EQ(transcript->keys.size(), 3u);
  const nlohmann::json& attributes = transcript->content["keys"][0]["attributes"];
  for (const char* name : {"CKA_LOCAL", "CKA_SENSITIVE", "CKA_ALWAYS_SENSITIVE",
                           "CKA_NEVER_EXTRACTABLE", "CKA_PRIVATE", "CKA_SIGN"}) {
    EXPECT_EQ(attributes[name], true) << name;
  }
  EXPECT_EQ(attributes["CKA_EXTRACTABLE"], false);
  EXPECT_EQ(attributes["CKA_DECRYPT"], false);
  EXPECT_EQ(Run("verify " + (folder_ / "ceremony-transcript.json").string() + " --file " +
                (folder_ / "light.csr.pem").string()),
            0)
      << said_;
  EXPECT_EQ(Run("run " + Plan()), 0) << said_;
  EXPECT_THAT(said_, HasSubstr("done before"));
}

TEST_F(TpmCeremony, SaysBeforehandThatItCannotHoldAWrappingKeyAndMakesNothing) {
  WritePlan(true);
  for (const std::string& arguments : {"run --dry-run " + Plan(), RunBoth()}) {
    EXPECT_EQ(Run(arguments), 1) << said_;
    EXPECT_THAT(said_, HasSubstr("keys.assay-wrapping"));
    EXPECT_THAT(said_, HasSubstr("does not offer CKM_AES_GCM"));
    EXPECT_THAT(said_, HasSubstr("hsm.failover"));
  }
  const auto token = pkcs11::OpenPkcs11Token(tpm_->Options());
  ASSERT_TRUE(token.ok()) << token.status();
  EXPECT_TRUE((*token)->ListKeys()->empty());
  EXPECT_FALSE(fs::exists(folder_ / "light.csr.pem"));
}

}  // namespace
}  // namespace assay::ceremony
