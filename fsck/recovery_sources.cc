#include "fsck/recovery_sources.h"

#include <algorithm>
#include <filesystem>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/refusal.h"
#include "fsck/settings.h"
#include "image/csv.h"
#include "tlog/log_check.h"
#include "tlog/receipt.h"

namespace assay::fsck {
namespace {

namespace fs = std::filesystem;

std::string Below(const std::string& folder, const std::string& name) {
  return (fs::path(folder) / name).string();
}

// The first `width` entries of a bundle that may hold more.
absl::StatusOr<Bytes> FirstEntries(const Bytes& bundle, uint64_t width) {
  size_t at = 0;
  for (uint64_t i = 0; i < width; ++i) {
    if (bundle.size() < at + 2) return Refuse(Reason::LEDGER_UNKNOWN, "the bundle is too short");
    at += 2 + (static_cast<size_t>(bundle[at]) << 8 | bundle[at + 1]);
  }
  if (at > bundle.size()) return Refuse(Reason::LEDGER_UNKNOWN, "the bundle is too short");
  return Bytes(bundle.begin(), bundle.begin() + static_cast<std::ptrdiff_t>(at));
}

// Cells by the header's names.
std::map<std::string, std::string> RowOfCsv(const std::string& text, const std::string& header) {
  std::map<std::string, std::string> cells;
  const auto records = image::ReadCsv(absl::StrCat(header, text), "manifest_row.csv");
  if (!records.ok() || records->size() < 2) return cells;
  const auto& names = (*records)[0].cells;
  const auto& values = (*records)[1].cells;
  for (size_t i = 0; i < std::min(names.size(), values.size()); ++i) {
    cells[names[i].text] = values[i].text;
  }
  return cells;
}

constexpr char kManifestHeader[] =
    "ticket,device_id,serial_number,lot,product,vendor_id,product_id,dac_serial,dac_sha256,"
    "discriminator,passcode,qrcode,manualcode,image_sha256,sealed_at\n";

void TakeDevice(const fs::path& folder, const std::string& manifest_row, Survivors& survivors) {
  const auto text = ReadWhole(manifest_row);
  if (!text.ok()) return;
  auto cells = RowOfCsv(*text, kManifestHeader);
  FolderDevice device;
  device.path = folder.string();
  device.device_id = cells["device_id"];
  device.ticket = cells["ticket"];
  device.lot = cells["lot"];
  device.serial_number = cells["serial_number"];
  device.dac_serial = cells["dac_serial"];
  device.dac_sha256 = cells["dac_sha256"];
  device.image_sha256 = cells["image_sha256"];
  device.qr_code = cells["qrcode"];
  device.manual_code = cells["manualcode"];
  std::erase(device.manual_code, '-');
  if (device.device_id.empty() ||
      !absl::SimpleAtoi(cells["discriminator"], &device.discriminator)) {
    survivors.remarks.push_back(absl::StrCat(manifest_row, " cannot be read"));
    return;
  }
  if (!absl::SimpleAtoi(cells["passcode"], &device.passcode)) device.passcode = 0;
  if (const auto dac = ReadWhole((folder / "dac.der").string()); dac.ok()) {
    device.dac = ToBytes(AsBytes(*dac));
  }
  for (const char* name : {"factory.bin.cms", "esp_secure_cert.bin.cms"}) {
    if (!device.image_signature.empty()) break;
    if (const auto cms = ReadWhole((folder / name).string()); cms.ok()) {
      device.image_signature = ToBytes(AsBytes(*cms));
    }
  }
  survivors.devices[device.device_id].push_back(std::move(device));
}

void TakeReceipt(const std::string& path, const tlog::NoteKey& key, Survivors& survivors) {
  const auto text = ReadWhole(path);
  const auto proved = text.ok() ? tlog::VerifyReceipt(*text, key) : text.status();
  if (!proved.ok()) {
    survivors.remarks.push_back(absl::StrCat(path, " proves nothing: ", proved.status().message()));
    return;
  }
  SurvivingReceipts& receipts = survivors.receipts;
  receipts.leaves[proved->index] = ToText(proved->entry);
  if (!receipts.newest || receipts.newest->size < proved->checkpoint.size) {
    receipts.newest = proved->checkpoint;
    receipts.newest_note = tlog::ParseReceipt(*text)->checkpoint;
  }
}

}  // namespace

absl::StatusOr<Bytes> TileFolder::ReadOne(const std::string& path) const {
  auto content = ReadWhole(Below(folder_, path));
  if (!content.ok()) return Refuse(Reason::LEDGER_UNKNOWN, absl::StrCat(path, " is missing"));
  return ToBytes(AsBytes(*content));
}

absl::StatusOr<Bytes> TileFolder::ReadTile(tlog::TileId tile, uint64_t width) {
  std::string path = tlog::TilePath(tile, width);
  if (!fs::exists(Below(folder_, path))) path = tlog::TilePath(tile, tlog::kTileWidth);
  auto content = ReadOne(path);
  if (!content.ok()) return content;
  content->resize(std::min<size_t>(content->size(), width * sizeof(tlog::Hash)));
  return content;
}

absl::StatusOr<Bytes> TileFolder::ReadBundle(uint64_t index, uint64_t width) {
  std::string path = tlog::BundlePath(index, width);
  if (fs::exists(Below(folder_, path))) return ReadOne(path);
  const auto full = ReadOne(tlog::BundlePath(index, tlog::kTileWidth));
  if (!full.ok()) return full;
  return FirstEntries(*full, width);
}

absl::StatusOr<CopiedLedger> ReadCopy(const std::string& folder, const tlog::NoteKey& key,
                                      uint64_t first) {
  auto note = ReadWhole(Below(folder, "checkpoint"));
  if (!note.ok()) return Within("--ledger", note.status());
  const auto checkpoint = tlog::OpenCheckpoint(*note, key);
  if (!checkpoint.ok()) return Within("--ledger", checkpoint.status());
  CopiedLedger copy{*checkpoint, *std::move(note), {}};
  TileFolder log(folder);
  const auto found = tlog::CheckLog(log, *checkpoint, [&](uint64_t place, ByteView leaf) {
    if (place >= first) copy.leaves.push_back(ToText(leaf));
  });
  if (!found.ok()) return found.status();
  if (!found->Clean()) {
    return Refuse(Reason::LEDGER_FORKED,
                  absl::StrCat("the copy in ", folder, " is damaged: ", found->faults[0]));
  }
  return copy;
}

absl::StatusOr<Survivors> ReadFolders(const std::vector<std::string>& folders,
                                      const tlog::NoteKey& key) {
  Survivors survivors;
  for (const std::string& folder : folders) {
    if (!fs::is_directory(folder)) {
      return RefuseField(Reason::FIELD_NOT_ALLOWED, "--devices", folder, "is not a folder");
    }
    std::error_code failed;
    for (fs::recursive_directory_iterator at(folder, failed), end; !failed && at != end;
         at.increment(failed)) {
      if (!at->is_regular_file()) continue;
      const fs::path& path = at->path();
      if (path.filename() == "manifest_row.csv") {
        TakeDevice(path.parent_path(), path.string(), survivors);
      } else if (path.extension() == ".tlog-proof") {
        TakeReceipt(path.string(), key, survivors);
      }
    }
  }
  return survivors;
}

}  // namespace assay::fsck
