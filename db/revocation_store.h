// The store's part for revocation and end-of-line verification: entries that never go away, lists
// and their numbers, and verifications begun and ended.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/bytes.h"
#include "db/store.h"

namespace assay::db {

// One certificate that is revoked. An issuer's entries are numbered from 0 in the order they came;
// the number never changes, and neither does the entry.
struct RevokedSerial {
  uint64_t number = 0;
  Bytes serial;         // big-endian magnitude without leading zeros
  std::string subject;  // the device's id, or the PAI's name
  int reason = 0;       // RFC 5280 5.3.1
  absl::Time revoked_at;
};

struct RevocationOutcome {
  uint64_t revoked = 0;  // entries added
  bool before = false;   // all of it was revoked already
  std::string issuer;    // whose list bears them; empty for a device without a DAC of ours
};

// What stands against a device.
struct Standing {
  bool device_revoked = false;  // itself, or with its lot
  bool pai_revoked = false;
};

// The certificate of a PAI as its PAA's list names it.
struct PaiEntry {
  std::string pai;
  std::string issuer;  // "@" and the PAA's key id in hex
  Bytes serial;
};

// A delegated signer of an issuer's lists.
struct CrlSigner {
  std::string key_label;
  Bytes certificate;  // DER
};

// What a new list is made from, read in one step with its number: a list of a higher number holds
// every entry of one with a lower.
struct CrlDraft {
  uint64_t number = 0;
  uint64_t entries_in_all = 0;  // of the issuer, at that moment
  std::vector<RevokedSerial> entries;
  std::optional<CrlSigner> signer;
};

struct StoredCrl {
  std::string issuer;
  uint32_t part = 0;
  uint64_t number = 0;
  uint64_t entries = 0;  // in this part
  uint32_t parts = 1;    // of the list when it was signed
  absl::Time this_update, next_update;
  Bytes der;
  Bytes signer_certificate;  // DER: the issuer's own, or its delegated signer's
};

struct CrlState {
  uint64_t entries = 0;
  uint64_t number = 0;  // the highest given
  std::optional<CrlSigner> signer;
};

struct Verification {
  std::string id;
  std::string device_id;
  std::string line;
  std::string actor;
  Bytes nonce;      // 32 bytes
  Bytes challenge;  // 16 bytes
  absl::Time expires_at;
  bool expired = false;  // by the database's clock
  // Ended:
  std::optional<Sha256Digest> evidence;
  int result = 0;
  bool passed = false;
  Bytes answer;  // serialized assay.v1.VerifyDeviceResponse
};

inline constexpr std::string_view kRevokeEntry = "device.revoke";
inline constexpr std::string_view kVerifyEntry = "device.verify";
inline constexpr std::string_view kCrlEntry = "crl.sign";

// Thread-safe. Refusals as in db::Store. Acts as there: the same (actor, request id) has one
// effect.
class RevocationStore {
 public:
  virtual ~RevocationStore() = default;

  // ---- revoking. State 4, the sealed identity wiped, an entry in its PAI's list. DEVICE_UNKNOWN.
  virtual absl::StatusOr<RevocationOutcome> RevokeDevice(const Act& act,
                                                         const std::string& device_id,
                                                         int reason) = 0;
  // Closes the lot and marks it; SweepRevokedLots then revokes its devices. LOT_UNKNOWN.
  virtual absl::StatusOr<RevocationOutcome> RevokeLot(const Act& act, const std::string& lot,
                                                      int reason) = 0;
  // Retires the PAI. PAI_UNKNOWN.
  virtual absl::StatusOr<RevocationOutcome> RevokePai(const Act& act, const PaiEntry& entry,
                                                      int reason) = 0;
  // Revokes devices of revoked lots that are not yet, at most `limit`; returns how many. Also finds
  // those sealed after their lot was revoked. `lot` empty: all lots.
  virtual absl::StatusOr<uint64_t> SweepRevokedLots(const std::string& lot, int limit) = 0;

  // DEVICE_UNKNOWN.
  virtual absl::StatusOr<Standing> FindStanding(const std::string& device_id) = 0;

  // ---- lists. An issuer nobody revoked anything of has no entries.
  virtual absl::StatusOr<CrlState> FindCrlState(const std::string& issuer) = 0;
  virtual absl::StatusOr<CrlState> SetCrlSigner(const Act& act, const std::string& issuer,
                                                const CrlSigner& signer) = 0;
  // Takes the next number: one more than any before, and at least `floor`. Entries first,
  // first+1, ... at most `count`.
  virtual absl::StatusOr<CrlDraft> DraftCrl(const std::string& issuer, uint64_t floor,
                                            uint64_t first, uint64_t count) = 0;
  // Keeps the list unless one of a higher number is there already.
  virtual absl::Status SaveCrl(const StoredCrl& crl) = 0;
  virtual absl::StatusOr<std::optional<StoredCrl>> FindCrl(const std::string& issuer,
                                                           uint32_t part) = 0;

  // ---- verifications
  // `expires_at` is set from the database's clock.
  virtual absl::StatusOr<Verification> BeginVerification(const Verification& begun,
                                                         std::chrono::seconds lifetime) = 0;
  virtual absl::StatusOr<std::optional<Verification>> FindVerification(const std::string& id) = 0;
  // Ends it once: false when it was ended before or has expired, and nothing is written.
  virtual absl::StatusOr<bool> EndVerification(const Verification& ended) = 0;
};

// The ledger's entries the store composes itself.
std::string SweepEntry(std::string_view actor, std::string_view device_id, std::string_view lot,
                       int reason);
std::string VerifyEntry(const Verification& ended);
std::string CrlEntry(const StoredCrl& crl);

}  // namespace assay::db
