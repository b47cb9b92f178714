// The witnesses' store in memory, beside a ledger's: the same promises as db/pg
// (tests/conformance/witness_store).
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/refusal.h"
#include "db/storable.h"
#include "db/witness_store.h"
#include "tests/support/memory_ledger_store.h"

namespace assay::test_support {

// Thread-safe while nobody writes to the ledger.
class MemoryWitnessStore final : public db::WitnessStore {
 public:
  explicit MemoryWitnessStore(std::shared_ptr<MemoryLedgerStore> ledger)
      : ledger_(std::move(ledger)) {}

  absl::StatusOr<int> AddCosignature(const db::Cosignature& one) override {
    for (const std::string* text : {&one.name, &one.line, &one.verifier_key, &one.actor}) {
      if (!db::Storable(*text)) {
        return RefuseField(Reason::FIELD_MALFORMED, "note", "",
                           "must be UTF-8 without a zero byte");
      }
    }
    const std::lock_guard lock(mutex_);
    if (!ledger_->checkpoints.contains(one.size)) {
      return Refuse(Reason::LEDGER_UNKNOWN,
                    absl::StrCat("no checkpoint of size ", one.size, " is kept"));
    }
    auto& kept = lines_[one.size];
    const std::pair key{one.name, one.key_id};
    if (!kept.contains(key) && kept.size() == kMostCosignatures) {
      return Refuse(Reason::OVERLOADED,
                    absl::StrCat("the checkpoint has ", kMostCosignatures, " cosignatures"));
    }
    kept.try_emplace(key, one);
    return static_cast<int>(kept.size());
  }

  absl::StatusOr<std::optional<db::CosignedCheckpoint>> NewestCosigned(int least) override {
    const std::lock_guard lock(mutex_);
    for (auto at = lines_.rbegin(); at != lines_.rend(); ++at) {
      const auto checkpoint = ledger_->checkpoints.find(at->first);
      if (static_cast<int>(at->second.size()) < least || checkpoint == ledger_->checkpoints.end())
        continue;
      db::CosignedCheckpoint found{checkpoint->second, {}};
      for (const auto& [key, one] : at->second) {
        found.checkpoint.note += one.line + "\n";
        found.verifier_keys.push_back(one.verifier_key);
      }
      return found;
    }
    return std::optional<db::CosignedCheckpoint>();
  }

  absl::StatusOr<std::optional<db::LedgerCheckpoint>> CheckpointAt(uint64_t size) override {
    const std::lock_guard lock(mutex_);
    const auto at = ledger_->checkpoints.find(size);
    if (at == ledger_->checkpoints.end()) return std::optional<db::LedgerCheckpoint>();
    return std::optional(at->second);
  }

 private:
  const std::shared_ptr<MemoryLedgerStore> ledger_;
  std::mutex mutex_;
  std::map<uint64_t, std::map<std::pair<std::string, Bytes>, db::Cosignature>> lines_;
};

}  // namespace assay::test_support
