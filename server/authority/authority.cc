#include "server/authority/authority.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/refusal.h"
#include "ceremony/key_making.h"
#include "hsm/policy.h"
#include "matter/certificate.h"
#include "matter/csr.h"
#include "matter/ecdsa.h"
#include "matter/name.h"
#include "matter/test_credentials.h"
#include "nlohmann/json.hpp"
#include "server/authority/pai_check.h"
#include "server/lot/act.h"

namespace assay::authority {
namespace {

constexpr uint32_t kHighestVendor = 0xFFF4;

// What every change begins with: role, request id, name.
template <typename Request>
absl::Status CheckChange(const access::Caller& caller, const Request& request) {
  ASSAY_RETURN_IF_ERROR(caller.CheckRole(access::Role::kOperator));
  ASSAY_RETURN_IF_ERROR(lot::MakeAct(caller, "", request.name(), request).status());
  return lot::CheckName("name", request.name());
}

// The act, told for the ledger by what it leaves behind.
template <typename Request>
absl::StatusOr<db::Act> MakeAct(const access::Caller& caller, std::string_view kind,
                                const Request& request, const db::Pai& pai) {
  auto act = lot::MakeAct(caller, kind, pai.name, request);
  if (!act.ok()) return act.status();
  nlohmann::json detail = {{"kind", kind},
                           {"actor", caller.uri},
                           {"request_sha256", ToHex(act->digest)},
                           {"pai", pai.name},
                           {"vendor_id", matter::IdToText(pai.vendor_id)},
                           {"key_label", pai.key_label},
                           {"public_key_sha256", ToHex(Sha256(pai.public_key))}};
  if (pai.product_id) detail["product_id"] = matter::IdToText(*pai.product_id);
  if (!pai.certificate.empty()) {
    detail["certificate_sha256"] = ToHex(Sha256(pai.certificate));
    detail["paa_certificate_sha256"] = ToHex(Sha256(pai.paa_certificate));
  }
  act->detail = detail.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  return act;
}

v1::PaiState StateOf(db::PaiState state) {
  switch (state) {
    case db::PaiState::kPending:
      return v1::PAI_STATE_PENDING;
    case db::PaiState::kActive:
      return v1::PAI_STATE_ACTIVE;
    case db::PaiState::kRetired:
      return v1::PAI_STATE_RETIRED;
  }
  return v1::PAI_STATE_UNSPECIFIED;
}

v1::Pai ToProto(const db::Pai& pai) {
  v1::Pai out;
  out.set_name(pai.name);
  out.set_vendor_id(pai.vendor_id);
  if (pai.product_id) out.set_product_id(*pai.product_id);
  out.set_state(StateOf(pai.state));
  out.set_key_label(pai.key_label);
  out.set_public_key(ToText(pai.public_key));
  out.set_csr(ToText(pai.csr));
  out.set_certificate(ToText(pai.certificate));
  out.set_paa_certificate(ToText(pai.paa_certificate));
  const int64_t micros = absl::ToUnixMicros(pai.created_at);
  out.mutable_created_at()->set_seconds(micros / 1'000'000);
  out.mutable_created_at()->set_nanos(static_cast<int32_t>(micros % 1'000'000) * 1000);
  return out;
}

absl::StatusOr<v1::Pai> ToProto(const absl::StatusOr<db::Pai>& pai) {
  if (!pai.ok()) return pai.status();
  return ToProto(*pai);
}

template <typename Request>
absl::StatusOr<v1::Pai> Record(db::Store& store,
                               absl::StatusOr<db::Pai> (db::Store::*change)(const db::Act&,
                                                                            const db::Pai&),
                               const access::Caller& caller, std::string_view kind,
                               const Request& request, const db::Pai& pai) {
  const auto act = MakeAct(caller, kind, request, pai);
  if (!act.ok()) return act.status();
  return ToProto((store.*change)(*act, pai));
}

lot::GuardedEffect ActivationEffect(const db::Pai& pai) {
  return {absl::StrCat(
              "activate PAI ", pai.name, " for vendor 0x", matter::IdToText(pai.vendor_id), ", ",
              pai.product_id ? absl::StrCat("product 0x", matter::IdToText(*pai.product_id))
                             : "any product",
              ", certificate SHA-256 ", ToUpperHex(Sha256(pai.certificate)), ", key ",
              pai.key_label, " in the HSM"),
          ""};
}

// Operators send what the PAA's owner sent them, and that is as often PEM as DER.
absl::StatusOr<Bytes> DerOf(absl::string_view field, const std::string& text) {
  if (text.empty()) {
    return RefuseField(Reason::FIELD_REQUIRED, field, "", "a certificate, DER or PEM");
  }
  if (text.find("-----BEGIN ") == std::string::npos) return ToBytes(AsBytes(text));
  auto der = matter::FromPem("CERTIFICATE", text);
  if (!der.ok()) return Within(field, der.status());
  return der;
}

template <typename Request>
absl::Status CheckIds(const Request& request, bool production) {
  const uint32_t vendor = request.vendor_id();
  if (vendor == 0 || vendor > kHighestVendor ||
      (vendor > 0xFFF0 && !matter::IsTestVendor(static_cast<uint16_t>(vendor)))) {
    return RefuseField(Reason::FIELD_OUT_OF_RANGE, "vendor_id", std::to_string(vendor),
                       "1 to 65520 (0xFFF0), or a test vendor 0xFFF1 to 0xFFF4");
  }
  if (production && matter::IsTestVendor(static_cast<uint16_t>(vendor))) {
    return RefuseField(Reason::TEST_CREDENTIAL, "vendor_id",
                       matter::IdToText(static_cast<uint16_t>(vendor)),
                       "FFF1 to FFF4 are for tests");
  }
  if (request.has_product_id() && (request.product_id() == 0 || request.product_id() > 0xFFFF)) {
    return RefuseField(Reason::FIELD_OUT_OF_RANGE, "product_id",
                       std::to_string(request.product_id()), "1 to 65535");
  }
  return absl::OkStatus();
}

}  // namespace

Authority::Authority(std::shared_ptr<db::Store> store, std::shared_ptr<hsm::Token> token,
                     Random& random, const Clock& clock, AuthorityOptions options)
    : store_(std::move(store)),
      token_(std::move(token)),
      random_(random),
      clock_(clock),
      options_(std::move(options)) {
  if (!options_.production && !options_.sandbox_paa_certificate.empty()) {
    options_.trusted_paas.push_back(options_.sandbox_paa_certificate);
  }
}

absl::StatusOr<hsm::KeyDescription> Authority::FindOrMakeKey(const std::string& label) {
  auto key = token_->FindKey(label);
  if (HasReason(key.status(), Reason::HSM_KEY_MISSING)) {
    key = token_->GenerateKey(label, hsm::KeyPurpose::kSigning);
  }
  if (!key.ok()) return key.status();
  // A key found was left by a CreatePai that died before its record: good only if it is what we
  // would have made.
  ASSAY_RETURN_IF_ERROR(hsm::CheckKeyPurpose(*key, hsm::KeyPurpose::kSigning));
  ASSAY_RETURN_IF_ERROR(hsm::CheckKeyPolicy(*key));
  return key;
}

absl::Status Authority::CheckPaiKey(const hsm::KeyDescription& key) const {
  ASSAY_RETURN_IF_ERROR(hsm::CheckKeyPurpose(key, hsm::KeyPurpose::kSigning));
  return hsm::CheckKeyPolicy(
      key, options_.production ? hsm::KeyOrigin::kMadeInToken : hsm::KeyOrigin::kImportAllowed);
}

absl::StatusOr<v1::Pai> Authority::CreatePai(const access::Caller& caller,
                                             const v1::CreatePaiRequest& request) {
  ASSAY_RETURN_IF_ERROR(CheckChange(caller, request));
  ASSAY_RETURN_IF_ERROR(CheckIds(request, options_.production));
  const std::string common_name =
      request.common_name().empty() ? "Assay PAI " + request.name() : request.common_name();
  ASSAY_RETURN_IF_ERROR(matter::CheckCommonName("common_name", common_name));

  const std::lock_guard lock(creating_);
  const auto before = store_->FindPai(request.name());
  if (before.ok()) {
    // The store knows whether this is the same act again or another one's name.
    return Record(*store_, &db::Store::CreatePai, caller, "pai.create", request, *before);
  }
  if (!HasReason(before.status(), Reason::PAI_UNKNOWN)) return before.status();

  db::Pai pai;
  pai.name = request.name();
  pai.vendor_id = static_cast<uint16_t>(request.vendor_id());
  pai.key_label = std::string(kPaiKeyPrefix) + request.name();
  pai.created_at = clock_.Now();
  if (request.has_product_id()) pai.product_id = static_cast<uint16_t>(request.product_id());
  const auto key = FindOrMakeKey(pai.key_label);
  if (!key.ok()) return key.status();
  pai.public_key = ToBytes(*key->public_point);

  const Bytes subject =
      matter::EncodeName(matter::MatterName(common_name, pai.vendor_id, pai.product_id));
  // What a PAA's owner would refuse must not leave; this also catches a token that signs wrongly.
  auto csr = ceremony::SignRequest(*token_, *key, subject);
  if (!csr.ok()) return csr.status();
  pai.csr = *std::move(csr);
  return Record(*store_, &db::Store::CreatePai, caller, "pai.create", request, pai);
}

// One key, one purpose, one PAI.
absl::Status Authority::CheckKeyFree(const std::string& name, const std::string& label) const {
  const bool other = std::ranges::find(options_.other_keys, label) != options_.other_keys.end() ||
                     label == options_.sandbox_paa_key || label == options_.sandbox_cd_key;
  if (other) {
    return RefuseField(Reason::PAI_CONFLICT, "key_label", label, "this key has another purpose");
  }
  const auto pais = store_->ListPais();
  if (!pais.ok()) return pais.status();
  for (const db::Pai& pai : *pais) {
    if (pai.key_label != label || pai.name == name) continue;
    return RefuseField(Reason::PAI_CONFLICT, "key_label", label,
                       absl::StrCat("is the key of the PAI ", pai.name));
  }
  return absl::OkStatus();
}

absl::StatusOr<db::Pai> Authority::AdoptedPai(const v1::AdoptPaiRequest& request) {
  db::Pai pai;
  pai.name = request.name();
  pai.key_label = request.key_label();
  pai.created_at = clock_.Now();
  const auto key = token_->FindKey(pai.key_label);
  if (!key.ok()) return Within("key_label", key.status());
  if (const auto fit = CheckPaiKey(*key); !fit.ok()) return fit;
  pai.public_key = ToBytes(*key->public_point);

  v1::AdoptPaiRequest fields = request;
  if (!request.csr().empty()) {
    auto der = matter::CsrDerFrom(AsBytes(request.csr()));
    if (!der.ok()) return Within("csr", der.status());
    const auto csr = matter::ParseCsr(*der);
    if (!csr.ok()) return Within("csr", csr.status());
    if (!std::ranges::equal(csr->public_key, pai.public_key)) {
      return RefuseField(Reason::FIELDS_CONTRADICT, "csr", "",
                         absl::StrCat("must be for the key ", pai.key_label, " in the token"));
    }
    const auto ids = matter::IdsOfEncodedName(csr->subject);
    if (!ids.ok()) return Within("csr", ids.status());
    fields.set_vendor_id(ids->vid.value_or(0));
    fields.clear_product_id();
    if (ids->pid) fields.set_product_id(*ids->pid);
    pai.csr = *std::move(der);
  }
  ASSAY_RETURN_IF_ERROR(CheckIds(fields, options_.production));
  pai.vendor_id = static_cast<uint16_t>(fields.vendor_id());
  if (fields.has_product_id()) pai.product_id = static_cast<uint16_t>(fields.product_id());
  if (pai.csr.empty()) {
    const std::string common_name =
        request.common_name().empty() ? "Assay PAI " + request.name() : request.common_name();
    ASSAY_RETURN_IF_ERROR(matter::CheckCommonName("common_name", common_name));
    auto csr = ceremony::SignRequest(
        *token_, *key,
        matter::EncodeName(matter::MatterName(common_name, pai.vendor_id, pai.product_id)));
    if (!csr.ok()) return csr.status();
    pai.csr = *std::move(csr);
  }
  return pai;
}

absl::StatusOr<v1::Pai> Authority::AdoptPai(const access::Caller& caller,
                                            const v1::AdoptPaiRequest& request) {
  ASSAY_RETURN_IF_ERROR(CheckChange(caller, request));
  if (request.key_label().empty()) {
    return RefuseField(Reason::FIELD_REQUIRED, "key_label", "", "the label of a key in the token");
  }
  const std::lock_guard lock(creating_);
  const auto before = store_->FindPai(request.name());
  if (before.ok()) {
    return Record(*store_, &db::Store::CreatePai, caller, "pai.adopt", request, *before);
  }
  if (!HasReason(before.status(), Reason::PAI_UNKNOWN)) return before.status();
  ASSAY_RETURN_IF_ERROR(CheckKeyFree(request.name(), request.key_label()));
  const auto pai = AdoptedPai(request);
  if (!pai.ok()) return pai.status();
  return Record(*store_, &db::Store::CreatePai, caller, "pai.adopt", request, *pai);
}

absl::Status Authority::CheckPai(const db::Pai& pai, ByteView certificate,
                                 ByteView paa_certificate) const {
  return CheckPaiCandidate({.certificate = certificate,
                            .paa_certificate = paa_certificate,
                            .vendor_id = pai.vendor_id,
                            .product_id = pai.product_id,
                            .public_key = pai.public_key},
                           {.production = options_.production,
                            .trusted_paas = &options_.trusted_paas,
                            .now = clock_.Now()});
}

absl::StatusOr<v1::Pai> Authority::InstallPai(const access::Caller& caller,
                                              const v1::InstallPaiRequest& request) {
  ASSAY_RETURN_IF_ERROR(CheckChange(caller, request));
  auto pai = store_->FindPai(request.name());
  if (!pai.ok()) return pai.status();
  const auto certificate = DerOf("certificate", request.certificate());
  if (!certificate.ok()) return certificate.status();
  const auto paa = DerOf("paa_certificate", request.paa_certificate());
  if (!paa.ok()) return paa.status();
  const bool same = *certificate == pai->certificate && *paa == pai->paa_certificate;
  if (pai->state != db::PaiState::kPending && !same) {
    return RefuseField(Reason::PAI_CONFLICT, "certificate", "",
                       "only a pending PAI takes another certificate: create a new PAI");
  }
  if (!same) ASSAY_RETURN_IF_ERROR(CheckPai(*pai, *certificate, *paa));
  pai->certificate = *certificate;
  pai->paa_certificate = *paa;
  return Record(*store_, &db::Store::UpdatePai, caller, "pai.install", request, *pai);
}

absl::StatusOr<v1::Pai> Authority::SignSandboxPai(const access::Caller& caller,
                                                  const v1::SignSandboxPaiRequest& request) {
  ASSAY_RETURN_IF_ERROR(CheckChange(caller, request));
  auto pai = store_->FindPai(request.name());
  if (!pai.ok()) return pai.status();
  if (pai->certificate.empty()) {
    auto certificate = SignPaiBySandboxPaa(*pai);
    if (!certificate.ok()) return certificate.status();
    ASSAY_RETURN_IF_ERROR(CheckPai(*pai, *certificate, options_.sandbox_paa_certificate));
    pai->certificate = *std::move(certificate);
    pai->paa_certificate = options_.sandbox_paa_certificate;
  } else if (pai->paa_certificate != options_.sandbox_paa_certificate) {
    return RefuseField(Reason::PAI_CONFLICT, "name", pai->name,
                       "this PAI has a certificate by another PAA");
  }
  return Record(*store_, &db::Store::UpdatePai, caller, "pai.sign_sandbox", request, *pai);
}

absl::StatusOr<v1::Pai> Authority::ActivatePai(const access::Caller& caller,
                                               const v1::ActivatePaiRequest& request,
                                               const lot::Guard* guard) {
  ASSAY_RETURN_IF_ERROR(CheckChange(caller, request));
  auto pai = store_->FindPai(request.name());
  if (!pai.ok()) return pai.status();
  if (pai->certificate.empty()) {
    return RefuseField(Reason::PAI_NOT_ACTIVE, "name", pai->name,
                       "a PAI needs its certificate before it is activated");
  }
  if (pai->state == db::PaiState::kRetired) {
    return RefuseField(Reason::PAI_NOT_ACTIVE, "name", pai->name, "retiring is for ever");
  }
  if (pai->state == db::PaiState::kPending) {
    ASSAY_RETURN_IF_ERROR(CheckPai(*pai, pai->certificate, pai->paa_certificate));
    const auto key = token_->FindKey(pai->key_label);
    if (!key.ok()) return key.status();
    ASSAY_RETURN_IF_ERROR(CheckPaiKey(*key));
    if (!std::ranges::equal(*key->public_point, pai->public_key)) {
      return RefuseField(Reason::HSM_KEY_UNFIT, "key_label", pai->key_label,
                         "the token holds another key than the PAI was created with");
    }
    ASSAY_RETURN_IF_ERROR(token_->CheckHealth(pai->key_label));
  }
  auto act = MakeAct(caller, "pai.activate", request, *pai);
  if (!act.ok()) return act.status();
  if (guard != nullptr && pai->state == db::PaiState::kActive) {
    return RefuseField(Reason::PAI_CONFLICT, "name", pai->name, "is active already");
  }
  const lot::Guard& asked = guard != nullptr ? *guard : options_.guard;
  if (pai->state == db::PaiState::kPending && asked) {
    ASSAY_RETURN_IF_ERROR(asked(caller, request, ActivationEffect(*pai), *act));
  }
  pai->state = db::PaiState::kActive;
  return ToProto(store_->UpdatePai(*act, *pai));
}

absl::StatusOr<v1::Pai> Authority::RetirePai(const access::Caller& caller,
                                             const v1::RetirePaiRequest& request) {
  ASSAY_RETURN_IF_ERROR(CheckChange(caller, request));
  auto pai = store_->FindPai(request.name());
  if (!pai.ok()) return pai.status();
  pai->state = db::PaiState::kRetired;
  return Record(*store_, &db::Store::UpdatePai, caller, "pai.retire", request, *pai);
}

absl::StatusOr<v1::Pai> Authority::GetPai(const access::Caller& caller,
                                          const v1::GetPaiRequest& request) {
  if (!caller.Has(access::Role::kAuditor)) {
    ASSAY_RETURN_IF_ERROR(caller.CheckRole(access::Role::kOperator));
  }
  ASSAY_RETURN_IF_ERROR(lot::CheckName("name", request.name()));
  return ToProto(store_->FindPai(request.name()));
}

absl::StatusOr<v1::ListPaisResponse> Authority::ListPais(const access::Caller& caller,
                                                         const v1::ListPaisRequest&) {
  if (!caller.Has(access::Role::kAuditor)) {
    ASSAY_RETURN_IF_ERROR(caller.CheckRole(access::Role::kOperator));
  }
  const auto pais = store_->ListPais();
  if (!pais.ok()) return pais.status();
  v1::ListPaisResponse response;
  for (const db::Pai& pai : *pais) *response.add_pais() = ToProto(pai);
  return response;
}

}  // namespace assay::authority
