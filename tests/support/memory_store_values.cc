#include <algorithm>

#include "base/refusal.h"
#include "tests/support/memory_store.h"

namespace assay::test_support {

absl::StatusOr<Bytes> MemoryStore::ProductKey(uint16_t vendor_id, uint16_t product_id,
                                              const Bytes& offered) {
  const std::lock_guard lock(mutex_);
  ASSAY_RETURN_IF_ERROR(Before("ProductKey"));
  const auto found = product_keys_.find({vendor_id, product_id});
  if (found != product_keys_.end()) return found->second;
  if (!offered.empty()) product_keys_[{vendor_id, product_id}] = offered;
  return offered;
}

absl::StatusOr<Bytes> MemoryStore::LotDictionary(int64_t lot_id, uint64_t number,
                                                 const Bytes& offered) {
  const std::lock_guard lock(mutex_);
  ASSAY_RETURN_IF_ERROR(Before("LotDictionary"));
  const auto found = lot_dictionaries_.find({lot_id, number});
  if (found != lot_dictionaries_.end()) return found->second;
  if (!offered.empty()) lot_dictionaries_[{lot_id, number}] = offered;
  return offered;
}

void MemoryStore::LoseLotDictionaries() {
  const std::lock_guard lock(mutex_);
  lot_dictionaries_.clear();
}

absl::Status MemoryStore::CheckUnitValues(const db::Intent& asking) {
  for (const auto& [digest, field] : {std::pair(&asking.setup_code_digest, "setup_code"),
                                      std::pair(&asking.rotating_id_digest, "rotating_id")}) {
    const auto held = live_values_.find(*digest);
    if (held == live_values_.end()) continue;
    Attempt& holder = attempts_.at(held->second);
    int state = holder.row ? holder.row->state : 0;
    if (holder.intent.module_attempt != 0) {
      state = std::max(state, attempts_.at(holder.intent.module_attempt).row->state);
    }
    const bool again =
        asking.may_repeat_unit && holder.intent.serial_number == asking.serial_number;
    if (state < static_cast<int>(db::DeviceState::kScrapped) && !again) {
      return RefuseField(Reason::VALUE_TAKEN, field, "", "another unit of the product has it");
    }
    DropUnitValues(holder);
  }
  return absl::OkStatus();
}

void MemoryStore::DropUnitValues(Attempt& attempt) {
  for (Bytes* digest : {&attempt.intent.setup_code_digest, &attempt.intent.rotating_id_digest}) {
    live_values_.erase(*digest);
    digest->clear();
  }
}

}  // namespace assay::test_support
