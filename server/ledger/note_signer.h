// Signs texts that are no checkpoints with the ledger's key: the manifests of exports.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "hsm/signer_pool.h"
#include "tlog/note.h"

namespace assay::ledger {

// Thread-safe; waits for the HSM, at most `patience`.
class NoteSigner {
 public:
  using AskKey = std::function<absl::StatusOr<tlog::NoteKey>()>;

  NoteSigner(std::shared_ptr<hsm::SignerPool> signers, std::string key_label, AskKey key,
             std::chrono::milliseconds patience = std::chrono::seconds(5))
      : signers_(std::move(signers)),
        label_(std::move(key_label)),
        key_(std::move(key)),
        patience_(patience) {}

  // The signed note (c2sp.org/signed-note). `text` ends with LF and must not look like a
  // checkpoint: FIELD_MALFORMED where its first line is the log's name. HSM_BAD_SIGNATURE where the
  // signature does not check.
  absl::StatusOr<std::string> Sign(const std::string& text) const;

 private:
  const std::shared_ptr<hsm::SignerPool> signers_;
  const std::string label_;
  const AskKey key_;
  const std::chrono::milliseconds patience_;
};

}  // namespace assay::ledger
