#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "client/command/commands.h"
#include "client/mfg_tool/run.h"

namespace assay::client {

absl::Status MfgTool(Context& context, const MfgToolOptions& options) {
  MfgToolTools tools;
  tools.connect = [&](const std::string& role) { return context.Connect(role); };
  tools.clock = &context.clock();
  tools.random = &context.random();
  tools.progress = options.log_level == "error" ? nullptr : context.remarks();
  if (const auto profile = context.LoadProfile(); profile.ok()) tools.factory = profile->factory;
  const auto result = RunMfgTool(options, tools);
  if (!result.ok()) return result.status();
  context.Remark(
      absl::StrCat("lot ", result->lot, ": ", result->devices, " device(s) in ", result->folder));
  if (!context.json()) {
    context.Print(absl::StrCat(result->summary, "\n"));
    return absl::OkStatus();
  }
  const nlohmann::ordered_json json = {{"lot", result->lot},
                                       {"devices", result->devices},
                                       {"folder", result->folder},
                                       {"summary", result->summary}};
  context.Print(json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n");
  return absl::OkStatus();
}

}  // namespace assay::client
