// A key that is in the token already becomes a PAI's.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/refusal.h"
#include "ceremony/key_making.h"
#include "matter/csr.h"
#include "matter/name.h"
#include "server/authority/authority.h"
#include "server/authority/pai_act.h"

namespace assay::authority {
namespace {

// The request with vendor and product as its CSR has them, where it has one; that in DER.
absl::StatusOr<Bytes> ReadCsr(v1::AdoptPaiRequest& request, ByteView public_key) {
  if (request.csr().empty()) return Bytes();
  auto der = matter::CsrDerFrom(AsBytes(request.csr()));
  if (!der.ok()) return Within("csr", der.status());
  const auto csr = matter::ParseCsr(*der);
  if (!csr.ok()) return Within("csr", csr.status());
  if (!std::ranges::equal(csr->public_key, public_key)) {
    return RefuseField(Reason::FIELDS_CONTRADICT, "csr", "",
                       absl::StrCat("must be for the key ", request.key_label(), " in the token"));
  }
  const auto ids = matter::IdsOfEncodedName(csr->subject);
  if (!ids.ok()) return Within("csr", ids.status());
  request.set_vendor_id(ids->vid.value_or(0));
  request.clear_product_id();
  if (ids->pid) request.set_product_id(*ids->pid);
  return der;
}

}  // namespace

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
  if (HasReason(key.status(), Reason::HSM_KEY_MISSING)) {
    // A label nobody has used before is rather mistyped than gone for a while.
    return RefuseField(Reason::KEY_UNKNOWN, "key_label", pai.key_label,
                       "the token has no key of this label");
  }
  if (!key.ok()) return Blame("key_label", pai.key_label, key.status());
  ASSAY_RETURN_IF_ERROR(Blame("key_label", pai.key_label, CheckPaiKey(*key)));
  pai.public_key = ToBytes(*key->public_point);

  v1::AdoptPaiRequest fields = request;
  auto given = ReadCsr(fields, pai.public_key);
  if (!given.ok()) return given.status();
  pai.csr = *std::move(given);
  ASSAY_RETURN_IF_ERROR(CheckIds(fields, options_.production));
  SetIds(fields, pai);
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
    // The store knows whether this is the same act again, or asks for another PAI of that name.
    db::Pai wanted = *before;
    v1::AdoptPaiRequest fields = request;
    ASSAY_RETURN_IF_ERROR(ReadCsr(fields, before->public_key).status());
    ASSAY_RETURN_IF_ERROR(CheckIds(fields, options_.production));
    SetIds(fields, wanted);
    wanted.key_label = request.key_label();
    return Record(*store_, &db::Store::CreatePai, caller, "pai.adopt", request, wanted);
  }
  if (!HasReason(before.status(), Reason::PAI_UNKNOWN)) return before.status();
  ASSAY_RETURN_IF_ERROR(CheckKeyFree(request.name(), request.key_label()));
  const auto pai = AdoptedPai(request);
  if (!pai.ok()) return pai.status();
  return Record(*store_, &db::Store::CreatePai, caller, "pai.adopt", request, *pai);
}

}  // namespace assay::authority
