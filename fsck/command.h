// What `assay fsck` does with what was typed.
#pragma once

#include <string>
#include <vector>

#include "fsck/check.h"
#include "fsck/reconcile.h"

namespace assay::fsck {

struct Command {
  std::string config, dsn, password_file, ledger_key;
  std::vector<std::string> image_certificates;
  bool no_token = false, json = false, quiet = false, reconcile = false;
  CheckOptions check;
  RecoveryOptions recovery;
};

// The report on standard output, the bar and what failed on standard error. 0 clean, 1 findings (or
// something to recover), 2 the check could not be made.
int RunCommand(Command& command);

}  // namespace assay::fsck
