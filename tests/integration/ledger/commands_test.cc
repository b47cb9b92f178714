// `assay receipt` and `assay ledger` as an auditor types them.
#include <gmock/gmock.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "client/command/run.h"
#include "client/files.h"
#include "tests/integration/office.h"

namespace assay::integration {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr int kOk = 0, kRefused = 1, kUsage = 2;

class LedgerCommandTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "assay-ledger-run-XXXXXX").string();
    folder_ = ::mkdtemp(name.data());
    std::string yaml =
        absl::StrCat("server: ", office_.Address(), "\nca: ca.pem\nfactory: north\nidentities:\n");
    Put("ca.pem", office_.pki().ca());
    for (const auto& [role, uri] : {std::pair("line", kLine), std::pair("auditor", kAuditor)}) {
      const auto identity = office_.pki().Client(uri);
      Put(absl::StrCat(role, ".pem"), identity.certificate);
      Put(absl::StrCat(role, ".key"), identity.key);
      absl::StrAppend(&yaml, "  ", role, ": {certificate: ", role, ".pem, key: ", role, ".key}\n");
    }
    Put("client.yaml", yaml);
  }
  void TearDown() override { fs::remove_all(folder_); }

  void Put(const std::string& name, const std::string& content) {
    std::ofstream(folder_ / name, std::ios::binary) << content;
  }
  std::string Path(const std::string& name) const { return (folder_ / name).string(); }
  int Run(const std::string& line) {
    std::vector<std::string> arguments = {"--profile", Path("client.yaml"), "--patience", "60"};
    for (absl::string_view word : absl::StrSplit(line, ' ', absl::SkipEmpty())) {
      arguments.emplace_back(word);
    }
    ::testing::internal::CaptureStderr();
    ::testing::internal::CaptureStdout();
    const int code = client::RunCommandLine(arguments);
    said_ = ::testing::internal::GetCapturedStderr();
    printed_ = ::testing::internal::GetCapturedStdout();
    return code;
  }
  // Issues a device, and fetches its receipt as the line; the receipt's file.
  std::string ReceiptOf(const std::string& lot, const std::string& ticket) {
    v1::IssueResponse issued;
    EXPECT_TRUE(office_.Issue(Office::Request(lot, ticket), &issued).ok());
    Put("dac.der", issued.identity().dac());
    device_ = issued.identity().device_id();
    EXPECT_EQ(Run(absl::StrCat("receipt get --lot ", lot, " --ticket ", ticket, " --out ",
                               folder_.string())),
              kOk)
        << said_;
    return Path(device_ + ".tlog-proof");
  }
  void KeepKey() {
    ASSERT_EQ(Run("ledger key"), kOk) << said_;
    Put("ledger.vkey", printed_);
  }

  Office& office_ = Office::Shared();
  fs::path folder_;
  std::string said_, printed_, device_;
};

TEST_F(LedgerCommandTest, AReceiptIsFetchedByTheLineAndCheckedWithoutAServer) {
  office_.OpenLot("typed", office_.Light(), 5);
  const std::string receipt = ReceiptOf("typed", "t-1");
  KeepKey();
  Put("client.yaml", "server: localhost:1\n");  // no server is asked
  const std::string check =
      absl::StrCat("receipt verify ", receipt, " --key ", Path("ledger.vkey"));
  EXPECT_EQ(Run(absl::StrCat(check, " --dac ", Path("dac.der"), " --device ", device_)), kOk)
      << said_;
  EXPECT_THAT(printed_, HasSubstr("verified: entry "));
  EXPECT_THAT(printed_, HasSubstr("ticket: t-1"));
  EXPECT_EQ(Run(check + " --device another"), kRefused);
  EXPECT_THAT(said_, HasSubstr("FIELDS_CONTRADICT"));
  EXPECT_EQ(Run(absl::StrCat(check, " --dac ", Path("ca.pem"))), kRefused);
  EXPECT_EQ(Run(absl::StrCat("receipt verify ", receipt)), kUsage);
}

TEST_F(LedgerCommandTest, AChangedReceiptAndAnotherKeyAreRefused) {
  office_.OpenLot("changed", office_.Light(), 5);
  const std::string file = ReceiptOf("changed", "t-1");
  KeepKey();
  std::string text = *client::ReadTextFile(file);
  const size_t index = text.find("index ");
  text[index + 6] = text[index + 6] == '1' ? '2' : '1';
  Put("changed.tlog-proof", text);
  EXPECT_EQ(Run(absl::StrCat("receipt verify ", Path("changed.tlog-proof"), " --key ",
                             Path("ledger.vkey"))),
            kRefused);
  EXPECT_THAT(said_, HasSubstr("PROOF_INVALID"));
  // Some other log's key of the same kind.
  EXPECT_EQ(Run(absl::StrCat(
                "receipt verify ", file,
                " --key rekor.sigstore.dev+c0d23d6a+AjBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABNht"
                "mPtrWm3U1eQXBogSMdGvXwBcK5AW5i0hrZLOC96l+smGNM7nwZ4QvFK/4sueRoVj//QP22Ni4Qt9"
                "DPfkWLc=")),
            kRefused);
  EXPECT_THAT(said_, HasSubstr("NOTE_UNTRUSTED"));
}

TEST_F(LedgerCommandTest, TheWholeLedgerIsVerifiedRememberedAndCopied) {
  office_.OpenLot("copied", office_.Light(), 5);
  ReceiptOf("copied", "t-1");
  KeepKey();
  const std::string key = " --key " + Path("ledger.vkey");
  const std::string verify = absl::StrCat("ledger verify", key, " --remember ", Path("newest"));
  ASSERT_EQ(Run(verify), kOk) << said_;
  EXPECT_THAT(printed_, HasSubstr("verified "));
  const std::string earlier = *client::ReadTextFile(Path("newest"));
  const std::string newer = ReceiptOf("copied", "t-2");
  ASSERT_EQ(Run(verify), kOk) << said_;
  EXPECT_THAT(said_, HasSubstr("begins with the "));
  EXPECT_NE(*client::ReadTextFile(Path("newest")), earlier);

  const std::string tiles = Path("tiles");
  ASSERT_EQ(Run(absl::StrCat("ledger export-tiles --out ", tiles, key)), kOk) << said_;
  ASSERT_EQ(Run(absl::StrCat("ledger verify --tiles ", tiles, key, " --remember ", Path("newest"))),
            kOk)
      << said_;
  // An older checkpoint shown as new.
  Put("tiles/checkpoint", earlier);
  EXPECT_EQ(Run(absl::StrCat("ledger verify --tiles ", tiles, key, " --remember ", Path("newest"))),
            kRefused);
  EXPECT_THAT(said_, HasSubstr("CHECKPOINT_STALE"));

  ASSERT_EQ(Run("ledger entries --first 0 -n 3"), kOk) << said_;
  EXPECT_THAT(printed_, HasSubstr("{\"index\":2,\"leaf\":{\"at\":\""));
  EXPECT_THAT(printed_, Not(HasSubstr("{\"index\":3,")));
  ASSERT_EQ(Run("ledger checkpoint" + key), kOk) << said_;
  EXPECT_THAT(printed_, HasSubstr("\n\n\xE2\x80\x94 assay-ledger/"));
  EXPECT_EQ(Run("--as line ledger entries"), kRefused);
}

TEST_F(LedgerCommandTest, AWitnessCosignsAndAReceiptIsHeldAgainstAQuorum) {
  office_.OpenLot("witnessed", office_.Light(), 5);
  ReceiptOf("witnessed", "t-1");
  KeepKey();
  const std::string key = " --key " + Path("ledger.vkey");
  std::vector<std::string> witnesses;
  for (const std::string& name : {std::string("w1"), std::string("w2")}) {
    ASSERT_EQ(Run(absl::StrCat("witness make-key --name ", name, " --out ", Path(name))), kOk)
        << said_;
    Put(name + ".vkey", printed_);
    witnesses.push_back(" --witness " + Path(name + ".vkey"));
  }
  EXPECT_EQ(Run(absl::StrCat("witness make-key --name w1 --out ", Path("w1"))), kRefused);
  const std::string cosign = absl::StrCat("witness cosign", key, " --witness-key ", Path("w1"),
                                          " --remember ", Path("w1.checkpoint"));
  ASSERT_EQ(Run(cosign), kOk) << said_;
  EXPECT_THAT(printed_, HasSubstr("the checkpoint has 1 cosignatures"));
  ASSERT_EQ(Run("witness checkpoint"), kOk) << said_;
  EXPECT_THAT(printed_, HasSubstr("\xE2\x80\x94 w1 "));
  ASSERT_EQ(Run(absl::StrCat("witness receipt --device ", device_, " --out ", Path("cosigned"))),
            kOk)
      << said_;
  const std::string verify =
      absl::StrCat("receipt verify ", Path("cosigned/" + device_ + ".tlog-proof"), key);
  EXPECT_EQ(Run(verify + witnesses[0] + " --quorum 1"), kOk) << said_;
  EXPECT_EQ(Run(verify + witnesses[0] + witnesses[1] + " --quorum 1"), kOk) << said_;
  EXPECT_EQ(Run(verify + witnesses[0] + witnesses[1] + " --quorum 2"), kRefused);
  EXPECT_THAT(said_, HasSubstr("NOTE_UNTRUSTED"));
  EXPECT_EQ(Run(verify + witnesses[0] + witnesses[0] + " --quorum 2"), kRefused);
  EXPECT_THAT(said_, HasSubstr("is given twice"));
  // Another ledger's checkpoint in its memory: the witness does not sign.
  std::string other = *client::ReadTextFile(Path("w1.checkpoint"));
  Put("w1.checkpoint", other.substr(0, other.find('\n')) + "x" + other.substr(other.find('\n')));
  EXPECT_EQ(Run(cosign), kRefused);
  EXPECT_EQ(Run("--as line " + cosign), kRefused);
}

}  // namespace
}  // namespace assay::integration
