// The program assayd as an administrator runs it.
#include <gmock/gmock.h>
#include <signal.h>

#include <fstream>
#include <iterator>

#include "tests/integration/assayd_program.h"
#include "tests/integration/office.h"
#include "tests/support/postgres_fixture.h"

namespace assay::integration {
namespace {

class ProgramTest : public ::testing::Test {
 protected:
  // The configuration with some text replaced, as a file of its own beside it.
  std::string Changed(const std::string& from, const std::string& to) {
    std::ifstream file(office.config_path());
    std::string text{std::istreambuf_iterator<char>(file), {}};
    const size_t at = text.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    text.replace(at, from.size(), to);
    const std::string path = (office.folder() / "changed.yaml").string();
    std::ofstream(path) << text;
    return path;
  }
  Office& office = Office::Shared();
};

TEST_F(ProgramTest, CheckConfigAcceptsAGoodFile) {
  const Ended ended = RunAssayd("--check-config --config " + office.config_path());
  EXPECT_EQ(ended.code, 0) << ended.output;
}

TEST_F(ProgramTest, CheckConfigNamesEveryProblemByItsPath) {
  const std::string path = Changed("pool: 6", "pol: 6");
  const Ended ended = RunAssayd("--check-config --config " + path);
  EXPECT_EQ(ended.code, 1);
  EXPECT_THAT(ended.output,
              ::testing::HasSubstr("database.pol: is not a known key; did you mean pool?"));
}

TEST_F(ProgramTest, CheckConfigRefusesWhatNoLibraryCouldUse) {
  const auto problems = [&](const std::string& from, const std::string& to) {
    const Ended ended = RunAssayd("--check-config --config " + Changed(from, to));
    EXPECT_EQ(ended.code, 1) << ended.output;
    return ended.output;
  };
  EXPECT_THAT(problems("dsn: \"" + office.dsn() + "\"", "dsn: '==='"),
              ::testing::HasSubstr("database.dsn: must be key=value pairs"));
  EXPECT_THAT(problems("dsn: \"" + office.dsn() + "\"", "dsn: 'hots=/run'"),
              ::testing::HasSubstr("database.dsn: invalid connection option \"hots\""));
  EXPECT_THAT(problems("module: ", "module: /etc/passwd #"),
              ::testing::HasSubstr("hsm.module: is no PKCS#11 module"));
  const std::string library = "module: " + std::string("libz.so.1") + " #";
  EXPECT_THAT(problems("module: ", library),
              ::testing::HasSubstr("hsm.module: is no PKCS#11 module"));
}

TEST_F(ProgramTest, MigrateIsDoneOnceAndCanBeLookedAtFirst) {
  const std::string dsn = test_support::PostgresCluster::Shared().NewDatabase();
  const std::string path = Changed("dsn: \"" + office.dsn() + "\"", "dsn: \"" + dsn + "\"");
  EXPECT_THAT(RunAssayd("migrate --dry-run --config " + path).output,
              ::testing::HasSubstr("would apply"));
  Ended ended = RunAssayd("migrate --config " + path);
  EXPECT_EQ(ended.code, 0) << ended.output;
  EXPECT_THAT(ended.output, ::testing::HasSubstr("applied"));
  ended = RunAssayd("migrate --config " + path);
  EXPECT_EQ(ended.code, 0);
  EXPECT_THAT(ended.output, ::testing::HasSubstr("up to date"));
}

TEST_F(ProgramTest, SandboxRunAgainChangesNothing) {
  std::ifstream file(office.folder() / "image.pem");
  const std::string before{std::istreambuf_iterator<char>(file), {}};
  const Ended ended = RunAssayd("sandbox --config " + office.config_path());
  EXPECT_EQ(ended.code, 0) << ended.output;
  std::ifstream again(office.folder() / "image.pem");
  EXPECT_EQ((std::string{std::istreambuf_iterator<char>(again), {}}), before);
}

TEST_F(ProgramTest, SandboxNoticesAChangedKeyLabelAndMakesNothing) {
  const std::string path = Changed("hsm:\n", "hsm:\n  keys: {image: another-image-key}\n");
  for (int run = 0; run < 2; ++run) {
    const Ended ended = RunAssayd("sandbox --config " + path);
    EXPECT_EQ(ended.code, 1) << ended.output;
    EXPECT_THAT(ended.output,
                ::testing::HasSubstr("another-image-key: the certificate file is there"));
  }
}

// Whatever blocks the drain: a call in flight that has the whole drain time, for one.
TEST_F(ProgramTest, ASecondSigtermEndsItAtOnce) {
  std::ifstream file(Changed("{level: error}", "{level: info}"));
  std::string text{std::istreambuf_iterator<char>(file), {}};
  const size_t at = text.find("limits: {");
  ASSERT_NE(at, std::string::npos) << text;
  text.insert(at + 9, "drain_delay: 290s, ");
  const std::string path = (office.folder() / "slow.yaml").string();
  std::ofstream(path) << text;
  RunningAssayd running(path);
  EXPECT_TRUE(running.LoggedEvent("serving"));
  running.Send(SIGTERM);
  EXPECT_TRUE(running.LoggedEvent("draining"));
  running.Send(SIGTERM);
  EXPECT_EQ(running.ExitCode(), 128 + SIGTERM);
}

TEST_F(ProgramTest, AMissingConfigurationIsAUsageError) {
  EXPECT_EQ(RunAssayd("").code, 2);
  EXPECT_EQ(RunAssayd("--config /nowhere/assayd.yaml").code, 1);
}

TEST_F(ProgramTest, SigtermEndsItCleanly) {
  const std::string path = Changed("{level: error}", "{level: info}");
  RunningAssayd running(path);
  EXPECT_TRUE(running.LoggedEvent("kernels"));
  EXPECT_TRUE(running.LoggedEvent("serving"));
  running.Send(SIGHUP);
  EXPECT_TRUE(running.LoggedEvent("reload"));
  running.Send(SIGTERM);
  EXPECT_TRUE(running.LoggedEvent("ended"));
  EXPECT_EQ(running.ExitCode(), 0);
}

}  // namespace
}  // namespace assay::integration
