// The store in memory, for simulation: the same promises as db/pg (tests/conformance/store), no
// durability.
#pragma once

#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "db/lease_store.h"
#include "db/store.h"

namespace assay::test_support {

// Thread-safe: every call is one step.
class MemoryStore final : public db::Store, public db::LotLeaseStore {
 public:
  explicit MemoryStore(const Clock& clock) : clock_(clock) {}

  // Asked before each call with its name ("RecordIntents"); a refusal is the call's answer, and
  // nothing happens. Set before use.
  std::function<absl::Status(std::string_view call)> before_call;
  // Asked after each batch call was done; a refusal replaces every answer, as a lost COMMIT's reply
  // does.
  std::function<absl::Status(std::string_view call)> after_call;
  // Kind and body, in order.
  std::vector<std::pair<std::string, std::string>> LedgerEntries() const;
  // For MemoryRevocationStore, which keeps the rest.
  void AddLedgerEntry(const std::string& kind, const std::string& body);
  void MarkRevoked(const std::string& device_id);
  // As a database that came back from an older copy.
  void LoseLotDictionaries();

  absl::Status CheckHealth() override;
  db::PoolCounters Counters() override { return {}; }

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

  absl::StatusOr<db::LotLease> GrantLease(const db::Act& act, const db::LotLease& lease,
                                          std::chrono::seconds lasts) override;
  absl::StatusOr<db::LotLease> ReleaseLease(const db::Act& act, const std::string& lot,
                                            int64_t id) override;
  absl::StatusOr<Listed> ListLeases(const std::string& lot) override;

 private:
  struct KeptLease {
    db::LotLease lease;
    std::string request_id;
  };
  struct Attempt {
    db::Intent intent;
    std::string instance_id;
    bool live = true;
    std::optional<db::ManifestRow> row;  // sealed
    std::optional<Bytes> sealed;         // not wiped
    int64_t lease = 0;                   // the lot lease it was drawn from
    // What the line said, where the device was revoked since.
    std::optional<db::DeviceState> said{};
  };

  absl::Status Before(std::string_view call) const;
  absl::Status After(std::string_view call) const;
  // True for a new act, false for one done before.
  absl::StatusOr<bool> Begin(const db::Act& act) const;
  void End(const db::Act& act);
  db::Lot* LotOf(int64_t id);
  Attempt* LiveAttempt(int64_t lot_id, const std::string& ticket);
  // The attempt that completes this module, or null.
  Attempt* CompletionOf(int64_t module_attempt);
  db::ManifestRow UnitOf(int64_t attempt);
  bool LeaseLasts(const std::string& instance_id) const;
  absl::StatusOr<int64_t> Claim(const db::Intent& intent, const std::string& instance_id);
  absl::Status SealOne(const db::Seal& seal);
  absl::StatusOr<db::ConfirmResult> ConfirmOne(const db::Confirmation& confirmation);
  bool VoidOne(Attempt& attempt);
  // VALUE_TAKEN; takes the values from units that need them no more.
  absl::Status CheckUnitValues(const db::Intent& asking);
  void DropUnitValues(Attempt& attempt);
  // Places of the lot that live leases keep, but for `line`.
  uint64_t KeptPlaces(const std::string& lot, const std::string& line) const;
  // The lease that gives `line` its next place; null where it is none.
  db::LotLease* LeaseFor(const std::string& lot, const std::string& line);

  const Clock& clock_;
  mutable std::mutex mutex_;
  std::map<std::pair<std::string, std::string>, db::Act> acts_;
  std::map<std::string, db::Product> products_;
  std::map<std::string, db::Lot> lots_;
  std::map<std::string, db::Pai> pais_;
  std::map<std::string, absl::Time> leases_;
  std::vector<KeptLease> lot_leases_;  // the one of number n stands at n - 1
  std::map<int64_t, Attempt> attempts_;
  std::map<std::pair<int64_t, std::string>, int64_t> live_tickets_;
  std::map<std::pair<int64_t, std::string>, int64_t> live_serial_numbers_;
  std::set<Sha256Digest> live_keys_;
  std::map<std::pair<uint16_t, uint16_t>, Bytes> product_keys_;
  std::map<std::pair<int64_t, uint64_t>, Bytes> lot_dictionaries_;
  std::map<Bytes, int64_t> live_values_;           // digest to attempt
  std::set<std::pair<Bytes, Bytes>> dac_serials_;  // issuer and serial
  std::set<std::string> device_ids_;
  std::map<int64_t, int64_t> attempt_of_row_;
  std::vector<std::pair<std::string, std::string>> ledger_;
};

}  // namespace assay::test_support
