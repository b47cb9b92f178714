// `assay`: the command line. Parsing and commands are in client/command.
#include <string>
#include <vector>

#include "client/command/run.h"

int main(int argc, char** argv) {
  return assay::client::RunCommandLine(std::vector<std::string>(argv + 1, argv + argc));
}
