// The store, in the trade's words. One implementation keeps it in PostgreSQL (db/pg), one in memory
// (tests).
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/bytes.h"

namespace assay::db {

// ---- administrative acts
// -------------------------------------------------------------------------------

// By whom a proposed act was approved (db/approval_store.h). The proposal is closed in the act's
// own transaction, so that the act happens once and never without its approval.
struct Approval {
  std::string proposal;    // its id
  std::string approver;    // another than the act's actor
  std::string request_id;  // the approver's: the same again has no second effect
};

// Who does what: written with the act's effect in one transaction, and the source of the ledger's
// entry.
struct Act {
  std::string request_id;  // the client's; unique per actor
  std::string actor;       // URI of the caller's certificate
  std::string kind;     // "product.apply", "lot.open", "lot.raise", "lot.close", "pai.create", ...
  std::string subject;  // the product, lot or PAI
  Sha256Digest digest{};  // of the request without its id
  std::string detail;     // canonical JSON for the ledger; no secrets
  // Of a guarded act. PROPOSAL_UNKNOWN, PROPOSAL_NOT_OPEN, SAME_PERSON, and REQUEST_CONFLICT when
  // the proposal is for another act or the approver's request id decided another proposal.
  std::optional<Approval> approval = std::nullopt;
};

enum class ActOutcome { kDone, kDoneBefore };

struct Product {
  std::string name;
  uint32_t revision = 0;
  uint16_t vendor_id = 0;
  uint16_t product_id = 0;
  Bytes spec;             // serialized assay.v1.ProductSpec
  std::string spec_json;  // the same for people and SQL
  absl::Time updated_at;
};

enum class LotState { kOpen, kClosed };

struct Lot {
  int64_t id = 0;  // the store's own, small; set by OpenLot
  std::string name;
  std::string product;
  uint32_t product_revision = 0;
  Bytes spec;  // the product's, as it was when the lot was opened
  uint16_t vendor_id = 0;
  uint16_t product_id = 0;
  std::string factory;
  uint64_t count = 0;
  std::chrono::seconds retention{0};
  LotState state = LotState::kOpen;
  uint64_t claimed = 0;  // live intents and sealed identities; never above count
  uint64_t sealed = 0;
  uint64_t confirmed = 0;
  uint64_t scrapped = 0;
  Bytes wrapped_key;  // AES-256 lot key under the HSM's wrapping key
  absl::Time opened_at;
};

enum class PaiState { kPending, kActive, kRetired };

struct Pai {
  std::string name;
  uint16_t vendor_id = 0;
  std::optional<uint16_t> product_id;
  PaiState state = PaiState::kPending;
  std::string key_label;
  Bytes public_key;  // 65 bytes
  Bytes csr;
  Bytes certificate;
  Bytes paa_certificate;
  absl::Time created_at;
};

// ---- tickets
// --------------------------------------------------------------------------------------------

struct TicketKey {
  int64_t lot_id = 0;
  std::string ticket;
};

// What step 2 finds.
struct TicketView {
  enum class State {
    kNew,       // nothing alive bears this ticket
    kInFlight,  // an unsealed attempt of a live process
    kDead,      // an unsealed attempt of a process whose lease has ended: void it, then claim anew
    kSealed,
    kWiped,  // sealed, and the image was wiped since
  };
  State state = State::kNew;
  int64_t attempt_id = 0;
  Sha256Digest request_digest{};
  std::string line;
  std::string instance_id;
  // Sealed and wiped:
  std::string device_id;
  Sha256Digest image_sha256{};
  Bytes sealed;  // the encrypted identity (kSealed)
};

// Steps 3 and 5: the claim and the intent to sign, one transaction.
struct Intent {
  int64_t lot_id = 0;
  std::string ticket;
  std::string line;
  std::string actor;
  Sha256Digest request_digest{};
  std::string device_id;
  std::string serial_number;  // the device's; unique in its lot
  Bytes dac_serial;           // unique for ever among its issuer's; empty without attestation
  Sha256Digest public_key_sha256{};  // unique among live attempts; all zero without attestation
  Sha256Digest tbs_sha256{};         // what the HSM is about to sign
  std::string pai;
  // The issuer's key id where the DAC was issued elsewhere: its serial is unique among that
  // issuer's. Empty for those issued here, whose serials are unique among all of them.
  Bytes dac_issuer;
  // The module this attempt completes, which gives the unit its id; the attempt's own is then never
  // shown. 0: none.
  int64_t module_attempt = 0;
  // Keyed digests of what no two live units of one product may share: passcode with discriminator,
  // and the rotating id. Empty: nothing to compare. Units that were scrapped or revoked give theirs
  // back, as voided attempts do.
  Bytes setup_code_digest, rotating_id_digest;
  // A unit of the same serial number gives its values to this one: it is the same unit, made again.
  bool may_repeat_unit = false;
};

// A unit that was made in two lots, a module issued in one and completed in another, has two rows
// with one device id and one certificate.
struct ManifestRow {
  std::string device_id;
  std::string ticket;
  std::string lot;
  std::string product;
  uint16_t vendor_id = 0;
  uint16_t product_id = 0;
  std::string factory;
  std::string line;
  std::string actor;
  std::string serial_number;
  Bytes dac_serial;
  Sha256Digest dac_sha256{};
  Bytes dac;
  Sha256Digest public_key_sha256{};
  std::string pai;
  uint16_t discriminator = 0;
  Sha256Digest image_sha256{};
  Bytes image_signature;
  Bytes codes;    // passcode, QR and manual code, encrypted under the lot key
  int state = 0;  // DeviceState
  absl::Time sealed_at;
  std::optional<absl::Time> confirmed_at;
  int64_t row = 0;  // grows with sealing order within a lot; the page token's anchor
  int64_t attempt_id = 0;
  bool completes_module = false;
  std::vector<ManifestRow> stages;  // FindDevice only: the row that completes this module
};

enum class DeviceState { kSealed = 1, kProvisioned = 2, kScrapped = 3, kRevoked = 4 };

// Step 8: one transaction with the ledger's entry.
struct Seal {
  int64_t attempt_id = 0;
  int64_t lot_id = 0;
  ManifestRow row;  // lot, product, factory, line and ids of the attempt are filled in by the store
  Bytes sealed;     // the encrypted identity, for retries
  std::string ledger_entry;  // canonical JSON
};

struct Void {
  int64_t attempt_id = 0;
  std::string why;  // a Reason's name
};

struct Confirmation {
  int64_t lot_id = 0;
  std::string ticket;
  std::string line;  // empty: any
  std::string actor;
  DeviceState outcome = DeviceState::kProvisioned;
  // Only with the outcome kScrapped, as the lot's product says:
  bool revoke = false;        // its DAC is revoked in the same transaction
  bool return_quota = false;  // its place in the lot's count is free again
};

// Why a scrapped unit's DAC is revoked: CRL reason cessationOfOperation.
inline constexpr int kScrapRevocation = 5;

struct ConfirmResult {
  std::string device_id;
  bool before = false;
};

// The lots somebody may see: of these factories and of these names; "*" stands for all.
struct GrantedLots {
  std::vector<std::string> factories, lots;
};

struct DeviceFilter {
  std::string lot, product, factory, line, serial_number;
  std::optional<DeviceState> state;
  std::optional<absl::Time> sealed_from, sealed_until;
  // The device's, both inclusive, byte by byte; empty: open at that end.
  std::string serial_number_from, serial_number_until;
  Bytes dac_serial, dac_skid;          // empty: any
  std::optional<GrantedLots> granted;  // nothing: every lot
};

struct PoolCounters {
  int connections = 0, busy = 0, waiting = 0;
};

// Thread-safe. Calls block for the database's time; the pipeline's own threads make them, never
// gRPC's. Every failure is a refusal: STORE_UNAVAILABLE (nothing happened), STORE_IN_DOUBT (a
// commit was sent and not answered), STORE_READ_ONLY, SCHEMA_MISMATCH, or the domain's own. Batch
// calls answer per item, in order: one item's refusal does not touch the others; when the
// transaction as a whole fails each item gets that refusal.
class Store {
 public:
  virtual ~Store() = default;

  // Schema known to this program and present, and a write is possible now.
  virtual absl::Status CheckHealth() = 0;
  virtual PoolCounters Counters() = 0;

  // ---- this process's lease: while it lasts nobody voids its attempts
  virtual absl::Status RenewLease(const std::string& instance_id, std::chrono::seconds lease) = 0;
  virtual absl::Status EndLease(const std::string& instance_id) = 0;
  // Voids the unsealed attempts of processes whose lease has ended; returns how many. Any replica
  // may call.
  virtual absl::StatusOr<int> VoidDeadAttempts() = 0;

  // ---- catalog and authority; each writes its act and ledger entry in the same transaction. The
  // same (actor, request_id) with the same digest has no second effect; another digest is
  // REQUEST_CONFLICT.
  //
  // Whether this act was done before, so that its retry is answered as done, whatever has changed
  // since. REQUEST_CONFLICT as above.
  virtual absl::StatusOr<bool> WasDone(const Act& act) = 0;
  virtual absl::StatusOr<Product> ApplyProduct(const Act& act, const Product& product) = 0;
  virtual absl::StatusOr<Product> FindProduct(const std::string& name) = 0;
  virtual absl::StatusOr<std::vector<Product>> ListProducts(const std::string& after_name,
                                                            int limit) = 0;

  // LOT_CONFLICT when the name is taken with other content (same act again returns the lot).
  virtual absl::StatusOr<Lot> OpenLot(const Act& act, const Lot& lot) = 0;
  virtual absl::StatusOr<Lot> RaiseLot(const Act& act, const std::string& name, uint64_t count) = 0;
  virtual absl::StatusOr<Lot> CloseLot(const Act& act, const std::string& name) = 0;
  virtual absl::StatusOr<Lot> FindLot(const std::string& name) = 0;
  virtual absl::StatusOr<std::vector<Lot>> ListLots(const std::string& product,
                                                    const std::string& factory,
                                                    const std::string& after_name, int limit) = 0;

  virtual absl::StatusOr<Pai> CreatePai(const Act& act, const Pai& pai) = 0;  // PAI_CONFLICT
  // Sets certificate, PAA certificate and state of an existing PAI.
  virtual absl::StatusOr<Pai> UpdatePai(const Act& act, const Pai& pai) = 0;
  virtual absl::StatusOr<Pai> FindPai(const std::string& name) = 0;
  virtual absl::StatusOr<std::vector<Pai>> ListPais() = 0;

  // The wrapped key under which a product's unit values are digested; all its lots share it. Keeps
  // `offered` and returns it where there was none; where that is empty too, returns nothing.
  virtual absl::StatusOr<Bytes> ProductKey(uint16_t vendor_id, uint16_t product_id,
                                           const Bytes& offered) = 0;

  // What a lot's identities have in common, by its number. Keeps `offered` and returns it where
  // there was none; where that is empty too, returns nothing.
  virtual absl::StatusOr<Bytes> LotDictionary(int64_t lot_id, uint64_t number,
                                              const Bytes& offered) = 0;

  // ---- the eight steps
  virtual std::vector<absl::StatusOr<TicketView>> FindTickets(std::span<const TicketKey> keys) = 0;
  // Attempt ids. LOT_NOT_OPEN, QUOTA_EXCEEDED, SERIAL_NUMBER_TAKEN, PUBLIC_KEY_REUSED,
  // TICKET_IN_FLIGHT (another intent for the ticket came first; look again), DAC serial taken
  // (INTERNAL; draw again), VALUE_TAKEN of the field "setup_code" or "rotating_id" (draw again what
  // was drawn).
  virtual std::vector<absl::StatusOr<int64_t>> RecordIntents(std::span<const Intent> intents,
                                                             const std::string& instance_id) = 0;
  // FAILED when the attempt was voided meanwhile (TICKET_IN_FLIGHT). Sealing the same attempt twice
  // with the same row succeeds, so that an in-doubt commit can be resolved by asking again.
  virtual std::vector<absl::Status> SealTickets(std::span<const Seal> seals) = 0;
  // Gives the quota back; the DAC serial is never used again, but for a given DAC's (no TBS).
  // Voiding a sealed attempt changes nothing.
  virtual std::vector<absl::Status> VoidAttempts(std::span<const Void> voids) = 0;

  // TICKET_UNKNOWN, TICKET_OF_ANOTHER_LINE, CONFIRM_CONFLICT. Wipes the sealed identity.
  virtual std::vector<absl::StatusOr<ConfirmResult>> ConfirmDevices(
      std::span<const Confirmation> confirmations) = 0;
  // Wipes sealed identities of lots whose retention has ended; returns how many (at most `limit`).
  virtual absl::StatusOr<int> WipeRetained(int limit) = 0;

  // ---- the manifest
  virtual absl::StatusOr<ManifestRow> FindDevice(const std::string& device_id) = 0;
  // A DAC issued here comes before those issued elsewhere; DEVICE_UNKNOWN, asking for the device's
  // id, where only issuers elsewhere used the serial and more than one did.
  virtual absl::StatusOr<ManifestRow> FindDeviceByDacSerial(ByteView dac_serial) = 0;
  // Rows after `after_row`, in row order, at most `limit`.
  virtual absl::StatusOr<std::vector<ManifestRow>> ListDevices(const DeviceFilter& filter,
                                                               int64_t after_row, int limit) = 0;
};

}  // namespace assay::db
