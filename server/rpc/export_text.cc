#include "server/rpc/export_text.h"

#include <nlohmann/json.hpp>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/time.h"
#include "base/bytes.h"
#include "image/csv.h"

namespace assay::rpc {
namespace {

struct Cell {
  const char* name;
  std::string value;
};

std::string Stamp(const google::protobuf::Timestamp& stamp) {
  if (stamp.seconds() == 0) return "";
  return absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", absl::FromUnixSeconds(stamp.seconds()),
                          absl::UTCTimeZone());
}

const char* StateWord(v1::DeviceState state) {
  switch (state) {
    case v1::DEVICE_STATE_SEALED:
      return "sealed";
    case v1::DEVICE_STATE_PROVISIONED:
      return "provisioned";
    case v1::DEVICE_STATE_SCRAPPED:
      return "scrapped";
    case v1::DEVICE_STATE_REVOKED:
      return "revoked";
    default:
      return "";
  }
}

std::vector<Cell> CellsOf(const v1::ManifestRow& row, bool codes) {
  std::vector<Cell> cells = {{"device_id", row.device_id()},
                             {"ticket", row.ticket()},
                             {"lot", row.lot()},
                             {"product", row.product()},
                             {"vendor_id", absl::StrFormat("0x%04X", row.vendor_id())},
                             {"product_id", absl::StrFormat("0x%04X", row.product_id())},
                             {"factory", row.factory()},
                             {"line", row.line()},
                             {"serial_number", row.serial_number()},
                             {"dac_serial", ToUpperHex(AsBytes(row.dac_serial()))},
                             {"dac_sha256", ToHex(AsBytes(row.dac_sha256()))},
                             {"public_key_sha256", ToHex(AsBytes(row.public_key_sha256()))},
                             {"pai", row.pai()},
                             {"discriminator", absl::StrCat(row.discriminator())},
                             {"image_sha256", ToHex(AsBytes(row.image_sha256()))},
                             {"image_signature", ToBase64(AsBytes(row.image_signature()))},
                             {"state", StateWord(row.state())},
                             {"sealed_at", Stamp(row.sealed_at())},
                             {"confirmed_at", Stamp(row.confirmed_at())}};
  if (codes) {
    const bool has = !row.qr_code().empty();
    cells.push_back({"passcode", has ? absl::StrFormat("%08d", row.passcode()) : ""});
    cells.push_back({"qrcode", row.qr_code()});
    cells.push_back({"manualcode", row.manual_code()});
  }
  return cells;
}

}  // namespace

std::string CsvHead(bool codes) {
  std::string text;
  for (const Cell& cell : CellsOf(v1::ManifestRow(), codes)) {
    absl::StrAppend(&text, text.empty() ? "" : ",", cell.name);
  }
  return text + "\n";
}

void AppendCsv(const v1::ManifestRow& row, bool codes, std::string& text) {
  bool first = true;
  for (const Cell& cell : CellsOf(row, codes)) {
    absl::StrAppend(&text, first ? "" : ",", image::CsvQuote(cell.value));
    first = false;
  }
  text += '\n';
}

void AppendJsonLine(const v1::ManifestRow& row, bool codes, std::string& text) {
  nlohmann::ordered_json line = nlohmann::ordered_json::object();
  for (Cell& cell : CellsOf(row, codes)) {
    if (std::string_view(cell.name) == "discriminator") {
      line[cell.name] = row.discriminator();
    } else if (!cell.value.empty()) {
      line[cell.name] = std::move(cell.value);
    }
  }
  if (!row.dac().empty()) line["dac"] = ToBase64(AsBytes(row.dac()));
  text += line.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
  text += '\n';
}

}  // namespace assay::rpc
