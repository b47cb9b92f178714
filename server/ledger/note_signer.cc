#include "server/ledger/note_signer.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/bytes.h"
#include "base/deadline.h"
#include "base/refusal.h"
#include "matter/ecdsa.h"

namespace assay::ledger {

absl::StatusOr<std::string> NoteSigner::Sign(const std::string& text) const {
  const auto key = key_();
  if (!key.ok()) return key.status();
  if (!text.ends_with('\n') || absl::StartsWith(text, absl::StrCat(key->name(), "\n"))) {
    return Refuse(Reason::FIELD_MALFORMED,
                  "a text to be signed ends its lines and is no checkpoint");
  }
  const auto raw = signers_->SignAndWait(label_, Sha256(AsBytes(text)), Deadline::In(patience_));
  if (!raw.ok()) return raw.status();
  const Bytes der = matter::SignatureToDer(*raw);
  if (!key->Verify(text, der)) {
    return Refuse(Reason::HSM_BAD_SIGNATURE, "the HSM's signature is wrong; not given out");
  }
  return tlog::WriteNote({text, {{key->name(), key->id(), der}}});
}

}  // namespace assay::ledger
