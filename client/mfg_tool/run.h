// `assay mfg-tool`: mfg_tool's flags in, mfg_tool's tree out, identities from Assay in between.
#pragma once

#include <cstdio>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "base/clock.h"
#include "base/random.h"
#include "client/connection.h"
#include "client/mfg_tool/options.h"

namespace assay::client {

struct MfgToolTools {
  // A connection as "line" or "operator"; asked for the operator only where a product and a lot are
  // to be registered.
  std::function<absl::StatusOr<std::shared_ptr<Connection>>(const std::string& role)> connect;
  std::string factory;  // of the lot that is opened; empty: "sandbox"
  const Clock* clock = nullptr;
  Random* random = nullptr;
  std::FILE* progress = nullptr;  // may be null
};

struct MfgToolResult {
  std::string folder;
  std::string summary;
  std::string lot;
  size_t devices = 0;
};

// Sandbox servers: without --lot, registers the product (named by its content, so that the same
// flags find it again) and opens a lot of as many as are asked for. Production servers: needs
// --lot. The flags are checked whole, and against the lot, before the first identity is asked for.
absl::StatusOr<MfgToolResult> RunMfgTool(const MfgToolOptions& options, const MfgToolTools& tools);

}  // namespace assay::client
