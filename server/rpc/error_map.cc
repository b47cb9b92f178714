#include "server/rpc/error_map.h"

#include <string>

#include "base/refusal.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"

namespace assay::rpc {
namespace {

// Metadata travels in a header whose size clients limit (8 KiB by default), and protobuf strings
// must be UTF-8, while a field's value is whatever the caller sent.
constexpr size_t kMaxTextBytes = 512;

std::string Presentable(absl::string_view text) {
  std::string out;
  for (const unsigned char c : text.substr(0, kMaxTextBytes)) {
    out.push_back(c >= 0x20 && c < 0x7f ? static_cast<char>(c) : '?');
  }
  if (text.size() > kMaxTextBytes) out += "...";
  return out;
}

struct Told {
  absl::StatusCode code;
  std::string message;
  Refusal refusal;
};

Told Tell(const absl::Status& status) {
  if (const auto refusal = RefusalOf(status)) {
    return {status.code(),
            Presentable(status.message()),
            {refusal->reason, Presentable(refusal->field), Presentable(refusal->value),
             Presentable(refusal->rule), refusal->retry_after}};
  }
  const bool known = status.code() == absl::StatusCode::kCancelled ||
                     status.code() == absl::StatusCode::kDeadlineExceeded;
  return {known ? status.code() : absl::StatusCode::kInternal, Presentable(status.message()), {}};
}

}  // namespace

grpc::Status ToGrpcStatus(const absl::Status& status) {
  if (status.ok()) return grpc::Status::OK;
  const Told told = Tell(status);
  google::rpc::Status rich;
  rich.set_code(static_cast<int>(told.code));
  rich.set_message(told.message);
  google::rpc::ErrorInfo info;
  info.set_reason(std::string(ReasonName(told.refusal.reason)));
  info.set_domain(std::string(kErrorDomain));
  auto& metadata = *info.mutable_metadata();
  if (!told.refusal.field.empty()) metadata["field"] = told.refusal.field;
  if (!told.refusal.value.empty()) metadata["value"] = told.refusal.value;
  if (!told.refusal.rule.empty()) metadata["rule"] = told.refusal.rule;
  rich.add_details()->PackFrom(info);
  if (!told.refusal.field.empty() && told.code == absl::StatusCode::kInvalidArgument) {
    google::rpc::BadRequest bad;
    auto* violation = bad.add_field_violations();
    violation->set_field(told.refusal.field);
    violation->set_description(told.refusal.rule);
    rich.add_details()->PackFrom(bad);
  }
  if (told.refusal.retry_after) {
    google::rpc::RetryInfo retry;
    const int64_t milliseconds = told.refusal.retry_after->count();
    retry.mutable_retry_delay()->set_seconds(milliseconds / 1000);
    retry.mutable_retry_delay()->set_nanos(static_cast<int32_t>(milliseconds % 1000) * 1'000'000);
    rich.add_details()->PackFrom(retry);
  }
  return grpc::Status(static_cast<grpc::StatusCode>(told.code), told.message,
                      rich.SerializeAsString());
}

v1::Refusal ToStreamRefusal(const absl::Status& status) {
  Told told = Tell(status);
  v1::Refusal refusal;
  refusal.set_code(static_cast<int>(told.code));
  refusal.set_message(std::move(told.message));
  refusal.set_reason(std::string(ReasonName(told.refusal.reason)));
  refusal.set_field(std::move(told.refusal.field));
  refusal.set_value(std::move(told.refusal.value));
  refusal.set_rule(std::move(told.refusal.rule));
  if (told.refusal.retry_after) refusal.set_retry_after_ms(told.refusal.retry_after->count());
  return refusal;
}

std::string_view OutcomeName(const absl::Status& status) {
  if (status.ok()) return "OK";
  if (const auto refusal = RefusalOf(status)) return ReasonName(refusal->reason);
  if (status.code() == absl::StatusCode::kCancelled) return "CANCELLED";
  return ReasonName(Reason::INTERNAL);
}

}  // namespace assay::rpc
