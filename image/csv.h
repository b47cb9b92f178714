// mfg_tool's --csv (which keys) and --mcsv (their values, a row a unit). Nothing is accepted in
// part: every error of either file is found before any unit is made, and names file, line, column
// and rule, and of a unit's value the length alone. Pure functions, thread-safe.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "base/bytes.h"
#include "image/nvs.h"

namespace assay::image {

struct CsvCell {
  std::string text;
  size_t line = 0;    // from 1, where the cell begins
  size_t column = 0;  // from 1, counted in cells
};
struct CsvRecord {
  size_t line = 0;
  std::vector<CsvCell> cells;
};

// RFC 4180 with LF or CRLF, quoted cells over several lines (PEM), a byte order mark, blank lines
// left out. FIELD_MALFORMED for a quote left open or text after a closing quote, and for text that
// is not UTF-8.
absl::StatusOr<std::vector<CsvRecord>> ReadCsv(std::string_view text, std::string_view file_name);

// One cell, quoted where it must be.
std::string CsvQuote(std::string_view cell);

enum class CsvSource { kData, kFile };
enum class CsvEncoding {
  kU8,
  kI8,
  kU16,
  kI16,
  kU32,
  kI32,
  kU64,
  kI64,
  kString,
  kBinary,
  kHex2Bin,
  kBase64
};

struct CsvKey {
  std::string name_space;
  std::string key;
  CsvSource source = CsvSource::kData;
  CsvEncoding encoding = CsvEncoding::kString;
  bool repeat = false;  // the first row's value holds for every row that leaves the cell empty
  size_t line = 0;
};

// Schema lines `key,type,encoding[,REPEAT]` and `name,namespace,`. Keys before any namespace line
// go to chip-factory.
absl::StatusOr<std::vector<CsvKey>> ReadCsvSchema(std::string_view text,
                                                  std::string_view file_name);

// How `file` keys get their bytes; the caller does the reading and its errors become errors of the
// cell.
using CsvFileReader = std::function<absl::StatusOr<Bytes>(std::string_view path)>;

struct CsvUnit {
  size_t line = 0;                // of its row
  std::vector<NvsEntry> entries;  // in the schema's order
};

// A unit a row. Every column of the schema must be there; others are ignored. Empty cells are empty
// strings or blobs, and refused for numbers. Duplicate header names and, for the keys that must
// differ (serial-num, rd-id-uid, discriminator is not among them), duplicate values are refused.
absl::StatusOr<std::vector<CsvUnit>> ReadCsvUnits(const std::vector<CsvKey>& schema,
                                                  std::string_view text, std::string_view file_name,
                                                  const CsvFileReader& read_file);

// The generator's own table, `key,type,encoding,value` with its header line and namespace lines:
// one unit's entries.
absl::StatusOr<std::vector<NvsEntry>> ReadPartitionCsv(std::string_view text,
                                                       std::string_view file_name,
                                                       const CsvFileReader& read_file);

// One value as a cell would give it; for values that come from elsewhere than a file, where the
// cell has no line. The refusal's field is `origin`.
absl::StatusOr<NvsEntry> ReadCsvValue(const CsvKey& key, const CsvCell& cell,
                                      std::string_view origin, const CsvFileReader& read_file);
std::optional<CsvEncoding> CsvEncodingOf(std::string_view name);

}  // namespace assay::image
