// Enters what the ledger tells of into the database again. Inside the caller's transaction.
#pragma once

#include <map>
#include <string>

#include "absl/status/status.h"
#include "fsck/reconcile.h"
#include "fsck/recovery_sources.h"
#include "fsck/settings.h"
#include "fsck/snapshot.h"
#include "hsm/token.h"

namespace assay::fsck {

// One entry, taken apart.
struct ToldEntry {
  std::string body, kind, device;
  absl::Time at;
};
// FIELD_MALFORMED where the leaf is no entry, or only its digest is there.
absl::StatusOr<ToldEntry> ReadLeaf(const std::string& leaf);

// Not thread-safe. Every call throws as Session does.
class Reentry {
 public:
  // `token` wraps keys of lots that are entered anew and seals codes; may be nullptr.
  Reentry(Session& session, Survivors& survivors, const Settings& settings, hsm::Token* token,
          RecoveryReport& report)
      : session_(session),
        survivors_(survivors),
        settings_(settings),
        token_(token),
        report_(report) {}

  // What the entry did to the other tables. FIELDS_CONTRADICT and the like where it cannot be.
  absl::Status Enter(const ToldEntry& entry);

 private:
  struct LotState {
    int64_t id = 0;
    std::string name;
    int64_t next = 0;  // of devices
    SecretBytes key;   // empty without a token
  };
  absl::StatusOr<LotState*> LotOf(const std::string& name, const std::string& product,
                                  const std::string& factory, FolderDevice* device);
  absl::Status MakeLot(const std::string& name, const std::string& product,
                       const std::string& factory, FolderDevice* device);
  absl::Status EnterIssue(const ToldEntry& entry);
  absl::Status EnterConfirm(const ToldEntry& entry);
  absl::Status EnterRevocation(const ToldEntry& entry);
  absl::Status EnterPaiRevocation(const ToldEntry& entry);
  FolderDevice* FolderOf(const std::string& device, const std::string& lot,
                         const std::string& ticket);
  Bytes SealedCodes(const LotState& lot, const std::string& device, const FolderDevice* folder);
  void AddRevocation(const std::string& issuer, ByteView serial, const std::string& subject,
                     int reason, const std::string& actor, absl::Time at);

  Session& session_;
  Survivors& survivors_;
  const Settings& settings_;
  hsm::Token* const token_;
  RecoveryReport& report_;
  std::map<std::string, LotState> lots_;
};

}  // namespace assay::fsck
