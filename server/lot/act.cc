#include "server/lot/act.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>

#include "absl/strings/ascii.h"
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
    return RefuseField(Reason::FIELD_MALFORMED, {field.data(), field.size()},
                       {name.data(), std::min<size_t>(name.size(), 80)}, rule);
  }
  return absl::OkStatus();
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
  if (act.request_id.empty()) {
    return RefuseField(Reason::FIELD_REQUIRED, "request_id", "",
                       "every mutating request carries one");
  }
  if (act.request_id.size() > 128) {
    return RefuseField(Reason::FIELD_TOO_LONG, "request_id", "", "must be at most 128 bytes");
  }
  if (!db::Storable(act.request_id)) {
    return RefuseField(Reason::FIELD_MALFORMED, "request_id", "",
                       "must be UTF-8 without a zero byte");
  }
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
