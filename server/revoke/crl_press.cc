#include "server/revoke/crl_press.h"

#include <algorithm>
#include <limits>

#include "absl/strings/str_cat.h"
#include "base/log.h"
#include "base/refusal.h"
#include "hsm/policy.h"
#include "matter/crl.h"
#include "matter/dac_template.h"
#include "matter/tbs.h"

namespace assay::revoke {
namespace {

using matter::Certificate;

constexpr absl::Duration kLookAgain = absl::Seconds(5);
constexpr char kDelegateKeyPrefix[] = "assay-crl-";

absl::Status NoSuchList(const std::string& issuer, uint32_t part) {
  return RefuseField(Reason::CRL_UNKNOWN, "part", absl::StrCat(part),
                     absl::StrCat("there is no such list of ", issuer));
}

Bytes BigEndian(uint64_t value) {
  Bytes bytes;
  for (int shift = 56; shift >= 0; shift -= 8)
    bytes.push_back(static_cast<uint8_t>(value >> shift));
  bytes.erase(bytes.begin(), std::ranges::find_if(bytes, [](uint8_t byte) { return byte != 0; }));
  return bytes;
}

absl::Time WholeSeconds(absl::Time time) {
  return absl::FromUnixSeconds(absl::ToUnixSeconds(time));
}

matter::CrlFields FieldsOf(const db::CrlDraft& draft, const Issuer& issuer,
                           const Certificate& signer) {
  matter::CrlFields fields;
  fields.issuer = ToBytes(signer.subject());
  fields.authority_key_id = ToBytes(signer.subject_key_id());
  fields.crl_number = BigEndian(draft.number);
  fields.indirect = draft.signer.has_value();
  for (const db::RevokedSerial& revoked : draft.entries) {
    fields.entries.push_back({revoked.serial, WholeSeconds(revoked.revoked_at),
                              fields.indirect ? ToBytes(issuer.certificate.subject()) : Bytes()});
  }
  return fields;
}

}  // namespace

std::string PaaIssuerName(const Certificate& paa) { return "@" + ToHex(paa.subject_key_id()); }

CrlPress::CrlPress(std::shared_ptr<db::Store> store,
                   std::shared_ptr<db::RevocationStore> revocations,
                   std::shared_ptr<hsm::Token> token, std::shared_ptr<hsm::SignerPool> signers,
                   Random& random, const Clock& clock, CrlOptions options)
    : store_(std::move(store)),
      revocations_(std::move(revocations)),
      token_(std::move(token)),
      signers_(std::move(signers)),
      random_(random),
      clock_(clock),
      options_(std::move(options)) {}

absl::StatusOr<Issuer> CrlPress::IssuerOf(const db::Pai& pai) const {
  if (pai.certificate.empty()) {
    return RefuseField(Reason::PAI_NOT_ACTIVE, "issuer", pai.name,
                       "a PAI without certificate has no list");
  }
  auto certificate = Certificate::Parse(pai.certificate);
  if (!certificate.ok()) return Within("pai", certificate.status());
  return Issuer{pai.name, pai.key_label, *std::move(certificate),
                false,    pai.vendor_id, pai.product_id};
}

std::optional<Issuer> CrlPress::SandboxPaa() const {
  if (options_.sandbox_paa_certificate.empty()) return std::nullopt;
  auto certificate = Certificate::Parse(options_.sandbox_paa_certificate);
  if (!certificate.ok()) return std::nullopt;
  std::string name = PaaIssuerName(*certificate);
  return Issuer{std::move(name), options_.sandbox_paa_key, *std::move(certificate), true, 0, {}};
}

absl::StatusOr<std::vector<Issuer>> CrlPress::ListIssuers() {
  const auto pais = store_->ListPais();
  if (!pais.ok()) return pais.status();
  std::vector<Issuer> issuers;
  for (const db::Pai& pai : *pais) {
    if (pai.certificate.empty()) continue;
    auto issuer = IssuerOf(pai);
    if (!issuer.ok()) return issuer.status();
    issuers.push_back(*std::move(issuer));
  }
  if (auto paa = SandboxPaa()) issuers.push_back(*std::move(paa));
  return issuers;
}

absl::StatusOr<Issuer> CrlPress::FindIssuer(const std::string& name) {
  if (auto paa = SandboxPaa(); paa && paa->name == name) return *std::move(paa);
  const auto pai = store_->FindPai(name);
  if (!pai.ok()) return pai.status();
  return IssuerOf(*pai);
}

uint32_t CrlPress::PartsOf(uint64_t entries) const {
  if (options_.base_url.empty() || entries == 0) return 1;
  return static_cast<uint32_t>((entries + options_.part_size - 1) / options_.part_size);
}

std::string CrlPress::UrlOf(const std::string& issuer, uint32_t part) const {
  if (options_.base_url.empty()) return "";
  return absl::StrCat(options_.base_url, "/crl/", issuer, "/", part, ".crl");
}

bool CrlPress::IsDue(const std::optional<db::StoredCrl>& stored, const Issuer& issuer,
                     const db::CrlState& state, uint32_t part) const {
  if (!stored) return true;
  const uint32_t parts = PartsOf(state.entries);
  const uint64_t expected =
      parts == 1 ? state.entries
                 : std::min(options_.part_size, state.entries - part * options_.part_size);
  const ByteView signer =
      state.signer ? ByteView(state.signer->certificate) : issuer.certificate.der();
  const absl::Duration used = clock_.Now() - stored->this_update;
  return stored->entries != expected || (stored->parts > 1) != (parts > 1) ||
         !std::ranges::equal(stored->signer_certificate, signer) ||
         used >= absl::FromChrono(options_.validity) / 2;
}

absl::Status CrlPress::Publish(const Issuer& issuer, bool all) {
  const auto state = revocations_->FindCrlState(issuer.name);
  if (!state.ok()) return state.status();
  for (uint32_t part = 0; part < PartsOf(state->entries); ++part) {
    const auto stored = revocations_->FindCrl(issuer.name, part);
    if (!stored.ok()) return stored.status();
    if (!all && !IsDue(*stored, issuer, *state, part)) {
      Remember(**stored);
      continue;
    }
    const auto crl = Sign(issuer, part);
    if (!crl.ok()) return Within(absl::StrCat("crl ", issuer.name, "/", part), crl.status());
    ASSAY_RETURN_IF_ERROR(revocations_->SaveCrl(*crl));
    Remember(*crl);
    LogInfo("crl_signed", {{"issuer", crl->issuer},
                           {"part", static_cast<int64_t>(part)},
                           {"number", crl->number},
                           {"entries", crl->entries}});
  }
  return absl::OkStatus();
}

absl::Status CrlPress::PublishDue() {
  const auto issuers = ListIssuers();
  if (!issuers.ok()) return issuers.status();
  absl::Status first;
  for (const Issuer& issuer : *issuers) {
    const absl::Status status = Publish(issuer, false);
    if (first.ok()) first = status;
    // A device or database that is away would cost each issuer its time.
    for (const Reason away :
         {Reason::HSM_TIMEOUT, Reason::HSM_UNAVAILABLE, Reason::STORE_UNAVAILABLE}) {
      if (HasReason(status, away)) return status;
    }
  }
  return first;
}

absl::StatusOr<db::StoredCrl> CrlPress::Sign(const Issuer& issuer, uint32_t part) {
  const bool divided = !options_.base_url.empty();
  const uint64_t count =
      divided ? options_.part_size : static_cast<uint64_t>(std::numeric_limits<int64_t>::max());
  const auto now = static_cast<uint64_t>(absl::ToUnixMicros(clock_.Now()));
  const auto draft =
      revocations_->DraftCrl(issuer.name, now, part * options_.part_size * divided, count);
  if (!draft.ok()) return draft.status();
  Certificate signer = issuer.certificate;
  if (draft->signer) {
    auto delegate = Certificate::Parse(draft->signer->certificate);
    if (!delegate.ok()) return Within("crl_signer", delegate.status());
    signer = *std::move(delegate);
  }
  db::StoredCrl crl;
  crl.issuer = issuer.name;
  crl.part = part;
  crl.number = draft->number;
  crl.entries = draft->entries.size();
  crl.parts = PartsOf(draft->entries_in_all);
  crl.signer_certificate = ToBytes(signer.der());
  crl.this_update = WholeSeconds(clock_.Now());
  crl.next_update = crl.this_update + absl::FromChrono(options_.validity);
  matter::CrlFields fields = FieldsOf(*draft, issuer, signer);
  fields.this_update = crl.this_update;
  fields.next_update = crl.next_update;
  if (crl.parts > 1 || fields.indirect) fields.idp_uri = UrlOf(issuer.name, part);
  const auto tbs = matter::EncodeCrlTbs(fields);
  if (!tbs.ok()) return tbs.status();
  const auto signature =
      signers_->SignAndWait(draft->signer ? draft->signer->key_label : issuer.key_label,
                            Sha256(*tbs), Deadline::In(options_.sign_time));
  if (!signature.ok()) return signature.status();
  crl.der = matter::AssembleCertificate(*tbs, *signature);
  // What leaves is what a reader will accept; this also catches a token that signs wrongly.
  const auto read = matter::ParseCrl(crl.der);
  if (!read.ok()) return Refuse(Reason::VERIFY_FAILED, read.status().message());
  if (const absl::Status checked = matter::CheckCrlSigner(*read, signer); !checked.ok()) {
    return Refuse(Reason::HSM_BAD_SIGNATURE, checked.message());
  }
  return crl;
}

absl::StatusOr<db::StoredCrl> CrlPress::Find(const std::string& issuer, uint32_t part) {
  auto stored = revocations_->FindCrl(issuer, part);
  if (!stored.ok()) return stored.status();
  if (!*stored) {
    const auto known = FindIssuer(issuer);
    if (!known.ok()) return known.status();
    ASSAY_RETURN_IF_ERROR(Publish(*known, false));
    stored = revocations_->FindCrl(issuer, part);
    if (!stored.ok()) return stored.status();
  }
  if (!*stored) return NoSuchList(issuer, part);
  return **stored;
}

absl::StatusOr<std::shared_ptr<const db::StoredCrl>> CrlPress::Serve(const std::string& issuer,
                                                                     uint32_t part) {
  const absl::Time now = clock_.Now();
  std::shared_ptr<const db::StoredCrl> seen;
  {
    const std::lock_guard lock(mutex_);
    const auto shown = shown_.find({issuer, part});
    if (shown != shown_.end()) {
      if (now - shown->second.looked_at < kLookAgain) return shown->second.crl;
      // Whoever comes while we ask is answered with what there is.
      shown->second.looked_at = now;
      seen = shown->second.crl;
    }
  }
  const auto stored = revocations_->FindCrl(issuer, part);
  if (!stored.ok()) {
    if (seen != nullptr && now < seen->next_update) return seen;
    return stored.status();
  }
  if (!*stored) return NoSuchList(issuer, part);
  Remember(**stored);
  return std::make_shared<const db::StoredCrl>(**stored);
}

void CrlPress::Remember(const db::StoredCrl& crl) {
  const std::lock_guard lock(mutex_);
  Shown& shown = shown_[{crl.issuer, crl.part}];
  if (shown.crl == nullptr || shown.crl->number < crl.number) {
    shown.crl = std::make_shared<const db::StoredCrl>(crl);
  }
  shown.looked_at = clock_.Now();
}

std::optional<absl::Time> CrlPress::EarliestEnd() const {
  const std::lock_guard lock(mutex_);
  std::optional<absl::Time> earliest;
  for (const auto& [name, shown] : shown_) {
    if (!earliest || shown.crl->next_update < *earliest) earliest = shown.crl->next_update;
  }
  return earliest;
}

absl::StatusOr<hsm::KeyDescription> CrlPress::FindOrMakeKey(const std::string& label) {
  auto key = token_->FindKey(label);
  if (HasReason(key.status(), Reason::HSM_KEY_MISSING)) {
    key = token_->GenerateKey(label, hsm::KeyPurpose::kSigning);
  }
  if (!key.ok()) return key.status();
  ASSAY_RETURN_IF_ERROR(hsm::CheckKeyPurpose(*key, hsm::KeyPurpose::kSigning));
  ASSAY_RETURN_IF_ERROR(hsm::CheckKeyPolicy(*key));
  return key;
}

absl::StatusOr<db::CrlSigner> CrlPress::MakeDelegate(const Issuer& issuer) {
  if (issuer.is_paa) {
    return RefuseField(Reason::FIELD_NOT_ALLOWED, "name", issuer.name, "a PAI's list only");
  }
  if (options_.base_url.empty()) {
    return RefuseField(Reason::FIELD_NOT_ALLOWED, "name", issuer.name,
                       "a delegated signer's list names its URL: set revocation.base_url");
  }
  db::CrlSigner signer;
  signer.key_label = absl::StrCat(kDelegateKeyPrefix, issuer.name);
  const auto key = FindOrMakeKey(signer.key_label);
  if (!key.ok()) return Blame("name", issuer.name, key.status());
  const Certificate& pai = issuer.certificate;
  const Bytes subject = matter::EncodeName(matter::MatterName(
      absl::StrCat("CRL ", issuer.name).substr(0, 64), issuer.vendor_id, issuer.product_id));
  const Bytes serial = matter::DrawDacSerial(random_);
  matter::TbsFields fields;
  fields.serial = serial;
  fields.issuer = pai.subject();
  fields.validity = {WholeSeconds(clock_.Now()), pai.validity().not_after};
  fields.subject = subject;
  fields.public_key = *key->public_point;
  fields.key_usage = matter::kCrlSign;
  fields.authority_key_id = pai.subject_key_id();
  const Bytes tbs = matter::EncodeTbs(fields);
  const auto signature =
      signers_->SignAndWait(issuer.key_label, Sha256(tbs), Deadline::In(options_.sign_time));
  if (!signature.ok()) return signature.status();
  signer.certificate = matter::AssembleCertificate(tbs, *signature);
  const auto made = Certificate::Parse(signer.certificate);
  if (!made.ok()) return Refuse(Reason::VERIFY_FAILED, made.status().message());
  if (const auto fit = matter::CheckDelegatedCrlSigner(*made, pai); !fit.ok()) {
    return Refuse(Reason::HSM_BAD_SIGNATURE, fit.message());
  }
  return signer;
}

}  // namespace assay::revoke
