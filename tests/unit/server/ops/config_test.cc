#include "server/ops/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <set>

#include "base/yaml/yaml_reader.h"
#include "tests/support/test_pki.h"

namespace assay::ops {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class ConfigTest : public ::testing::Test {
 protected:
  ConfigTest() {
    char pattern[] = "/tmp/assay-config-XXXXXX";
    folder_ = mkdtemp(pattern);
    const test_support::TlsIdentity server = pki_.Server();
    Write("server.pem", server.certificate);
    Write("server.key", server.key);
    Write("ca.pem", pki_.ca());
    Write("pin", "123456");
    Write("module.so", "");
  }
  ~ConfigTest() override { std::filesystem::remove_all(folder_); }

  void Write(const std::string& name, const std::string& text) {
    test_support::WritePrivateFile((folder_ / name).string(), text);
  }
  absl::StatusOr<Config> Load(const std::string& text, ConfigUse use = ConfigUse::kServe) {
    Write("assayd.yaml", text);
    return LoadConfig((folder_ / "assayd.yaml").string(), use, absl::Now());
  }
  // The problems of the good file with one text replaced by another.
  std::string ProblemsOf(const std::string& from, const std::string& to) {
    std::string text = kGood;
    const size_t at = text.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    text.replace(at, from.size(), to);
    return std::string(Load(text).status().message());
  }

  // A TLS CA serves as PAA, CD signer and image certificate: only its form is looked at here.
  static constexpr char kGood[] = R"(mode: sandbox
listen: 127.0.0.1:7443
tls: {certificate: server.pem, key: server.key, client_ca: ca.pem}
metrics: {listen: '127.0.0.1:9464'}
hsm:
  module: ./module.so
  token_label: assay
  pin_file: pin
  signer_threads: 1
  image_certificate: ca.pem
database:
  dsn: host=/run dbname=assay
  pool: 8
trust: {paas: [ca.pem], cd_signers: ca.pem}
sandbox: {paa_certificate: ca.pem, cd_certificate: ca.pem}
limits: {max_in_flight: 512, default_deadline: 10s}
log: {level: info}
grants:
  - {identity: 'spiffe://f/line/*', roles: [line], factories: [north]}
  - {identity: 'spiffe://f/op', roles: [operator, auditor]}
)";

  test_support::TestPki pki_;
  std::filesystem::path folder_;
};

TEST_F(ConfigTest, AGoodFileIsReadWhole) {
  const auto config = Load(kGood);
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_FALSE(config->production);
  EXPECT_EQ(config->tls.key, (folder_ / "server.key").string());
  EXPECT_EQ(config->database.pool, 8);
  EXPECT_FALSE(config->database.compact_identities) << "the release before may come back";
  EXPECT_EQ(config->limits.max_in_flight, 512);
  EXPECT_EQ(config->limits.calls.deadline.usual, std::chrono::seconds(10));
  EXPECT_EQ(config->limits.reserve, 0) << "nothing is made ahead unless one says so";
  EXPECT_EQ(config->trust.paas.size(), 1u);
  EXPECT_EQ(config->trust.cd_signers.size(), 1u);
  EXPECT_FALSE(config->sandbox.paa_certificate.empty());
  ASSERT_EQ(config->grants.size(), 2u);
  EXPECT_EQ(config->grants[0].factories, std::vector<std::string>{"north"});
  EXPECT_EQ(config->grants[1].factories, std::vector<std::string>{"*"});
}

TEST_F(ConfigTest, IdentitiesAreCompactWhereOneSaysSo) {
  std::string text = kGood;
  text.replace(text.find("  pool: 8"), 9, "  compact_identities: true");
  const auto config = Load(text);
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_TRUE(config->database.compact_identities);
}

struct Wrong {
  const char* from;
  const char* to;
  const char* problem;
};

TEST_F(ConfigTest, EachWrongValueIsNamedByItsPath) {
  const Wrong wrongs[] = {
      {"mode: sandbox", "mode: sandbx", "mode: must be sandbox or production (line 1)"},
      {"mode: sandbox\n", "", "mode: is missing"},
      {"listen: 127.0.0.1:7443", "listen: here", "listen: must be host:port (line 2)"},
      {"listen: 127.0.0.1:7443", "listen: 127.0.0.1:99999",
       "listen: the port must be a number of 0 to 65535 (got \"99999\")"},
      {"listen: 127.0.0.1:7443", "listen: '127.0.0.1:'",
       "listen: the port must be a number of 0 to 65535"},
      {"'127.0.0.1:9464'", "'127.0.0.1:http'",
       "metrics.listen: the port must be a number of 0 to 65535"},
      {"pin_file: pin", "pin_file: .", "hsm.pin_file: is a folder, and must be a file"},
      {"pin_file: pin", "pin_file: module.so", "hsm.pin_file: the file is empty"},
      {"certificate: ca.pem\ndatabase", "certificate: .\ndatabase",
       "hsm.image_certificate: is a folder, and must be a file"},
      {"pool: 8", "pol: 8", "database.pol: is not a known key; did you mean pool? (line 13)"},
      {"pool: 8", "pool: eight", "database.pool: must be a whole number (got \"eight\") (line 13)"},
      {"pool: 8", "pool: 0", "database.pool: must be 2 to 1000 (got \"0\")"},
      {"pool: 8", "pool: 8\n  pool: 9", "database.pool: is given twice"},
      {"pool: 8", "compact_identities: maybe",
       "database.compact_identities: must be true or false"},
      {"key: server.key", "key: missing.key", "tls.key: the file cannot be read"},
      {"key: server.key", "key: ca.pem", "tls.key: not an unencrypted private key"},
      {"certificate: server.pem", "certificate: pin", "tls.certificate: holds no certificate"},
      {"module: ./module.so", "module: ./other.so", "hsm.module: the file cannot be read"},
      {"  token_label: assay\n", "", "hsm.token_label: is missing; give it or token_serial"},
      {"pin_file: pin", "pin: 123456", "hsm.pin: is not a known key"},
      {"pin_file: pin", "pin_file: nopin", "hsm.pin_file: the file cannot be read"},
      {"pin_file: pin", "pin_file: pin\n  pin_env: PIN",
       "hsm.pin_env: give either pin_file or pin_env"},
      {"pin_file: pin", "pin_env: ASSAY_NO_SUCH_PIN",
       "hsm.pin_env: the variable ASSAY_NO_SUCH_PIN is not set"},
      {"signer_threads: 1", "image_signing: both", "hsm.image_signing: must be hsm or delegated"},
      {"signer_threads: 1", "signer_threads: 1.5", "hsm.signer_threads: must be a whole number"},
      {"image_certificate: ca.pem", "image_certificate: pin",
       "hsm.image_certificate: holds no certificate"},
      {"dbname=assay", "dbname=assay password=x", "database.dsn: must not hold a password"},
      {"dbname=assay", "dbname=assay password = x", "database.dsn: must not hold a password"},
      {"host=/run dbname=assay", "postgresql://u:x@h/assay",
       "database.dsn: must not hold a password"},
      {"paas: [ca.pem]", "paas: [nowhere.pem]", "trust.paas: the file cannot be read"},
      {"max_in_flight: 512", "max_in_flight: [1]", "limits.max_in_flight: must be a whole number"},
      {"default_deadline: 10s", "default_deadline: 10",
       "limits.default_deadline: must be a duration such as"},
      {"default_deadline: 10s", "default_deadline: 9h",
       "limits.default_deadline: must be 100ms to 3600000ms"},
      {"level: info", "level: loud", "log.level: must be debug, info, warning or error"},
      {"log: {level: info}", "log: loud", "log: must be a mapping"},
      {"roles: [line]", "roles: [lines]", "grants[0].roles: \"lines\" is none of line, operator"},
      {"factories: [north]", "lots: [a]", "grants[0].factories: is missing for a line"},
      {"spiffe://f/line/*", "spiffe://*/line",
       "grants[0].identity: may have * as its last character only"},
      {"spiffe://f/op", "spiffe://f/line/*",
       "grants[1].identity: another grant names the same identity"},
      {"listen: 127.0.0.1:7443", "listen: 127.0.0.1:9464",
       "metrics.listen: is the address of listen already"},
      {"listen: 127.0.0.1:7443", "listen: 127.0.0.1:7443:1",
       "listen: must be host:port, an IPv6 address in brackets"},
      {"pin_file: pin", "pin_file: pin\n  keys: {image: one, wrapping: one}",
       "hsm.keys.wrapping: is the key of hsm.keys.image already; each has one purpose"},
      {"signer_threads: 1", "signer_threads: 20",
       "hsm.sessions: must be as many as hsm.signer_threads at least, 20 (got 16)"},
      {"default_deadline: 10s", "default_deadline: 10s, least_deadline: 10s",
       "limits.least_deadline: must be less than limits.default_deadline"},
      {"default_deadline: 10s", "reserve: 100001", "limits.reserve: must be 0 to 100000"},
      {"default_deadline: 10s", "line_burst: 5",
       "limits.line_burst: means nothing without limits.line_rate"},
  };
  for (const Wrong& wrong : wrongs)
    EXPECT_THAT(ProblemsOf(wrong.from, wrong.to), HasSubstr(wrong.problem)) << wrong.to;
}

TEST_F(ConfigTest, WhatOnlyALeafKnowsIsAskedOfItAndSaidUnderTheKey) {
  Write("assayd.yaml", kGood);
  ConfigProbes probes;
  probes.module = [](const std::string& path) {
    return absl::InvalidArgumentError("no module: " + path);
  };
  probes.dsn = [](const std::string& dsn) { return absl::InvalidArgumentError("no dsn: " + dsn); };
  const auto config =
      LoadConfig((folder_ / "assayd.yaml").string(), ConfigUse::kServe, absl::Now(), probes);
  const std::string problems(config.status().message());
  EXPECT_THAT(problems, HasSubstr("hsm.module: no module: " + (folder_ / "module.so").string()));
  EXPECT_THAT(problems, HasSubstr("database.dsn: no dsn: host=/run dbname=assay"));
}

TEST_F(ConfigTest, AllProblemsAreSaidAtOnce) {
  const std::string problems = ProblemsOf("pool: 8\n", "pool: x\nextra: 1\n");
  EXPECT_THAT(problems, HasSubstr("database.pool"));
  EXPECT_THAT(problems, HasSubstr("extra: is not a known key"));
}

TEST_F(ConfigTest, APinFileOthersMayReadIsRefused) {
  std::filesystem::permissions(folder_ / "pin", std::filesystem::perms::others_read,
                               std::filesystem::perm_options::add);
  EXPECT_THAT(std::string(Load(kGood).status().message()),
              HasSubstr("hsm.pin_file: others may read"));
}

TEST_F(ConfigTest, ProductionWantsTrustTwoOperatorsAndNoSandbox) {
  const std::string problems = ProblemsOf("mode: sandbox", "mode: production");
  EXPECT_THAT(problems, HasSubstr("sandbox: is not allowed in production"));
  EXPECT_THAT(problems, HasSubstr("grants: production needs two operators"));
}

TEST_F(ConfigTest, TwoPeopleAreRequiredInProductionAndWhereASandboxWantsThem) {
  EXPECT_FALSE(Load(kGood)->approval.required);
  std::string text = kGood;
  const auto config = Load(text + "approval: {required: true, lifetime: 2h}\n");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_TRUE(config->approval.required);
  EXPECT_EQ(config->approval.lifetime, std::chrono::hours(2));
  text.replace(text.find("mode: sandbox"), 13, "mode: production");
  EXPECT_THAT(std::string(Load(text + "approval: {required: false}\n").status().message()),
              HasSubstr("approval.required: cannot be false in production"));
  EXPECT_THAT(ProblemsOf("log: {level: info}", "approval: {required: perhaps, lifetime: 1s}"),
              AllOf(HasSubstr("approval.required: must be true or false"),
                    HasSubstr("approval.lifetime: ")));
}

TEST_F(ConfigTest, AFurtherTokenIsReadAsTheFirstIs) {
  const auto config = Load([] {
    std::string text = kGood;
    const std::string at = "  signer_threads: 1\n";
    return text.replace(text.find(at), at.size(),
                        at + "  failover:\n    - {module: ./module.so, token_serial: '2', "
                             "pin_file: pin}\n");
  }());
  ASSERT_TRUE(config.ok()) << config.status();
  ASSERT_EQ(config->hsm.failover.size(), 1u);
  EXPECT_EQ(config->hsm.failover[0].module, (folder_ / "module.so").string());
  EXPECT_EQ(config->hsm.failover[0].token_serial, "2");
  EXPECT_THAT(ProblemsOf("  signer_threads: 1\n", "  failover: [{module: nowhere/module.so}]\n"),
              AllOf(HasSubstr("hsm.failover[0].module: the file cannot be read"),
                    HasSubstr("hsm.failover[0].token_label: is missing"),
                    HasSubstr("hsm.failover[0].pin_file: is missing")));
}

TEST_F(ConfigTest, BrokenYamlIsPlacedByItsLine) {
  EXPECT_THAT(std::string(Load("mode: [\n").status().message()), HasSubstr("line "));
  EXPECT_THAT(std::string(Load("- a\n").status().message()),
              HasSubstr("the document: must be a mapping"));
  EXPECT_THAT(
      std::string(LoadConfig("/nowhere.yaml", ConfigUse::kServe, absl::Now()).status().message()),
      HasSubstr("cannot be read"));
}

TEST_F(ConfigTest, AFolderInPlaceOfTheFileIsRefused) {
  const auto config = LoadConfig(folder_.string(), ConfigUse::kServe, absl::Now());
  EXPECT_THAT(std::string(config.status().message()), HasSubstr(folder_.string() + ": is no file"));
}

TEST_F(ConfigTest, MigratingNeedsNoFilesOfTheServer) {
  std::filesystem::remove(folder_ / "server.key");
  std::filesystem::remove(folder_ / "pin");
  EXPECT_TRUE(Load(kGood, ConfigUse::kMigrate).ok());
  EXPECT_FALSE(Load(kGood).ok());
}

TEST_F(ConfigTest, OnlyWhatAReloadCannotChangeCountsAsFixed) {
  std::string text = kGood;
  const auto before = Load(text);
  text.replace(text.find("roles: [line]"), 13, "roles: [line, keys]");
  EXPECT_EQ(Load(text)->fixed_parts, before->fixed_parts);
  text.replace(text.find("pool: 8"), 7, "pool: 9");
  EXPECT_NE(Load(text)->fixed_parts, before->fixed_parts);
}

TEST(DurationTest, IsANumberAndAUnit) {
  EXPECT_EQ(ReadDuration("250ms"), std::chrono::milliseconds(250));
  EXPECT_EQ(ReadDuration("2m"), std::chrono::minutes(2));
  EXPECT_EQ(ReadDuration("1h"), std::chrono::hours(1));
  for (const char* bad : {"", "5", "s", "5 s", "-5s", "5d", "99999999999s"})
    EXPECT_EQ(ReadDuration(bad), std::nullopt) << bad;
}

TEST_F(ConfigTest, RevocationNamesAUrlAnAddressAndDaysOrWhatIsWrongWithThem) {
  const auto config = Load(std::string(kGood) +
                           "revocation: {base_url: 'https://crl.example.com/', "
                           "listen: '0.0.0.0:8080', next_update_days: 30}\n");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->revocation.base_url, "https://crl.example.com");
  EXPECT_EQ(config->revocation.listen, "0.0.0.0:8080");
  EXPECT_EQ(config->revocation.next_update_days, 30);
  const std::string problems(Load(std::string(kGood) +
                                  "revocation: {base_url: ftp://x, listen: here, "
                                  "next_update_days: 91}\n")
                                 .status()
                                 .message());
  EXPECT_THAT(problems, HasSubstr("revocation.base_url"));
  EXPECT_THAT(problems, HasSubstr("revocation.listen"));
  EXPECT_THAT(problems, HasSubstr("revocation.next_update_days"));
}

// The keys that docs/operations.md lists between its two headings; ".key" continues the one before.
std::set<std::string> DocumentedKeys() {
  std::ifstream file(std::string(ASSAY_SOURCE_DIR) + "/docs/operations.md");
  std::set<std::string> keys;
  std::string line, before;
  while (std::getline(file, line) && !line.starts_with("| key | default |")) continue;
  while (std::getline(file, line) && line.starts_with("|")) {
    const std::string cell = line.substr(0, line.find('|', 1));
    for (size_t at = 0; (at = cell.find('`', at)) != std::string::npos;) {
      const size_t end = cell.find('`', at + 1);
      std::string key = cell.substr(at + 1, end - at - 1);
      if (key.starts_with('.')) key = before.substr(0, before.rfind('.')) + key;
      keys.insert(before = key);
      at = end + 1;
    }
  }
  return keys;
}

TEST(ConfigKeysTest, TheDocumentationListsEachAndNoOther) {
  std::set<std::string> keys;
  for (const std::string& key : ConfigKeys()) {
    // What each further token has is said in its row.
    keys.insert(key.starts_with("hsm.failover[]") ? "hsm.failover[]" : key);
  }
  EXPECT_GT(keys.size(), 50u);
  EXPECT_EQ(DocumentedKeys(), keys);
}

}  // namespace
}  // namespace assay::ops
