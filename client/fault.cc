#include "client/fault.h"

#include <algorithm>
#include <map>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/refusal.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"

namespace assay::client {
namespace {

constexpr absl::string_view kDomain = "assay";

std::optional<Reason> ReasonOf(absl::string_view name) {
  static const auto* const kByName = [] {
    auto* names = new std::map<std::string, Reason, std::less<>>;
    for (const Reason reason : AllReasons()) names->emplace(ReasonName(reason), reason);
    return names;
  }();
  const auto found = kByName->find(name);
  if (found == kByName->end()) return std::nullopt;
  return found->second;
}

// What a server said, before it is known whether this build knows the reason.
struct Told {
  int code = 0;
  std::string message, reason, field, value, rule;
  std::optional<std::chrono::milliseconds> retry_after;
};

absl::Status StatusOf(const Told& told) {
  const auto reason = ReasonOf(told.reason);
  if (!reason) {
    return absl::Status(
        static_cast<absl::StatusCode>(told.code),
        told.reason.empty() ? told.message : absl::StrCat(told.message, " [", told.reason, "]"));
  }
  // The rule says more than the delay where both are there: a wrong field is not mended by waiting.
  if (!told.field.empty()) return RefuseField(*reason, told.field, told.value, told.rule);
  if (told.retry_after) return RefuseFor(*reason, told.message, *told.retry_after);
  return Refuse(*reason, told.message);
}

std::string Metadata(const google::rpc::ErrorInfo& info, const std::string& key) {
  const auto found = info.metadata().find(key);
  return found == info.metadata().end() ? "" : found->second;
}

std::string WaitText(std::chrono::milliseconds wait) {
  if (wait.count() % 1000 == 0) return absl::StrCat(wait.count() / 1000, " s");
  return absl::StrCat(wait.count(), " ms");
}

}  // namespace

absl::Status FromGrpc(const grpc::Status& status) {
  if (status.ok()) return absl::OkStatus();
  Told told;
  told.code = status.error_code();
  told.message = status.error_message();
  google::rpc::Status details;
  if (!details.ParseFromString(status.error_details())) return StatusOf(told);
  for (const google::protobuf::Any& any : details.details()) {
    google::rpc::ErrorInfo info;
    google::rpc::RetryInfo retry;
    google::rpc::BadRequest bad;
    if (any.UnpackTo(&info) && info.domain() == kDomain) {
      told.reason = info.reason();
      if (told.field.empty()) told.field = Metadata(info, "field");
      told.value = Metadata(info, "value");
      if (const std::string rule = Metadata(info, "rule"); !rule.empty()) told.rule = rule;
    } else if (any.UnpackTo(&retry)) {
      told.retry_after = std::chrono::milliseconds(retry.retry_delay().seconds() * 1000 +
                                                   retry.retry_delay().nanos() / 1000000);
    } else if (any.UnpackTo(&bad) && bad.field_violations_size() > 0) {
      if (told.field.empty()) told.field = bad.field_violations(0).field();
      if (told.rule.empty()) told.rule = bad.field_violations(0).description();
    }
  }
  return StatusOf(told);
}

absl::Status FromRefusal(const v1::Refusal& refusal) {
  Told told{refusal.code(),  refusal.message(), refusal.reason(), refusal.field(),
            refusal.value(), refusal.rule(),    std::nullopt};
  if (refusal.retry_after_ms() > 0) {
    told.retry_after = std::chrono::milliseconds(refusal.retry_after_ms());
  }
  return StatusOf(told);
}

std::optional<std::chrono::milliseconds> RetryAfter(const absl::Status& status) {
  if (const auto refusal = RefusalOf(status)) return refusal->retry_after;
  if (absl::IsUnavailable(status)) return std::chrono::milliseconds(500);
  return std::nullopt;
}

std::string FaultLine(const absl::Status& status) {
  std::string line(status.message());
  for (char& c : line) {
    if (c == '\n' || c == '\r') c = ' ';
  }
  const auto refusal = RefusalOf(status);
  if (!refusal) {
    if (absl::IsCancelled(status)) return line;
    if (absl::IsUnavailable(status)) {
      // TLS 1.3 tells a client that its certificate is refused by closing the connection, and gRPC
      // says no more than that.
      const bool closed = absl::StrContains(line, "Socket closed");
      if (absl::StrContains(line, "certificate verify failed")) {
        return absl::StrCat(line, " [the server's certificate is not of the profile's ca]");
      }
      return absl::StrCat(line, " [server unreachable; retry later",
                          closed ? ", or the server does not take this client's certificate" : "",
                          "]");
    }
    if (absl::IsDataLoss(status)) return absl::StrCat(line, " [not what was signed]");
    return absl::StrCat(line, " [", absl::StatusCodeToString(status.code()), "]");
  }
  const std::string retry = refusal->retry_after
                                ? absl::StrCat("retry after ", WaitText(*refusal->retry_after))
                                : "do not retry unchanged";
  return absl::StrCat(line, " [", std::string(ReasonName(refusal->reason)), ": ",
                      std::string(ReasonText(refusal->reason)), "; ", retry, "]");
}

ExitCode ExitCodeOf(const absl::Status& status) {
  if (status.ok()) return ExitCode::kOk;
  if (!RefusalOf(status) && (absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status))) {
    return ExitCode::kUnreachable;
  }
  return ExitCode::kRefused;
}

}  // namespace assay::client
