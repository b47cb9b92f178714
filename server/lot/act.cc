#include "server/lot/act.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "base/refusal.h"
#include "db/storable.h"

namespace assay::lot {

absl::Status CheckName(std::string_view field, std::string_view name) {
  const absl::string_view rule = "must be 1 to 64 of [A-Za-z0-9._-]";
  if (name.empty()) {
    return RefuseField(Reason::FIELD_REQUIRED, {field.data(), field.size()}, "", rule);
  }
  const bool plain = std::all_of(name.begin(), name.end(), [](unsigned char c) {
    return absl::ascii_isalnum(c) || c == '.' || c == '_' || c == '-';
  });
  if (name.size() > 64 || !plain) {
    return RefuseField(plain ? Reason::FIELD_TOO_LONG : Reason::FIELD_MALFORMED,
                       {field.data(), field.size()}, {name.data(), name.size()}, rule);
  }
  return absl::OkStatus();
}

absl::Status CheckGiven(std::string_view field, std::string_view value) {
  if (!value.empty()) return absl::OkStatus();
  return RefuseField(Reason::FIELD_REQUIRED, {field.data(), field.size()}, "", "must be given");
}

absl::Status CheckRequestId(std::string_view request_id) {
  const absl::string_view given(request_id.data(), request_id.size());
  if (given.empty()) {
    return RefuseField(Reason::FIELD_REQUIRED, "request_id", "",
                       "every mutating request carries one");
  }
  if (given.size() > 128) {
    return RefuseField(Reason::FIELD_TOO_LONG, "request_id", given, "must be at most 128 bytes");
  }
  if (!db::Storable(request_id)) {
    return RefuseField(Reason::FIELD_MALFORMED, "request_id", given,
                       "must be UTF-8 without a zero byte");
  }
  return absl::OkStatus();
}

absl::StatusOr<int64_t> ReadSeconds(std::string_view field,
                                    const google::protobuf::Duration& duration, int64_t least,
                                    int64_t most, std::string_view rule) {
  const bool whole = duration.nanos() >= 0 && duration.nanos() <= 999'999'999;
  if (whole && duration.seconds() >= least && duration.seconds() <= most) {
    return duration.seconds();
  }
  return RefuseField(Reason::FIELD_OUT_OF_RANGE, {field.data(), field.size()},
                     absl::StrCat(duration.seconds(), " s",
                                  whole ? "" : absl::StrCat(" and ", duration.nanos(), " ns")),
                     {rule.data(), rule.size()});
}

std::string Deterministic(const google::protobuf::Message& message) {
  std::string bytes;
  bytes.reserve(message.ByteSizeLong());  // grown bit by bit it would leave copies behind
  {
    google::protobuf::io::StringOutputStream stream(&bytes);
    google::protobuf::io::CodedOutputStream coded(&stream);
    coded.SetSerializationDeterministic(true);
    message.SerializeToCodedStream(&coded);
  }
  return bytes;
}

absl::StatusOr<db::Act> MakeAct(const access::Caller& caller, std::string_view kind,
                                std::string_view subject,
                                const google::protobuf::Message& request) {
  const std::unique_ptr<google::protobuf::Message> content(request.New());
  content->CopyFrom(request);
  const auto* field = content->GetDescriptor()->FindFieldByName("request_id");
  db::Act act;
  if (field != nullptr) {
    act.request_id = content->GetReflection()->GetString(*content, field);
    content->GetReflection()->ClearField(content.get(), field);
  }
  ASSAY_RETURN_IF_ERROR(CheckRequestId(act.request_id));
  act.actor = caller.uri;
  act.kind = kind;
  act.subject = subject;
  // With its kind: activating and retiring a PAI are the same bytes.
  act.digest = Sha256(AsBytes(std::string(kind) + '\0' + Deterministic(*content)));
  act.detail = nlohmann::json{{"kind", kind},
                              {"subject", subject},
                              {"actor", caller.uri},
                              {"request_sha256", ToHex(act.digest)}}
                   .dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  return act;
}

}  // namespace assay::lot
