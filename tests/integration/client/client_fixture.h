// The command line against a whole Assay, for the tests of this folder.
#pragma once

#include <gmock/gmock.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <fstream>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "client/command/run.h"
#include "client/files.h"
#include "image/csv.h"
#include "image/nvs.h"
#include "matter/certificate.h"
#include "matter/manual_code.h"
#include "matter/onboarding.h"
#include "tests/integration/office.h"

namespace assay::integration {

namespace fs = std::filesystem;
using client::ReadFile;
using client::ReadTextFile;
using ::testing::HasSubstr;

inline constexpr int kOk = 0, kRefused = 1, kUsage = 2, kUnreachable = 3;

class ClientTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "assay-client-run-XXXXXX").string();
    folder_ = ::mkdtemp(name.data());
    WriteProfile(office_.Address());
  }
  void TearDown() override { fs::remove_all(folder_); }

  void WriteProfile(const std::string& address) {
    std::string yaml =
        absl::StrCat("server: ", address, "\nca: ca.pem\nfactory: north\nidentities:\n");
    Put("ca.pem", office_.pki().ca());
    for (const auto& [role, uri] :
         {std::pair("line", kLine), std::pair("plain", kPlainLine),
          std::pair("operator", kOperator), std::pair("auditor", kAuditor)}) {
      const auto identity = office_.pki().Client(uri);
      Put(absl::StrCat(role, ".pem"), identity.certificate);
      Put(absl::StrCat(role, ".key"), identity.key);
      absl::StrAppend(&yaml, "  ", role, ": {certificate: ", role, ".pem, key: ", role, ".key}\n");
    }
    Put("client.yaml", yaml);
  }

  void Put(const std::string& name, const std::string& content) {
    test_support::WritePrivateFile((folder_ / name).string(), content);
  }
  std::string Path(const std::string& name) const { return (folder_ / name).string(); }

  // Runs a command line of words parted by blanks; `said` gets standard error.
  int Run(const std::string& line) {
    std::vector<std::string> arguments = {"--profile", Path("client.yaml"), "--patience",
                                          patience_};
    for (absl::string_view word : absl::StrSplit(line, ' ', absl::SkipEmpty()))
      arguments.emplace_back(word);
    ::testing::internal::CaptureStderr();
    ::testing::internal::CaptureStdout();
    const int code = client::RunCommandLine(arguments);
    said_ = ::testing::internal::GetCapturedStderr();
    printed_ = ::testing::internal::GetCapturedStdout();
    return code;
  }

  std::string Declaration(uint32_t vendor_id, uint32_t product_id) {
    const std::string name = absl::StrCat("cd-", vendor_id, "-", product_id, ".der");
    Put(name, office_.Declaration(vendor_id, product_id));
    return Path(name);
  }

  // The devices' folders of mfg_tool's tree.
  std::vector<fs::path> Devices(const std::string& tree) {
    std::vector<fs::path> devices;
    for (const auto& entry : fs::directory_iterator(folder_ / tree)) {
      if (entry.is_directory() && entry.path().filename() != "staging")
        devices.push_back(entry.path());
    }
    return devices;
  }

  Office& office_ = Office::Shared();
  fs::path folder_;
  std::string patience_ = "5";
  std::string said_, printed_;
};

inline std::vector<image::NvsEntry> Entries(const fs::path& device) {
  const auto image = ReadFile((device / (device.filename().string() + "-partition.bin")).string());
  EXPECT_TRUE(image.ok()) << image.status();
  auto entries = image::ParseNvs(*image);
  EXPECT_TRUE(entries.ok()) << entries.status();
  return entries.ok() ? *entries : std::vector<image::NvsEntry>{};
}

template <typename Value>
std::optional<Value> Find(const std::vector<image::NvsEntry>& entries, const std::string& key) {
  for (const auto& entry : entries) {
    if (entry.key == key && std::holds_alternative<Value>(entry.value))
      return std::get<Value>(entry.value);
  }
  return std::nullopt;
}

}  // namespace assay::integration
