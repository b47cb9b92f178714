// The command line as a whole: arguments in, exit code out.
#pragma once

#include <string>
#include <vector>

namespace assay::client {

// `arguments` without the program's name. Writes results to standard output and faults to standard
// error. 0 done, 1 refused, 2 wrong usage, 3 server unreachable.
int RunCommandLine(const std::vector<std::string>& arguments);

}  // namespace assay::client
