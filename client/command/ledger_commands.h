// Receipts and the ledger. As commands.h.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "client/command/context.h"

namespace assay::client {

struct ReceiptOptions {
  std::string device_id, lot, ticket;  // get
  std::string out;                     // get: folder
  std::string file;                    // verify
  std::string key;                     // verifier key, or a file that holds it
  std::vector<std::string> witnesses;  // the same
  uint64_t least_witnesses = 0;
  std::string dac, image;  // files that must be those the entry names
  std::string not_before;  // a checkpoint seen earlier
};
// One file an entry: <device>.tlog-proof for the issue, <device>-2.tlog-proof and so on for what
// came later.
absl::Status GetReceipts(Context& context, const ReceiptOptions& options);
// Needs no server. Prints what is proved; refuses what is not.
absl::Status VerifyReceiptFile(Context& context, const ReceiptOptions& options);

struct LedgerOptions {
  std::string key;
  std::string folder;    // verify: tiles in a folder instead of the server's
  std::string remember;  // verify: file of the newest checkpoint seen; compared, then renewed
  std::string out;
  uint64_t size = 0, first = 0, count = 100;
};
absl::Status ShowLedgerKey(Context& context);
absl::Status ShowCheckpoint(Context& context, const LedgerOptions& options);
absl::Status VerifyLedger(Context& context, const LedgerOptions& options);
absl::Status ListEntries(Context& context, const LedgerOptions& options);
absl::Status ExportLedger(Context& context, const LedgerOptions& options);

}  // namespace assay::client
