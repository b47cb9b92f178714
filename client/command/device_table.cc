#include "client/command/device_table.h"

#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "client/show.h"
#include "image/qr.h"
#include "matter/manual_code.h"

namespace assay::client {

void PrintDevices(Context& context, const std::vector<v1::Identity>& devices, bool show_qr) {
  std::vector<std::vector<std::string>> rows;
  for (const v1::Identity& device : devices) {
    rows.push_back(
        {device.serial_number(), ToUpperHex(AsBytes(device.dac_serial())),
         device.spake2p_salt().empty() ? "" : absl::StrCat(device.codes().discriminator()),
         device.codes().qr_code(), matter::FormatManualCode(device.codes().manual_code()),
         device.ticket()});
  }
  if (!rows.empty()) {
    context.Print(RenderTable(
        {"serial number", "DAC serial", "discriminator", "QR code", "manual code", "folder"},
        rows));
  }
  if (!show_qr) return;
  for (const v1::Identity& device : devices) {
    if (device.codes().qr_code().empty()) continue;
    const auto qr = image::EncodeQr(device.codes().qr_code());
    if (!qr.ok()) continue;
    context.Print(absl::StrCat("\n", device.serial_number(), "  ", device.codes().qr_code(), "  ",
                               matter::FormatManualCode(device.codes().manual_code()), "\n",
                               image::RenderQrText(*qr)));
  }
}

std::string JsonLineOf(const v1::Identity& device) {
  nlohmann::ordered_json json;
  json["device_id"] = device.device_id();
  json["ticket"] = device.ticket();
  json["lot"] = device.lot();
  json["product"] = device.product();
  json["serial_number"] = device.serial_number();
  json["dac_serial"] = ToBase64(AsBytes(device.dac_serial()));
  json["discriminator"] = device.codes().discriminator();
  const absl::Time sealed_at = absl::FromUnixSeconds(device.sealed_at().seconds()) +
                               absl::Nanoseconds(device.sealed_at().nanos());
  if (device.has_sealed_at()) {
    json["sealed_at"] = absl::FormatTime("%Y-%m-%dT%H:%M:%E*SZ", sealed_at, absl::UTCTimeZone());
  }
  return json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

}  // namespace assay::client
