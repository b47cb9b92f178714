// Receipts (c2sp.org/tlog-proof): one entry, its path and a signed checkpoint, in one text. Pure.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "tlog/checkpoint.h"

namespace assay::tlog {

struct Receipt {
  Bytes entry;  // the "extra" line; authenticated because it is the leaf itself
  uint64_t index = 0;
  Path path;
  std::string checkpoint;  // the signed note
};

std::string WriteReceipt(const Receipt& receipt);
// FIELD_MALFORMED. Proves nothing yet.
absl::StatusOr<Receipt> ParseReceipt(std::string_view text);

// What a receipt proves under `key`: the entry stands at `index` in the log of that key, at the
// size and root it signed.
struct ProvedEntry {
  Bytes entry;
  uint64_t index = 0;
  Checkpoint checkpoint;
};
// FIELD_MALFORMED, NOTE_UNTRUSTED, PROOF_INVALID. The tree's size is taken from the signed
// checkpoint and nowhere else.
absl::StatusOr<ProvedEntry> VerifyReceipt(std::string_view text, const NoteKey& key,
                                          std::span<const NoteKey> witnesses = {},
                                          size_t least_witnesses = 0);

}  // namespace assay::tlog
