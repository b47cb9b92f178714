#include "client/command/run.h"

#include <csignal>
#include <cstdio>

#include "client/command/parse.h"
#include "client/command/sibling.h"
#include "client/fault.h"

namespace assay::client {

int RunCommandLine(const std::vector<std::string>& arguments) {
  if (const auto call = SiblingCallIn(arguments)) {
    return BecomeSibling(call->word, call->arguments);
  }
  std::signal(SIGPIPE, SIG_IGN);
  const ParsedCommand parsed = ParseCommand(arguments);
  if (!parsed.action) {
    std::fputs(parsed.text.c_str(), parsed.usage_error ? stderr : stdout);
    return static_cast<int>(parsed.usage_error ? ExitCode::kUsage : ExitCode::kOk);
  }
  Context context(parsed.global, stdout, stderr);
  const absl::Status status = parsed.action(context);
  const ExitCode code = ExitCodeOf(status);
  if (code != ExitCode::kOk) {
    const char* const what = absl::IsCancelled(status)        ? "ended"
                             : code == ExitCode::kUnreachable ? "unreachable"
                                                              : "refused";
    std::fprintf(stderr, "assay: %s: %s\n", what, FaultLine(status).c_str());
  }
  return static_cast<int>(code);
}

}  // namespace assay::client
