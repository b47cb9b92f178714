// Things of the trade to put into a store: made up, but of the right shape.
#pragma once

#include <string>

#include "base/bytes.h"
#include "db/store.h"

namespace assay::test_support {

// Each call has another request id.
db::Act SampleAct(const std::string& kind, const std::string& subject);
db::Product SampleProduct(const std::string& name = "lamp");
// A lot of the product "lamp".
db::Lot SampleLot(const std::string& name, uint64_t count);
// Unique in everything that must be, by the ticket's text and a number that grows.
db::Intent SampleIntent(int64_t lot_id, const std::string& ticket);
// For the attempt of `intent`; the same call gives the same seal.
db::Seal SampleSeal(int64_t attempt_id, const db::Intent& intent, size_t sealed_size = 64);

// The lot's id, in a store that has the product or gets it. Ends the program when the store
// refuses.
int64_t OpenSampleLot(db::Store& store, const std::string& name, uint64_t count,
                      std::chrono::seconds retention = std::chrono::hours(24));

}  // namespace assay::test_support
