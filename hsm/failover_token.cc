#include "hsm/failover_token.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/log.h"
#include "base/refusal.h"

namespace assay::hsm {
namespace {

constexpr std::string_view kCheckText = "assay failover check";

// Refusals that another token with the same key may not have.
bool MayBeBetterElsewhere(const absl::Status& status) {
  return !status.ok() && !HasReason(status, Reason::HSM_DATA_REJECTED);
}

// Refusals that speak of the device and not of one key.
bool IsMembersFault(const absl::Status& status) {
  return MayBeBetterElsewhere(status) && !HasReason(status, Reason::HSM_KEY_MISSING) &&
         !HasReason(status, Reason::HSM_KEY_UNFIT);
}

}  // namespace

FailoverToken::FailoverToken(std::vector<std::shared_ptr<Token>> members, FailoverOptions options)
    : ForwardingToken(members.front()), options_(options) {
  for (auto& token : members) members_.push_back({.token = std::move(token)});
}

void FailoverToken::Expect(std::string_view label, const PublicPoint& point) {
  std::lock_guard lock(mutex_);
  known_[std::string(label)] = {.purpose = KeyPurpose::kSigning, .point = point};
  for (Member& member : members_) member.compared.clear();
}

size_t FailoverToken::serving() const {
  std::lock_guard lock(mutex_);
  return serving_;
}

// The well ones in the order given, then those that rest, so that nobody is refused while a member
// may serve; those in which a call hangs only when there is nothing else.
std::vector<size_t> FailoverToken::Order() {
  std::lock_guard lock(mutex_);
  const auto now = Steady::now();
  const auto rank = [&](const Member& member) {
    if (!member.calls.empty() && now - *member.calls.begin() >= options_.hung_after) return 2;
    return now < member.rests_until ? 1 : 0;
  };
  std::vector<std::pair<int, size_t>> ranked;
  for (size_t i = 0; i < members_.size(); ++i) ranked.emplace_back(rank(members_[i]), i);
  std::sort(ranked.begin(), ranked.end());
  std::vector<size_t> order;
  for (const auto& [unused, index] : ranked) order.push_back(index);
  return order;
}

absl::Status FailoverToken::Serve(std::string_view label,
                                  absl::FunctionRef<absl::Status(Token&)> call) {
  absl::Status first;
  for (const size_t index : Order()) {
    std::multiset<Steady::time_point>::iterator begun;
    {
      std::lock_guard lock(mutex_);
      begun = members_[index].calls.insert(Steady::now());
    }
    absl::Status status = label.empty() ? absl::OkStatus() : Compare(index, label);
    if (status.ok()) status = call(*members_[index].token);
    {
      std::lock_guard lock(mutex_);
      members_[index].calls.erase(begun);
    }
    Note(index, status);
    if (!MayBeBetterElsewhere(status)) return status;
    // What the caller is told is what the member first in order said.
    if (first.ok()) first = std::move(status);
  }
  return first;
}

void FailoverToken::Note(size_t index, const absl::Status& status) {
  std::lock_guard lock(mutex_);
  Member& member = members_[index];
  if (IsMembersFault(status)) {
    member.rests_until = Steady::now() + options_.rest;
    member.compared.clear();
    return;
  }
  if (!status.ok()) return;
  member.rests_until = {};
  if (serving_ == index) return;
  LogWarning("hsm_failover",
             {{"from", static_cast<int64_t>(serving_)}, {"to", static_cast<int64_t>(index)}});
  serving_ = index;
}

absl::Status FailoverToken::Compare(size_t index, std::string_view label) {
  std::optional<Known> known;
  {
    std::lock_guard lock(mutex_);
    if (members_[index].compared.contains(label)) return absl::OkStatus();
    if (const auto found = known_.find(label); found != known_.end()) known = found->second;
  }
  Token& token = *members_[index].token;
  const absl::StatusOr<KeyDescription> key = token.FindKey(label);
  if (!key.ok()) return key.status();
  if (!known) {
    known = Known{.purpose = key->purpose, .point = key->public_point};
    if (key->purpose == KeyPurpose::kWrapping) {
      absl::StatusOr<Bytes> sealed = token.Encrypt(label, AsBytes(kCheckText), AsBytes(label));
      if (!sealed.ok()) return sealed.status();
      known->sealed = *std::move(sealed);
    }
  }
  bool same = known->purpose == key->purpose && known->point == key->public_point;
  if (same && key->purpose == KeyPurpose::kWrapping) {
    const auto opened = token.Decrypt(label, known->sealed, AsBytes(label));
    if (!opened.ok() && !HasReason(opened.status(), Reason::HSM_DATA_REJECTED)) {
      return opened.status();
    }
    same = opened.ok() && EqualInConstantTime(opened->view(), AsBytes(kCheckText));
  }
  if (!same) {
    return RefuseField(
        Reason::HSM_KEY_UNFIT, "CKA_LABEL", std::string(label),
        absl::StrCat("must name the same key in every token; token ", index, " has another"));
  }
  std::lock_guard lock(mutex_);
  known_.emplace(label, *known);
  members_[index].compared.insert(std::string(label));
  return absl::OkStatus();
}

absl::StatusOr<KeyDescription> FailoverToken::FindKey(std::string_view label) {
  absl::StatusOr<KeyDescription> key = absl::UnknownError("");
  ASSAY_RETURN_IF_ERROR(Serve(label, [&](Token& token) {
    key = token.FindKey(label);
    return key.status();
  }));
  return key;
}

absl::Status FailoverToken::DestroyKey(std::string_view label) {
  {
    std::lock_guard lock(mutex_);
    if (const auto known = known_.find(label); known != known_.end()) known_.erase(known);
    for (Member& member : members_) member.compared.clear();
  }
  return ForwardingToken::DestroyKey(label);
}

absl::StatusOr<RawSignature> FailoverToken::Sign(std::string_view label,
                                                 const Sha256Digest& digest) {
  absl::StatusOr<RawSignature> signature = absl::UnknownError("");
  ASSAY_RETURN_IF_ERROR(Serve(label, [&](Token& token) {
    signature = token.Sign(label, digest);
    return signature.status();
  }));
  return signature;
}

absl::StatusOr<Bytes> FailoverToken::Encrypt(std::string_view label, ByteView plaintext,
                                             ByteView associated) {
  absl::StatusOr<Bytes> sealed = absl::UnknownError("");
  ASSAY_RETURN_IF_ERROR(Serve(label, [&](Token& token) {
    sealed = token.Encrypt(label, plaintext, associated);
    return sealed.status();
  }));
  return sealed;
}

absl::StatusOr<SecretBytes> FailoverToken::Decrypt(std::string_view label, ByteView ciphertext,
                                                   ByteView associated) {
  absl::StatusOr<SecretBytes> opened = absl::UnknownError("");
  ASSAY_RETURN_IF_ERROR(Serve(label, [&](Token& token) {
    opened = token.Decrypt(label, ciphertext, associated);
    return opened.status();
  }));
  return opened;
}

absl::Status FailoverToken::FillRandom(std::span<uint8_t> out) {
  return Serve("", [&](Token& token) { return token.FillRandom(out); });
}

absl::Status FailoverToken::CheckHealth(std::string_view label) {
  return Serve(label, [&](Token& token) { return token.CheckHealth(label); });
}

}  // namespace assay::hsm
