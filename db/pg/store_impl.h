// db::Store over the pool. Split by subject: store_lease.cc, store_act.cc, store_catalog.cc,
// store_pai.cc, store_product_key.cc, store_ticket.cc, store_claim.cc, store_seal.cc,
// whole_batch.cc, store_confirm.cc, store_manifest.cc.
#pragma once

#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "db/pg/pool.h"
#include "db/pg/whole_batch.h"
#include "db/store.h"

namespace assay::pg {

class PgStore final : public db::Store {
 public:
  explicit PgStore(PgOptions options) : shared_(PoolOf(std::move(options))) {}

  absl::Status CheckHealth() override;
  db::PoolCounters Counters() override { return pool_.Counters(); }

  absl::Status RenewLease(const std::string& instance_id, std::chrono::seconds lease) override;
  absl::Status EndLease(const std::string& instance_id) override;
  absl::StatusOr<int> VoidDeadAttempts() override;

  absl::StatusOr<bool> WasDone(const db::Act& act) override;
  absl::StatusOr<db::Product> ApplyProduct(const db::Act& act, const db::Product& product) override;
  absl::StatusOr<db::Product> FindProduct(const std::string& name) override;
  absl::StatusOr<std::vector<db::Product>> ListProducts(const std::string& after_name,
                                                        int limit) override;

  absl::StatusOr<db::Lot> OpenLot(const db::Act& act, const db::Lot& lot) override;
  absl::StatusOr<db::Lot> RaiseLot(const db::Act& act, const std::string& name,
                                   uint64_t count) override;
  absl::StatusOr<db::Lot> CloseLot(const db::Act& act, const std::string& name) override;
  absl::StatusOr<db::Lot> FindLot(const std::string& name) override;
  absl::StatusOr<std::vector<db::Lot>> ListLots(const std::string& product,
                                                const std::string& factory,
                                                const std::string& after_name, int limit) override;

  absl::StatusOr<db::Pai> CreatePai(const db::Act& act, const db::Pai& pai) override;
  absl::StatusOr<db::Pai> UpdatePai(const db::Act& act, const db::Pai& pai) override;
  absl::StatusOr<db::Pai> FindPai(const std::string& name) override;
  absl::StatusOr<std::vector<db::Pai>> ListPais() override;

  absl::StatusOr<Bytes> ProductKey(uint16_t vendor_id, uint16_t product_id,
                                   const Bytes& offered) override;
  absl::StatusOr<Bytes> LotDictionary(int64_t lot_id, uint64_t number,
                                      const Bytes& offered) override;
  std::vector<absl::StatusOr<db::TicketView>> FindTickets(
      std::span<const db::TicketKey> keys) override;
  std::vector<absl::StatusOr<int64_t>> RecordIntents(std::span<const db::Intent> intents,
                                                     const std::string& instance_id) override;
  std::vector<absl::Status> SealTickets(std::span<const db::Seal> seals) override;
  std::vector<absl::Status> VoidAttempts(std::span<const db::Void> voids) override;

  std::vector<absl::StatusOr<db::ConfirmResult>> ConfirmDevices(
      std::span<const db::Confirmation> confirmations) override;
  absl::StatusOr<int> WipeRetained(int limit) override;

  absl::StatusOr<db::ManifestRow> FindDevice(const std::string& device_id) override;
  absl::StatusOr<db::ManifestRow> FindDeviceByDacSerial(ByteView dac_serial) override;
  absl::StatusOr<std::vector<db::ManifestRow>> ListDevices(const db::DeviceFilter& filter,
                                                           int64_t after_row, int limit) override;

 private:
  // One statement for `places`, where they are of one lot; `done` says whether it came to that, and
  // if not nothing was written. The same for seals.
  absl::Status ClaimAllAtOnce(std::span<const db::Intent> intents,
                              const std::vector<size_t>& places, const std::string& instance_id,
                              std::vector<absl::StatusOr<int64_t>>& results, bool& done);
  absl::Status SealAllAtOnce(std::span<const db::Seal> seals, const std::vector<size_t>& places,
                             bool& done);

  // `body` does what the act asks and returns the object; it runs once an act. The act, its effect
  // and its ledger entry are one transaction. `find` reads the object when the act was done before.
  template <typename Object, typename Find, typename Body>
  absl::StatusOr<Object> Perform(const db::Act& act, Find find, Body body);

  const std::shared_ptr<Pool> shared_;
  Pool& pool_ = *shared_;
  // Lots whose claims are made one by one for a while.
  WholeBatches whole_claims_;
};

enum class ActState { kNew, kDoneBefore };

// Writes the act; REQUEST_CONFLICT when its id was used for something else.
absl::StatusOr<ActState> RecordAct(Transaction& transaction, const db::Act& act);
void WriteActEntry(Transaction& transaction, const db::Act& act);

template <typename Object, typename Find, typename Body>
absl::StatusOr<Object> PgStore::Perform(const db::Act& act, Find find, Body body) {
  absl::StatusOr<Object> object = absl::UnknownError("not run");
  const absl::Status status = Transact(pool_, [&](Transaction& transaction) -> absl::Status {
    const auto state = RecordAct(transaction, act);
    if (!state.ok()) return state.status();
    if (*state == ActState::kDoneBefore) {
      transaction.Discard();
      object = find(transaction);
      return object.status();
    }
    object = body(transaction);
    if (object.ok() && !transaction.discarded()) WriteActEntry(transaction, act);
    return object.status();
  });
  if (!status.ok()) return status;
  return object;
}

// What a batch adds to the counter rows of its lots, by lot id: written in that order, so that two
// batches never wait for each other.
using LotCounts = std::map<int64_t, int64_t>;

// Keys and values as the two array parameters.
struct LotColumns {
  std::vector<int64_t> lots, counts;
};
inline LotColumns ColumnsOf(const LotCounts& counts) {
  LotColumns columns;
  for (const auto& [lot, count] : counts) {
    columns.lots.push_back(lot);
    columns.counts.push_back(count);
  }
  return columns;
}

// Deletes the open intents among `attempts`, and with them takes the right to seal or void those.
// Attempt id to lot id of what was there.
std::map<int64_t, int64_t> TakeOpenIntents(Transaction& transaction,
                                           std::span<const int64_t> attempts);

// Voids, in `transaction`, what is still unsealed; returns how many.
int VoidWithin(Transaction& transaction, std::span<const int64_t> attempts,
               std::span<const std::string_view> reasons);

}  // namespace assay::pg
