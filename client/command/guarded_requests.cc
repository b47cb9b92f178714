#include "client/command/guarded_requests.h"

#include "base/refusal.h"
#include "client/connection.h"
#include "client/show.h"

namespace assay::client {
namespace {

template <typename Request>
absl::StatusOr<Request> RevocationOf(const RevokeOptions& options) {
  const auto reason = ReasonOf(options.reason);
  if (!reason.ok()) return reason.status();
  Request request;
  request.set_request_id(NewRequestId());
  request.set_name(options.name);
  request.set_reason(*reason);
  return request;
}

}  // namespace

v1::OpenLotRequest OpenLotRequestOf(const Context& context, const LotOptions& options) {
  v1::OpenLotRequest request;
  request.set_request_id(NewRequestId());
  request.set_name(options.name);
  request.set_product(options.product);
  request.set_factory(options.factory);
  if (request.factory().empty()) {
    if (const auto profile = context.LoadProfile(); profile.ok())
      request.set_factory(profile->factory);
  }
  request.set_count(options.count);
  if (options.retention_days > 0) {
    request.mutable_retention()->set_seconds(static_cast<int64_t>(options.retention_days) * 86400);
  }
  return request;
}

v1::RaiseLotRequest RaiseLotRequestOf(const LotOptions& options) {
  v1::RaiseLotRequest request;
  request.set_request_id(NewRequestId());
  request.set_name(options.name);
  request.set_count(options.count);
  return request;
}

v1::ActivatePaiRequest ActivatePaiRequestOf(const PaiOptions& options) {
  v1::ActivatePaiRequest request;
  request.set_request_id(NewRequestId());
  request.set_name(options.name);
  return request;
}

absl::StatusOr<v1::RevocationReason> ReasonOf(const std::string& word) {
  const auto* const words = v1::RevocationReason_descriptor();
  for (int i = 0; i < words->value_count(); ++i) {
    const auto* const value = words->value(i);
    if (value->number() != 0 && EnumWord(*value) == word) {
      return static_cast<v1::RevocationReason>(value->number());
    }
  }
  return RefuseField(Reason::FIELD_MALFORMED, "--reason", word, "one of those --help lists");
}

absl::StatusOr<v1::RevokeLotRequest> RevokeLotRequestOf(const RevokeOptions& options) {
  return RevocationOf<v1::RevokeLotRequest>(options);
}

absl::StatusOr<v1::RevokePaiRequest> RevokePaiRequestOf(const RevokeOptions& options) {
  return RevocationOf<v1::RevokePaiRequest>(options);
}

}  // namespace assay::client
