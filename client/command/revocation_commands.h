// Revoking, the lists, and the check of devices: commands.h tells what a command is.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/status/status.h"
#include "client/command/context.h"

namespace assay::client {

struct RevokeOptions {
  std::string name;        // device id, lot or PAI
  std::string dac_serial;  // hex, instead of a device id
  std::string reason;
  bool yes = false;
};
absl::Status RevokeDevice(Context& context, const RevokeOptions& options);
absl::Status RevokeLot(Context& context, const RevokeOptions& options);
absl::Status RevokePai(Context& context, const RevokeOptions& options);

struct CrlCommandOptions {
  std::string issuer;
  uint64_t part = 0;
  bool fresh = false;
  std::string out;
};
absl::Status FetchCrl(Context& context, const CrlCommandOptions& options);
absl::Status ListCrlIssuers(Context& context, const CrlCommandOptions& options);
absl::Status DelegateCrl(Context& context, const CrlCommandOptions& options);
absl::Status FetchRevocationSet(Context& context, const CrlCommandOptions& options);
absl::Status ShowDistributionPoints(Context& context, const CrlCommandOptions& options);

// Certificates are PEM or DER; texts of bytes are hex or @FILE.
struct VerifyOptions {
  std::string dac, pai, cd, elements, revocation_set;
  std::vector<std::string> paas, cd_signers;
  std::string signature, nonce, challenge;
  uint64_t vendor_id = 0, product_id = 0;  // 0: the declaration's own are taken on trust
  bool sdk_test_signer = false;
  std::string at;  // date
};
// FAILED_PRECONDITION when there is any finding; the findings are printed first.
absl::Status VerifyFiles(Context& context, const VerifyOptions& options);

struct AttestOptions {
  std::string device_id, lot, ticket;
  std::string folder;  // what `begin` writes and `finish` reads
  std::string elements, signature, dac, pai, firmware;
};
absl::Status BeginAttest(Context& context, const AttestOptions& options);
absl::Status FinishAttest(Context& context, const AttestOptions& options);

// Grow the tree of commands; `choose` keeps the action of the one typed.
using Choose = std::function<void(std::function<absl::Status(Context&)>)>;
void AddRevocationCommands(CLI::App& authority, const Choose& choose);
void AddVerifyCommands(CLI::App& root, const Choose& choose);

}  // namespace assay::client
