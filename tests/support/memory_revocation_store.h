// Revocations and verifications in memory, over a MemoryStore.
#pragma once

#include <map>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "db/revocation_store.h"
#include "tests/support/memory_store.h"

namespace assay::test_support {

// Thread-safe: every call is one step. The same promises as db/pg's.
class MemoryRevocationStore final : public db::RevocationStore {
 public:
  MemoryRevocationStore(MemoryStore& store, const Clock& clock) : store_(store), clock_(clock) {}

  absl::StatusOr<db::RevocationOutcome> RevokeDevice(const db::Act& act,
                                                     const std::string& device_id,
                                                     int reason) override;
  absl::StatusOr<db::RevocationOutcome> RevokeLot(const db::Act& act, const std::string& lot,
                                                  int reason) override;
  absl::StatusOr<db::RevocationOutcome> RevokePai(const db::Act& act, const db::PaiEntry& entry,
                                                  int reason) override;
  absl::StatusOr<uint64_t> SweepRevokedLots(const std::string& lot, int limit) override;
  absl::StatusOr<db::Standing> FindStanding(const std::string& device_id) override;
  absl::StatusOr<db::CrlState> FindCrlState(const std::string& issuer) override;
  absl::StatusOr<db::CrlState> SetCrlSigner(const db::Act& act, const std::string& issuer,
                                            const db::CrlSigner& signer) override;
  absl::StatusOr<db::CrlDraft> DraftCrl(const std::string& issuer, uint64_t floor, uint64_t first,
                                        uint64_t count) override;
  absl::Status SaveCrl(const db::StoredCrl& crl) override;
  absl::StatusOr<std::optional<db::StoredCrl>> FindCrl(const std::string& issuer,
                                                       uint32_t part) override;
  absl::StatusOr<db::Verification> BeginVerification(const db::Verification& begun,
                                                     std::chrono::seconds lifetime) override;
  absl::StatusOr<std::optional<db::Verification>> FindVerification(const std::string& id) override;
  absl::StatusOr<bool> EndVerification(const db::Verification& ended) override;

 private:
  struct Issuer {
    db::CrlState state;
    std::vector<db::RevokedSerial> entries;
  };
  struct RevokedLot {
    std::string actor;
    int reason = 0;
  };
  absl::StatusOr<bool> Begin(const db::Act& act) const;
  void End(const db::Act& act);
  uint64_t AddEntry(const std::string& issuer, ByteView serial, const std::string& subject,
                    int reason);
  uint64_t RevokeRow(const db::ManifestRow& row, int reason);

  MemoryStore& store_;
  const Clock& clock_;
  std::mutex mutex_;
  std::map<std::pair<std::string, std::string>, db::Act> acts_;
  std::map<std::string, Issuer> issuers_;
  std::map<std::string, RevokedLot> lots_;
  std::map<std::pair<std::string, uint32_t>, db::StoredCrl> crls_;
  std::map<std::string, db::Verification> verifications_;
};

}  // namespace assay::test_support
