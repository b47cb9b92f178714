#include "client/mfg_tool/csv_plan.h"

#include <filesystem>
#include <map>
#include <set>
#include <type_traits>
#include <variant>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "base/refusal.h"
#include "client/files.h"
#include "image/csv.h"
#include "image/factory_keys.h"
#include "matter/passcode.h"
#include "matter/spake2p.h"

namespace assay::client {
namespace {

using image::CsvEncoding;
using image::CsvKey;
using image::NvsEntry;
using image::NvsValue;

constexpr size_t kMaxSerialNumber = 32;

// Keys whose value is the product's or the authority's, never a row's.
const std::set<std::string, std::less<>>& KeysNotFromCsv() {
  static const auto* const kKeys = new std::set<std::string, std::less<>>{
      "vendor-id", "product-id",  "iteration-count", "dac-cert",
      "dac-key",   "dac-pub-key", "pai-cert",        "cert-dclrn"};
  return *kKeys;
}
const std::set<std::string, std::less<>>& DeviceKeys() {
  static const auto* const kKeys = new std::set<std::string, std::less<>>{
      "serial-num", "rd-id-uid", "discriminator", "passcode", "salt", "verifier"};
  return *kKeys;
}

bool IsDeviceKey(std::string_view name_space, std::string_view key) {
  return name_space == image::kFactoryNamespace && DeviceKeys().contains(key);
}

std::string EncodingName(CsvEncoding encoding) {
  switch (encoding) {
    case CsvEncoding::kU8:
      return "u8";
    case CsvEncoding::kI8:
      return "i8";
    case CsvEncoding::kU16:
      return "u16";
    case CsvEncoding::kI16:
      return "i16";
    case CsvEncoding::kU32:
      return "u32";
    case CsvEncoding::kI32:
      return "i32";
    case CsvEncoding::kU64:
      return "u64";
    case CsvEncoding::kI64:
      return "i64";
    case CsvEncoding::kString:
      return "string";
    case CsvEncoding::kBinary:
      return "binary";
    case CsvEncoding::kHex2Bin:
      return "hex2bin";
    case CsvEncoding::kBase64:
      return "base64";
  }
  return "";
}

// Where a refusal points, as the csv reader says it: "mfg_m.csv line 3 column 2 (discriminator)".
std::string Place(const std::string& path, size_t line, size_t column, std::string_view key) {
  return absl::StrCat(path, " line ", line, " column ", column, " (", std::string(key), ")");
}

// From 1, by the header of the values' file; it has every key, or the file was refused before.
std::map<std::string, size_t> ColumnsOf(std::string_view mcsv, const std::string& path) {
  std::map<std::string, size_t> columns;
  const auto records = image::ReadCsv(mcsv, path);
  if (!records.ok() || records->empty()) return columns;
  for (const image::CsvCell& cell : records->front().cells) {
    columns.emplace(absl::StripAsciiWhitespace(cell.text), cell.column);
  }
  return columns;
}

absl::StatusOr<uint32_t> Number(const std::string& place, const NvsValue& value) {
  return std::visit(
      [&](const auto& held) -> absl::StatusOr<uint32_t> {
        using Held = std::decay_t<decltype(held)>;
        if constexpr (std::is_integral_v<Held>) {
          const auto wide = static_cast<int64_t>(held);
          if (wide >= 0 && wide <= UINT32_MAX) return static_cast<uint32_t>(wide);
          return RefuseField(Reason::FIELD_OUT_OF_RANGE, place, "", "must fit 32 bits unsigned");
        } else {
          return RefuseField(Reason::FIELD_MALFORMED, place, "",
                             "must be declared as a number (u32)");
        }
      },
      value);
}

// A blob, or for strings what base64 they hold (salt, verifier).
absl::StatusOr<Bytes> Blob(const std::string& place, const NvsValue& value, bool text_is_base64) {
  if (const auto* bytes = std::get_if<Bytes>(&value)) return *bytes;
  if (const auto* text = std::get_if<std::string>(&value); text != nullptr && text_is_base64) {
    auto decoded = FromBase64(*text);
    if (decoded.ok()) return decoded;
    return RefuseField(Reason::FIELD_MALFORMED, place, "", "must be base64");
  }
  return RefuseField(Reason::FIELD_MALFORMED, place, "",
                     text_is_base64 ? "must be declared as string (base64), hex2bin or base64"
                                    : "must be declared as hex2bin, base64 or binary");
}

absl::Status SetDeviceValue(const std::string& place, const NvsEntry& entry,
                            v1::DeviceValues& values) {
  if (entry.key == "serial-num") {
    const auto* text = std::get_if<std::string>(&entry.value);
    if (text == nullptr)
      return RefuseField(Reason::FIELD_MALFORMED, place, "", "must be declared as string");
    if (text->empty()) return RefuseField(Reason::FIELD_REQUIRED, place, "", "is empty");
    if (text->size() > kMaxSerialNumber) {
      return RefuseField(Reason::FIELD_TOO_LONG, place, *text, "must be at most 32 bytes");
    }
    values.set_serial_number(*text);
    return absl::OkStatus();
  }
  if (entry.key == "discriminator" || entry.key == "passcode") {
    const auto number = Number(place, entry.value);
    if (!number.ok()) return number.status();
    if (entry.key == "passcode") {
      ASSAY_RETURN_IF_ERROR(matter::CheckPasscode(*number, place));
      values.set_passcode(*number);
    } else {
      ASSAY_RETURN_IF_ERROR(matter::CheckDiscriminator(*number, place));
      values.set_discriminator(*number);
    }
    return absl::OkStatus();
  }
  const bool is_rotating = entry.key == "rd-id-uid";
  const auto bytes = Blob(place, entry.value, !is_rotating);
  if (!bytes.ok()) return bytes.status();
  if (is_rotating) {
    if (bytes->size() != 16) {
      return RefuseField(Reason::FIELD_OUT_OF_RANGE, place, absl::StrCat(bytes->size(), " bytes"),
                         "must be 16 bytes, 32 hex digits");
    }
    values.set_rotating_id(ToText(*bytes));
  } else if (entry.key == "salt") {
    if (bytes->size() < matter::kMinSaltSize || bytes->size() > matter::kMaxSaltSize) {
      return RefuseField(Reason::FIELD_OUT_OF_RANGE, place, absl::StrCat(bytes->size(), " bytes"),
                         "must be 16 to 32 bytes");
    }
    values.set_salt(ToText(*bytes));
  } else {
    ASSAY_RETURN_IF_ERROR(matter::CheckVerifierForm(*bytes, place));
    values.set_verifier(ToText(*bytes));
  }
  return absl::OkStatus();
}

// The value in the text form its encoding asks for, as it stood in the file.
std::string TextOf(const NvsValue& value, CsvEncoding encoding) {
  return std::visit(
      [&](const auto& held) -> std::string {
        using Held = std::decay_t<decltype(held)>;
        if constexpr (std::is_integral_v<Held>) {
          return std::to_string(held);
        } else if constexpr (std::is_same_v<Held, std::string>) {
          return held;
        } else {
          if (encoding == CsvEncoding::kHex2Bin) return ToHex(held);
          if (encoding == CsvEncoding::kBase64) return ToBase64(held);
          return ToText(held);
        }
      },
      value);
}

void AddExtra(const NvsEntry& entry, const CsvKey& key, v1::DeviceValues& values) {
  v1::ExtraValue* const extra = values.add_extra();
  extra->set_namespace_(entry.name_space);
  extra->set_key(entry.key);
  std::string text = TextOf(entry.value, key.encoding);
  // A proto string must be UTF-8; a file's bytes, and a blob's, need not be.
  if (key.source == image::CsvSource::kFile) {
    extra->set_content(std::move(text));
  } else {
    extra->set_value(std::move(text));
  }
}

absl::Status CheckSchema(const std::vector<CsvKey>& schema, const std::string& path) {
  for (const CsvKey& key : schema) {
    if (key.name_space == image::kFactoryNamespace && KeysNotFromCsv().contains(key.key)) {
      return RefuseField(Reason::FIELD_NOT_ALLOWED, Place(path, key.line, 1, key.key), "",
                         key.key == "iteration-count"
                             ? "is one value for all devices: give --iteration-count"
                             : "comes from the product and its PAI, never from a csv");
    }
  }
  return absl::OkStatus();
}

absl::Status CheckRow(const std::string& verifier_place, const v1::DeviceValues& values) {
  if (values.verifier().empty() || (values.has_passcode() && !values.salt().empty())) {
    return absl::OkStatus();
  }
  return RefuseField(Reason::FIELDS_CONTRADICT, verifier_place, "",
                     "needs the passcode and the salt it belongs to in the same row");
}

const CsvKey* FindKey(const std::vector<CsvKey>& schema, const NvsEntry& entry) {
  for (const CsvKey& key : schema) {
    if (key.key == entry.key && key.name_space == entry.name_space) return &key;
  }
  return nullptr;
}

// The lines of the rows so far by what their labels say: two units that answer to the same code
// cannot be told apart.
using LabelLines = std::map<std::pair<uint32_t, uint32_t>, size_t>;

absl::Status CheckLabel(const std::string& place, size_t line, const v1::DeviceValues& values,
                        LabelLines& lines) {
  if (!values.has_passcode() || !values.has_discriminator()) return absl::OkStatus();
  const auto [first, is_new] =
      lines.emplace(std::pair(values.passcode(), values.discriminator()), line);
  if (is_new) return absl::OkStatus();
  return RefuseField(Reason::FIELDS_CONTRADICT, place, "",
                     absl::StrCat("stands with the same discriminator in line ", first->second,
                                  ": two units would have one label"));
}

}  // namespace

absl::StatusOr<CsvPlan> PlanFromCsvTexts(std::string_view csv, const std::string& csv_path,
                                         std::string_view mcsv, const std::string& mcsv_path) {
  const auto schema = image::ReadCsvSchema(csv, csv_path);
  if (!schema.ok()) return schema.status();
  ASSAY_RETURN_IF_ERROR(CheckSchema(*schema, csv_path));
  const std::string folder = std::filesystem::path(mcsv_path).parent_path().string();
  const auto units = image::ReadCsvUnits(
      *schema, mcsv, mcsv_path, [&](std::string_view path) -> absl::StatusOr<Bytes> {
        const std::string plain(path);
        return ReadFile(PathExists(plain) ? plain : PathBelow(folder, plain));
      });
  if (!units.ok()) return units.status();
  if (units->empty()) {
    return RefuseField(Reason::FIELD_REQUIRED, mcsv_path, "", "has no row of values");
  }
  CsvPlan plan;
  for (const CsvKey& key : *schema) {
    if (IsDeviceKey(key.name_space, key.key)) {
      plan.has_rotating_id = plan.has_rotating_id || key.key == "rd-id-uid";
      continue;
    }
    v1::ExtraKey extra;
    extra.set_namespace_(key.name_space);
    extra.set_key(key.key);
    extra.set_type(key.source == image::CsvSource::kFile ? "file" : "data");
    extra.set_encoding(EncodingName(key.encoding));
    plan.extra_keys.push_back(std::move(extra));
  }
  std::map<std::string, size_t> columns = ColumnsOf(mcsv, mcsv_path);
  LabelLines labels;
  for (const image::CsvUnit& unit : *units) {
    const auto place = [&](const std::string& key) {
      return Place(mcsv_path, unit.line, columns[key], key);
    };
    v1::DeviceValues values;
    for (const NvsEntry& entry : unit.entries) {
      if (IsDeviceKey(entry.name_space, entry.key)) {
        ASSAY_RETURN_IF_ERROR(SetDeviceValue(place(entry.key), entry, values));
      } else if (const CsvKey* key = FindKey(*schema, entry)) {
        AddExtra(entry, *key, values);
      }
    }
    ASSAY_RETURN_IF_ERROR(CheckRow(place("verifier"), values));
    ASSAY_RETURN_IF_ERROR(CheckLabel(place("passcode"), unit.line, values, labels));
    plan.devices.push_back(std::move(values));
  }
  return plan;
}

absl::StatusOr<CsvPlan> PlanFromCsv(const std::string& csv_path, const std::string& mcsv_path) {
  const auto csv = ReadTextFile(csv_path);
  if (!csv.ok()) return Within("--csv", csv.status());
  const auto mcsv = ReadTextFile(mcsv_path);
  if (!mcsv.ok()) return Within("--mcsv", mcsv.status());
  return PlanFromCsvTexts(*csv, csv_path, *mcsv, mcsv_path);
}

}  // namespace assay::client
