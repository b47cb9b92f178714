#include "client/module_list.h"

#include <algorithm>
#include <map>
#include <optional>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "base/refusal.h"
#include "client/files.h"
#include "image/csv.h"

namespace assay::client {
namespace {

constexpr size_t kMaxSerial = 20, kMaxName = 64;

struct NamingColumn {
  size_t place = 0;  // in the record
  std::string name;
  bool is_serial = false;
};

std::optional<NamingColumn> FindNamingColumn(const image::CsvRecord& head) {
  for (const char* wanted :
       {"device_id", "cn", "common_name", "common-name", "dac_serial", "dac-serial"}) {
    for (size_t i = 0; i < head.cells.size(); ++i) {
      std::string name(absl::StripAsciiWhitespace(head.cells[i].text));
      absl::AsciiStrToLower(&name);
      if (name == wanted) return NamingColumn{i, name, name.starts_with("dac")};
    }
  }
  return std::nullopt;
}

absl::Status Refused(Reason reason, const std::string& place, const std::string& value,
                     absl::string_view rule) {
  return RefuseField(reason, place, value, rule);
}

absl::StatusOr<PlannedTicket> PlannedOf(const std::string& text, bool is_serial,
                                        const std::string& place) {
  PlannedTicket planned;
  planned.module.emplace();
  planned.ticket = absl::AsciiStrToLower(text);
  if (!is_serial) {
    if (text.size() > kMaxName) {
      return Refused(Reason::FIELD_TOO_LONG, place, text, "must be at most 64 bytes");
    }
    if (!std::ranges::all_of(text, [](unsigned char c) {
          return absl::ascii_isalnum(c) || c == '.' || c == '_' || c == ':' || c == '-';
        })) {
      return Refused(Reason::FIELD_MALFORMED, place, text,
                     "is no name of a device issued by Assay; a DAC made elsewhere is found by its "
                     "serial number (column dac_serial)");
    }
    planned.module->set_common_name(text);
    return planned;
  }
  const auto serial = FromHex(text);
  if (!serial.ok() || serial->empty() || serial->size() > kMaxSerial) {
    return Refused(Reason::FIELD_MALFORMED, place, text,
                   "must be a DAC's serial number: 1 to 20 bytes in hex");
  }
  planned.module->set_dac_serial(ToText(*serial));
  return planned;
}

}  // namespace

absl::StatusOr<std::vector<PlannedTicket>> ReadModulesText(std::string_view text,
                                                           const std::string& path) {
  const auto records = image::ReadCsv(text, path);
  if (!records.ok()) return records.status();
  if (records->size() < 2) {
    return Refused(Reason::FIELD_REQUIRED, path, "",
                   "must have a header and a row for each module");
  }
  const auto column = FindNamingColumn(records->front());
  if (!column) {
    return Refused(Reason::FIELD_REQUIRED, absl::StrCat(path, " line ", records->front().line), "",
                   "the header must have a column device_id, cn or dac_serial");
  }
  std::vector<PlannedTicket> planned;
  std::map<std::string, size_t> line_of;
  for (size_t i = 1; i < records->size(); ++i) {
    const image::CsvRecord& record = (*records)[i];
    const std::string place = absl::StrCat(path, " line ", record.line, " column ",
                                           column->place + 1, " (", column->name, ")");
    const std::string cell(column->place < record.cells.size()
                               ? absl::StripAsciiWhitespace(record.cells[column->place].text)
                               : "");
    if (cell.empty()) return Refused(Reason::FIELD_REQUIRED, place, "", "names no module");
    auto one = PlannedOf(cell, column->is_serial, place);
    if (!one.ok()) return one.status();
    const auto [first, is_new] = line_of.emplace(one->ticket, record.line);
    if (!is_new) {
      return Refused(Reason::FIELDS_CONTRADICT, place, cell,
                     absl::StrCat("names the same module as line ", first->second));
    }
    planned.push_back(*std::move(one));
  }
  return planned;
}

absl::StatusOr<std::vector<PlannedTicket>> ReadModules(const std::string& path) {
  const auto text = ReadTextFile(path);
  if (!text.ok()) return Within("--modules", text.status());
  return ReadModulesText(*text, path);
}

}  // namespace assay::client
