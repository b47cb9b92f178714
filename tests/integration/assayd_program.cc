#include "tests/integration/assayd_program.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>

namespace assay::integration {
namespace {

constexpr char kProgram[] = ASSAY_BINARY_DIR "/bin/assayd";

}  // namespace

Ended RunAssayd(const std::string& arguments) {
  Ended ended;
  FILE* pipe = popen((std::string(kProgram) + " " + arguments + " 2>&1").c_str(), "r");
  std::array<char, 4096> buffer{};
  while (const size_t size = fread(buffer.data(), 1, buffer.size(), pipe))
    ended.output.append(buffer.data(), size);
  ended.code = WEXITSTATUS(pclose(pipe));
  return ended;
}

RunningAssayd::RunningAssayd(const std::string& config) {
  int ends[2];
  EXPECT_EQ(pipe(ends), 0);
  child_ = fork();
  if (child_ == 0) {
    dup2(ends[1], STDERR_FILENO);
    close(ends[0]);
    close(ends[1]);
    execl(kProgram, kProgram, "--config", config.c_str(), nullptr);
    _exit(127);
  }
  close(ends[1]);
  log_ = fdopen(ends[0], "r");
}

RunningAssayd::~RunningAssayd() {
  if (child_ != -1) {
    kill(child_, SIGTERM);
    Logged("\n\n");  // no line holds it: reads to the end, so that the program is never held up
    waitpid(child_, nullptr, 0);
  }
  fclose(log_);
}

void RunningAssayd::Send(int signal) const { kill(child_, signal); }

std::string RunningAssayd::Logged(const std::string& text) {
  std::string all;
  std::array<char, 8192> line{};
  while (fgets(line.data(), line.size(), log_) != nullptr) {
    if (std::string(line.data()).find(text) != std::string::npos) return line.data();
    all += line.data();
  }
  return "no line holds it: " + all;
}

bool RunningAssayd::LoggedEvent(const std::string& event) {
  const std::string wanted = "\"event\":\"" + event + "\"";
  return Logged(wanted).find(wanted) != std::string::npos;
}

std::optional<int> RunningAssayd::ExitCode() {
  int status = 0;
  EXPECT_EQ(waitpid(child_, &status, 0), child_);
  child_ = -1;
  return WIFEXITED(status) ? std::optional(WEXITSTATUS(status)) : std::nullopt;
}

}  // namespace assay::integration
