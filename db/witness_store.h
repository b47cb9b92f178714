// What witnesses said about checkpoints.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "db/ledger_store.h"

namespace assay::db {

struct Cosignature {
  uint64_t size = 0;  // of the checkpoint
  std::string name;   // the witness's
  Bytes key_id;       // 4 bytes
  std::string verifier_key;
  std::string line;   // as it stands in the note, without line end
  std::string actor;  // who brought it
};

struct CosignedCheckpoint {
  LedgerCheckpoint checkpoint;  // its note with the lines
  std::vector<std::string> verifier_keys;
};

// Thread-safe. Refusals as in db::Store.
class WitnessStore {
 public:
  virtual ~WitnessStore() = default;

  // How many the checkpoint has by now. The first line of a key stays. LEDGER_UNKNOWN where no
  // checkpoint of that size is kept; OVERLOADED beyond kMostCosignatures of other keys.
  virtual absl::StatusOr<int> AddCosignature(const Cosignature& cosignature) = 0;
  // The newest checkpoint with at least `least` of them; nothing when there is none.
  virtual absl::StatusOr<std::optional<CosignedCheckpoint>> NewestCosigned(int least) = 0;
  // The checkpoint of exactly that size, without cosignatures; nothing when it is not kept.
  virtual absl::StatusOr<std::optional<LedgerCheckpoint>> CheckpointAt(uint64_t size) = 0;

  static constexpr int kMostCosignatures = 16;
};

}  // namespace assay::db
