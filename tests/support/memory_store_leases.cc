#include "absl/strings/str_cat.h"
#include "base/refusal.h"
#include "tests/support/memory_store.h"

namespace assay::test_support {

uint64_t MemoryStore::KeptPlaces(const std::string& lot, const std::string& line) const {
  uint64_t kept = 0;
  for (const KeptLease& one : lot_leases_) {
    const db::LotLease& lease = one.lease;
    if (lease.lot == lot && lease.line != line && lease.LiveAt(clock_.Now())) {
      kept += lease.count - lease.used;
    }
  }
  return kept;
}

db::LotLease* MemoryStore::LeaseFor(const std::string& lot, const std::string& line) {
  db::LotLease* first = nullptr;
  for (KeptLease& one : lot_leases_) {
    db::LotLease& lease = one.lease;
    if (lease.lot != lot || lease.line != line || lease.used == lease.count ||
        !lease.LiveAt(clock_.Now())) {
      continue;
    }
    if (first == nullptr || lease.expires_at < first->expires_at) first = &lease;
  }
  return first;
}

absl::StatusOr<db::LotLease> MemoryStore::GrantLease(const db::Act& act, const db::LotLease& lease,
                                                     std::chrono::seconds lasts) {
  const std::lock_guard lock(mutex_);
  ASSAY_RETURN_IF_ERROR(Before("GrantLease"));
  const auto fresh = Begin(act);
  if (!fresh.ok()) return fresh.status();
  if (!*fresh) {
    for (const KeptLease& one : lot_leases_) {
      if (one.lease.actor == act.actor && one.request_id == act.request_id) return one.lease;
    }
  }
  const auto lot = lots_.find(lease.lot);
  if (lot == lots_.end()) return RefuseField(Reason::LOT_UNKNOWN, "lot", lease.lot, "no such lot");
  if (lot->second.state != db::LotState::kOpen) {
    return RefuseField(Reason::LOT_NOT_OPEN, "lot", lease.lot, "the lot is closed");
  }
  const uint64_t taken = lot->second.claimed + KeptPlaces(lease.lot, "");
  const uint64_t free = taken >= lot->second.count ? 0 : lot->second.count - taken;
  if (lease.count > free) {
    return RefuseField(Reason::QUOTA_EXCEEDED, "count", absl::StrCat(lease.count),
                       absl::StrCat("the lot has ", free, " places that are in no lease"));
  }
  db::LotLease granted = lease;
  granted.id = static_cast<int64_t>(lot_leases_.size()) + 1;
  granted.used = 0;
  granted.actor = act.actor;
  granted.granted_at = clock_.Now();
  granted.expires_at = granted.granted_at + absl::FromChrono(lasts);
  granted.released_at.reset();
  lot_leases_.push_back({granted, act.request_id});
  End(act);
  return granted;
}

absl::StatusOr<db::LotLease> MemoryStore::ReleaseLease(const db::Act& act, const std::string& lot,
                                                       int64_t id) {
  const std::lock_guard lock(mutex_);
  ASSAY_RETURN_IF_ERROR(Before("ReleaseLease"));
  const auto fresh = Begin(act);
  if (!fresh.ok()) return fresh.status();
  if (!lots_.contains(lot)) return RefuseField(Reason::LOT_UNKNOWN, "lot", lot, "no such lot");
  if (id < 1 || static_cast<size_t>(id) > lot_leases_.size() ||
      lot_leases_[static_cast<size_t>(id - 1)].lease.lot != lot) {
    return RefuseField(Reason::LEASE_UNKNOWN, "id", absl::StrCat(id), "the lot has no such lease");
  }
  db::LotLease& lease = lot_leases_[static_cast<size_t>(id - 1)].lease;
  if (*fresh && lease.LiveAt(clock_.Now())) {
    lease.released_at = clock_.Now();
    End(act);
  }
  return lease;
}

absl::StatusOr<db::LotLeaseStore::Listed> MemoryStore::ListLeases(const std::string& lot) {
  const std::lock_guard lock(mutex_);
  ASSAY_RETURN_IF_ERROR(Before("ListLeases"));
  if (!lots_.contains(lot)) return RefuseField(Reason::LOT_UNKNOWN, "lot", lot, "no such lot");
  Listed listed{{}, clock_.Now()};
  for (const KeptLease& one : lot_leases_) {
    if (one.lease.lot == lot) listed.leases.push_back(one.lease);
  }
  return listed;
}

}  // namespace assay::test_support
