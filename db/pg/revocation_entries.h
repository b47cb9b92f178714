// Entries of revoked certificates, and what revoking a device changes; within a caller's
// transaction.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "db/pg/binary.h"
#include "db/pg/pool.h"

namespace assay::pg {

// A device about to be revoked.
struct Doomed {
  int64_t row = 0, attempt_id = 0, lot_id = 0;
  std::string device_id;
  Bytes dac_serial;
  std::string pai;
  bool revoked = false;
};

// Of kFindDoomed or kOfLot.
Doomed DoomedAt(const Rows& rows, int i);

struct Entry {
  ByteView serial;
  std::string_view subject;
};

// Adds what is not there yet; how many that was. The issuer's row is locked until the transaction
// ends.
uint64_t AddEntries(Transaction& transaction, const std::string& issuer,
                    const std::vector<Entry>& entries, int reason, const std::string& actor);

// State, wiping and entries of devices in the order of their rows; how many entries.
uint64_t RevokeWithin(Transaction& transaction, const std::vector<Doomed>& devices, int reason,
                      const std::string& actor);

}  // namespace assay::pg
