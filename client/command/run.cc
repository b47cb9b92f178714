#include "client/command/run.h"
namespace assay::client {
int RunCommandLine(const std::vector<std::string>&) { return 2; }
}  // namespace assay::client
