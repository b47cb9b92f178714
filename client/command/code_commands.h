// Codes of labels without a server: commands.h tells what a command is.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/status/status.h"
#include "client/command/context.h"

namespace assay::client {

struct CodesOptions {
  // parse: a QR text, a manual code, or "-" for the first line of standard input.
  std::string text;
  // make: numbers as typed, in any base; empty where not given.
  std::string vendor_id, product_id, flow, discovery, discriminator, passcode;
  // make: the extension (spec 5.1.5).
  std::string serial_number, serial_integer, iterations, salt, device_count, timeout;
  std::vector<std::string> vendor_texts, vendor_numbers;  // "0x80=text", "0x81=-5"
  std::vector<std::string> others;                        // payloads that share the code
  // Pictures.
  std::string png, svg;
  bool show_qr = false;
};
// Everything a code says, a concatenated one unit by unit. JSON: one object, an array for several.
absl::Status ParseCodes(Context& context, const CodesOptions& options);
// Both codes, checked by reading them back. Refusals name the flag and never hold the passcode.
absl::Status MakeCodes(Context& context, const CodesOptions& options);

void AddCodeCommands(CLI::App& root,
                     const std::function<void(std::function<absl::Status(Context&)>)>& choose);

}  // namespace assay::client
