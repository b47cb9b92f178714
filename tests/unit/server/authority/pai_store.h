// The store's PAI calls in memory, with its promise for acts: the same (actor, request id) has one
// effect.
#pragma once

#include <map>
#include <string>
#include <utility>

#include "base/refusal.h"
#include "db/store.h"

namespace assay::authority {

class PaiStore final : public db::Store {
 public:
  std::map<std::string, db::Pai> pais;
  std::vector<db::Act> acts;
  absl::Status fault;  // the answer to every call, unless OK

  absl::StatusOr<db::Pai> CreatePai(const db::Act& act, const db::Pai& pai) override {
    const auto outcome = Record(act);
    if (!outcome.ok()) return outcome.status();
    if (*outcome == db::ActOutcome::kDone && !pais.emplace(pai.name, pai).second) {
      acts.pop_back();
      const db::Pai& kept = pais.at(pai.name);
      if (kept.vendor_id != pai.vendor_id || kept.product_id != pai.product_id ||
          kept.key_label != pai.key_label || kept.public_key != pai.public_key) {
        return Refuse(Reason::PAI_CONFLICT, pai.name);
      }
    }
    return pais.at(pai.name);
  }
  absl::StatusOr<db::Pai> UpdatePai(const db::Act& act, const db::Pai& pai) override {
    const auto outcome = Record(act);
    if (!outcome.ok()) return outcome.status();
    if (*outcome == db::ActOutcome::kDone) pais.at(pai.name) = pai;
    return pais.at(pai.name);
  }
  absl::StatusOr<db::Pai> FindPai(const std::string& name) override {
    if (!fault.ok()) return fault;
    const auto found = pais.find(name);
    if (found == pais.end()) return Refuse(Reason::PAI_UNKNOWN, name);
    return found->second;
  }
  absl::StatusOr<std::vector<db::Pai>> ListPais() override {
    std::vector<db::Pai> all;
    for (const auto& [name, pai] : pais) all.push_back(pai);
    return all;
  }

  // An authority asks for nothing below.
  absl::Status CheckHealth() override { return Foreign(); }
  db::PoolCounters Counters() override { return {}; }
  absl::Status RenewLease(const std::string&, std::chrono::seconds) override { return Foreign(); }
  absl::Status EndLease(const std::string&) override { return Foreign(); }
  absl::StatusOr<int> VoidDeadAttempts() override { return Foreign(); }
  absl::StatusOr<bool> WasDone(const db::Act&) override { return Foreign(); }
  absl::StatusOr<db::Product> ApplyProduct(const db::Act&, const db::Product&) override {
    return Foreign();
  }
  absl::StatusOr<db::Product> FindProduct(const std::string&) override { return Foreign(); }
  absl::StatusOr<std::vector<db::Product>> ListProducts(const std::string&, int) override {
    return Foreign();
  }
  absl::StatusOr<db::Lot> OpenLot(const db::Act&, const db::Lot&) override { return Foreign(); }
  absl::StatusOr<db::Lot> RaiseLot(const db::Act&, const std::string&, uint64_t) override {
    return Foreign();
  }
  absl::StatusOr<db::Lot> CloseLot(const db::Act&, const std::string&) override {
    return Foreign();
  }
  absl::StatusOr<db::Lot> FindLot(const std::string&) override { return Foreign(); }
  absl::StatusOr<std::vector<db::Lot>> ListLots(const std::string&, const std::string&,
                                                const std::string&, int) override {
    return Foreign();
  }
  absl::StatusOr<Bytes> ProductKey(uint16_t, uint16_t, const Bytes&) override { return Foreign(); }
  absl::StatusOr<Bytes> LotDictionary(int64_t, uint64_t, const Bytes&) override {
    return Foreign();
  }
  std::vector<absl::StatusOr<db::TicketView>> FindTickets(std::span<const db::TicketKey>) override {
    return {};
  }
  std::vector<absl::StatusOr<int64_t>> RecordIntents(std::span<const db::Intent>,
                                                     const std::string&) override {
    return {};
  }
  std::vector<absl::Status> SealTickets(std::span<const db::Seal>) override { return {}; }
  std::vector<absl::Status> VoidAttempts(std::span<const db::Void>) override { return {}; }
  std::vector<absl::StatusOr<db::ConfirmResult>> ConfirmDevices(
      std::span<const db::Confirmation>) override {
    return {};
  }
  absl::StatusOr<int> WipeRetained(int) override { return Foreign(); }
  absl::StatusOr<db::ManifestRow> FindDevice(const std::string&) override { return Foreign(); }
  absl::StatusOr<db::ManifestRow> FindDeviceByDacSerial(ByteView) override { return Foreign(); }
  absl::StatusOr<std::vector<db::ManifestRow>> ListDevices(const db::DeviceFilter&, int64_t,
                                                           int) override {
    return Foreign();
  }

 private:
  static absl::Status Foreign() { return Refuse(Reason::INTERNAL, "not an authority's call"); }

  absl::StatusOr<db::ActOutcome> Record(const db::Act& act) {
    if (!fault.ok()) return fault;
    for (const db::Act& before : acts) {
      if (before.actor != act.actor || before.request_id != act.request_id) continue;
      if (before.kind != act.kind || before.subject != act.subject || before.digest != act.digest) {
        return Refuse(Reason::REQUEST_CONFLICT, act.request_id);
      }
      return db::ActOutcome::kDoneBefore;
    }
    acts.push_back(act);
    return db::ActOutcome::kDone;
  }
};

}  // namespace assay::authority
