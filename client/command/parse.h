// Arguments into a command; the only file that knows CLI11 is parse.cc.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "client/command/commands.h"

namespace assay::client {

struct ParsedCommand {
  GlobalOptions global;
  std::function<absl::Status(Context&)> action;  // empty: nothing to do but print `text`
  std::string text;                              // help, version, or what is wrong with the usage
  bool usage_error = false;
};

// `arguments` without the program's name. Numbers are decimal or 0x. mfg_tool's short options of
// several letters
// (-cd, -cf, -dm, -lt, -vf, -cn, -ds) are known after "mfg-tool".
ParsedCommand ParseCommand(const std::vector<std::string>& arguments);

}  // namespace assay::client
