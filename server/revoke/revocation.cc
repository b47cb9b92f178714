#include "server/revoke/revocation.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "base/log.h"
#include "base/refusal.h"
#include "server/access/unit.h"
#include "server/lot/act.h"
#include "server/revoke/crl_texts.h"

namespace assay::revoke {
namespace {

constexpr int kSweepRows = 1000;  // in one transaction

google::protobuf::Timestamp Stamp(absl::Time time) {
  google::protobuf::Timestamp stamp;
  stamp.set_seconds(absl::ToUnixSeconds(time));
  return stamp;
}

absl::Status CheckReason(v1::RevocationReason reason) {
  if (reason == v1::REVOCATION_REASON_UNSPECIFIED) {
    return RefuseField(Reason::FIELD_REQUIRED, "reason", "", "every revocation says why");
  }
  if (!v1::RevocationReason_IsValid(reason)) {
    return RefuseField(Reason::FIELD_OUT_OF_RANGE, "reason", std::to_string(reason),
                       "1 to 5 or 9 (RFC 5280 5.3.1)");
  }
  return absl::OkStatus();
}

// "reason key compromise".
std::string ReasonWord(v1::RevocationReason reason) {
  std::string word = v1::RevocationReason_Name(reason);
  word.erase(0, std::string("REVOCATION_REASON_").size());
  std::replace(word.begin(), word.end(), '_', ' ');
  return absl::StrCat("reason ", absl::AsciiStrToLower(word));
}

// The act, told for the ledger with what it is about.
template <typename Request>
absl::StatusOr<db::Act> ActOf(const access::Caller& caller, std::string_view kind,
                              const std::string& subject, const Request& request,
                              nlohmann::json about) {
  auto act = lot::MakeAct(caller, kind, subject, request);
  if (!act.ok()) return act.status();
  about["kind"] = kind;
  about["actor"] = caller.uri;
  about["request_sha256"] = ToHex(act->digest);
  act->detail = about.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  return act;
}

v1::RevokeResponse ResponseOf(const db::RevocationOutcome& outcome) {
  v1::RevokeResponse response;
  response.set_revoked(outcome.revoked);
  response.set_revoked_before(outcome.before);
  return response;
}

// The revocation stands whatever became of the lists: the answer says so.
void TellPublished(const absl::Status& published, v1::RevokeResponse& response) {
  response.set_published(published.ok());
  if (published.ok()) return;
  response.set_waiting_for(absl::StrCat("the next round signs the list: ", published.message()));
  LogWarning("crl_waits", {{"message", std::string(published.message())}});
}

absl::Status MayRead(const access::Caller& caller) {
  if (caller.Has(access::Role::kAuditor)) return absl::OkStatus();
  return caller.CheckRole(access::Role::kOperator);
}

}  // namespace

Revocation::Revocation(std::shared_ptr<db::Store> store,
                       std::shared_ptr<db::RevocationStore> revocations, CrlPress& press,
                       const Clock& clock, lot::Guard guard)
    : store_(std::move(store)),
      revocations_(std::move(revocations)),
      press_(press),
      clock_(clock),
      guard_(std::move(guard)) {}

absl::Status Revocation::Ask(const lot::Guard* guard, const access::Caller& caller,
                             const google::protobuf::Message& request,
                             const lot::GuardedEffect& effect, db::Act& act) const {
  const lot::Guard& asked = guard != nullptr ? *guard : guard_;
  return asked ? asked(caller, request, effect, act) : absl::OkStatus();
}

absl::StatusOr<uint64_t> Revocation::Sweep(const std::string& lot) {
  uint64_t total = 0;
  while (true) {
    const auto swept = revocations_->SweepRevokedLots(lot, kSweepRows);
    if (!swept.ok()) return swept.status();
    total += *swept;
    if (*swept == 0) return total;
  }
}

absl::StatusOr<v1::RevokeResponse> Revocation::RevokeDevice(
    const access::Caller& caller, const v1::RevokeDeviceRequest& request) {
  ASSAY_RETURN_IF_ERROR(caller.CheckRole(access::Role::kOperator));
  ASSAY_RETURN_IF_ERROR(CheckReason(request.reason()));
  if (request.device_id().empty() && request.dac_serial().empty()) {
    return RefuseField(Reason::FIELD_REQUIRED, "device_id", "", "a device id or a DAC serial");
  }
  const auto row = request.device_id().empty()
                       ? store_->FindDeviceByDacSerial(AsBytes(request.dac_serial()))
                       : store_->FindDevice(request.device_id());
  if (!row.ok()) return row.status();
  if (!access::CheckUnit(caller, *row).ok()) {
    // As the store says it of a device that is not there.
    return request.device_id().empty()
               ? RefuseField(Reason::DEVICE_UNKNOWN, "dac_serial",
                             ToUpperHex(AsBytes(request.dac_serial())), "no such device")
               : RefuseField(Reason::DEVICE_UNKNOWN, "device_id", request.device_id(),
                             "no such device");
  }
  const auto act = ActOf(caller, db::kRevokeEntry, row->device_id, request,
                         {{"device", row->device_id},
                          {"lot", row->lot},
                          {"dac_serial", ToUpperHex(row->dac_serial)},
                          {"pai", row->pai},
                          {"reason", static_cast<int>(request.reason())}});
  if (!act.ok()) return act.status();
  const auto outcome = revocations_->RevokeDevice(*act, row->device_id, request.reason());
  if (!outcome.ok()) return outcome.status();
  v1::RevokeResponse response = ResponseOf(*outcome);
  if (outcome->issuer.empty()) {
    response.set_waiting_for("no PAI of ours issued its DAC: no list of ours bears it");
    return response;
  }
  const auto issuer = press_.FindIssuer(outcome->issuer);
  TellPublished(issuer.ok() ? press_.Publish(*issuer, false) : issuer.status(), response);
  return response;
}

absl::StatusOr<v1::RevokeResponse> Revocation::RevokeLot(const access::Caller& caller,
                                                         const v1::RevokeLotRequest& request,
                                                         const lot::Guard* guard) {
  ASSAY_RETURN_IF_ERROR(caller.CheckRole(access::Role::kOperator));
  ASSAY_RETURN_IF_ERROR(lot::CheckName("name", request.name()));
  ASSAY_RETURN_IF_ERROR(CheckReason(request.reason()));
  auto act = ActOf(caller, "lot.revoke", request.name(), request,
                   {{"lot", request.name()}, {"reason", static_cast<int>(request.reason())}});
  if (!act.ok()) return act.status();
  const auto lot = store_->FindLot(request.name());
  if (lot.ok()) {
    ASSAY_RETURN_IF_ERROR(caller.CheckLot(lot->factory, lot->name));
  } else if (HasReason(lot.status(), Reason::LOT_UNKNOWN)) {
    ASSAY_RETURN_IF_ERROR(caller.CheckLot("", request.name()));
  }
  if (!lot.ok()) return lot.status();
  const lot::GuardedEffect effect{
      absl::StrCat("revoke lot ", lot->name, " (product ", lot->product, ", factory ", lot->factory,
                   ") and every device of it for ever, ", ReasonWord(request.reason())),
      lot->factory};
  ASSAY_RETURN_IF_ERROR(Ask(guard, caller, request, effect, *act));
  const auto outcome = revocations_->RevokeLot(*act, request.name(), request.reason());
  if (!outcome.ok()) return outcome.status();
  v1::RevokeResponse response = ResponseOf(*outcome);
  const auto swept = Sweep(request.name());
  response.set_revoked(swept.value_or(0));
  TellPublished(swept.ok() ? press_.PublishDue() : swept.status(), response);
  return response;
}

absl::StatusOr<v1::RevokeResponse> Revocation::RevokePai(const access::Caller& caller,
                                                         const v1::RevokePaiRequest& request,
                                                         const lot::Guard* guard) {
  ASSAY_RETURN_IF_ERROR(caller.CheckRole(access::Role::kOperator));
  ASSAY_RETURN_IF_ERROR(lot::CheckName("name", request.name()));
  ASSAY_RETURN_IF_ERROR(CheckReason(request.reason()));
  const auto pai = store_->FindPai(request.name());
  if (!pai.ok()) return pai.status();
  if (pai->certificate.empty()) {
    return RefuseField(Reason::PAI_NOT_ACTIVE, "name", pai->name,
                       "it never had a certificate: retire it instead");
  }
  const auto certificate = matter::Certificate::Parse(pai->certificate);
  const auto paa = matter::Certificate::Parse(pai->paa_certificate);
  if (!certificate.ok() || !paa.ok()) {
    return Refuse(Reason::INTERNAL, "the PAI's stored chain cannot be read");
  }
  const db::PaiEntry entry{pai->name, PaaIssuerName(*paa), ToBytes(certificate->serial())};
  auto act = ActOf(caller, "pai.revoke", pai->name, request,
                   {{"pai", pai->name},
                    {"serial", certificate->SerialText()},
                    {"paa_key_id", ToUpperHex(paa->subject_key_id())},
                    {"reason", static_cast<int>(request.reason())}});
  if (!act.ok()) return act.status();
  const lot::GuardedEffect effect{
      absl::StrCat("revoke PAI ", pai->name, ", certificate serial ", certificate->SerialText(),
                   ", and with it every device it signed, for ever, ",
                   ReasonWord(request.reason())),
      ""};
  ASSAY_RETURN_IF_ERROR(Ask(guard, caller, request, effect, *act));
  const auto outcome = revocations_->RevokePai(*act, entry, request.reason());
  if (!outcome.ok()) return outcome.status();
  v1::RevokeResponse response = ResponseOf(*outcome);
  const auto issuer = press_.FindIssuer(outcome->issuer);
  if (HasReason(issuer.status(), Reason::PAI_UNKNOWN)) {
    response.set_waiting_for(absl::StrCat("the PAA's owner lists the serial ",
                                          certificate->SerialText(),
                                          " and revokes the PAI on the DCL"));
    return response;
  }
  TellPublished(issuer.ok() ? press_.Publish(*issuer, false) : issuer.status(), response);
  return response;
}

absl::StatusOr<v1::CrlIssuer> Revocation::Describe(const Issuer& issuer) {
  const auto state = revocations_->FindCrlState(issuer.name);
  if (!state.ok()) return state.status();
  v1::CrlIssuer out;
  out.set_name(issuer.name);
  out.set_certificate(ToText(issuer.certificate.der()));
  if (state->signer) out.set_signer_certificate(ToText(state->signer->certificate));
  out.set_entries(state->entries);
  out.set_parts(press_.PartsOf(state->entries));
  return out;
}

absl::StatusOr<v1::CrlIssuer> Revocation::DelegateCrl(const access::Caller& caller,
                                                      const v1::DelegateCrlRequest& request) {
  ASSAY_RETURN_IF_ERROR(caller.CheckRole(access::Role::kOperator));
  ASSAY_RETURN_IF_ERROR(lot::CheckGiven("name", request.name()));
  const auto issuer = press_.FindIssuer(request.name());
  if (!issuer.ok()) return issuer.status();
  const auto state = revocations_->FindCrlState(issuer->name);
  if (!state.ok()) return state.status();
  const auto signer = state->signer ? *state->signer : press_.MakeDelegate(*issuer);
  if (!signer.ok()) return signer.status();
  const auto act = ActOf(caller, "crl.delegate", issuer->name, request,
                         {{"pai", issuer->name},
                          {"key_label", signer->key_label},
                          {"certificate_sha256", ToHex(Sha256(signer->certificate))}});
  if (!act.ok()) return act.status();
  const auto kept = revocations_->SetCrlSigner(*act, issuer->name, *signer);
  if (!kept.ok()) return kept.status();
  if (const absl::Status published = press_.Publish(*issuer, false); !published.ok()) {
    LogWarning("crl_waits", {{"message", std::string(published.message())}});
  }
  return Describe(*issuer);
}

absl::StatusOr<v1::Crl> Revocation::GetCrl(const access::Caller& caller,
                                           const v1::GetCrlRequest& request) {
  ASSAY_RETURN_IF_ERROR(MayRead(caller));
  ASSAY_RETURN_IF_ERROR(lot::CheckGiven("issuer", request.issuer()));
  const auto issuer = press_.FindIssuer(request.issuer());
  if (!issuer.ok()) return issuer.status();
  if (request.fresh()) {
    ASSAY_RETURN_IF_ERROR(caller.CheckRole(access::Role::kOperator));
    ASSAY_RETURN_IF_ERROR(press_.Publish(*issuer, true));
  }
  const auto crl = press_.Find(request.issuer(), request.part());
  if (!crl.ok()) return crl.status();
  v1::Crl out;
  out.set_issuer(crl->issuer);
  out.set_part(crl->part);
  out.set_der(ToText(crl->der));
  out.set_number(crl->number);
  out.set_entries(crl->entries);
  *out.mutable_this_update() = Stamp(crl->this_update);
  *out.mutable_next_update() = Stamp(crl->next_update);
  out.set_signer_certificate(ToText(crl->signer_certificate));
  out.set_url(press_.UrlOf(crl->issuer, crl->part));
  return out;
}

absl::StatusOr<v1::ListCrlIssuersResponse> Revocation::ListCrlIssuers(
    const access::Caller& caller) {
  ASSAY_RETURN_IF_ERROR(MayRead(caller));
  const auto issuers = press_.ListIssuers();
  if (!issuers.ok()) return issuers.status();
  v1::ListCrlIssuersResponse response;
  for (const Issuer& issuer : *issuers) {
    auto described = Describe(issuer);
    if (!described.ok()) return described.status();
    *response.add_issuers() = *std::move(described);
  }
  return response;
}

absl::StatusOr<v1::GetRevocationSetResponse> Revocation::GetRevocationSet(
    const access::Caller& caller) {
  ASSAY_RETURN_IF_ERROR(MayRead(caller));
  auto json = RevocationSetJson(press_, *revocations_, clock_);
  if (!json.ok()) return json.status();
  v1::GetRevocationSetResponse response;
  response.set_json(*std::move(json));
  return response;
}

absl::StatusOr<v1::GetDistributionPointsResponse> Revocation::GetDistributionPoints(
    const access::Caller& caller, const v1::GetDistributionPointsRequest& request) {
  ASSAY_RETURN_IF_ERROR(MayRead(caller));
  ASSAY_RETURN_IF_ERROR(lot::CheckGiven("issuer", request.issuer()));
  const auto points = DistributionPoints(press_, *revocations_, request.issuer());
  if (!points.ok()) return points.status();
  v1::GetDistributionPointsResponse response;
  for (const v1::DistributionPoint& point : *points) *response.add_points() = point;
  return response;
}

absl::Status Revocation::Round() {
  ASSAY_RETURN_IF_ERROR(Sweep("").status());
  return press_.PublishDue();
}

}  // namespace assay::revoke
