#include "client/manifest.h"

#include <algorithm>
#include <map>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "base/bytes.h"
#include "base/refusal.h"
#include "client/device_folder.h"
#include "client/files.h"
#include "image/csv.h"

namespace assay::client {
namespace {

using Cells = std::map<std::string, std::string>;

absl::StatusOr<v1::Identity> DeviceOf(const Cells& cells) {
  v1::Identity device;
  device.set_ticket(cells.at("ticket"));
  device.set_device_id(cells.at("device_id"));
  device.set_serial_number(cells.at("serial_number"));
  device.set_lot(cells.at("lot"));
  device.set_product(cells.at("product"));
  const auto dac_serial = FromHex(cells.at("dac_serial"));
  if (!dac_serial.ok()) return Within("dac_serial", dac_serial.status());
  device.set_dac_serial(ToText(*dac_serial));
  uint32_t discriminator = 0;
  if (!absl::SimpleAtoi(cells.at("discriminator"), &discriminator)) {
    return RefuseField(Reason::FIELD_MALFORMED, "discriminator", cells.at("discriminator"),
                       "must be a number");
  }
  device.mutable_codes()->set_discriminator(discriminator);
  device.mutable_codes()->set_qr_code(cells.at("qrcode"));
  device.mutable_codes()->set_manual_code(absl::StrReplaceAll(cells.at("manualcode"), {{"-", ""}}));
  return device;
}

}  // namespace

absl::StatusOr<std::vector<v1::Identity>> ReadManifest(const std::string& path, size_t most) {
  const auto text = ReadTextFile(path);
  if (!text.ok()) return text.status();
  if (!text->starts_with(ManifestHeader())) {
    return RefuseField(Reason::FIELD_MALFORMED, path, "", "is not a manifest of this program's");
  }
  const auto records = image::ReadCsv(*text, path);
  if (!records.ok()) return records.status();
  const auto& names = records->front().cells;
  std::vector<v1::Identity> devices;
  for (size_t i = 1; i < records->size() && devices.size() < most; ++i) {
    const image::CsvRecord& record = (*records)[i];
    if (record.cells.size() != names.size()) {
      return RefuseField(Reason::FIELD_MALFORMED, absl::StrCat(path, ":", record.line), "",
                         "has not as many columns as the header");
    }
    Cells cells;
    for (size_t column = 0; column < names.size(); ++column) {
      cells[names[column].text] = record.cells[column].text;
    }
    auto device = DeviceOf(cells);
    if (!device.ok()) return Within(absl::StrCat(path, ":", record.line), device.status());
    devices.push_back(*std::move(device));
  }
  return devices;
}

}  // namespace assay::client
