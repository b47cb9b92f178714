#include "client/show.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/time/time.h"
#include "base/bytes.h"
#include "google/protobuf/duration.pb.h"
#include "google/protobuf/timestamp.pb.h"
#include "google/protobuf/util/json_util.h"

namespace assay::client {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

size_t Width(const std::string& text) {
  return static_cast<size_t>(std::count_if(
      text.begin(), text.end(), [](char c) { return (static_cast<uint8_t>(c) & 0xC0) != 0x80; }));
}

std::string BlobText(const FieldDescriptor& field, const std::string& blob) {
  // A digest is what people compare with sha256sum and manifests: in its own digits.
  if (absl::EndsWith(field.name(), "sha256")) return ToHex(AsBytes(blob));
  if (blob.size() <= 20) return ToUpperHex(AsBytes(blob));
  return absl::StrCat(blob.size(), " bytes, SHA-256 ", ToHex(Sha256(AsBytes(blob))));
}

std::string IdText(const FieldDescriptor& field, uint32_t value) {
  if (absl::EndsWith(field.name(), "vendor_id") || absl::EndsWith(field.name(), "product_id") ||
      absl::EndsWith(field.name(), "product_ids")) {
    return absl::StrCat("0x", absl::Hex(value, absl::kZeroPad4));
  }
  return absl::StrCat(value);
}

// One value of a singular field, or number `index` of a repeated one.
std::string ScalarText(const Message& message, const FieldDescriptor& field, int index) {
  const Reflection& reflection = *message.GetReflection();
  const bool repeated = field.is_repeated();
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_UINT32:
      return IdText(field, repeated ? reflection.GetRepeatedUInt32(message, &field, index)
                                    : reflection.GetUInt32(message, &field));
    case FieldDescriptor::CPPTYPE_INT32:
      return absl::StrCat(reflection.GetInt32(message, &field));
    case FieldDescriptor::CPPTYPE_UINT64:
      return absl::StrCat(reflection.GetUInt64(message, &field));
    case FieldDescriptor::CPPTYPE_INT64:
      return absl::StrCat(reflection.GetInt64(message, &field));
    case FieldDescriptor::CPPTYPE_BOOL:
      return reflection.GetBool(message, &field) ? "yes" : "no";
    case FieldDescriptor::CPPTYPE_ENUM:
      return EnumWord(*reflection.GetEnum(message, &field));
    case FieldDescriptor::CPPTYPE_STRING: {
      const std::string text = repeated ? reflection.GetRepeatedString(message, &field, index)
                                        : reflection.GetString(message, &field);
      return field.type() == FieldDescriptor::TYPE_BYTES ? BlobText(field, text) : text;
    }
    default:
      return "";
  }
}

std::string TimeText(const Message& message) {
  if (message.GetDescriptor() == google::protobuf::Timestamp::descriptor()) {
    const auto& stamp = static_cast<const google::protobuf::Timestamp&>(message);
    return absl::FormatTime("%Y-%m-%d %H:%M:%SZ", absl::FromUnixSeconds(stamp.seconds()),
                            absl::UTCTimeZone());
  }
  const auto& duration = static_cast<const google::protobuf::Duration&>(message);
  if (duration.seconds() % 86400 == 0) return absl::StrCat(duration.seconds() / 86400, " days");
  return absl::FormatDuration(absl::Seconds(duration.seconds()));
}

bool IsTime(const Descriptor& type) {
  return &type == google::protobuf::Timestamp::descriptor() ||
         &type == google::protobuf::Duration::descriptor();
}

void AppendText(const Message& message, int indent, std::string& out);

void AppendField(const Message& message, const FieldDescriptor& field, int index, int indent,
                 std::string& out) {
  const Reflection& reflection = *message.GetReflection();
  const std::string margin(static_cast<size_t>(indent), ' ');
  if (field.cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE) {
    absl::StrAppend(&out, margin, field.name(), ": ", ScalarText(message, field, index), "\n");
    return;
  }
  const Message& inner = field.is_repeated() ? reflection.GetRepeatedMessage(message, &field, index)
                                             : reflection.GetMessage(message, &field);
  if (IsTime(*inner.GetDescriptor())) {
    absl::StrAppend(&out, margin, field.name(), ": ", TimeText(inner), "\n");
    return;
  }
  absl::StrAppend(&out, margin, field.name(), ":\n");
  AppendText(inner, indent + 2, out);
}

void AppendText(const Message& message, int indent, std::string& out) {
  std::vector<const FieldDescriptor*> fields;
  message.GetReflection()->ListFields(message, &fields);
  for (const FieldDescriptor* field : fields) {
    const int count = field->is_repeated() ? message.GetReflection()->FieldSize(message, field) : 1;
    for (int i = 0; i < count; ++i) AppendField(message, *field, i, indent, out);
  }
}

std::string Json(const Message& message, bool indented) {
  google::protobuf::util::JsonPrintOptions options;
  options.add_whitespace = indented;
  options.preserve_proto_field_names = true;
  options.always_print_primitive_fields = true;
  std::string out;
  (void)google::protobuf::util::MessageToJsonString(message, &out, options);
  return out;
}

}  // namespace

std::string RenderTable(const std::vector<std::string>& head,
                        const std::vector<std::vector<std::string>>& rows) {
  std::vector<size_t> widths;
  for (const std::string& cell : head) widths.push_back(Width(cell));
  for (const auto& row : rows) {
    for (size_t i = 0; i < row.size() && i < widths.size(); ++i) {
      widths[i] = std::max(widths[i], Width(row[i]));
    }
  }
  std::string out;
  const auto append_row = [&](const std::vector<std::string>& row) {
    std::string line;
    for (size_t i = 0; i < widths.size(); ++i) {
      const std::string cell = i < row.size() ? row[i] : "";
      absl::StrAppend(&line, i == 0 ? "" : "  ", cell, std::string(widths[i] - Width(cell), ' '));
    }
    absl::StrAppend(&out, absl::StripTrailingAsciiWhitespace(line), "\n");
  };
  append_row(head);
  std::vector<std::string> rule;
  for (const size_t width : widths) rule.emplace_back(width, '-');
  append_row(rule);
  for (const auto& row : rows) append_row(row);
  return out;
}

std::string MessageText(const Message& message) {
  std::string out;
  AppendText(message, 0, out);
  return out;
}

std::string MessageJson(const Message& message) { return Json(message, true); }
std::string MessageJsonLine(const Message& message) { return Json(message, false); }

std::string EnumWord(const google::protobuf::EnumValueDescriptor& value) {
  // The longest prefix all values share up to an underscore belongs to the type's name.
  std::string prefix = value.type()->value(0)->name();
  for (int i = 0; i < value.type()->value_count(); ++i) {
    const std::string& name = value.type()->value(i)->name();
    const auto [a, b] = std::mismatch(prefix.begin(), prefix.end(), name.begin(), name.end());
    (void)b;
    prefix.erase(a, prefix.end());
  }
  prefix.erase(prefix.rfind('_') + 1);
  return absl::AsciiStrToLower(
      absl::StrReplaceAll(value.name().substr(prefix.size()), {{"_", "-"}}));
}

}  // namespace assay::client
