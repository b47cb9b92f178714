// PAIs whose key is in the token already, and the end of a PAI.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "CLI/CLI.hpp"
#include "assay/v1/authority.pb.h"
#include "client/command/context.h"
#include "client/command/revocation_commands.h"

namespace assay::client {

struct PaiKeyOptions {
  std::string name;
  std::string key_label;  // empty: assay-pai-<name>
  std::string csr_file;
  std::optional<uint64_t> vendor_id, product_id;
  std::string common_name;
  // import:
  std::string key_file, certificate_file, paa_file;
  std::string config_file;  // assayd's; empty: assayd.yaml beside the profile
  // retire:
  bool yes = false;
};
absl::Status AdoptPai(Context& context, const PaiKeyOptions& options);
// The key goes from the file into the token on this machine (assay-ceremony) and never to assayd.
absl::Status ImportPai(Context& context, const PaiKeyOptions& options);
absl::Status RetirePai(Context& context, const PaiKeyOptions& options);

void AddPaiKeyCommands(CLI::App& pais, const Choose& choose);

// As a table, or as JSON.
absl::Status PrintPai(Context& context, const absl::StatusOr<v1::Pai>& pai);

}  // namespace assay::client
