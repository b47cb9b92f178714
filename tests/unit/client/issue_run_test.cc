#include "client/issue_run.h"

#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "base/refusal.h"
#include "client/device_folder.h"
#include "client/manifest.h"
#include "gtest/gtest.h"
#include "matter/csr.h"
#include "tests/unit/client/test_folder.h"

namespace assay::client {
namespace {

mode_t ModeOf(const std::string& path) {
  struct stat found = {};
  ::stat(path.c_str(), &found);
  return found.st_mode & 0777;
}

absl::StatusOr<IssueRun> Begin(const std::string& folder, uint64_t count,
                               const std::string& prefix = "") {
  SystemRandom random;
  return IssueRun::Begin(folder, {"L1", count, prefix, ""}, random);
}

std::vector<std::string> Tickets(const IssueRun& run) {
  std::vector<std::string> tickets;
  for (const PlannedTicket& planned : run.missing()) tickets.push_back(planned.ticket);
  return tickets;
}

TEST(IssueRunTest, AStoppedRunAsksForExactlyWhatIsMissing) {
  const TestFolder folder;
  std::vector<std::string> all;
  {
    auto run = Begin(folder / "run", 4);
    ASSERT_TRUE(run.ok()) << run.status();
    all = Tickets(*run);
    ASSERT_EQ(all.size(), 4u);
    ASSERT_TRUE(
        run->Keep({TestIdentity(TestSpec(), all[0]), TestIdentity(TestSpec(), all[2])}, TestSpec())
            .ok());
  }
  const auto again = Begin(folder / "run", 4);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->had(), 2u);
  EXPECT_EQ(Tickets(*again), (std::vector<std::string>{all[1], all[3]}));
}

TEST(IssueRunTest, WhatARunHadIsReadBackFromItsManifest) {
  const TestFolder folder;
  auto run = Begin(folder / "run", 3);
  ASSERT_TRUE(run.ok()) << run.status();
  const auto all = Tickets(*run);
  std::vector<v1::Identity> kept;
  for (const std::string& ticket : all) kept.push_back(TestIdentity(TestSpec(), ticket));
  kept[0].set_serial_number("a \"quoted\", serial");
  ASSERT_TRUE(run->Keep(kept, TestSpec()).ok());
  const auto read = ReadManifest(folder / "run/manifest.csv", 2);
  ASSERT_TRUE(read.ok()) << read.status();
  ASSERT_EQ(read->size(), 2u);
  for (size_t i = 0; i < read->size(); ++i) {
    EXPECT_EQ((*read)[i].ticket(), all[i]);
    EXPECT_EQ((*read)[i].serial_number(), kept[i].serial_number());
    EXPECT_EQ((*read)[i].dac_serial(), kept[i].dac_serial());
    EXPECT_EQ((*read)[i].codes().discriminator(), kept[i].codes().discriminator());
    EXPECT_EQ((*read)[i].codes().qr_code(), kept[i].codes().qr_code());
    EXPECT_EQ((*read)[i].codes().manual_code(), kept[i].codes().manual_code());
  }
  std::ofstream(folder / "other.csv") << "a,b\n1,2\n";
  EXPECT_EQ(RefusalOf(ReadManifest(folder / "other.csv", 2).status())->reason,
            Reason::FIELD_MALFORMED);
}

TEST(IssueRunTest, ARefusedOrderLeavesTheFolderToTheNext) {
  const TestFolder folder;
  EXPECT_EQ(RefusalOf(Begin(folder / "run", 2, "a/b").status())->field, "--ticket-prefix");
  for (const uint64_t count : {uint64_t{1'000'001}, ~uint64_t{0}}) {
    const auto refusal = RefusalOf(Begin(folder / "run", count).status());
    ASSERT_TRUE(refusal.has_value());
    EXPECT_EQ(refusal->reason, Reason::FIELD_OUT_OF_RANGE);
    EXPECT_EQ(refusal->field, "--count");
  }
  const auto run = Begin(folder / "run", 2, "ab-");
  ASSERT_TRUE(run.ok()) << run.status();
  EXPECT_EQ(Tickets(*run), (std::vector<std::string>{"ab-000001", "ab-000002"}));
}

TEST(IssueRunTest, TwoFoldersNeverShareTickets) {
  const TestFolder folder;
  const auto a = Begin(folder / "a", 1);
  const auto b = Begin(folder / "b", 1);
  EXPECT_NE(Tickets(*a)[0], Tickets(*b)[0]);
}

TEST(IssueRunTest, AHalfWrittenFolderIsNoDevice) {
  const TestFolder folder;
  std::string ticket;
  {
    auto run = Begin(folder / "run", 1);
    ticket = Tickets(*run)[0];
    ASSERT_TRUE(WriteDeviceFiles(folder / ("run/.part-" + ticket),
                                 *DeviceFiles(TestIdentity(TestSpec(), ticket), TestSpec()))
                    .ok());
  }
  auto again = Begin(folder / "run", 1);
  ASSERT_EQ(Tickets(*again), std::vector<std::string>{ticket});
  EXPECT_TRUE(again->Keep({TestIdentity(TestSpec(), ticket)}, TestSpec()).ok());
  EXPECT_FALSE(PathExists(folder / ("run/.part-" + ticket)));
}

TEST(IssueRunTest, ARowLostInACrashComesBackFromItsFolder) {
  const TestFolder folder;
  std::string ticket;
  {
    auto run = Begin(folder / "run", 1);
    ticket = Tickets(*run)[0];
    ASSERT_TRUE(run->Keep({TestIdentity(TestSpec(), ticket)}, TestSpec()).ok());
  }
  const std::string whole = *ReadTextFile(folder / "run/manifest.csv");
  std::filesystem::resize_file(folder / "run/manifest.csv", whole.size() - 10);
  const auto again = Begin(folder / "run", 1);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->mended(), std::vector<std::string>{ticket});
  EXPECT_EQ(*ReadTextFile(folder / "run/manifest.csv"), whole);
}

TEST(IssueRunTest, AFolderThatWasRemovedIsAskedForAgainAndHasOneRow) {
  const TestFolder folder;
  std::vector<std::string> all;
  const auto keep = [&](IssueRun& run) {
    std::vector<v1::Identity> identities;
    for (const std::string& ticket : Tickets(run)) {
      identities.push_back(TestIdentity(TestSpec(), ticket));
    }
    return run.Keep(identities, TestSpec());
  };
  {
    auto run = Begin(folder / "run", 3);
    all = Tickets(*run);
    ASSERT_TRUE(keep(*run).ok());
  }
  ASSERT_TRUE(RemoveTree(folder / ("run/" + all[1])).ok());
  {
    auto again = Begin(folder / "run", 3);
    ASSERT_EQ(Tickets(*again), std::vector<std::string>{all[1]});
    ASSERT_TRUE(keep(*again).ok());
  }
  const std::string manifest = *ReadTextFile(folder / "run/manifest.csv");
  EXPECT_EQ(std::count(manifest.begin(), manifest.end(), '\n'), 4);
  for (const std::string& ticket : all) {
    EXPECT_NE(manifest.find("\n" + ticket + ","), std::string::npos) << manifest;
  }
}

TEST(IssueRunTest, AFolderBelongsToOneRun) {
  const TestFolder folder;
  ASSERT_TRUE(Begin(folder / "run", 1).ok());
  SystemRandom random;
  const auto other = IssueRun::Begin(folder / "run", {"L2", 1, "", ""}, random);
  EXPECT_EQ(RefusalOf(other.status())->field, "--lot");
  EXPECT_EQ(RefusalOf(Begin(folder / "run", 1, "P").status())->field, "--ticket-prefix");
}

TEST(IssueRunTest, TwoProgramsCannotWriteOneFolder) {
  const TestFolder folder;
  const auto first = Begin(folder / "run", 1);
  const auto second = Begin(folder / "run", 1);
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(RefusalOf(second.status())->field, "out");
}

TEST(IssueRunTest, PrivateMaterialIsTheOwnersAlone) {
  const TestFolder folder;
  auto run = Begin(folder / "run", 1);
  const std::string ticket = Tickets(*run)[0];
  ASSERT_TRUE(run->Keep({TestIdentity(TestSpec(), ticket)}, TestSpec()).ok());
  const std::string device = folder / ("run/" + ticket);
  EXPECT_EQ(ModeOf(device), 0700u);
  for (const char* name :
       {"factory.bin", "codes.csv", "codes.txt", "qr.png", "qr.svg", "manifest_row.csv"}) {
    EXPECT_TRUE(PathExists(device + "/" + name)) << name;
    EXPECT_EQ(ModeOf(device + "/" + name), 0600u) << name;
  }
  EXPECT_EQ(ModeOf(folder / "run/manifest.csv"), 0600u);
}

TEST(IssueRunTest, ABrokenCsrIsRefusedByFileBeforeAnythingIsIssued) {
  const TestFolder folder;
  ASSERT_TRUE(MakeFolder(folder / "csr").ok());
  ASSERT_TRUE(WriteFile(folder / "csr/unit1.csr", AsBytes("not a request"), 0644).ok());
  SystemRandom random;
  const auto run = IssueRun::Begin(folder / "run", {"L1", 0, "", folder / "csr"}, random);
  ASSERT_FALSE(run.ok());
  EXPECT_NE(run.status().message().find("unit1.csr"), std::string::npos);
}

TEST(IssueRunTest, AnImageNameNeverLeavesTheFolder) {
  auto identity = TestIdentity(TestSpec(), "t");
  identity.mutable_images(0)->set_name("../../evil");
  EXPECT_FALSE(DeviceFiles(identity, TestSpec()).ok());
}

}  // namespace
}  // namespace assay::client
