// What every change of a PAI has: its checks, its act, its way into the store and out to the
// caller.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "assay/v1/authority.pb.h"
#include "base/refusal.h"
#include "db/store.h"
#include "matter/name.h"
#include "matter/test_credentials.h"
#include "nlohmann/json.hpp"
#include "server/access/caller.h"
#include "server/lot/act.h"

namespace assay::authority {

inline constexpr uint32_t kHighestVendor = 0xFFF4;

// What every change begins with: role, request id, name.
template <typename Request>
absl::Status CheckChange(const access::Caller& caller, const Request& request) {
  ASSAY_RETURN_IF_ERROR(caller.CheckRole(access::Role::kOperator));
  ASSAY_RETURN_IF_ERROR(lot::MakeAct(caller, "", request.name(), request).status());
  return lot::CheckName("name", request.name());
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

// Of a request that CheckIds has passed.
template <typename Request>
void SetIds(const Request& request, db::Pai& pai) {
  pai.vendor_id = static_cast<uint16_t>(request.vendor_id());
  pai.product_id.reset();
  if (request.has_product_id()) pai.product_id = static_cast<uint16_t>(request.product_id());
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

inline v1::PaiState StateOf(db::PaiState state) {
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

inline v1::Pai ToProto(const db::Pai& pai) {
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

inline absl::StatusOr<v1::Pai> ToProto(const absl::StatusOr<db::Pai>& pai) {
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

}  // namespace assay::authority
