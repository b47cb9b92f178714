#include "tests/support/memory_revocation_store.h"

#include <algorithm>

#include "base/refusal.h"

namespace assay::test_support {

absl::StatusOr<bool> MemoryRevocationStore::Begin(const db::Act& act) const {
  const auto before = acts_.find({act.actor, act.request_id});
  if (before == acts_.end()) return true;
  if (before->second.kind == act.kind && before->second.subject == act.subject &&
      before->second.digest == act.digest) {
    return false;
  }
  return RefuseField(Reason::REQUEST_CONFLICT, "request_id", act.request_id,
                     "was used with other content");
}

void MemoryRevocationStore::End(const db::Act& act) {
  acts_[{act.actor, act.request_id}] = act;
  store_.AddLedgerEntry(act.kind, act.detail);
}

uint64_t MemoryRevocationStore::AddEntry(const std::string& name, ByteView serial,
                                         const std::string& subject, int reason) {
  Issuer& issuer = issuers_[name];
  const auto first = std::ranges::find_if(serial, [](uint8_t byte) { return byte != 0; });
  const Bytes magnitude(first, serial.end());
  for (const db::RevokedSerial& entry : issuer.entries) {
    if (entry.serial == magnitude) return 0;
  }
  issuer.entries.push_back({issuer.state.entries++, magnitude, subject, reason, clock_.Now()});
  return 1;
}

uint64_t MemoryRevocationStore::RevokeRow(const db::ManifestRow& row, int reason) {
  store_.MarkRevoked(row.device_id);
  return row.dac_serial.empty() ? 0 : AddEntry(row.pai, row.dac_serial, row.device_id, reason);
}

absl::StatusOr<db::RevocationOutcome> MemoryRevocationStore::RevokeDevice(
    const db::Act& act, const std::string& device_id, int reason) {
  const std::lock_guard lock(mutex_);
  const auto fresh = Begin(act);
  if (!fresh.ok()) return fresh.status();
  const auto row = store_.FindDevice(device_id);
  if (!row.ok()) return row.status();
  db::RevocationOutcome outcome;
  if (!row->dac_serial.empty()) outcome.issuer = row->pai;
  outcome.before = !*fresh || row->state == static_cast<int>(db::DeviceState::kRevoked);
  if (outcome.before) return outcome;
  outcome.revoked = RevokeRow(*row, reason);
  End(act);
  return outcome;
}

absl::StatusOr<db::RevocationOutcome> MemoryRevocationStore::RevokeLot(const db::Act& act,
                                                                       const std::string& lot,
                                                                       int reason) {
  const std::lock_guard lock(mutex_);
  const auto fresh = Begin(act);
  if (!fresh.ok()) return fresh.status();
  const auto found = store_.FindLot(lot);
  if (!found.ok()) return found.status();
  db::RevocationOutcome outcome;
  outcome.before = !*fresh || lots_.contains(lot);
  if (outcome.before) return outcome;
  const auto closed = store_.CloseLot({}, lot);
  if (!closed.ok()) return closed.status();
  lots_[lot] = {act.actor, reason};
  End(act);
  return outcome;
}

absl::StatusOr<db::RevocationOutcome> MemoryRevocationStore::RevokePai(const db::Act& act,
                                                                       const db::PaiEntry& entry,
                                                                       int reason) {
  const std::lock_guard lock(mutex_);
  const auto fresh = Begin(act);
  if (!fresh.ok()) return fresh.status();
  db::RevocationOutcome outcome;
  outcome.issuer = entry.issuer;
  outcome.before = !*fresh;
  if (!*fresh) return outcome;
  auto pai = store_.FindPai(entry.pai);
  if (!pai.ok()) return pai.status();
  pai->state = db::PaiState::kRetired;
  const auto retired = store_.UpdatePai({}, *pai);
  if (!retired.ok()) return retired.status();
  outcome.revoked = AddEntry(entry.issuer, entry.serial, entry.pai, reason);
  outcome.before = outcome.revoked == 0;
  if (!outcome.before) End(act);
  return outcome;
}

absl::StatusOr<uint64_t> MemoryRevocationStore::SweepRevokedLots(const std::string& lot,
                                                                 int limit) {
  const std::lock_guard lock(mutex_);
  uint64_t swept = 0;
  for (const auto& [name, mark] : lots_) {
    if (!lot.empty() && lot != name) continue;
    db::DeviceFilter filter;
    filter.lot = name;
    const auto rows = store_.ListDevices(filter, 0, 1'000'000);
    if (!rows.ok()) return rows.status();
    for (const db::ManifestRow& row : *rows) {
      if (row.state == static_cast<int>(db::DeviceState::kRevoked)) continue;
      if (swept == static_cast<uint64_t>(limit)) return swept;
      RevokeRow(row, mark.reason);
      store_.AddLedgerEntry(std::string(db::kRevokeEntry),
                            db::SweepEntry(mark.actor, row.device_id, name, mark.reason));
      ++swept;
    }
  }
  return swept;
}

absl::StatusOr<db::Standing> MemoryRevocationStore::FindStanding(const std::string& device_id) {
  const std::lock_guard lock(mutex_);
  const auto row = store_.FindDevice(device_id);
  if (!row.ok()) return row.status();
  db::Standing standing;
  standing.device_revoked =
      row->state == static_cast<int>(db::DeviceState::kRevoked) || lots_.contains(row->lot);
  for (const auto& [name, issuer] : issuers_) {
    if (!name.starts_with('@')) continue;
    for (const auto& entry : issuer.entries) standing.pai_revoked |= entry.subject == row->pai;
  }
  return standing;
}

absl::StatusOr<db::CrlState> MemoryRevocationStore::FindCrlState(const std::string& issuer) {
  const std::lock_guard lock(mutex_);
  const auto found = issuers_.find(issuer);
  return found == issuers_.end() ? db::CrlState{} : found->second.state;
}

absl::StatusOr<db::CrlState> MemoryRevocationStore::SetCrlSigner(const db::Act& act,
                                                                 const std::string& issuer,
                                                                 const db::CrlSigner& signer) {
  const std::lock_guard lock(mutex_);
  const auto fresh = Begin(act);
  if (!fresh.ok()) return fresh.status();
  if (*fresh) {
    issuers_[issuer].state.signer = signer;
    End(act);
  }
  return issuers_[issuer].state;
}

absl::StatusOr<db::CrlDraft> MemoryRevocationStore::DraftCrl(const std::string& name,
                                                             uint64_t floor, uint64_t first,
                                                             uint64_t count) {
  const std::lock_guard lock(mutex_);
  Issuer& issuer = issuers_[name];
  issuer.state.number = std::max(issuer.state.number + 1, floor);
  db::CrlDraft draft;
  draft.number = issuer.state.number;
  draft.entries_in_all = issuer.state.entries;
  draft.signer = issuer.state.signer;
  for (const db::RevokedSerial& entry : issuer.entries) {
    if (entry.number >= first && entry.number - first < count) draft.entries.push_back(entry);
  }
  return draft;
}

absl::Status MemoryRevocationStore::SaveCrl(const db::StoredCrl& crl) {
  const std::lock_guard lock(mutex_);
  const auto found = crls_.find({crl.issuer, crl.part});
  if (found != crls_.end() && found->second.number >= crl.number) return absl::OkStatus();
  crls_[{crl.issuer, crl.part}] = crl;
  store_.AddLedgerEntry(std::string(db::kCrlEntry), db::CrlEntry(crl));
  return absl::OkStatus();
}

absl::StatusOr<std::optional<db::StoredCrl>> MemoryRevocationStore::FindCrl(
    const std::string& issuer, uint32_t part) {
  const std::lock_guard lock(mutex_);
  const auto found = crls_.find({issuer, part});
  if (found == crls_.end()) return std::nullopt;
  return found->second;
}

absl::StatusOr<db::Verification> MemoryRevocationStore::BeginVerification(
    const db::Verification& begun, std::chrono::seconds lifetime) {
  const std::lock_guard lock(mutex_);
  db::Verification made = begun;
  made.expires_at = clock_.Now() + absl::FromChrono(lifetime);
  verifications_[made.id] = made;
  return made;
}

absl::StatusOr<std::optional<db::Verification>> MemoryRevocationStore::FindVerification(
    const std::string& id) {
  const std::lock_guard lock(mutex_);
  const auto found = verifications_.find(id);
  if (found == verifications_.end()) return std::nullopt;
  db::Verification verification = found->second;
  verification.expired = verification.expires_at <= clock_.Now();
  return verification;
}

absl::StatusOr<bool> MemoryRevocationStore::EndVerification(const db::Verification& ended) {
  const std::lock_guard lock(mutex_);
  const auto found = verifications_.find(ended.id);
  if (found == verifications_.end() || found->second.evidence ||
      found->second.expires_at <= clock_.Now()) {
    return false;
  }
  found->second.evidence = ended.evidence;
  found->second.result = ended.result;
  found->second.passed = ended.passed;
  found->second.answer = ended.answer;
  store_.AddLedgerEntry(std::string(db::kVerifyEntry), db::VerifyEntry(ended));
  return true;
}

}  // namespace assay::test_support
