// What a witness does, and what others do with its word. As commands.h.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "client/command/context.h"

namespace assay::client {

struct WitnessOptions {
  std::string name, out;    // make-witness
  std::string key;          // the ledger's verifier key, or a file that holds it
  std::string witness_key;  // file of the witness's private key
  std::string remember;     // file of the newest checkpoint cosigned
  std::string device_id;    // cosigned receipts
  uint64_t least = 0;
};
// A new key: the private half into a file of mode 0600, the verifier key printed.
absl::Status MakeWitness(Context& context, const WitnessOptions& options);
// Cosigns the newest checkpoint if it continues the one remembered, and hands the line in.
absl::Status CosignLedger(Context& context, const WitnessOptions& options);
absl::Status ShowCosignedCheckpoint(Context& context, const WitnessOptions& options);
absl::Status GetCosignedReceipts(Context& context, const WitnessOptions& options);

}  // namespace assay::client
