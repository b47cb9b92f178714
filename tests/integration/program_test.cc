// The program assayd as an administrator runs it.
#include <gmock/gmock.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <fstream>
#include <iterator>

#include "tests/integration/office.h"
#include "tests/support/postgres_fixture.h"

namespace assay::integration {
namespace {

constexpr char kProgram[] = ASSAY_BINARY_DIR "/bin/assayd";

struct Ended {
  int code = -1;
  std::string output;
};

Ended RunAssayd(const std::string& arguments) {
  Ended ended;
  FILE* pipe = popen((std::string(kProgram) + " " + arguments + " 2>&1").c_str(), "r");
  std::array<char, 4096> buffer{};
  while (const size_t size = fread(buffer.data(), 1, buffer.size(), pipe))
    ended.output.append(buffer.data(), size);
  ended.code = WEXITSTATUS(pclose(pipe));
  return ended;
}

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

TEST_F(ProgramTest, AMissingConfigurationIsAUsageError) {
  EXPECT_EQ(RunAssayd("").code, 2);
  EXPECT_EQ(RunAssayd("--config /nowhere/assayd.yaml").code, 1);
}

TEST_F(ProgramTest, SigtermEndsItCleanly) {
  const std::string path = Changed("{level: error}", "{level: info}");
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  const pid_t child = fork();
  if (child == 0) {
    dup2(ends[1], STDERR_FILENO);
    close(ends[0]);
    close(ends[1]);
    execl(kProgram, kProgram, "--config", path.c_str(), nullptr);
    _exit(127);
  }
  close(ends[1]);
  FILE* log = fdopen(ends[0], "r");
  // Reads the log on until the event; false at its end.
  const auto logged = [&](const std::string& event) {
    char line[8192];
    while (fgets(line, sizeof(line), log) != nullptr) {
      if (std::string(line).find("\"event\":\"" + event + "\"") != std::string::npos) return true;
    }
    return false;
  };
  EXPECT_TRUE(logged("serving"));
  kill(child, SIGHUP);
  EXPECT_TRUE(logged("reload"));
  kill(child, SIGTERM);
  EXPECT_TRUE(logged("ended"));
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
  fclose(log);
}

}  // namespace
}  // namespace assay::integration
