// `assay`: the command line. Parsing and commands are in client/command.
#include <cstdlib>
#include <string>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "client/command/run.h"

int main(int argc, char** argv) {
  // What gRPC says of a failed handshake stands in the command's own error already.
  setenv("GRPC_VERBOSITY", "NONE", 0);
  // As the service does: see RpcServer::Start.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  return assay::client::RunCommandLine(std::vector<std::string>(argv + 1, argv + argc));
}
