// Gives the ledger's entries their places, and signs how far it has come.
#pragma once

#include <chrono>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "db/ledger_store.h"
#include "hsm/signer_pool.h"
#include "hsm/token.h"
#include "tlog/checkpoint.h"
#include "tlog/growing_tree.h"

namespace assay::ledger {

struct SequencerOptions {
  std::string instance_id;  // of this replica
  std::string key = "assay-ledger";
  // The log's name, once chosen never changed; empty: "assay-ledger/" and the key's id.
  std::string origin{};
  std::chrono::milliseconds lease{5000};  // a dead replica's work is taken over after this
  std::chrono::milliseconds signing{3000};
  int batch = 4096;  // entries a step
};

struct SequencerState {
  bool leading = false;      // this replica holds the lease
  bool checked = false;      // this process has seen the ledger whole, once at least
  uint64_t size = 0;         // entries with a place
  uint64_t signed_size = 0;  // entries under a checkpoint
  absl::Duration lag;        // age of the oldest entry without a checkpoint, zero when none
  absl::Time published_at;   // of the newest checkpoint known here; 1970 when none
  absl::Status fork;         // LEDGER_FORKED while the ledger contradicts itself
  uint64_t steps = 0, checkpoints = 0, failures = 0;
};

// One round: take or extend the lease, place what waits, sign, publish. Any replica runs it; one at
// a time has the lease. Order, so that death at any point loses nothing and never signs two truths:
//   1. entries, tiles and the new head are one transaction, which succeeds only from the old head;
//   2. the HSM signs the head the database holds;
//   3. the signature, checked, is published.
// A replica that takes over checks the right edge against the head, the last entries against their
// tile, and the newest checkpoint, the one it remembers too, against the tree: a contradiction is
// LEDGER_FORKED, named; nothing is added, and the lease goes round so that every replica sees it,
// until a replica that takes over finds the ledger whole again.
class Sequencer {
 public:
  Sequencer(std::shared_ptr<db::LedgerStore> store, std::shared_ptr<hsm::Token> token,
            std::shared_ptr<hsm::SignerPool> signers, const Clock& clock, SequencerOptions options);
  // Gives the lease back.
  ~Sequencer();

  // Blocks for database and HSM; one thread calls it, a few times a second.
  absl::Status RunOnce();

  // Thread-safe.
  SequencerState State() const;
  // Whether the ledger may be added to: LEDGER_FORKED while it contradicts itself, LEDGER_PENDING
  // until this process has seen it whole once, whoever leads. Thread-safe.
  absl::Status MayIssue() const;
  // The key checkpoints are signed with, asked of the token at first. Thread-safe.
  absl::StatusOr<tlog::NoteKey> PublicKey();

 private:
  absl::Status Lead();
  absl::Status TakeOver();
  void LookOnce();
  absl::Status CheckEdge(const db::LedgerHead& head);
  absl::Status CheckSigned(const db::LedgerHead& head);
  absl::StatusOr<bool> Step();
  absl::Status Sign();
  absl::Status Thin();
  void Forget();

  const std::shared_ptr<db::LedgerStore> store_;
  const std::shared_ptr<hsm::Token> token_;
  const std::shared_ptr<hsm::SignerPool> signers_;
  const Clock& clock_;
  const SequencerOptions options_;

  // Of the thread that runs it; absent when the next round must take over anew.
  std::optional<tlog::GrowingTree> tree_;
  db::LedgerHead head_;
  uint64_t signed_size_ = 0;
  std::optional<tlog::Checkpoint> remembered_;  // the newest one this process has seen
  int64_t placed_up_to_ = 0;                    // highest id placed here
  int rounds_ = 0;
  std::optional<absl::Time> oldest_unsigned_;
  std::chrono::steady_clock::time_point lease_taken_, thinned_;

  mutable std::mutex mutex_;
  SequencerState state_;
  absl::Status
      first_look_;  // why the ledger has not been seen whole yet; OK: it is being looked at
  std::optional<tlog::NoteKey> key_;
};

}  // namespace assay::ledger
