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
#include "server/authority/pai_act.h"
#include "server/authority/pai_check.h"
#include "server/lot/act.h"

namespace assay::authority {
namespace {

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
    // The store knows whether this is the same act again, or asks for another PAI of that name.
    db::Pai wanted = *before;
    SetIds(request, wanted);
    wanted.key_label = std::string(kPaiKeyPrefix) + request.name();
    return Record(*store_, &db::Store::CreatePai, caller, "pai.create", request, wanted);
  }
  if (!HasReason(before.status(), Reason::PAI_UNKNOWN)) return before.status();

  db::Pai pai;
  pai.name = request.name();
  SetIds(request, pai);
  pai.key_label = std::string(kPaiKeyPrefix) + request.name();
  pai.created_at = clock_.Now();
  ASSAY_RETURN_IF_ERROR(Blame("name", pai.name, CheckKeyFree(pai.name, pai.key_label)));
  const auto key = FindOrMakeKey(pai.key_label);
  if (!key.ok()) return Blame("name", pai.name, key.status());
  pai.public_key = ToBytes(*key->public_point);

  const Bytes subject =
      matter::EncodeName(matter::MatterName(common_name, pai.vendor_id, pai.product_id));
  // What a PAA's owner would refuse must not leave; this also catches a token that signs wrongly.
  auto csr = ceremony::SignRequest(*token_, *key, subject);
  if (!csr.ok()) return csr.status();
  pai.csr = *std::move(csr);
  return Record(*store_, &db::Store::CreatePai, caller, "pai.create", request, pai);
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
    ASSAY_RETURN_IF_ERROR(
        Blame("name", pai->name, CheckPai(*pai, *certificate, options_.sandbox_paa_certificate)));
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
    ASSAY_RETURN_IF_ERROR(
        Blame("name", pai->name, CheckPai(*pai, pai->certificate, pai->paa_certificate)));
    const auto key = token_->FindKey(pai->key_label);
    if (!key.ok()) return key.status();
    ASSAY_RETURN_IF_ERROR(Blame("name", pai->name, CheckPaiKey(*key)));
    if (!std::ranges::equal(*key->public_point, pai->public_key)) {
      return RefuseField(Reason::HSM_KEY_UNFIT, "name", pai->name,
                         absl::StrCat("the token holds another key ", pai->key_label,
                                      " than the PAI was created with"));
    }
    ASSAY_RETURN_IF_ERROR(Blame("name", pai->name, token_->CheckHealth(pai->key_label)));
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
