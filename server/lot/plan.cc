#include "server/lot/plan.h"

#include <algorithm>
#include <functional>
#include <map>
#include <mutex>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/refusal.h"

namespace assay::lot {
namespace {

std::string IdsText(const DacIds& ids) {
  return absl::StrFormat("VID %04X, PID %04X", ids.vendor_id, ids.product_id);
}

bool Fits(const db::Pai& pai, const DacIds& ids) {
  return pai.vendor_id == ids.vendor_id && (!pai.product_id || *pai.product_id == ids.product_id);
}

// A PAI bound to the product goes before one of the whole vendor, a newer one before an older.
bool GoesBefore(const db::Pai& a, const db::Pai& b) {
  if (a.product_id.has_value() != b.product_id.has_value()) return a.product_id.has_value();
  return a.created_at > b.created_at;
}

absl::StatusOr<db::Pai> FindFittingPai(db::Store& store, const v1::DacProfile& profile,
                                       const DacIds& ids) {
  if (!profile.pai().empty()) {
    auto pai = store.FindPai(profile.pai());
    if (!pai.ok()) return pai.status();
    if (!Fits(*pai, ids)) {
      return RefuseField(Reason::PAI_INVALID, "spec.dac.pai", profile.pai(),
                         absl::StrCat("must be of the product's ", IdsText(ids)));
    }
    if (pai->state != db::PaiState::kActive) {
      return RefuseField(Reason::PAI_NOT_ACTIVE, "spec.dac.pai", profile.pai(),
                         "is not active: run 'assay authority pai activate'");
    }
    return pai;
  }
  auto pais = store.ListPais();
  if (!pais.ok()) return pais.status();
  std::erase_if(*pais, [&](const db::Pai& pai) {
    return pai.state != db::PaiState::kActive || !Fits(pai, ids);
  });
  if (pais->empty()) {
    return RefuseField(Reason::PAI_UNKNOWN, "spec.dac.pai", "",
                       absl::StrCat("no active PAI fits ", IdsText(ids),
                                    ": make one with 'assay authority pai create'"));
  }
  return *std::min_element(pais->begin(), pais->end(), GoesBefore);
}

matter::DacEnd EndOf(const v1::DacProfile& profile, absl::Time now) {
  switch (profile.lifetime()) {
    case v1::DacProfile::LIFETIME_UNTIL_PAI_ENDS:
      return matter::DacEnd::WithPai();
    case v1::DacProfile::LIFETIME_DAYS: {
      const absl::Time from =
          profile.has_valid_from() ? absl::FromUnixSeconds(profile.valid_from().seconds()) : now;
      return matter::DacEnd::At(from + absl::Hours(24) * profile.lifetime_days());
    }
    default:
      return matter::DacEnd::Never();
  }
}

absl::Status TakePai(db::Store& store, LotPlan& plan) {
  auto pai = ChoosePai(store, plan.spec.dac(), plan.dac_ids);
  if (!pai.ok()) return pai.status();
  auto dac =
      matter::DacTemplate::Make(pai->certificate, plan.dac_ids.vendor_id, plan.dac_ids.product_id,
                                EndOf(plan.spec.dac(), plan.lot.opened_at));
  if (!dac.ok()) return dac.status();
  plan.common.pai = ToBytes(pai->certificate.der());
  plan.pai = *std::move(pai);
  plan.dac = *std::move(dac);
  return absl::OkStatus();
}

// A plan is read anew every few seconds, its PAI's key stays: the tables that make its
// verifications cheap are made once a key, not once a plan.
absl::StatusOr<matter::SignatureVerifier> VerifierOf(ByteView point) {
  constexpr size_t kMostKept = 256;
  static std::mutex mutex;
  static std::map<std::string, matter::SignatureVerifier, std::less<>> kept;
  const std::lock_guard lock(mutex);
  if (const auto found = kept.find(AsText(point)); found != kept.end()) return found->second;
  auto made = matter::SignatureVerifier::Make(point);
  if (!made.ok()) return made;
  if (kept.size() >= kMostKept) kept.clear();
  kept.emplace(AsText(point), *made);
  return made;
}

}  // namespace

absl::StatusOr<IssuingPai> ChoosePai(db::Store& store, const v1::DacProfile& profile,
                                     const DacIds& ids) {
  const auto pai = FindFittingPai(store, profile, ids);
  if (!pai.ok()) return pai.status();
  auto certificate = matter::Certificate::Parse(pai->certificate);
  if (!certificate.ok()) return Within(absl::StrCat("pai ", pai->name), certificate.status());
  auto verifier = VerifierOf(certificate->public_key());
  if (!verifier.ok()) return Within(absl::StrCat("pai ", pai->name), verifier.status());
  std::optional<matter::Certificate> paa;
  if (!pai->paa_certificate.empty()) {
    auto parsed = matter::Certificate::Parse(pai->paa_certificate);
    if (!parsed.ok()) return Within(absl::StrCat("pai ", pai->name, ".paa"), parsed.status());
    paa = *std::move(parsed);
  }
  return IssuingPai{pai->name, pai->key_label, *std::move(certificate), std::move(paa),
                    *std::move(verifier)};
}

PlanBook::PlanBook(std::shared_ptr<db::Store> store, std::shared_ptr<hsm::Token> token,
                   std::string wrapping_key, std::chrono::milliseconds keep)
    : store_(std::move(store)), keys_(std::move(token), std::move(wrapping_key)), keep_(keep) {}

std::shared_ptr<const LotPlan> PlanBook::Kept(const std::string& lot_name, PlanFor purpose) {
  const std::lock_guard lock(mutex_);
  const auto found = plans_.find(lot_name);
  if (found == plans_.end() || std::chrono::steady_clock::now() - found->second.made >= keep_) {
    return nullptr;
  }
  const auto& plan = found->second.plan;
  return purpose == PlanFor::kConfirming || plan->key != nullptr ? plan : nullptr;
}

absl::StatusOr<std::shared_ptr<const LotPlan>> PlanBook::Find(const std::string& lot_name,
                                                              PlanFor purpose) {
  if (auto kept = Kept(lot_name, purpose)) return kept;
  const auto now = std::chrono::steady_clock::now();
  auto plan = Make(lot_name, purpose);
  if (!plan.ok()) return plan.status();
  // Looked at anew each time, so that a PAI activated now is seen at once.
  if (!(*plan)->may_issue.ok()) return plan;
  const std::lock_guard lock(mutex_);
  plans_[lot_name] = {*plan, now};
  return plan;
}

absl::StatusOr<std::shared_ptr<const LotPlan>> PlanBook::Make(const std::string& lot_name,
                                                              PlanFor purpose) {
  auto lot = store_->FindLot(lot_name);
  if (!lot.ok()) return lot.status();
  auto plan = std::make_shared<LotPlan>();
  if (!plan->spec.ParseFromArray(lot->spec.data(), static_cast<int>(lot->spec.size()))) {
    return Refuse(Reason::INTERNAL,
                  absl::StrCat("lot ", lot_name, ": its product record cannot be read"));
  }
  plan->lot = *std::move(lot);
  if (!plan->spec.certification_declaration().empty()) {
    // Its signature was checked when the product was registered and when the lot was opened.
    const Bytes cms = ToBytes(AsBytes(plan->spec.certification_declaration()));
    auto envelope = matter::ParseCdEnvelope(cms);
    if (!envelope.ok()) return envelope.status();
    auto cd = matter::DecodeCdContent(envelope->content);
    if (!cd.ok()) return cd.status();
    plan->cd = *std::move(cd);
  }
  plan->dac_ids = DacIdsOf(plan->spec, plan->cd);
  auto common = CommonContent(plan->spec);
  if (!common.ok()) return common.status();
  plan->common = *std::move(common);
  auto options = ImageOptionsOf(plan->spec);
  if (!options.ok()) return options.status();
  plan->image_options = *std::move(options);
  plan->payload = CommonPayload(plan->spec);
  if (purpose == PlanFor::kConfirming) return plan;
  auto key = keys_.Unwrap(plan->lot);
  if (!key.ok()) return key.status();
  plan->key = *std::move(key);
  const uint16_t vendor_id = plan->lot.vendor_id, product_id = plan->lot.product_id;
  const auto wrapped = store_->ProductKey(vendor_id, product_id, {});
  if (!wrapped.ok()) return wrapped.status();
  if (!wrapped->empty()) {
    auto product_key = keys_.Unwrap(ProductKeyName(vendor_id, product_id), *wrapped);
    if (!product_key.ok()) return product_key.status();
    plan->product_key = *std::move(product_key);
  }

  const v1::Attestation attestation = plan->spec.dac().attestation();
  if (attestation == v1::ATTESTATION_SERVER_KEY || attestation == v1::ATTESTATION_CSR) {
    plan->may_issue = TakePai(*store_, *plan);
  }
  return plan;
}

absl::StatusOr<std::shared_ptr<const LotPlan>> BatchPlans::Find(const std::string& lot_name) {
  if (!away_.ok()) {
    if (auto kept = book_.Kept(lot_name, purpose_)) return kept;
    return away_;
  }
  auto plan = book_.Find(lot_name, purpose_);
  for (const Reason reason :
       {Reason::STORE_UNAVAILABLE, Reason::HSM_TIMEOUT, Reason::HSM_UNAVAILABLE}) {
    if (HasReason(plan.status(), reason)) away_ = plan.status();
  }
  return plan;
}

}  // namespace assay::lot
