// Commands that are programs of their own beside `assay`, started as git starts its own: `assay
// ceremony run` is `assay-ceremony run`. So what needs an HSM or a database is not part of the
// command line that lines use.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"

namespace assay::client {

struct Sibling {
  std::string word;  // `assay <word>` is `assay-<word>`
  std::string help;
};
const std::vector<Sibling>& Siblings();
bool IsSibling(const std::string& word);

// Becomes the program, with `arguments` after its name; returns only with the exit code for a
// program that is not there. Beside this program's own file, then in PATH.
int BecomeSibling(const std::string& word, const std::vector<std::string>& arguments);

// Runs it and waits. FIELD_REQUIRED where it is not there, FIELD_NOT_ALLOWED where it refused,
// which it has said on standard error.
absl::Status RunSibling(const std::string& word, const std::vector<std::string>& arguments);

}  // namespace assay::client
