#include "client/command/device_table.h"

#include "absl/strings/str_cat.h"
#include "assay/v1/audit.pb.h"
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
  v1::ManifestRow row;
  row.set_device_id(device.device_id());
  row.set_ticket(device.ticket());
  row.set_lot(device.lot());
  row.set_product(device.product());
  row.set_serial_number(device.serial_number());
  row.set_dac_serial(device.dac_serial());
  row.set_discriminator(device.codes().discriminator());
  *row.mutable_sealed_at() = device.sealed_at();
  return MessageJsonLine(row) + "\n";
}

}  // namespace assay::client
