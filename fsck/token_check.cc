#include "fsck/token_check.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/refusal.h"
#include "hsm/policy.h"

namespace assay::fsck {
namespace {

// The key of that label, its policy checked; nothing, told, where it is missing.
std::optional<hsm::KeyDescription> FindKey(hsm::Token& token, const std::string& label,
                                           hsm::KeyPurpose purpose, Findings& findings) {
  const auto key = token.FindKey(label);
  const std::string subject = absl::StrCat("key ", label);
  if (!key.ok()) {
    findings.Add(Fault::TOKEN_KEY, subject, std::string(key.status().message()));
    return std::nullopt;
  }
  const absl::Status fit = hsm::CheckKeyPurpose(*key, purpose);
  if (!fit.ok()) findings.Add(Fault::TOKEN_POLICY, subject, std::string(fit.message()));
  const auto origin = key->local ? hsm::KeyOrigin::kMadeInToken : hsm::KeyOrigin::kImportAllowed;
  const absl::Status policy = hsm::CheckKeyPolicy(*key, origin);
  if (!policy.ok()) findings.Add(Fault::TOKEN_POLICY, subject, std::string(policy.message()));
  return *key;
}

void CheckPais(hsm::Token& token, const Facts& facts, Findings& findings) {
  for (const auto& [name, pai] : facts.pais) {
    const auto key = FindKey(token, pai.key_label, hsm::KeyPurpose::kSigning, findings);
    if (!key || !key->public_point) continue;
    if (!std::ranges::equal(*key->public_point, pai.public_key)) {
      findings.Add(Fault::TOKEN_KEY, absl::StrCat("PAI ", name),
                   absl::StrCat("the token's key ", pai.key_label, " is another one"));
    }
  }
}

}  // namespace

absl::Status CheckToken(hsm::Token& token, const TokenKeys& names, Facts& facts, LotKeys& keys,
                        Findings& findings) {
  // A token that is away is no finding: nothing could be checked.
  const auto there = token.Describe();
  if (!there.ok()) return Within("hsm", there.status());
  const auto ledger = FindKey(token, names.ledger, hsm::KeyPurpose::kSigning, findings);
  if (ledger && ledger->public_point && !facts.ledger_key) {
    const auto unnamed = tlog::NoteKey::OfP256("assay-ledger", *ledger->public_point);
    if (!unnamed.ok()) return unnamed.status();
    auto named = tlog::NoteKey::OfP256(absl::StrCat("assay-ledger/", ToHex(unnamed->id())),
                                       *ledger->public_point);
    if (!named.ok()) return named.status();
    facts.ledger_key = *std::move(named);
  }
  const auto image = FindKey(token, names.image, hsm::KeyPurpose::kSigning, findings);
  if (image && image->public_point && !facts.image_signers.empty()) {
    const ByteView known = facts.image_signers.front().key.verifier().point();
    if (!std::ranges::equal(*image->public_point, known)) {
      findings.Add(Fault::TOKEN_KEY, absl::StrCat("key ", names.image),
                   "is not the key of the image certificate");
    }
  }
  CheckPais(token, facts, findings);
  if (!FindKey(token, names.wrapping, hsm::KeyPurpose::kWrapping, findings)) {
    return absl::OkStatus();
  }
  for (const auto& [id, lot] : facts.lots) {
    // As the lot's key was wrapped: bound to the lot's name.
    auto key = token.Decrypt(names.wrapping, lot.wrapped_key,
                             AsBytes(absl::StrCat("assay lot key|", lot.name)));
    if (!key.ok() || key->size() != 32) {
      findings.Add(Fault::TOKEN_LOT_KEY, absl::StrCat("lot ", lot.name),
                   key.ok() ? "its key has a wrong size" : std::string(key.status().message()));
      continue;
    }
    keys.emplace(id, *std::move(key));
  }
  return absl::OkStatus();
}

}  // namespace assay::fsck
