#include <sys/stat.h>

#include <filesystem>

#include "absl/strings/str_split.h"
#include "client/files.h"
#include "client/mfg_tool/tree.h"
#include "gtest/gtest.h"
#include "tests/unit/client/test_folder.h"

namespace assay::client {
namespace {

TreeOptions Options(const TestFolder& folder) {
  TreeOptions options;
  options.outdir = folder / "out";
  options.declaration_path = "cd.der";
  options.now = absl::FromUnixSeconds(1700000000);
  return options;
}

std::vector<std::string> Lines(const std::string& path, const char* end) {
  return absl::StrSplit(*ReadTextFile(path), end, absl::SkipEmpty());
}

TEST(MfgToolTreeTest, FoldersAndFilesAreMfgTools) {
  const TestFolder folder;
  auto tree = MfgToolTree::Create(Options(folder), TestSpec());
  ASSERT_TRUE(tree.ok()) << tree.status();
  const auto identity = TestIdentity(TestSpec(), "1");
  const auto added = tree->Add(0, identity);
  ASSERT_TRUE(added.ok()) << added;
  const auto summary = tree->Finish();
  ASSERT_TRUE(summary.ok()) << summary.status();
  EXPECT_EQ(tree->folder(), folder / "out/fff1_8000");
  const std::string device = tree->folder() + "/device-1/";
  for (const char* name : {"device-1-partition.bin", "device-1-onb_codes.csv",
                           "device-1-qrcode.png", "internal/partition.csv"}) {
    EXPECT_TRUE(PathExists(device + name)) << name;
  }
  for (const char* name : {"config.csv", "master.csv", "pin_disc.csv"}) {
    EXPECT_TRUE(PathExists(tree->folder() + "/staging/" + name)) << name;
  }
  EXPECT_EQ(*ReadTextFile(device + "device-1-partition.bin"), identity.images(0).content());
}

TEST(MfgToolTreeTest, ColumnsAndLineEndsAreMfgTools) {
  const TestFolder folder;
  auto tree = *MfgToolTree::Create(Options(folder), TestSpec());
  ASSERT_TRUE(tree.Add(0, TestIdentity(TestSpec(), "1")).ok());
  const std::string summary = *tree.Finish();
  EXPECT_EQ(
      Lines(summary, "\r\n")[0],
      "discriminator,iteration-count,salt,vendor-id,vendor-name,product-id,product-name,serial-num,"
      "verifier,pincode,qrcode,manualcode");
  EXPECT_EQ(Lines(tree.folder() + "/staging/config.csv", "\n")[0], "chip-factory,namespace,");
  EXPECT_EQ(Lines(tree.folder() + "/staging/config.csv", "\n")[1], "discriminator,data,u32");
  EXPECT_EQ(Lines(tree.folder() + "/device-1/internal/partition.csv", "\r\n")[0],
            "key,type,encoding,value");
  EXPECT_EQ(Lines(tree.folder() + "/staging/pin_disc.csv", "\n")[0],
            "Index,PIN Code,Iteration Count,Salt,Verifier,Discriminator");
  EXPECT_EQ(Lines(tree.folder() + "/device-1/device-1-onb_codes.csv", "\n")[0],
            "qrcode,manualcode,discriminator,passcode");
}

TEST(MfgToolTreeTest, TheRowsDiscriminatorStandsInImageQrAndLists) {
  const TestFolder folder;
  v1::DeviceValues values;
  values.set_discriminator(1234);
  values.set_serial_number("esp32c_dev3");
  auto tree = *MfgToolTree::Create(Options(folder), TestSpec());
  const auto identity = TestIdentity(TestSpec(), "1", values);
  ASSERT_TRUE(tree.Add(0, identity).ok());
  const auto rows = Lines(*tree.Finish(), "\r\n");
  EXPECT_EQ(rows[1].substr(0, 5), "1234,");
  const auto payload = matter::ParseQr(identity.codes().qr_code());
  EXPECT_EQ(payload->discriminator, 1234);
  EXPECT_NE(Lines(tree.folder() + "/device-1/device-1-onb_codes.csv", "\n")[1].find(",1234,"),
            std::string::npos);
}

TEST(MfgToolTreeTest, CodesThatAreNotTheImagesNeverGetThere) {
  const TestFolder folder;
  auto tree = *MfgToolTree::Create(Options(folder), TestSpec());
  auto identity = TestIdentity(TestSpec(), "1");
  identity.mutable_codes()->set_discriminator((identity.codes().discriminator() + 1) % 4096);
  EXPECT_FALSE(tree.Add(0, identity).ok());
  EXPECT_FALSE(PathExists(tree.folder() + "/device-1"));
}

TEST(MfgToolTreeTest, ASecondRunInTheSameSecondKeepsTheFirstSummary) {
  const TestFolder folder;
  auto tree = *MfgToolTree::Create(Options(folder), TestSpec());
  ASSERT_TRUE(tree.Add(0, TestIdentity(TestSpec(), "1")).ok());
  auto second = *MfgToolTree::Create(Options(folder), TestSpec());
  ASSERT_TRUE(second.Add(0, TestIdentity(TestSpec(), "2")).ok());
  EXPECT_NE(*tree.Finish(), *second.Finish());
}

TEST(MfgToolTreeTest, NoBinWritesTheListsButNoImage) {
  const TestFolder folder;
  auto options = Options(folder);
  options.write_nvs = false;
  auto tree = *MfgToolTree::Create(options, TestSpec());
  ASSERT_TRUE(tree.Add(0, TestIdentity(TestSpec(), "1")).ok());
  EXPECT_FALSE(PathExists(tree.folder() + "/device-1/device-1-partition.bin"));
  EXPECT_TRUE(PathExists(tree.folder() + "/device-1/internal/partition.csv"));
}

}  // namespace
}  // namespace assay::client
