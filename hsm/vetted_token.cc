#include "hsm/vetted_token.h"

#include <optional>
#include <utility>

#include "base/refusal.h"

namespace assay::hsm {

VettedToken::VettedToken(std::shared_ptr<Token> inner, KeyOrigin origin)
    : ForwardingToken(std::move(inner)), origin_(origin) {}

absl::Status VettedToken::Judge(const std::string& label, const std::optional<PublicPoint>& point) {
  const auto key = inner().FindKey(label);
  absl::Status verdict = key.status();
  if (verdict.ok()) verdict = CheckKeyPolicy(*key, origin_);
  if (verdict.ok() && point && key->public_point != point) {
    verdict = RefuseField(Reason::HSM_KEY_UNFIT, "CKA_EC_POINT", "",
                          "must be the key that was certified, for key '" + label + "'");
  }
  const std::lock_guard lock(mutex_);
  if (verdict.ok() || HasReason(verdict, Reason::HSM_KEY_UNFIT)) {
    verdicts_[label] = verdict;
    return verdict;
  }
  if (HasReason(verdict, Reason::HSM_KEY_MISSING)) {
    verdicts_.erase(label);
    return verdict;
  }
  const auto before = verdicts_.find(label);
  return before == verdicts_.end() ? verdict : before->second;
}

absl::Status VettedToken::CheckFit(std::string_view label) {
  {
    const std::lock_guard lock(mutex_);
    const auto known = verdicts_.find(label);
    if (known != verdicts_.end()) return known->second;
  }
  return Judge(std::string(label), std::nullopt);
}

void VettedToken::Forget(std::string_view label) {
  const std::lock_guard lock(mutex_);
  if (const auto known = verdicts_.find(label); known != verdicts_.end()) verdicts_.erase(known);
}

std::vector<VettedToken::Unfit> VettedToken::Vet(const std::vector<Expected>& keys) {
  std::vector<Unfit> unfit;
  for (const Expected& key : keys) {
    absl::Status verdict = Judge(key.label, key.point);
    if (HasReason(verdict, Reason::HSM_KEY_UNFIT)) unfit.push_back({key.label, std::move(verdict)});
  }
  return unfit;
}

std::vector<VettedToken::Unfit> VettedToken::UnfitKeys() const {
  std::vector<Unfit> unfit;
  const std::lock_guard lock(mutex_);
  for (const auto& [label, verdict] : verdicts_) {
    if (!verdict.ok()) unfit.push_back({label, verdict});
  }
  return unfit;
}

absl::StatusOr<KeyDescription> VettedToken::GenerateKey(std::string_view label,
                                                        KeyPurpose purpose) {
  Forget(label);
  return ForwardingToken::GenerateKey(label, purpose);
}

absl::Status VettedToken::DestroyKey(std::string_view label) {
  Forget(label);
  return ForwardingToken::DestroyKey(label);
}

absl::StatusOr<ImportedKey> VettedToken::ImportSigningKey(std::string_view label,
                                                          const SecretBytes& scalar) {
  Forget(label);
  return ForwardingToken::ImportSigningKey(label, scalar);
}

absl::StatusOr<RawSignature> VettedToken::Sign(std::string_view label, const Sha256Digest& digest) {
  ASSAY_RETURN_IF_ERROR(CheckFit(label));
  return ForwardingToken::Sign(label, digest);
}

absl::StatusOr<Bytes> VettedToken::Encrypt(std::string_view label, ByteView plaintext,
                                           ByteView associated) {
  ASSAY_RETURN_IF_ERROR(CheckFit(label));
  return ForwardingToken::Encrypt(label, plaintext, associated);
}

absl::Status VettedToken::CheckHealth(std::string_view label) {
  ASSAY_RETURN_IF_ERROR(CheckFit(label));
  return ForwardingToken::CheckHealth(label);
}

}  // namespace assay::hsm
