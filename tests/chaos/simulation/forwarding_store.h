// A store before a store: every call goes through one place.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "db/store.h"

namespace assay::simulation {

// What a call does to the database, which decides what its failure can mean.
enum class CallKind { kRead, kWrite };

class ForwardingStore : public db::Store {
 public:
  explicit ForwardingStore(std::shared_ptr<db::Store> inner) : inner_(std::move(inner)) {}

  absl::Status CheckHealth() override {
    return One<absl::Status>(CallKind::kRead, [&] { return inner_->CheckHealth(); });
  }
  db::PoolCounters Counters() override { return inner_->Counters(); }
  absl::Status RenewLease(const std::string& id, std::chrono::seconds lease) override {
    return One<absl::Status>(CallKind::kWrite, [&] { return inner_->RenewLease(id, lease); });
  }
  absl::Status EndLease(const std::string& id) override {
    return One<absl::Status>(CallKind::kWrite, [&] { return inner_->EndLease(id); });
  }
  absl::StatusOr<int> VoidDeadAttempts() override {
    return One<absl::StatusOr<int>>(CallKind::kWrite, [&] { return inner_->VoidDeadAttempts(); });
  }
  absl::StatusOr<bool> WasDone(const db::Act& act) override { return inner_->WasDone(act); }
  absl::StatusOr<db::Product> ApplyProduct(const db::Act& act, const db::Product& p) override {
    return inner_->ApplyProduct(act, p);
  }
  absl::StatusOr<db::Product> FindProduct(const std::string& name) override {
    return One<absl::StatusOr<db::Product>>(CallKind::kRead,
                                            [&] { return inner_->FindProduct(name); });
  }
  absl::StatusOr<std::vector<db::Product>> ListProducts(const std::string& after,
                                                        int limit) override {
    return inner_->ListProducts(after, limit);
  }
  absl::StatusOr<db::Lot> OpenLot(const db::Act& act, const db::Lot& lot) override {
    return inner_->OpenLot(act, lot);
  }
  absl::StatusOr<db::Lot> RaiseLot(const db::Act& act, const std::string& name,
                                   uint64_t count) override {
    return inner_->RaiseLot(act, name, count);
  }
  absl::StatusOr<db::Lot> CloseLot(const db::Act& act, const std::string& name) override {
    return inner_->CloseLot(act, name);
  }
  absl::StatusOr<db::Lot> FindLot(const std::string& name) override {
    return One<absl::StatusOr<db::Lot>>(CallKind::kRead, [&] { return inner_->FindLot(name); });
  }
  absl::StatusOr<std::vector<db::Lot>> ListLots(const std::string& product,
                                                const std::string& factory,
                                                const std::string& after, int limit) override {
    return inner_->ListLots(product, factory, after, limit);
  }
  absl::StatusOr<db::Pai> CreatePai(const db::Act& act, const db::Pai& pai) override {
    return inner_->CreatePai(act, pai);
  }
  absl::StatusOr<db::Pai> UpdatePai(const db::Act& act, const db::Pai& pai) override {
    return inner_->UpdatePai(act, pai);
  }
  absl::StatusOr<db::Pai> FindPai(const std::string& name) override {
    return One<absl::StatusOr<db::Pai>>(CallKind::kRead, [&] { return inner_->FindPai(name); });
  }
  absl::StatusOr<std::vector<db::Pai>> ListPais() override {
    return One<absl::StatusOr<std::vector<db::Pai>>>(CallKind::kRead,
                                                     [&] { return inner_->ListPais(); });
  }
  absl::StatusOr<Bytes> ProductKey(uint16_t vendor_id, uint16_t product_id,
                                   const Bytes& offered) override {
    return One<absl::StatusOr<Bytes>>(
        CallKind::kWrite, [&] { return inner_->ProductKey(vendor_id, product_id, offered); });
  }
  absl::StatusOr<Bytes> LotDictionary(int64_t lot_id, uint64_t number,
                                      const Bytes& offered) override {
    return One<absl::StatusOr<Bytes>>(
        CallKind::kWrite, [&] { return inner_->LotDictionary(lot_id, number, offered); });
  }
  std::vector<absl::StatusOr<db::TicketView>> FindTickets(
      std::span<const db::TicketKey> keys) override {
    return Each<absl::StatusOr<db::TicketView>>(CallKind::kRead, keys.size(),
                                                [&] { return inner_->FindTickets(keys); });
  }
  std::vector<absl::StatusOr<int64_t>> RecordIntents(std::span<const db::Intent> intents,
                                                     const std::string& id) override {
    return Each<absl::StatusOr<int64_t>>(CallKind::kWrite, intents.size(),
                                         [&] { return inner_->RecordIntents(intents, id); });
  }
  std::vector<absl::Status> SealTickets(std::span<const db::Seal> seals) override {
    return Each<absl::Status>(CallKind::kWrite, seals.size(),
                              [&] { return inner_->SealTickets(seals); });
  }
  std::vector<absl::Status> VoidAttempts(std::span<const db::Void> voids) override {
    return Each<absl::Status>(CallKind::kWrite, voids.size(),
                              [&] { return inner_->VoidAttempts(voids); });
  }
  std::vector<absl::StatusOr<db::ConfirmResult>> ConfirmDevices(
      std::span<const db::Confirmation> confirmations) override {
    return Each<absl::StatusOr<db::ConfirmResult>>(CallKind::kWrite, confirmations.size(), [&] {
      return inner_->ConfirmDevices(confirmations);
    });
  }
  absl::StatusOr<int> WipeRetained(int limit) override {
    return One<absl::StatusOr<int>>(CallKind::kWrite, [&] { return inner_->WipeRetained(limit); });
  }
  absl::StatusOr<db::ManifestRow> FindDevice(const std::string& id) override {
    return One<absl::StatusOr<db::ManifestRow>>(CallKind::kRead,
                                                [&] { return inner_->FindDevice(id); });
  }
  absl::StatusOr<db::ManifestRow> FindDeviceByDacSerial(ByteView serial) override {
    return One<absl::StatusOr<db::ManifestRow>>(
        CallKind::kRead, [&] { return inner_->FindDeviceByDacSerial(serial); });
  }
  absl::StatusOr<std::vector<db::ManifestRow>> ListDevices(const db::DeviceFilter& filter,
                                                           int64_t after, int limit) override {
    return inner_->ListDevices(filter, after, limit);
  }

 protected:
  // What happens to a call: calls `work` once, or not at all; OK lets its answer through, a refusal
  // takes its place.
  virtual absl::Status Pass(CallKind kind, const std::function<void()>& work) = 0;
  db::Store& inner() { return *inner_; }

 private:
  template <typename Answer>
  Answer One(CallKind kind, const std::function<Answer()>& call) {
    Answer answer = absl::UnknownError("not called");
    const absl::Status passed = Pass(kind, [&] { answer = call(); });
    if (!passed.ok()) return passed;
    return answer;
  }
  template <typename Answer>
  std::vector<Answer> Each(CallKind kind, size_t count,
                           const std::function<std::vector<Answer>()>& call) {
    std::vector<Answer> answers;
    const absl::Status passed = Pass(kind, [&] { answers = call(); });
    if (!passed.ok()) answers.assign(count, Answer(passed));
    return answers;
  }

  const std::shared_ptr<db::Store> inner_;
};

}  // namespace assay::simulation
