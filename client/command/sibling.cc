#include "client/command/sibling.h"

#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <filesystem>

#include "absl/strings/str_cat.h"
#include "base/refusal.h"
#include "client/fault.h"

namespace assay::client {
namespace {

constexpr int kNotFound = 127;  // as shells have it

std::string NameOf(const std::string& word) { return absl::StrCat("assay-", word); }

// The file beside this program; only its name, for PATH, where there is none.
std::string FileOf(const std::string& word) {
  std::error_code failed;
  const auto self = std::filesystem::read_symlink("/proc/self/exe", failed);
  if (!failed) {
    const std::string beside = (self.parent_path() / NameOf(word)).string();
    if (access(beside.c_str(), X_OK) == 0) return beside;
  }
  return NameOf(word);
}

std::vector<char*> Argv(std::vector<std::string>& texts) {
  std::vector<char*> argv;
  for (std::string& text : texts) argv.push_back(text.data());
  argv.push_back(nullptr);
  return argv;
}

std::string NotThere(const std::string& word) {
  return absl::StrCat(NameOf(word), " is neither beside this program nor in PATH");
}

}  // namespace

const std::vector<Sibling>& Siblings() {
  static const std::vector<Sibling> siblings = {
      {"ceremony", "keys made in an HSM from one reviewable file (assay-ceremony)"},
      {"fsck", "whether token, database, ledger, manifest, lists and images agree (assay-fsck)"},
  };
  return siblings;
}

std::optional<SiblingCall> SiblingCallIn(const std::vector<std::string>& arguments) {
  size_t at = 0;
  bool json = false;
  while (at < arguments.size() && arguments[at].starts_with("-")) {
    const std::string& option = arguments[at];
    json = json || option == "--json";
    at += option == "--profile" || option == "--as" || option == "--patience" ? 2 : 1;
  }
  if (at >= arguments.size()) return std::nullopt;
  const bool known = std::ranges::any_of(
      Siblings(), [&](const Sibling& sibling) { return sibling.word == arguments[at]; });
  if (!known) return std::nullopt;
  SiblingCall call{arguments[at],
                   {arguments.begin() + static_cast<ptrdiff_t>(at) + 1, arguments.end()}};
  if (json) call.arguments.push_back("--json");
  return call;
}

int BecomeSibling(const std::string& word, const std::vector<std::string>& arguments) {
  std::vector<std::string> texts = {NameOf(word)};
  texts.insert(texts.end(), arguments.begin(), arguments.end());
  const std::vector<char*> argv = Argv(texts);
  execvp(FileOf(word).c_str(), argv.data());
  std::fprintf(stderr, "assay: %s\n", NotThere(word).c_str());
  return static_cast<int>(ExitCode::kUsage);
}

absl::Status RunSibling(const std::string& word, const std::vector<std::string>& arguments) {
  std::vector<std::string> texts = {NameOf(word)};
  texts.insert(texts.end(), arguments.begin(), arguments.end());
  const std::vector<char*> argv = Argv(texts);
  pid_t child = 0;
  int ended = 0;
  // What it prints is a remark here: standard output is for the result of the command at hand.
  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_adddup2(&files, STDERR_FILENO, STDOUT_FILENO);
  const int failed =
      posix_spawnp(&child, FileOf(word).c_str(), &files, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&files);
  if (failed != 0) return Refuse(Reason::FIELD_REQUIRED, NotThere(word));
  while (waitpid(child, &ended, 0) < 0) {
    if (errno != EINTR) return Refuse(Reason::INTERNAL, "the program's end was not told");
  }
  if (WIFEXITED(ended) && WEXITSTATUS(ended) == 0) return absl::OkStatus();
  if (WIFEXITED(ended) && WEXITSTATUS(ended) == kNotFound) {
    return Refuse(Reason::FIELD_REQUIRED, NotThere(word));
  }
  return Refuse(Reason::FIELD_NOT_ALLOWED,
                absl::StrCat(NameOf(word), " refused, as it says above"));
}

}  // namespace assay::client
