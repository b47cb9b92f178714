// Commands that are programs of their own beside `assay`, started as git starts its own: `assay
// ceremony run` is `assay-ceremony run`. So what needs an HSM or a database is not part of the
// command line that lines use.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"

namespace assay::client {

struct Sibling {
  std::string word;  // `assay <word>` is `assay-<word>`
  std::string help;
};
const std::vector<Sibling>& Siblings();

struct SiblingCall {
  std::string word;
  std::vector<std::string> arguments;
};
// Whether the first word of a command line, after options for every command, names a sibling. Of
// those options it is given --json only: it has no use for the others.
std::optional<SiblingCall> SiblingCallIn(const std::vector<std::string>& arguments);

// Becomes the program, with `arguments` after its name; returns only with the exit code for a
// program that is not there. Beside this program's own file, then in PATH.
int BecomeSibling(const std::string& word, const std::vector<std::string>& arguments);

// Runs it and waits. FIELD_REQUIRED where it is not there, FIELD_NOT_ALLOWED where it refused,
// which it has said on standard error.
absl::Status RunSibling(const std::string& word, const std::vector<std::string>& arguments);

}  // namespace assay::client
