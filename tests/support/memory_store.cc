#include "tests/support/memory_store.h"

#include "absl/strings/str_cat.h"
#include "base/refusal.h"
#include "db/ledger_entry.h"

namespace assay::test_support {
namespace {

template <typename Map>
auto ValuesAfter(const Map& map, const std::string& after, int limit, auto&& wanted) {
  std::vector<typename Map::mapped_type> values;
  for (auto it = map.upper_bound(after);
       it != map.end() && values.size() < static_cast<size_t>(limit); ++it) {
    if (wanted(it->second)) values.push_back(it->second);
  }
  return values;
}

}  // namespace

absl::Status MemoryStore::Before(std::string_view call) const {
  return before_call ? before_call(call) : absl::OkStatus();
}

absl::Status MemoryStore::After(std::string_view call) const {
  return after_call ? after_call(call) : absl::OkStatus();
}

std::vector<std::pair<std::string, std::string>> MemoryStore::LedgerEntries() const {
  const std::lock_guard lock(mutex_);
  return ledger_;
}

void MemoryStore::AddLedgerEntry(const std::string& kind, const std::string& body) {
  const std::lock_guard lock(mutex_);
  ledger_.emplace_back(kind, body);
}

void MemoryStore::MarkRevoked(const std::string& device_id) {
  const std::lock_guard lock(mutex_);
  for (auto& [id, attempt] : attempts_) {
    if (!attempt.row || attempt.row->device_id != device_id) continue;
    if (attempt.row->state != static_cast<int>(db::DeviceState::kSealed) && !attempt.said) {
      attempt.said = static_cast<db::DeviceState>(attempt.row->state);
    }
    attempt.row->state = static_cast<int>(db::DeviceState::kRevoked);
    attempt.sealed.reset();
  }
}

absl::Status MemoryStore::CheckHealth() { return Before("CheckHealth"); }

absl::Status MemoryStore::RenewLease(const std::string& instance_id, std::chrono::seconds lease) {
  const std::lock_guard lock(mutex_);
  ASSAY_RETURN_IF_ERROR(Before("RenewLease"));
  leases_[instance_id] = clock_.Now() + absl::FromChrono(lease);
  return absl::OkStatus();
}

absl::Status MemoryStore::EndLease(const std::string& instance_id) {
  const std::lock_guard lock(mutex_);
  ASSAY_RETURN_IF_ERROR(Before("EndLease"));
  leases_.erase(instance_id);
  return absl::OkStatus();
}

bool MemoryStore::LeaseLasts(const std::string& instance_id) const {
  const auto lease = leases_.find(instance_id);
  return lease != leases_.end() && lease->second > clock_.Now();
}

absl::StatusOr<int> MemoryStore::VoidDeadAttempts() {
  const std::lock_guard lock(mutex_);
  ASSAY_RETURN_IF_ERROR(Before("VoidDeadAttempts"));
  int voided = 0;
  for (auto& [id, attempt] : attempts_) {
    if (!LeaseLasts(attempt.instance_id) && VoidOne(attempt)) ++voided;
  }
  return voided;
}

absl::StatusOr<bool> MemoryStore::Begin(const db::Act& act) const {
  if (act.request_id.empty()) return true;
  const auto before = acts_.find({act.actor, act.request_id});
  if (before == acts_.end()) return true;
  if (before->second.kind == act.kind && before->second.subject == act.subject &&
      before->second.digest == act.digest) {
    return false;
  }
  return RefuseField(Reason::REQUEST_CONFLICT, "request_id", act.request_id,
                     "was used with other content");
}

void MemoryStore::End(const db::Act& act) {
  if (!act.request_id.empty()) acts_[{act.actor, act.request_id}] = act;
  ledger_.emplace_back(act.kind, act.detail);
}

absl::StatusOr<bool> MemoryStore::WasDone(const db::Act& act) {
  const std::lock_guard lock(mutex_);
  ASSAY_RETURN_IF_ERROR(Before("WasDone"));
  const auto fresh = Begin(act);
  if (!fresh.ok()) return fresh.status();
  return !*fresh;
}

absl::StatusOr<db::Product> MemoryStore::ApplyProduct(const db::Act& act,
                                                      const db::Product& product) {
  const std::lock_guard lock(mutex_);
  ASSAY_RETURN_IF_ERROR(Before("ApplyProduct"));
  const auto fresh = Begin(act);
  if (!fresh.ok()) return fresh.status();
  if (!*fresh) return products_.at(product.name);
  for (const auto& [name, lot] : lots_) {
    if (lot.product == product.name && lot.state == db::LotState::kOpen &&
        (lot.vendor_id != product.vendor_id || lot.product_id != product.product_id)) {
      return RefuseField(Reason::PRODUCT_CONFLICT, "product", product.name,
                         absl::StrCat("vendor and product id are fixed by the open lot ", name));
    }
  }
  const auto [at, made] = products_.try_emplace(product.name, product);
  if (made) {
    at->second.revision = 1;
    at->second.updated_at = clock_.Now();
  } else if (at->second.spec != product.spec) {
    const uint32_t revision = at->second.revision + 1;
    at->second = product;
    at->second.revision = revision;
    at->second.updated_at = clock_.Now();
  }
  End(act);
  return at->second;
}

absl::StatusOr<db::Product> MemoryStore::FindProduct(const std::string& name) {
  const std::lock_guard lock(mutex_);
  ASSAY_RETURN_IF_ERROR(Before("FindProduct"));
  const auto found = products_.find(name);
  if (found == products_.end()) {
    return RefuseField(Reason::PRODUCT_UNKNOWN, "product", name, "no such product");
  }
  return found->second;
}

absl::StatusOr<std::vector<db::Product>> MemoryStore::ListProducts(const std::string& after_name,
                                                                   int limit) {
  const std::lock_guard lock(mutex_);
  ASSAY_RETURN_IF_ERROR(Before("ListProducts"));
  return ValuesAfter(products_, after_name, limit, [](const db::Product&) { return true; });
}

absl::StatusOr<db::Lot> MemoryStore::OpenLot(const db::Act& act, const db::Lot& lot) {
  const std::lock_guard lock(mutex_);
  ASSAY_RETURN_IF_ERROR(Before("OpenLot"));
  if (lot.count > 0xFFFFFFFF) {
    return RefuseField(Reason::FIELD_OUT_OF_RANGE, "count", absl::StrCat(lot.count),
                       "at most 4294967295");
  }
  const auto fresh = Begin(act);
  if (!fresh.ok()) return fresh.status();
  if (!*fresh) return lots_.at(lot.name);
  if (!products_.contains(lot.product)) {
    return RefuseField(Reason::PRODUCT_UNKNOWN, "product", lot.product, "no such product");
  }
  const auto [at, made] = lots_.try_emplace(lot.name, lot);
  db::Lot& kept = at->second;
  if (!made) {
    if (kept.product == lot.product && kept.product_revision == lot.product_revision &&
        kept.spec == lot.spec && kept.vendor_id == lot.vendor_id &&
        kept.product_id == lot.product_id && kept.factory == lot.factory &&
        kept.count == lot.count && kept.retention == lot.retention &&
        kept.state == db::LotState::kOpen) {
      return kept;
    }
    return RefuseField(Reason::LOT_CONFLICT, "lot", lot.name, "exists with other content");
  }
  kept.id = static_cast<int64_t>(lots_.size());
  kept.state = db::LotState::kOpen;
  kept.claimed = kept.sealed = kept.confirmed = kept.scrapped = 0;
  kept.opened_at = clock_.Now();
  End(act);
  return kept;
}

absl::StatusOr<db::Lot> MemoryStore::RaiseLot(const db::Act& act, const std::string& name,
                                              uint64_t count) {
  const std::lock_guard lock(mutex_);
  ASSAY_RETURN_IF_ERROR(Before("RaiseLot"));
  if (count > 0xFFFFFFFF) {
    return RefuseField(Reason::FIELD_OUT_OF_RANGE, "count", absl::StrCat(count),
                       "at most 4294967295");
  }
  const auto fresh = Begin(act);
  if (!fresh.ok()) return fresh.status();
  const auto lot = lots_.find(name);
  if (lot == lots_.end()) return RefuseField(Reason::LOT_UNKNOWN, "lot", name, "no such lot");
  if (!*fresh) return lot->second;
  if (lot->second.state != db::LotState::kOpen) {
    return RefuseField(Reason::LOT_NOT_OPEN, "lot", name, "the lot is closed");
  }
  if (count < lot->second.count) {
    return RefuseField(Reason::FIELD_OUT_OF_RANGE, "count", absl::StrCat(count),
                       absl::StrCat("a lot is only raised; its count is ", lot->second.count));
  }
  lot->second.count = count;
  End(act);
  return lot->second;
}

absl::StatusOr<db::Lot> MemoryStore::CloseLot(const db::Act& act, const std::string& name) {
  const std::lock_guard lock(mutex_);
  ASSAY_RETURN_IF_ERROR(Before("CloseLot"));
  const auto fresh = Begin(act);
  if (!fresh.ok()) return fresh.status();
  const auto lot = lots_.find(name);
  if (lot == lots_.end()) return RefuseField(Reason::LOT_UNKNOWN, "lot", name, "no such lot");
  if (*fresh && lot->second.state == db::LotState::kOpen) {
    lot->second.state = db::LotState::kClosed;
    End(act);
  }
  return lot->second;
}

absl::StatusOr<db::Lot> MemoryStore::FindLot(const std::string& name) {
  const std::lock_guard lock(mutex_);
  ASSAY_RETURN_IF_ERROR(Before("FindLot"));
  const auto lot = lots_.find(name);
  if (lot == lots_.end()) return RefuseField(Reason::LOT_UNKNOWN, "lot", name, "no such lot");
  return lot->second;
}

absl::StatusOr<std::vector<db::Lot>> MemoryStore::ListLots(const std::string& product,
                                                           const std::string& factory,
                                                           const std::string& after_name,
                                                           int limit) {
  const std::lock_guard lock(mutex_);
  ASSAY_RETURN_IF_ERROR(Before("ListLots"));
  return ValuesAfter(lots_, after_name, limit, [&](const db::Lot& lot) {
    return (product.empty() || lot.product == product) &&
           (factory.empty() || lot.factory == factory);
  });
}

absl::StatusOr<db::Pai> MemoryStore::CreatePai(const db::Act& act, const db::Pai& pai) {
  const std::lock_guard lock(mutex_);
  ASSAY_RETURN_IF_ERROR(Before("CreatePai"));
  const auto fresh = Begin(act);
  if (!fresh.ok()) return fresh.status();
  const auto before = pais_.find(pai.name);
  if (before != pais_.end()) {
    const db::Pai& kept = before->second;
    if (!*fresh || (kept.vendor_id == pai.vendor_id && kept.product_id == pai.product_id &&
                    kept.key_label == pai.key_label && kept.public_key == pai.public_key)) {
      return kept;
    }
    return RefuseField(Reason::PAI_CONFLICT, "pai", pai.name, "exists with other content");
  }
  for (const auto& [name, other] : pais_) {
    if (other.key_label == pai.key_label) {
      return RefuseField(Reason::PAI_CONFLICT, "key_label", pai.key_label, "is another PAI's key");
    }
  }
  db::Pai& kept = pais_[pai.name] = pai;
  kept.created_at = clock_.Now();
  End(act);
  return kept;
}

absl::StatusOr<db::Pai> MemoryStore::UpdatePai(const db::Act& act, const db::Pai& pai) {
  const std::lock_guard lock(mutex_);
  ASSAY_RETURN_IF_ERROR(Before("UpdatePai"));
  const auto fresh = Begin(act);
  if (!fresh.ok()) return fresh.status();
  const auto kept = pais_.find(pai.name);
  if (kept == pais_.end()) return RefuseField(Reason::PAI_UNKNOWN, "pai", pai.name, "no such PAI");
  if (*fresh) {
    if (pai.state < kept->second.state) {
      return RefuseField(Reason::PAI_NOT_ACTIVE, "pai", pai.name,
                         "a state is never taken back; retiring is for ever");
    }
    kept->second.state = pai.state;
    kept->second.certificate = pai.certificate;
    kept->second.paa_certificate = pai.paa_certificate;
    End(act);
  }
  return kept->second;
}

absl::StatusOr<db::Pai> MemoryStore::FindPai(const std::string& name) {
  const std::lock_guard lock(mutex_);
  ASSAY_RETURN_IF_ERROR(Before("FindPai"));
  const auto pai = pais_.find(name);
  if (pai == pais_.end()) return RefuseField(Reason::PAI_UNKNOWN, "pai", name, "no such PAI");
  return pai->second;
}

absl::StatusOr<std::vector<db::Pai>> MemoryStore::ListPais() {
  const std::lock_guard lock(mutex_);
  ASSAY_RETURN_IF_ERROR(Before("ListPais"));
  std::vector<db::Pai> pais;
  for (const auto& [name, pai] : pais_) pais.push_back(pai);
  return pais;
}

}  // namespace assay::test_support
