#include "client/spec_file.h"

#include <filesystem>
#include <limits>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "assay/v1/catalog.pb.h"
#include "base/refusal.h"
#include "client/files.h"
#include "client/numbers.h"
#include "client/show.h"
#include "client/spec_texts.h"
#include "google/protobuf/duration.pb.h"
#include "google/protobuf/timestamp.pb.h"
#include "yaml-cpp/yaml.h"

namespace assay::client {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

class Filler {
 public:
  explicit Filler(std::string file)
      : file_(std::move(file)), folder_(std::filesystem::path(file_).parent_path().string()) {}

  absl::Status Fill(const YAML::Node& node, const std::string& path, Message& message) const {
    if (IsText(node)) {
      if (auto* label = dynamic_cast<v1::FixedLabel*>(&message)) {
        return Named(node, path, ReadFixedLabel(node.Scalar(), *label));
      }
      if (auto* mode = dynamic_cast<v1::SupportedMode*>(&message)) {
        return Named(node, path, ReadSupportedMode(node.Scalar(), *mode));
      }
      if (auto* stamp = dynamic_cast<google::protobuf::Timestamp*>(&message)) {
        return FillTime(node, path, *stamp);
      }
      if (auto* duration = dynamic_cast<google::protobuf::Duration*>(&message)) {
        return FillDuration(node, path, *duration);
      }
    }
    if (!node.IsMap()) return Wrong(node, path, "must be a map of keys");
    for (const auto& entry : node) {
      const std::string key = entry.first.Scalar();
      const std::string key_path = path.empty() ? key : absl::StrCat(path, ".", key);
      const FieldDescriptor* field = message.GetDescriptor()->FindFieldByName(key);
      if (field == nullptr) return Wrong(entry.first, key_path, "is not a known key here");
      ASSAY_RETURN_IF_ERROR(FillField(entry.second, key_path, *field, message));
    }
    return absl::OkStatus();
  }

  absl::Status Wrong(const YAML::Node& node, const std::string& path,
                     absl::string_view rule) const {
    return RefuseField(Reason::FIELD_MALFORMED,
                       absl::StrCat(file_, ":", node.Mark().line + 1, ": ", path),
                       node.IsScalar() ? node.Scalar() : "", rule);
  }

 private:
  static bool IsText(const YAML::Node& node) { return node.IsScalar(); }

  absl::Status Named(const YAML::Node& node, const std::string& path,
                     const absl::Status& status) const {
    return status.ok() ? status
                       : Within(absl::StrCat(file_, ":", node.Mark().line + 1, ": ", path), status);
  }

  absl::Status FillTime(const YAML::Node& node, const std::string& path,
                        google::protobuf::Timestamp& stamp) const {
    const auto time = ParseDate(node.Scalar());
    if (!time) return Wrong(node, path, "must be YYYY-MM-DD or YYYY-MM-DD HH:MM:SS, in UTC");
    stamp.set_seconds(absl::ToUnixSeconds(*time));
    return absl::OkStatus();
  }

  absl::Status FillDuration(const YAML::Node& node, const std::string& path,
                            google::protobuf::Duration& duration) const {
    absl::Duration parsed;
    std::string text = node.Scalar();
    if (!text.empty() && text.back() == 'd') {
      const auto days = ParseUnsigned(std::string_view(text).substr(0, text.size() - 1));
      if (!days || *days > 36500) return Wrong(node, path, "must be like 30d, 12h or 90s");
      duration.set_seconds(static_cast<int64_t>(*days) * 86400);
      return absl::OkStatus();
    }
    if (!absl::ParseDuration(text, &parsed))
      return Wrong(node, path, "must be like 30d, 12h or 90s");
    duration.set_seconds(absl::ToInt64Seconds(parsed));
    return absl::OkStatus();
  }

  absl::Status FillField(const YAML::Node& node, const std::string& path,
                         const FieldDescriptor& field, Message& message) const {
    const Reflection& reflection = *message.GetReflection();
    if (!field.is_repeated()) {
      if (field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
        return Fill(node, path, *reflection.MutableMessage(&message, &field));
      }
      return FillScalar(node, path, field, message);
    }
    if (!node.IsSequence()) return Wrong(node, path, "must be a list");
    for (size_t i = 0; i < node.size(); ++i) {
      const std::string item = absl::StrCat(path, "[", i, "]");
      ASSAY_RETURN_IF_ERROR(field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE
                                ? Fill(node[i], item, *reflection.AddMessage(&message, &field))
                                : FillScalar(node[i], item, field, message));
    }
    return absl::OkStatus();
  }

  absl::Status FillScalar(const YAML::Node& node, const std::string& path,
                          const FieldDescriptor& field, Message& message) const {
    if (!node.IsScalar()) return Wrong(node, path, "must be a single value");
    const Reflection& reflection = *message.GetReflection();
    switch (field.cpp_type()) {
      case FieldDescriptor::CPPTYPE_STRING:
        return FillText(node, path, field, message);
      case FieldDescriptor::CPPTYPE_ENUM:
        return FillEnum(node, path, field, message);
      case FieldDescriptor::CPPTYPE_BOOL: {
        bool value = false;
        if (!YAML::convert<bool>::decode(node, value))
          return Wrong(node, path, "must be true or false");
        reflection.SetBool(&message, &field, value);
        return absl::OkStatus();
      }
      case FieldDescriptor::CPPTYPE_INT32: {
        const auto value = ParseSigned(node.Scalar());
        if (!value || *value < INT32_MIN || *value > INT32_MAX) {
          return Wrong(node, path, "must be a whole number");
        }
        reflection.SetInt32(&message, &field, static_cast<int32_t>(*value));
        return absl::OkStatus();
      }
      default:
        return FillUnsigned(node, path, field, message);
    }
  }

  absl::Status FillUnsigned(const YAML::Node& node, const std::string& path,
                            const FieldDescriptor& field, Message& message) const {
    const Reflection& reflection = *message.GetReflection();
    const auto value = ParseUnsigned(node.Scalar());
    const bool wide = field.cpp_type() == FieldDescriptor::CPPTYPE_UINT64;
    if (!value || (!wide && *value > std::numeric_limits<uint32_t>::max())) {
      return Wrong(node, path, "must be a whole number, decimal or with 0x");
    }
    if (wide) {
      reflection.SetUInt64(&message, &field, *value);
    } else if (field.is_repeated()) {
      reflection.AddUInt32(&message, &field, static_cast<uint32_t>(*value));
    } else {
      reflection.SetUInt32(&message, &field, static_cast<uint32_t>(*value));
    }
    return absl::OkStatus();
  }

  absl::Status FillText(const YAML::Node& node, const std::string& path,
                        const FieldDescriptor& field, Message& message) const {
    std::string value = node.Scalar();
    if (field.type() == FieldDescriptor::TYPE_BYTES) {
      auto bytes = ReadFile(PathBelow(folder_, value));
      if (!bytes.ok()) return Named(node, path, bytes.status());
      value = ToText(*bytes);
    }
    if (field.is_repeated()) {
      message.GetReflection()->AddString(&message, &field, std::move(value));
    } else {
      message.GetReflection()->SetString(&message, &field, std::move(value));
    }
    return absl::OkStatus();
  }

  absl::Status FillEnum(const YAML::Node& node, const std::string& path,
                        const FieldDescriptor& field, Message& message) const {
    std::vector<std::string> words;
    for (int i = 0; i < field.enum_type()->value_count(); ++i) {
      const auto* value = field.enum_type()->value(i);
      const std::string word = EnumWord(*value);
      if (word == node.Scalar() || value->name() == node.Scalar()) {
        message.GetReflection()->SetEnum(&message, &field, value);
        return absl::OkStatus();
      }
      if (word != "unspecified") words.push_back(word);
    }
    return Wrong(node, path, absl::StrCat("must be one of ", absl::StrJoin(words, ", ")));
  }

  std::string file_;
  std::string folder_;
};

}  // namespace

absl::Status FillFromYaml(std::string_view yaml, const std::string& path, Message& message) {
  try {
    return Filler(path).Fill(YAML::Load(std::string(yaml)), "", message);
  } catch (const YAML::Exception& e) {
    return RefuseField(Reason::FIELD_MALFORMED, absl::StrCat(path, ":", e.mark.line + 1), "",
                       e.msg);
  }
}

}  // namespace assay::client
