#include "base/refusal.h"
#include "image/csv.h"
#include "image/csv_place.h"
#include "matter/utf8.h"

namespace assay::image {
namespace {

// Splits a text into records, one character at a time.
class CsvScanner {
 public:
  CsvScanner(std::string_view text, std::string_view file) : text_(text), file_(file) {}

  absl::StatusOr<std::vector<CsvRecord>> Scan() {
    if (text_.starts_with("\xEF\xBB\xBF")) at_ = 3;
    while (at_ < text_.size()) {
      CsvRecord record;
      record.line = line_;
      ASSAY_RETURN_IF_ERROR(ScanRecord(record));
      const bool blank = record.cells.size() == 1 && Trimmed(record.cells.front().text).empty();
      if (!blank) records_.push_back(std::move(record));
    }
    return std::move(records_);
  }

 private:
  absl::Status ScanRecord(CsvRecord& record) {
    for (;;) {
      CsvCell cell;
      cell.line = line_;
      cell.column = record.cells.size() + 1;
      ASSAY_RETURN_IF_ERROR(ScanCell(cell));
      if (!matter::IsUtf8(cell.text) || cell.text.find('\0') != std::string::npos) {
        return RefuseField(Reason::FIELD_MALFORMED, Place(file_, cell), "", "not UTF-8 text");
      }
      record.cells.push_back(std::move(cell));
      if (at_ < text_.size() && text_[at_] == ',') {
        ++at_;
        continue;
      }
      SkipLineEnd();
      return absl::OkStatus();
    }
  }

  absl::Status ScanCell(CsvCell& cell) {
    if (at_ < text_.size() && text_[at_] == '"') return ScanQuoted(cell);
    while (at_ < text_.size() && text_[at_] != ',' && !AtLineEnd())
      cell.text.push_back(text_[at_++]);
    return absl::OkStatus();
  }

  absl::Status ScanQuoted(CsvCell& cell) {
    for (++at_; at_ < text_.size(); ++at_) {
      const char c = text_[at_];
      if (c == '"') {
        if (at_ + 1 >= text_.size() || text_[at_ + 1] != '"') break;
        ++at_;
      } else if (c == '\n') {
        ++line_;
      }
      cell.text.push_back(c);
    }
    if (at_ == text_.size()) {
      return RefuseField(Reason::FIELD_MALFORMED, Place(file_, cell), "",
                         "the quote is never closed");
    }
    ++at_;
    if (at_ < text_.size() && text_[at_] != ',' && !AtLineEnd()) {
      return RefuseField(Reason::FIELD_MALFORMED, Place(file_, cell), "",
                         "text follows the closing quote");
    }
    return absl::OkStatus();
  }

  bool AtLineEnd() const {
    return text_[at_] == '\n' ||
           (text_[at_] == '\r' && (at_ + 1 == text_.size() || text_[at_ + 1] == '\n'));
  }
  void SkipLineEnd() {
    if (at_ < text_.size() && text_[at_] == '\r') ++at_;
    if (at_ < text_.size() && text_[at_] == '\n') ++at_;
    ++line_;
  }

  std::string_view text_;
  std::string_view file_;
  size_t at_ = 0;
  size_t line_ = 1;
  std::vector<CsvRecord> records_;
};

}  // namespace

absl::StatusOr<std::vector<CsvRecord>> ReadCsv(std::string_view text, std::string_view file_name) {
  return CsvScanner(text, file_name).Scan();
}

std::string CsvQuote(std::string_view cell) {
  if (cell.find_first_of(",\"\r\n") == std::string_view::npos) return std::string(cell);
  std::string quoted = "\"";
  for (const char c : cell) {
    if (c == '"') quoted.push_back('"');
    quoted.push_back(c);
  }
  quoted.push_back('"');
  return quoted;
}

}  // namespace assay::image
