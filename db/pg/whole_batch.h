// Claims and seals of one lot as one statement: nearly every batch is one where nothing clashes and
// everything fits, and such a batch needs no look at each row before it is written. What finds
// otherwise writes nothing, and the same batch is then done row by row (store_claim.cc,
// store_seal.cc).
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "db/pg/binary.h"
#include "db/pg/pool.h"
#include "db/store.h"

namespace assay::pg {

// Which lots are worth trying as a whole. Where a batch could not be written so, the next kPause of
// its lot are not tried: a factory that sends a serial number again and again, or a lot with
// leases, would pay for both ways. Thread-safe.
class WholeBatches {
 public:
  static constexpr int kPause = 64;

  bool Worth(int64_t lot_id);
  void Failed(int64_t lot_id);

 private:
  std::mutex mutex_;
  std::map<int64_t, int> pauses_;  // batches left, by lot
};

// The columns of `places` among `intents`, as the statements that claim take them: $1 to $17 (see
// kClaim in store_claim.cc). `leases` are in the order of `places`.
Params ClaimParams(std::span<const db::Intent> intents, std::span<const size_t> places,
                   std::span<const int64_t> leases, const std::string& instance_id);

// Claims all of `places`, intents of one lot and of different tickets, and returns their attempts'
// ids in the order of `places`; empty where the lot is unknown, closed, leased in part or too full,
// or where one of them is there already: then the transaction is to be rolled back.
std::vector<int64_t> ClaimWhole(Transaction& transaction, std::span<const db::Intent> intents,
                                std::span<const size_t> places, const std::string& instance_id);

// Seals all of `places`, of one lot and of different attempts; false where an intent is gone: then
// the transaction is to be rolled back.
bool SealWhole(Transaction& transaction, std::span<const db::Seal> seals,
               std::span<const size_t> places);

}  // namespace assay::pg
