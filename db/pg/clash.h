// What the intents of a batch clashed with: asked only where some were not made.
#pragma once

#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "db/pg/pool.h"
#include "db/store.h"

namespace assay::pg {

using ClaimResults = std::vector<absl::StatusOr<int64_t>>;

// Nothing where the digest is all zero.
inline ByteView DigestOrNothing(const Sha256Digest& digest) {
  return digest == Sha256Digest{} ? ByteView() : ByteView(digest);
}

// Takes what the intents at `clashed` ask for from units that need it no more: scrapped, revoked,
// or the same unit where it may be made again. True where anything became free.
bool FreeUnitValues(Transaction& transaction, std::span<const db::Intent> intents,
                    const std::vector<size_t>& clashed);

// Each item at `clashed` gets as its result what it clashed with; the first of the order ticket,
// module, serial number, key, unit values, DAC serial. A ticket that is being issued is told so
// even where the lot has no room left: it will be sealed, and a retry gets it.
void ExplainClashes(Transaction& transaction, std::span<const db::Intent> intents,
                    const std::vector<size_t>& clashed, ClaimResults& results);

}  // namespace assay::pg
