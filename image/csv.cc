#include "image/csv.h"

#include <algorithm>
#include <charconv>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/refusal.h"
#include "image/csv_place.h"
#include "image/factory_keys.h"
#include "image/factory_known.h"
#include "image/text.h"
#include "matter/utf8.h"

namespace assay::image {
namespace {

struct EncodingName {
  std::string_view name;
  CsvEncoding encoding;
};
constexpr EncodingName kEncodings[] = {
    {"u8", CsvEncoding::kU8},           {"i8", CsvEncoding::kI8},
    {"u16", CsvEncoding::kU16},         {"i16", CsvEncoding::kI16},
    {"u32", CsvEncoding::kU32},         {"i32", CsvEncoding::kI32},
    {"u64", CsvEncoding::kU64},         {"i64", CsvEncoding::kI64},
    {"string", CsvEncoding::kString},   {"binary", CsvEncoding::kBinary},
    {"hex2bin", CsvEncoding::kHex2Bin}, {"base64", CsvEncoding::kBase64},
};

bool IsComment(const CsvRecord& record) {
  return !record.cells.front().text.empty() && record.cells.front().text.front() == '#';
}

std::string CellText(const CsvRecord& record, size_t column) {
  return column < record.cells.size() ? Trimmed(record.cells[column].text) : std::string();
}

const CsvCell& CellOrLast(const CsvRecord& record, size_t column) {
  return record.cells[std::min(column, record.cells.size() - 1)];
}

absl::Status CheckNvsName(const CsvCell& cell, std::string_view name, std::string_view file,
                          absl::string_view what) {
  if (name.empty()) {
    return RefuseField(Reason::FIELD_REQUIRED, Place(file, cell), "",
                       absl::StrCat(what, " is missing"));
  }
  if (name.size() > kNvsMaxKey) {
    return RefuseField(Reason::FIELD_TOO_LONG, Place(file, cell), Text(name),
                       absl::StrCat(what, " has at most 15 bytes"));
  }
  return absl::OkStatus();
}

absl::StatusOr<CsvKey> ParseKey(const CsvRecord& record, std::string_view name_space,
                                std::string_view file) {
  CsvKey key;
  key.name_space = name_space;
  key.key = CellText(record, 0);
  key.line = record.line;
  ASSAY_RETURN_IF_ERROR(CheckNvsName(record.cells[0], key.key, file, "the key"));
  const std::string source = CellText(record, 1);
  if (source != "data" && source != "file") {
    return RefuseField(Reason::FIELD_MALFORMED, Place(file, CellOrLast(record, 1)), source,
                       "the type is data, file or namespace");
  }
  key.source = source == "file" ? CsvSource::kFile : CsvSource::kData;
  const std::string encoding = CellText(record, 2);
  const auto* found = std::find_if(std::begin(kEncodings), std::end(kEncodings),
                                   [&](const EncodingName& name) { return name.name == encoding; });
  if (found == std::end(kEncodings)) {
    return RefuseField(
        Reason::FIELD_MALFORMED, Place(file, CellOrLast(record, 2)), encoding,
        "the encoding is u8, i8, u16, i16, u32, i32, u64, i64, string, binary, hex2bin or base64");
  }
  key.encoding = found->encoding;
  if (key.source == CsvSource::kFile && key.encoding < CsvEncoding::kString) {
    return RefuseField(Reason::FIELDS_CONTRADICT, Place(file, record.cells[2]), encoding,
                       "a number cannot come from a file");
  }
  return key;
}

bool IsNamespaceLine(const CsvRecord& record) { return CellText(record, 1) == "namespace"; }

template <typename Integer>
std::optional<NvsValue> ParseInteger(std::string_view text) {
  bool negative = false;
  if (text.starts_with('-') || text.starts_with('+')) {
    negative = text.front() == '-';
    text.remove_prefix(1);
  }
  int base = 10;
  if (text.starts_with("0x") || text.starts_with("0X")) {
    base = 16;
    text.remove_prefix(2);
  }
  uint64_t magnitude = 0;
  const auto end = std::from_chars(text.data(), text.data() + text.size(), magnitude, base);
  if (text.empty() || end.ec != std::errc() || end.ptr != text.data() + text.size())
    return std::nullopt;
  using Limits = std::numeric_limits<Integer>;
  if (!negative) {
    if (magnitude > static_cast<uint64_t>(Limits::max())) return std::nullopt;
    return NvsValue(static_cast<Integer>(magnitude));
  }
  const uint64_t lowest = Limits::is_signed ? static_cast<uint64_t>(Limits::max()) + 1 : 0;
  if (magnitude > lowest) return std::nullopt;
  return NvsValue(static_cast<Integer>(uint64_t{0} - magnitude));
}

std::optional<NvsValue> ParseNumber(CsvEncoding encoding, std::string_view text) {
  switch (encoding) {
    case CsvEncoding::kU8:
      return ParseInteger<uint8_t>(text);
    case CsvEncoding::kI8:
      return ParseInteger<int8_t>(text);
    case CsvEncoding::kU16:
      return ParseInteger<uint16_t>(text);
    case CsvEncoding::kI16:
      return ParseInteger<int16_t>(text);
    case CsvEncoding::kU32:
      return ParseInteger<uint32_t>(text);
    case CsvEncoding::kI32:
      return ParseInteger<int32_t>(text);
    case CsvEncoding::kU64:
      return ParseInteger<uint64_t>(text);
    default:
      return ParseInteger<int64_t>(text);
  }
}

std::string_view EncodingNameOf(CsvEncoding encoding) {
  return kEncodings[static_cast<size_t>(encoding)].name;
}

// Reads cells into entries and words their refusals.
class ValueReader {
 public:
  ValueReader(std::string_view file, const CsvFileReader& read_file)
      : file_(file), read_file_(read_file) {}

  absl::StatusOr<NvsEntry> Read(const CsvKey& key, const CsvCell& cell) const {
    const bool secret = IsSecretFactoryKey(key.key);
    std::string raw = cell.text;
    if (key.source == CsvSource::kFile) {
      auto content = ReadFile(key, cell);
      if (!content.ok()) return content.status();
      raw = ToText(*content);
      if (secret) WipeBytes(*content);
    }
    auto value = Convert(key, cell, raw);
    if (secret) WipeText(raw);
    if (!value.ok()) return value.status();
    return NvsEntry(key.name_space, key.key, *std::move(value), secret);
  }

 private:
  absl::StatusOr<Bytes> ReadFile(const CsvKey& key, const CsvCell& cell) const {
    const std::string path = Trimmed(cell.text);
    if (path.empty()) {
      return RefuseField(Reason::FIELD_REQUIRED, Place(file_, cell, key.key), "",
                         "the path of a file is missing");
    }
    auto content = read_file_(path);
    if (!content.ok()) {
      return RefuseField(Reason::FIELD_MALFORMED, Place(file_, cell, key.key), path,
                         absl::StrCat("the file cannot be read: ", content.status().message()));
    }
    return content;
  }

  absl::StatusOr<NvsValue> Convert(const CsvKey& key, const CsvCell& cell,
                                   const std::string& raw) const {
    // A value may be a secret of the factory's own: its length is all that is told.
    const auto refuse = [&](Reason reason, absl::string_view rule) {
      return RefuseField(reason, Place(file_, cell, key.key), absl::StrCat(raw.size(), " bytes"),
                         rule);
    };
    switch (key.encoding) {
      case CsvEncoding::kString:
        if (!matter::IsUtf8(raw) || raw.find('\0') != std::string::npos) {
          return refuse(Reason::FIELD_MALFORMED, "a string is UTF-8 text");
        }
        if (raw.size() > kNvsMaxString) {
          return refuse(Reason::FIELD_TOO_LONG,
                        absl::StrCat("a string holds at most ", kNvsMaxString, " bytes"));
        }
        return NvsValue(raw);
      case CsvEncoding::kBinary:
        return NvsValue(ToBytes(AsBytes(raw)));
      case CsvEncoding::kHex2Bin: {
        auto bytes = FromHex(Trimmed(raw));
        if (!bytes.ok()) return refuse(Reason::FIELD_MALFORMED, "an even number of hex digits");
        return NvsValue(*std::move(bytes));
      }
      case CsvEncoding::kBase64: {
        auto bytes = FromBase64(Trimmed(raw));
        if (!bytes.ok()) return refuse(Reason::FIELD_MALFORMED, "padded base64");
        return NvsValue(*std::move(bytes));
      }
      default:
        break;
    }
    auto number = ParseNumber(key.encoding, Trimmed(raw));
    if (!number) {
      return refuse(Reason::FIELD_OUT_OF_RANGE,
                    absl::StrCat("a number that fits ", Text(EncodingNameOf(key.encoding))));
    }
    return *std::move(number);
  }

  std::string_view file_;
  const CsvFileReader& read_file_;
};

using Columns = std::map<std::string, size_t>;

absl::StatusOr<Columns> ReadHeader(const CsvRecord& header, std::string_view file) {
  Columns columns;
  for (size_t i = 0; i < header.cells.size(); ++i) {
    const std::string name = Trimmed(header.cells[i].text);
    if (!columns.emplace(name, i).second) {
      return RefuseField(Reason::FIELDS_CONTRADICT, Place(file, header.cells[i]), name,
                         "the header names this column twice");
    }
  }
  return columns;
}

// Values that no two units may share.
class Uniqueness {
 public:
  explicit Uniqueness(std::string_view file) : file_(file) {}

  absl::Status Add(const CsvKey& key, const CsvCell& cell, const NvsValue& value) {
    if (key.name_space != kFactoryNamespace ||
        (key.key != "serial-num" && key.key != "rd-id-uid")) {
      return absl::OkStatus();
    }
    const auto [first, fresh] = seen_.emplace(std::pair{key.key, value}, cell.line);
    if (fresh) return absl::OkStatus();
    return RefuseField(
        Reason::FIELDS_CONTRADICT, Place(file_, cell, key.key),
        IsSecretFactoryKey(key.key) ? std::string() : cell.text,
        absl::StrCat("line ", first->second, " has the same value, and it must differ"));
  }

 private:
  std::string_view file_;
  std::map<std::pair<std::string, NvsValue>, size_t> seen_;
};

}  // namespace

absl::StatusOr<std::vector<CsvKey>> ReadCsvSchema(std::string_view text,
                                                  std::string_view file_name) {
  auto records = ReadCsv(text, file_name);
  if (!records.ok()) return records.status();
  std::vector<CsvKey> keys;
  std::set<std::pair<std::string, std::string>> seen;
  std::string name_space(kFactoryNamespace);
  for (const CsvRecord& record : *records) {
    if (IsComment(record)) continue;
    if (IsNamespaceLine(record)) {
      name_space = CellText(record, 0);
      ASSAY_RETURN_IF_ERROR(CheckNvsName(record.cells[0], name_space, file_name, "the namespace"));
      continue;
    }
    auto key = ParseKey(record, name_space, file_name);
    if (!key.ok()) return key.status();
    const std::string repeat = CellText(record, 3);
    if (record.cells.size() > 4 || (!repeat.empty() && repeat != "REPEAT")) {
      return RefuseField(Reason::FIELD_MALFORMED, Place(file_name, CellOrLast(record, 3)), repeat,
                         "only REPEAT may follow the encoding");
    }
    key->repeat = repeat == "REPEAT";
    if (!seen.emplace(key->name_space, key->key).second) {
      return RefuseField(Reason::FIELDS_CONTRADICT, Place(file_name, record.cells[0]), key->key,
                         "the key stands twice in its namespace");
    }
    keys.push_back(*std::move(key));
  }
  if (keys.empty())
    return RefuseField(Reason::FIELD_REQUIRED, Text(file_name), "", "the file names no key");
  return keys;
}

absl::StatusOr<std::vector<CsvUnit>> ReadCsvUnits(const std::vector<CsvKey>& schema,
                                                  std::string_view text, std::string_view file_name,
                                                  const CsvFileReader& read_file) {
  auto records = ReadCsv(text, file_name);
  if (!records.ok()) return records.status();
  if (records->size() < 2) {
    return RefuseField(Reason::FIELD_REQUIRED, Text(file_name), "",
                       "a header and a row a unit are needed");
  }
  auto columns = ReadHeader(records->front(), file_name);
  if (!columns.ok()) return columns.status();
  for (const CsvKey& key : schema) {
    if (!columns->contains(key.key)) {
      return RefuseField(Reason::FIELD_REQUIRED,
                         absl::StrCat(Text(file_name), " line ", records->front().line), key.key,
                         "the header lacks this column");
    }
  }
  const ValueReader values(file_name, read_file);
  Uniqueness unique(file_name);
  std::vector<CsvUnit> units;
  for (size_t row = 1; row < records->size(); ++row) {
    const CsvRecord& record = (*records)[row];
    if (record.cells.size() != records->front().cells.size()) {
      return RefuseField(
          Reason::FIELD_MALFORMED, absl::StrCat(Text(file_name), " line ", record.line),
          absl::StrCat(record.cells.size(), " cells"),
          absl::StrCat("the header has ", records->front().cells.size(), " columns"));
    }
    CsvUnit unit;
    unit.line = record.line;
    for (const CsvKey& key : schema) {
      CsvCell cell = record.cells[columns->at(key.key)];
      if (key.repeat && cell.text.empty()) {
        cell.text = (*records)[1].cells[columns->at(key.key)].text;
        if (cell.text.empty()) {
          return RefuseField(Reason::FIELD_REQUIRED, Place(file_name, cell, key.key), "",
                             "the first row gives no value to repeat");
        }
      }
      auto entry = values.Read(key, cell);
      if (!entry.ok()) return entry.status();
      if (!key.repeat) ASSAY_RETURN_IF_ERROR(unique.Add(key, cell, entry->value));
      unit.entries.push_back(*std::move(entry));
    }
    units.push_back(std::move(unit));
  }
  return units;
}

absl::StatusOr<std::vector<NvsEntry>> ReadPartitionCsv(std::string_view text,
                                                       std::string_view file_name,
                                                       const CsvFileReader& read_file) {
  auto records = ReadCsv(text, file_name);
  if (!records.ok()) return records.status();
  const ValueReader values(file_name, read_file);
  std::vector<NvsEntry> entries;
  std::string name_space;
  bool header = true;
  for (const CsvRecord& record : *records) {
    if (IsComment(record)) continue;
    if (std::exchange(header, false)) {
      if (CellText(record, 0) != "key" || CellText(record, 1) != "type" ||
          CellText(record, 2) != "encoding" || CellText(record, 3) != "value") {
        return RefuseField(Reason::FIELD_MALFORMED, Place(file_name, record.cells[0]), "",
                           "the header is key,type,encoding,value");
      }
      continue;
    }
    if (IsNamespaceLine(record)) {
      name_space = CellText(record, 0);
      ASSAY_RETURN_IF_ERROR(CheckNvsName(record.cells[0], name_space, file_name, "the namespace"));
      continue;
    }
    if (name_space.empty()) {
      return RefuseField(Reason::FIELD_REQUIRED, Place(file_name, record.cells[0]), "",
                         "no namespace line before");
    }
    auto key = ParseKey(record, name_space, file_name);
    if (!key.ok()) return key.status();
    if (record.cells.size() != 4) {
      return RefuseField(Reason::FIELD_MALFORMED, Place(file_name, record.cells.back()),
                         absl::StrCat(record.cells.size(), " cells"), "a line has four cells");
    }
    auto entry = values.Read(*key, record.cells[3]);
    if (!entry.ok()) return entry.status();
    entries.push_back(*std::move(entry));
  }
  return entries;
}

absl::StatusOr<NvsEntry> ReadCsvValue(const CsvKey& key, const CsvCell& cell,
                                      std::string_view origin, const CsvFileReader& read_file) {
  return ValueReader(origin, read_file).Read(key, cell);
}

std::optional<CsvEncoding> CsvEncodingOf(std::string_view name) {
  for (const EncodingName& encoding : kEncodings) {
    if (encoding.name == name) return encoding.encoding;
  }
  return std::nullopt;
}

}  // namespace assay::image
