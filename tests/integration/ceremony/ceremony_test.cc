// The program assay-ceremony as people run it, and what becomes of its keys.
#include <gmock/gmock.h>
#include <openssl/pem.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <thread>

#include "absl/strings/str_cat.h"
#include "ceremony/plan.h"
#include "ceremony/transcript.h"
#include "client/command/run.h"
#include "hsm/pkcs11/pkcs11_token.h"
#include "matter/certificate.h"
#include "matter/tbs.h"
#include "server/app/open.h"
#include "tests/integration/client/client_fixture.h"
#include "tests/integration/office.h"

namespace assay::integration {
namespace {

constexpr char kPolicy[] =
    "policy:\n"
    "  signing: {CKA_LOCAL: true, CKA_PRIVATE: true, CKA_SENSITIVE: true,\n"
    "            CKA_ALWAYS_SENSITIVE: true, CKA_EXTRACTABLE: false,\n"
    "            CKA_NEVER_EXTRACTABLE: true, CKA_MODIFIABLE: false, CKA_SIGN: true,\n"
    "            CKA_SIGN_RECOVER: false, CKA_DECRYPT: false, CKA_UNWRAP: false,\n"
    "            CKA_DERIVE: false}\n"
    "  wrapping: {CKA_LOCAL: true, CKA_PRIVATE: true, CKA_SENSITIVE: true,\n"
    "             CKA_ALWAYS_SENSITIVE: true, CKA_EXTRACTABLE: false,\n"
    "             CKA_NEVER_EXTRACTABLE: true, CKA_MODIFIABLE: false, CKA_ENCRYPT: true,\n"
    "             CKA_DECRYPT: true, CKA_SIGN: false, CKA_VERIFY: false, CKA_WRAP: false,\n"
    "             CKA_UNWRAP: false, CKA_DERIVE: false}\n";

class CeremonyProgram : public ClientTest {
 protected:
  // A child with this output; its process id.
  pid_t Start(const std::vector<std::string>& arguments) {
    const std::string program = std::string(ASSAY_BINARY_DIR) + "/bin/assay-ceremony";
    const std::string log = Path("said.txt");
    const pid_t child = fork();
    if (child == 0) {
      std::freopen("/dev/null", "r", stdin);
      std::freopen(log.c_str(), "w", stdout);
      dup2(STDOUT_FILENO, STDERR_FILENO);
      std::vector<char*> argv = {const_cast<char*>(program.c_str())};
      for (const std::string& one : arguments) argv.push_back(const_cast<char*>(one.c_str()));
      argv.push_back(nullptr);
      execv(program.c_str(), argv.data());
      _exit(127);
    }
    return child;
  }
  int Wait(pid_t child) {
    int ended = 0;
    waitpid(child, &ended, 0);
    said_ = *ReadTextFile(Path("said.txt"));
    return WIFEXITED(ended) ? WEXITSTATUS(ended) : 128 + WTERMSIG(ended);
  }
  int RunCeremony(const std::vector<std::string>& arguments) { return Wait(Start(arguments)); }
  std::vector<std::string> RunBoth() const {
    return {"run", "--yes", "--operator", "Ada", "--operator", "Ben", Path("ceremony.yaml")};
  }

  // Four keys whose labels end in `mark`.
  void WriteCeremony(const std::string& mark, const std::string& mode = "production",
                     const std::string& vendor = "0x131B") {
    Put("ceremony.yaml",
        absl::StrCat(
            "mode: ", mode, "\ntoken: {module: ", test_support::SoftHsm::ModulePath(),
            ", label: assay, pin_file: ", office_.hsm().pin_file(), "}\noperators: [Ada, Ben]\n",
            kPolicy, "keys:\n  - {use: pai, label: pai-", mark, ", vendor_id: ", vendor,
            ", csr: ", mark, ".csr}\n  - {use: image, label: image-", mark, ", certificate: ", mark,
            ".pem}\n  - {use: ledger, label: ledger-", mark,
            "}\n  - {use: wrapping, label: wrapping-", mark, "}\ntranscript: ", mark, ".json\n"));
  }
  size_t LinesOf(const std::string& path) {
    const auto text = ReadTextFile(path);
    return text.ok() ? static_cast<size_t>(std::ranges::count(*text, '\n')) : 0;
  }
  std::shared_ptr<hsm::Token> Token() { return *app::OpenToken(office_.config().hsm); }

  template <typename Ask>
  bool Await(Ask ask) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::minutes(2);
    while (!ask()) {
      if (std::chrono::steady_clock::now() > end) return false;
      std::this_thread::yield();
    }
    return true;
  }
};

TEST_F(CeremonyProgram, KilledAfterEachKeyItIsTakenUpAndNoLabelHasTwoKeys) {
  for (size_t keys = 1; keys <= 4; ++keys) {
    const std::string mark = absl::StrCat("killed", keys);
    WriteCeremony(mark);
    const pid_t child = Start(RunBoth());
    // The journal's first line is the ceremony's, the others are keys whose making has begun.
    const std::string journal = Path(mark + ".json.journal");
    ASSERT_TRUE(Await([&] { return LinesOf(journal) > keys || fs::exists(Path(mark + ".json")); }));
    kill(child, SIGKILL);
    Wait(child);
    ASSERT_EQ(RunCeremony(RunBoth()), 0) << said_;
    const auto checked = ceremony::CheckTranscript(*ReadTextFile(Path(mark + ".json")));
    ASSERT_TRUE(checked.ok()) << checked.status();
    EXPECT_EQ(checked->keys.size(), 4u);
    for (const auto& key : checked->keys) {
      EXPECT_EQ(key.origin, "made in this ceremony");
      const auto told = Token()->FindKey(key.label);  // HSM_KEY_UNFIT where two bear the label
      EXPECT_TRUE(told.ok()) << told.status();
    }
    EXPECT_FALSE(fs::exists(journal));
    EXPECT_EQ(RunCeremony({"run", Path("ceremony.yaml")}), 0) << said_;
    EXPECT_THAT(said_, HasSubstr("done before"));
    EXPECT_EQ(RunCeremony({"verify", Path(mark + ".json"), "--file", Path(mark + ".csr"), "--file",
                           Path(mark + ".pem")}),
              0)
        << said_;
  }
}

TEST_F(CeremonyProgram, TwoRunsAtOnceMakeOneSetOfKeys) {
  WriteCeremony("twice");
  const pid_t one = Start(RunBoth());
  const pid_t two = Start(RunBoth());
  const int first = Wait(one), second = Wait(two);
  EXPECT_TRUE(first == 0 || second == 0) << said_;
  EXPECT_EQ(RunCeremony(RunBoth()), 0) << said_;
  EXPECT_TRUE(ceremony::CheckTranscript(*ReadTextFile(Path("twice.json"))).ok());
  for (const char* label : {"pai-twice", "image-twice", "ledger-twice", "wrapping-twice"}) {
    EXPECT_TRUE(Token()->FindKey(label).ok()) << label;
  }
}

TEST_F(CeremonyProgram, WithoutATerminalOrBothNamesNothingIsMade) {
  WriteCeremony("nobody");
  EXPECT_EQ(RunCeremony({"run", Path("ceremony.yaml")}), 1);
  EXPECT_THAT(said_, HasSubstr("SECOND_PERSON_REQUIRED"));
  EXPECT_EQ(RunCeremony({"run", "--yes", "--operator", "Ada", Path("ceremony.yaml")}), 1);
  EXPECT_THAT(said_, HasSubstr("SECOND_PERSON_REQUIRED"));
  EXPECT_EQ(RunCeremony({"run", "--dry-run", Path("ceremony.yaml")}), 0) << said_;
  EXPECT_THAT(said_, HasSubstr("would be made"));
  EXPECT_TRUE(HasReason(Token()->FindKey("pai-nobody").status(), Reason::HSM_KEY_MISSING));
  EXPECT_FALSE(fs::exists(Path("nobody.json.journal")));
}

TEST_F(CeremonyProgram, TheExampleIsAFileTheProgramTakes) {
  const auto plan =
      ceremony::LoadPlan(std::string(ASSAY_SOURCE_DIR) + "/deploy/examples/ceremony.yaml");
  EXPECT_TRUE(plan.ok()) << plan.status();
}

TEST_F(CeremonyProgram, ItsKeyBecomesAPaiThatIssues) {
  WriteCeremony("works", "sandbox", "0xFFF3");
  ASSERT_EQ(RunCeremony(RunBoth()), 0) << said_;
  ASSERT_EQ(Run("authority pai adopt works --key-label pai-works --csr " + Path("works.csr")), kOk)
      << said_;
  EXPECT_THAT(printed_, HasSubstr("pending"));
  ASSERT_EQ(Run("authority pai sign-sandbox works"), kOk) << said_;
  ASSERT_EQ(Run("authority pai activate works"), kOk) << said_;
  v1::ProductSpec spec = office_.Light();
  spec.set_vendor_id(0xFFF3);
  spec.set_certification_declaration(office_.Declaration(0xFFF3, 0x8000));
  office_.OpenLot("of-works", spec, 3);
  v1::IssueResponse response;
  const grpc::Status issued = office_.Issue(Office::Request("of-works", "t-1"), &response);
  ASSERT_TRUE(issued.ok()) << issued.error_message();
  // The same key for a second PAI, and a key with another purpose.
  EXPECT_EQ(Run("authority pai adopt again --key-label pai-works --csr " + Path("works.csr")),
            kRefused);
  EXPECT_THAT(said_, HasSubstr("PAI_CONFLICT"));
  EXPECT_EQ(Run("authority pai adopt image --key-label assay-image --vendor-id 0xFFF3"), kRefused);
  EXPECT_THAT(said_, HasSubstr("PAI_CONFLICT"));
  // Retiring is for ever, so somebody has to mean it.
  EXPECT_EQ(Run("authority pai retire works"), kRefused);
  EXPECT_THAT(said_, HasSubstr("--yes"));
  EXPECT_EQ(Run("authority pai retire works --yes"), kOk) << said_;
  EXPECT_THAT(printed_, HasSubstr("retired"));
}

// Somebody makes another key under a PAI's label, and one that could be extracted.
TEST_F(CeremonyProgram, AKeyThatDriftsIsRefusedAndOthersGoOn) {
  office_.MakePai("drifts", 0xFFF2);
  v1::ProductSpec spec = office_.Light();
  spec.set_vendor_id(0xFFF2);
  spec.set_certification_declaration(office_.Declaration(0xFFF2, 0x8000));
  office_.OpenLot("of-drifts", spec, 5);
  office_.OpenLot("of-others", office_.Light(), 5);
  v1::IssueResponse response;
  ASSERT_TRUE(office_.Issue(Office::Request("of-drifts", "t-1"), &response).ok());

  ASSERT_TRUE(Token()->DestroyKey("assay-pai-drifts").ok());
  const std::string tool =
      absl::StrCat("pkcs11-tool --module ", test_support::SoftHsm::ModulePath(),
                   " --token-label assay --login --pin ", office_.hsm().pin(),
                   " --keypairgen --key-type EC:prime256v1 --usage-sign --extractable --label "
                   "assay-pai-drifts --id 77 >/dev/null 2>&1");
  ASSERT_EQ(std::system(tool.c_str()), 0) << "pkcs11-tool";

  const std::string figure = "assay_hsm_key_unfit{key=\"assay-pai-drifts\"} 1";
  ASSERT_TRUE(Await([&] {
    return office_.daemon().MetricsText().find(figure) != std::string::npos;
  })) << office_.daemon().MetricsText();
  const grpc::Status refused = office_.Issue(Office::Request("of-drifts", "t-2"), &response);
  EXPECT_EQ(ReasonIn(refused), "HSM_KEY_UNFIT") << refused.error_message();
  EXPECT_EQ(office_.LotNow("of-drifts").claimed(), 1u);
  const grpc::Status other = office_.Issue(Office::Request("of-others", "t-1"), &response);
  EXPECT_TRUE(other.ok()) << other.error_message();

  // A start finds it at once.
  office_.Stop();
  ASSERT_TRUE(office_.StartAgain().ok());
  office_.AwaitReady();
  EXPECT_EQ(ReasonIn(office_.Issue(Office::Request("of-drifts", "t-3"), &response)),
            "HSM_KEY_UNFIT");
}

class KeyFile : public CeremonyProgram {
 protected:
  // A PAI of the sandbox's PAA whose key lies in a file, as test PAIs do.
  void WritePai() {
    const auto paa = matter::Certificate::Parse(office_.config().sandbox.paa_certificate);
    EVP_PKEY* pair = EVP_EC_gen("P-256");
    std::FILE* file = std::fopen(Path("pai.key").c_str(), "w");
    PEM_write_PrivateKey(file, pair, nullptr, nullptr, 0, nullptr, nullptr);
    std::fclose(file);
    Bytes point(65);
    size_t size = 0;
    EVP_PKEY_get_octet_string_param(pair, "pub", point.data(), point.size(), &size);
    EVP_PKEY_free(pair);
    const Bytes serial = {0x44, 0x01};
    const auto tbs = matter::EncodePaiTbs(
        {.common_name = "PAI of a file",
         .vid = uint16_t{0xFFF4},
         .pid = std::nullopt,
         .serial = serial,
         .validity = {.not_before = absl::FromUnixSeconds(absl::ToUnixSeconds(absl::Now()) - 3600),
                      .not_after = matter::NeverExpires()},
         .public_key = point},
        *paa);
    ASSERT_TRUE(tbs.ok()) << tbs.status();
    const auto signature = Token()->Sign("assay-sandbox-paa", Sha256(*tbs));
    ASSERT_TRUE(signature.ok()) << signature.status();
    Put("pai.pem", matter::ToPem("CERTIFICATE", matter::AssembleCertificate(*tbs, *signature)));
    Put("paa.pem", matter::ToPem("CERTIFICATE", paa->der()));
  }
  std::string Import(const std::string& config) {
    return "authority pai import of-a-file --key " + Path("pai.key") + " --certificate " +
           Path("pai.pem") + " --paa " + Path("paa.pem") + " --config " + config;
  }
};

TEST_F(KeyFile, ComesIntoASandboxsTokenWithoutCrossingTheWireAndIsToBeRemoved) {
  WritePai();
  ASSERT_EQ(Run(Import(office_.config_path())), kOk) << said_;
  EXPECT_THAT(printed_, HasSubstr("of-a-file"));
  const auto key = Token()->FindKey("assay-pai-of-a-file");
  ASSERT_TRUE(key.ok()) << key.status();
  EXPECT_FALSE(key->local);
  EXPECT_TRUE(key->sensitive);
  EXPECT_FALSE(key->extractable);
  ASSERT_EQ(Run(Import(office_.config_path())), kOk) << said_;  // again: nothing new
  ASSERT_EQ(Run("authority pai activate of-a-file"), kOk) << said_;
  v1::ProductSpec spec = office_.Light();
  spec.set_vendor_id(0xFFF4);
  spec.set_certification_declaration(office_.Declaration(0xFFF4, 0x8000));
  office_.OpenLot("of-file", spec, 1);
  v1::IssueResponse response;
  const grpc::Status issued = office_.Issue(Office::Request("of-file", "t-1"), &response);
  EXPECT_TRUE(issued.ok()) << issued.error_message();
}

TEST_F(KeyFile, IsRefusedInProductionByName) {
  WritePai();
  Put("production.yaml", "mode: production\n");
  EXPECT_EQ(RunCeremony({"import", "--config", Path("production.yaml"), "--label", "x", "--key",
                         Path("pai.key")}),
            1);
  EXPECT_THAT(said_, HasSubstr("TEST_CREDENTIAL"));
  EXPECT_THAT(said_, HasSubstr("mode"));
  EXPECT_EQ(Run(Import(Path("production.yaml"))), kRefused);
}

TEST_F(KeyFile, IsRefusedForAnotherKeysCertificateOrWhenItIsNoKey) {
  WritePai();
  EXPECT_EQ(RunCeremony({"import", "--config", office_.config_path(), "--label", "x", "--key",
                         Path("pai.key"), "--certificate", Path("paa.pem")}),
            1);
  EXPECT_THAT(said_, HasSubstr("PAI_INVALID"));
  Put("no.key", "no key\n");
  EXPECT_EQ(RunCeremony({"import", "--config", office_.config_path(), "--label", "x", "--key",
                         Path("no.key")}),
            1);
  EXPECT_THAT(said_, HasSubstr("must be a private key"));
  EXPECT_TRUE(HasReason(Token()->FindKey("x").status(), Reason::HSM_KEY_MISSING));
}

}  // namespace
}  // namespace assay::integration
