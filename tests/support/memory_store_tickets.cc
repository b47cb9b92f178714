#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/refusal.h"
#include "db/ledger_entry.h"
#include "db/storable.h"
#include "db/ticket_refusals.h"
#include "tests/support/memory_store.h"

namespace assay::test_support {

namespace {

// The 20 bytes after the subject key id's identifier, 2.5.29.14.
Bytes SkidOf(const Bytes& dac) {
  static constexpr uint8_t kBegin[] = {0x06, 0x03, 0x55, 0x1D, 0x0E, 0x04, 0x16, 0x04, 0x14};
  const auto at = std::search(dac.begin(), dac.end(), std::begin(kBegin), std::end(kBegin));
  if (dac.end() - at < 29) return {};
  return Bytes(at + 9, at + 29);
}

}  // namespace

db::Lot* MemoryStore::LotOf(int64_t id) {
  for (auto& [name, lot] : lots_) {
    if (lot.id == id) return &lot;
  }
  return nullptr;
}

MemoryStore::Attempt* MemoryStore::LiveAttempt(int64_t lot_id, const std::string& ticket) {
  const auto found = live_tickets_.find({lot_id, ticket});
  return found == live_tickets_.end() ? nullptr : &attempts_.at(found->second);
}

MemoryStore::Attempt* MemoryStore::CompletionOf(int64_t module_attempt) {
  if (module_attempt == 0) return nullptr;
  for (auto& [id, attempt] : attempts_) {
    if (attempt.live && attempt.intent.module_attempt == module_attempt) return &attempt;
  }
  return nullptr;
}

std::vector<absl::StatusOr<db::TicketView>> MemoryStore::FindTickets(
    std::span<const db::TicketKey> keys) {
  const std::lock_guard lock(mutex_);
  std::vector<absl::StatusOr<db::TicketView>> views(keys.size(), db::TicketView{});
  if (const absl::Status refused = Before("FindTickets"); !refused.ok()) {
    std::fill(views.begin(), views.end(), refused);
    return views;
  }
  for (size_t i = 0; i < keys.size(); ++i) {
    const auto found = live_tickets_.find({keys[i].lot_id, keys[i].ticket});
    if (found == live_tickets_.end()) continue;
    const Attempt& attempt = attempts_.at(found->second);
    db::TicketView view;
    view.attempt_id = found->second;
    view.request_digest = attempt.intent.request_digest;
    view.line = attempt.intent.line;
    view.instance_id = attempt.instance_id;
    if (!attempt.row) {
      view.state = LeaseLasts(attempt.instance_id) ? db::TicketView::State::kInFlight
                                                   : db::TicketView::State::kDead;
    } else {
      view.state = attempt.sealed ? db::TicketView::State::kSealed : db::TicketView::State::kWiped;
      view.device_id = attempt.row->device_id;
      view.image_sha256 = attempt.row->image_sha256;
      if (attempt.sealed) view.sealed = *attempt.sealed;
    }
    views[i] = std::move(view);
  }
  return views;
}

absl::StatusOr<int64_t> MemoryStore::Claim(const db::Intent& intent,
                                           const std::string& instance_id) {
  for (const std::string* text : {&intent.ticket, &intent.line, &intent.serial_number}) {
    if (!db::Storable(*text)) {
      return RefuseField(Reason::FIELD_MALFORMED, "ticket", "",
                         "must be UTF-8 without a zero byte");
    }
  }
  db::Lot* const lot = LotOf(intent.lot_id);
  if (lot == nullptr) return Refuse(Reason::LOT_UNKNOWN, "no such lot");
  if (LiveAttempt(intent.lot_id, intent.ticket) != nullptr) {
    return Refuse(Reason::TICKET_IN_FLIGHT, "another intent for the ticket came first; look again");
  }
  if (lot->state != db::LotState::kOpen) return db::LotIsClosed();
  if (lot->claimed >= lot->count) return db::CountIsUsedUp();
  db::LotLease* const lease = LeaseFor(lot->name, intent.line);
  if (lease == nullptr && lot->claimed + KeptPlaces(lot->name, intent.line) >= lot->count) {
    return db::RestIsLeased();
  }
  if (!intent.serial_number.empty() &&
      live_serial_numbers_.contains({intent.lot_id, intent.serial_number})) {
    return RefuseField(Reason::SERIAL_NUMBER_TAKEN, "serial_number", intent.serial_number,
                       "another unit of the lot has it");
  }
  if (CompletionOf(intent.module_attempt) != nullptr) {
    return RefuseField(Reason::MODULE_COMPLETED, "module", "",
                       "another ticket is completing this module");
  }
  const bool keyed = intent.public_key_sha256 != Sha256Digest{};
  if (keyed && live_keys_.contains(intent.public_key_sha256)) {
    return db::KeyIsReused();
  }
  ASSAY_RETURN_IF_ERROR(CheckUnitValues(intent));
  if ((!intent.dac_serial.empty() &&
       dac_serials_.contains({intent.dac_issuer, intent.dac_serial})) ||
      device_ids_.contains(intent.device_id)) {
    return Refuse(Reason::INTERNAL, "the drawn DAC serial or device id is taken; draw again");
  }
  const auto id = static_cast<int64_t>(attempts_.size()) + 1;
  attempts_[id] = {intent, instance_id, true, std::nullopt, std::nullopt};
  live_tickets_[{intent.lot_id, intent.ticket}] = id;
  if (!intent.serial_number.empty())
    live_serial_numbers_[{intent.lot_id, intent.serial_number}] = id;
  if (keyed) live_keys_.insert(intent.public_key_sha256);
  if (!intent.dac_serial.empty()) dac_serials_.emplace(intent.dac_issuer, intent.dac_serial);
  device_ids_.insert(intent.device_id);
  if (!intent.setup_code_digest.empty()) live_values_[intent.setup_code_digest] = id;
  if (!intent.rotating_id_digest.empty()) live_values_[intent.rotating_id_digest] = id;
  ++lot->claimed;
  if (lease != nullptr) {
    attempts_[id].lease = lease->id;
    ++lease->used;
  }
  return id;
}

std::vector<absl::StatusOr<int64_t>> MemoryStore::RecordIntents(std::span<const db::Intent> intents,
                                                                const std::string& instance_id) {
  const std::lock_guard lock(mutex_);
  std::vector<absl::StatusOr<int64_t>> results(intents.size(), 0);
  absl::Status refused = Before("RecordIntents");
  if (refused.ok()) {
    for (size_t i = 0; i < intents.size(); ++i) results[i] = Claim(intents[i], instance_id);
    refused = After("RecordIntents");
  }
  if (!refused.ok()) std::fill(results.begin(), results.end(), refused);
  return results;
}

absl::Status MemoryStore::SealOne(const db::Seal& seal) {
  const auto found = attempts_.find(seal.attempt_id);
  if (found == attempts_.end() || !found->second.live) {
    return Refuse(Reason::TICKET_IN_FLIGHT, "the attempt was voided meanwhile; look again");
  }
  Attempt& attempt = found->second;
  if (attempt.row) {
    if (attempt.row->dac_sha256 == seal.row.dac_sha256 &&
        attempt.row->image_sha256 == seal.row.image_sha256) {
      return absl::OkStatus();
    }
    return Refuse(Reason::INTERNAL, "the attempt was sealed with another identity");
  }
  db::Lot& lot = *LotOf(attempt.intent.lot_id);
  db::ManifestRow row = seal.row;
  row.device_id = attempt.intent.device_id;
  row.ticket = attempt.intent.ticket;
  row.lot = lot.name;
  row.product = lot.product;
  row.vendor_id = lot.vendor_id;
  row.product_id = lot.product_id;
  row.factory = lot.factory;
  row.line = attempt.intent.line;
  row.actor = attempt.intent.actor;
  row.serial_number = attempt.intent.serial_number;
  row.dac_serial = attempt.intent.dac_serial;
  row.public_key_sha256 = attempt.intent.public_key_sha256;
  row.pai = attempt.intent.pai;
  row.state = static_cast<int>(db::DeviceState::kSealed);
  row.attempt_id = seal.attempt_id;
  row.completes_module = attempt.intent.module_attempt != 0;
  if (row.completes_module) {
    const db::ManifestRow& module = *attempts_.at(attempt.intent.module_attempt).row;
    row.device_id = module.device_id;
    row.dac_serial = module.dac_serial;
    row.dac_sha256 = module.dac_sha256;
    row.dac = module.dac;
    row.public_key_sha256 = module.public_key_sha256;
    row.pai = module.pai;
    if (module.state >= static_cast<int>(db::DeviceState::kScrapped)) row.state = module.state;
  }
  row.sealed_at = clock_.Now();
  row.confirmed_at.reset();
  row.row = (lot.id << 32) + static_cast<int64_t>(++lot.sealed);
  attempt_of_row_[row.row] = seal.attempt_id;
  attempt.row = std::move(row);
  attempt.sealed = seal.sealed;
  ledger_.emplace_back(db::kSealEntry, seal.ledger_entry);
  return absl::OkStatus();
}

std::vector<absl::Status> MemoryStore::SealTickets(std::span<const db::Seal> seals) {
  const std::lock_guard lock(mutex_);
  std::vector<absl::Status> results(seals.size());
  absl::Status refused = Before("SealTickets");
  if (refused.ok()) {
    for (size_t i = 0; i < seals.size(); ++i) results[i] = SealOne(seals[i]);
    refused = After("SealTickets");
  }
  if (!refused.ok()) std::fill(results.begin(), results.end(), refused);
  return results;
}

bool MemoryStore::VoidOne(Attempt& attempt) {
  if (!attempt.live || attempt.row) return false;
  attempt.live = false;
  const db::Intent& intent = attempt.intent;
  live_tickets_.erase({intent.lot_id, intent.ticket});
  live_serial_numbers_.erase({intent.lot_id, intent.serial_number});
  live_keys_.erase(intent.public_key_sha256);
  DropUnitValues(attempt);
  if (intent.tbs_sha256 == Sha256Digest{}) {
    dac_serials_.erase({intent.dac_issuer, intent.dac_serial});
  }
  --LotOf(intent.lot_id)->claimed;
  if (attempt.lease != 0) --lot_leases_[static_cast<size_t>(attempt.lease - 1)].lease.used;
  return true;
}

std::vector<absl::Status> MemoryStore::VoidAttempts(std::span<const db::Void> voids) {
  const std::lock_guard lock(mutex_);
  absl::Status refused = Before("VoidAttempts");
  if (refused.ok()) {
    for (const db::Void& one : voids) {
      const auto attempt = attempts_.find(one.attempt_id);
      if (attempt != attempts_.end()) VoidOne(attempt->second);
    }
    refused = After("VoidAttempts");
  }
  return std::vector<absl::Status>(voids.size(), refused);
}

absl::StatusOr<db::ConfirmResult> MemoryStore::ConfirmOne(const db::Confirmation& confirmation) {
  if (confirmation.outcome != db::DeviceState::kProvisioned &&
      confirmation.outcome != db::DeviceState::kScrapped) {
    return RefuseField(Reason::FIELD_OUT_OF_RANGE, "outcome", "", "provisioned or scrapped");
  }
  Attempt* const attempt = LiveAttempt(confirmation.lot_id, confirmation.ticket);
  if (attempt == nullptr || !attempt->row) {
    return RefuseField(Reason::TICKET_UNKNOWN, "ticket", confirmation.ticket,
                       "no identity was sealed for it");
  }
  db::ManifestRow& row = *attempt->row;
  if (!confirmation.line.empty() && confirmation.line != row.line) {
    return db::TicketIsOfAnotherLine(confirmation.ticket);
  }
  if (row.state == static_cast<int>(confirmation.outcome) || attempt->said == confirmation.outcome)
    return db::ConfirmResult{row.device_id, true};
  if (row.state != static_cast<int>(db::DeviceState::kSealed)) {
    return db::OutcomeConflicts(confirmation.outcome,
                                attempt->said.value_or(static_cast<db::DeviceState>(row.state)));
  }
  row.state = static_cast<int>(confirmation.outcome);
  row.confirmed_at = clock_.Now();
  attempt->sealed.reset();
  db::Lot& lot = *LotOf(confirmation.lot_id);
  ++(confirmation.outcome == db::DeviceState::kScrapped ? lot.scrapped : lot.confirmed);
  Attempt* mate = CompletionOf(row.attempt_id);
  if (row.completes_module) mate = &attempts_.at(attempt->intent.module_attempt);
  if (mate != nullptr && mate->row && confirmation.outcome == db::DeviceState::kScrapped &&
      mate->row->state < static_cast<int>(db::DeviceState::kScrapped)) {
    db::Lot& other = *LotOf(mate->intent.lot_id);
    if (mate->row->state == static_cast<int>(db::DeviceState::kProvisioned)) --other.confirmed;
    ++other.scrapped;
    mate->row->state = row.state;
    mate->row->confirmed_at = clock_.Now();
    mate->sealed.reset();
  }
  if (confirmation.outcome == db::DeviceState::kScrapped && confirmation.return_quota) {
    --lot.claimed;
  }
  if (confirmation.outcome == db::DeviceState::kScrapped && confirmation.revoke &&
      !row.pai.empty() && !row.dac_serial.empty()) {
    attempt->said = confirmation.outcome;
    row.state = static_cast<int>(db::DeviceState::kRevoked);
  }
  ledger_.emplace_back(db::kConfirmEntry, db::ConfirmEntry(confirmation, row.device_id, row.lot));
  return db::ConfirmResult{row.device_id, false};
}

std::vector<absl::StatusOr<db::ConfirmResult>> MemoryStore::ConfirmDevices(
    std::span<const db::Confirmation> confirmations) {
  const std::lock_guard lock(mutex_);
  std::vector<absl::StatusOr<db::ConfirmResult>> results(confirmations.size(), db::ConfirmResult{});
  absl::Status refused = Before("ConfirmDevices");
  if (refused.ok()) {
    for (size_t i = 0; i < confirmations.size(); ++i) results[i] = ConfirmOne(confirmations[i]);
    refused = After("ConfirmDevices");
  }
  if (!refused.ok()) std::fill(results.begin(), results.end(), refused);
  return results;
}

absl::StatusOr<int> MemoryStore::WipeRetained(int limit) {
  const std::lock_guard lock(mutex_);
  ASSAY_RETURN_IF_ERROR(Before("WipeRetained"));
  int wiped = 0;
  for (auto& [id, attempt] : attempts_) {
    if (wiped == limit) break;
    if (!attempt.sealed) continue;
    const absl::Time due =
        attempt.row->sealed_at + absl::FromChrono(LotOf(attempt.intent.lot_id)->retention);
    if (due > clock_.Now()) continue;
    attempt.sealed.reset();
    ++wiped;
  }
  return wiped;
}

db::ManifestRow MemoryStore::UnitOf(int64_t attempt) {
  db::ManifestRow row = *attempts_.at(attempt).row;
  const Attempt* const later = CompletionOf(attempt);
  if (later != nullptr && later->row) row.stages.push_back(*later->row);
  return row;
}

absl::StatusOr<db::ManifestRow> MemoryStore::FindDevice(const std::string& device_id) {
  const std::lock_guard lock(mutex_);
  ASSAY_RETURN_IF_ERROR(Before("FindDevice"));
  for (const auto& [row, attempt] : attempt_of_row_) {
    if (attempts_.at(attempt).intent.module_attempt != 0) continue;
    if (attempts_.at(attempt).intent.device_id == device_id) return UnitOf(attempt);
  }
  return RefuseField(Reason::DEVICE_UNKNOWN, "device_id", device_id, "no such device");
}

absl::StatusOr<db::ManifestRow> MemoryStore::FindDeviceByDacSerial(ByteView dac_serial) {
  const std::lock_guard lock(mutex_);
  ASSAY_RETURN_IF_ERROR(Before("FindDeviceByDacSerial"));
  std::vector<const Attempt*> found;
  for (const auto& [row, attempt] : attempt_of_row_) {
    const Attempt& one = attempts_.at(attempt);
    if (!std::ranges::equal(one.intent.dac_serial, dac_serial)) continue;
    if (one.intent.dac_issuer.empty()) return UnitOf(attempt);
    found.push_back(&one);
  }
  if (found.size() == 1) return UnitOf(found.front()->row->attempt_id);
  if (!found.empty()) {
    return RefuseField(Reason::DEVICE_UNKNOWN, "dac_serial", ToUpperHex(dac_serial),
                       "several issuers used this serial number; give the device's id");
  }
  return RefuseField(Reason::DEVICE_UNKNOWN, "dac_serial", ToUpperHex(dac_serial),
                     "no such device");
}

absl::StatusOr<std::vector<db::ManifestRow>> MemoryStore::ListDevices(
    const db::DeviceFilter& filter, int64_t after_row, int limit) {
  const std::lock_guard lock(mutex_);
  ASSAY_RETURN_IF_ERROR(Before("ListDevices"));
  const auto matches = [](const std::string& wanted, const std::string& text) {
    return wanted.empty() || wanted == text;
  };
  const auto lists = [](const std::vector<std::string>& granted, const std::string& name) {
    return std::ranges::any_of(granted,
                               [&](const std::string& one) { return one == "*" || one == name; });
  };
  std::vector<db::ManifestRow> rows;
  for (auto at = attempt_of_row_.upper_bound(after_row);
       at != attempt_of_row_.end() && rows.size() < static_cast<size_t>(limit); ++at) {
    const db::ManifestRow& row = *attempts_.at(at->second).row;
    if (matches(filter.lot, row.lot) && matches(filter.product, row.product) &&
        matches(filter.factory, row.factory) && matches(filter.line, row.line) &&
        matches(filter.serial_number, row.serial_number) &&
        (!filter.granted ||
         (lists(filter.granted->factories, row.factory) && lists(filter.granted->lots, row.lot))) &&
        (!filter.state || static_cast<int>(*filter.state) == row.state) &&
        (!filter.sealed_from || row.sealed_at >= *filter.sealed_from) &&
        (!filter.sealed_until || row.sealed_at < *filter.sealed_until) &&
        (filter.serial_number_from.empty() || row.serial_number >= filter.serial_number_from) &&
        (filter.serial_number_until.empty() ||
         (!row.serial_number.empty() && row.serial_number <= filter.serial_number_until)) &&
        (filter.dac_serial.empty() || filter.dac_serial == row.dac_serial) &&
        (filter.dac_skid.empty() || filter.dac_skid == SkidOf(row.dac))) {
      rows.push_back(row);
    }
  }
  return rows;
}

}  // namespace assay::test_support
