#include "client/device_folder.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/time/time.h"
#include "base/refusal.h"
#include "client/files.h"
#include "image/csv.h"
#include "image/qr.h"
#include "matter/certificate.h"
#include "matter/manual_code.h"

namespace assay::client {
namespace {

class FileList {
 public:
  void Add(std::string name, ByteView bytes, bool is_private) {
    files_.push_back({std::move(name), SecretBytes::CopyOf(bytes), is_private});
  }
  void AddPublic(std::string name, ByteView bytes) { Add(std::move(name), bytes, false); }
  void AddPrivate(std::string name, ByteView bytes) { Add(std::move(name), bytes, true); }
  std::vector<DeviceFile> Take() { return std::move(files_); }

 private:
  std::vector<DeviceFile> files_;
};

void AddCertificate(FileList& files, const std::string& stem, const std::string& label,
                    const std::string& der) {
  if (der.empty()) return;
  files.AddPublic(stem + ".der", AsBytes(der));
  files.AddPublic(stem + ".pem", AsBytes(matter::ToPem(label, AsBytes(der))));
}

absl::Status AddImages(FileList& files, const v1::Identity& identity) {
  for (const v1::ImageFile& image : identity.images()) {
    ASSAY_RETURN_IF_ERROR(CheckFileName(image.name()));
    if (image.withheld()) {
      files.AddPublic(
          image.name() + ".sha256",
          AsBytes(absl::StrCat(ToHex(AsBytes(image.sha256())), "  ", image.name(), ".bin\n")));
      continue;
    }
    // Private also without a device key: the passcode can be searched from the verifier inside.
    files.AddPrivate(image.name() + ".bin", AsBytes(image.content()));
    if (!image.signature().empty()) {
      files.AddPublic(image.name() + ".bin.cms", AsBytes(image.signature()));
    }
  }
  return absl::OkStatus();
}

absl::Status AddCodes(FileList& files, const v1::Identity& identity) {
  const v1::OnboardingCodes& codes = identity.codes();
  if (codes.qr_code().empty()) return absl::OkStatus();
  const auto qr = image::EncodeQr(codes.qr_code());
  if (!qr.ok()) return qr.status();
  const std::string manual = matter::FormatManualCode(codes.manual_code());
  const std::string passcode = absl::StrFormat("%08d", codes.passcode());
  files.AddPrivate(
      "codes.csv",
      AsBytes(absl::StrCat("qrcode,manualcode,discriminator,passcode,serial-num\n", codes.qr_code(),
                           ",", manual, ",", codes.discriminator(), ",", passcode, ",",
                           image::CsvQuote(identity.serial_number()), "\n")));
  files.AddPrivate("codes.txt",
                   AsBytes(absl::StrCat("QR code        ", codes.qr_code(), "\nmanual code    ",
                                        manual, "\npasscode       ", passcode, "\ndiscriminator  ",
                                        codes.discriminator(), "\nserial number  ",
                                        identity.serial_number(), "\n")));
  files.AddPrivate("qr.png", image::RenderQrPng(*qr));
  files.AddPrivate("qr.svg", AsBytes(image::RenderQrSvg(*qr)));
  return absl::OkStatus();
}

// The image the manifest speaks of: the factory image, or the first there is.
const v1::ImageFile* MainImage(const v1::Identity& identity) {
  for (const v1::ImageFile& image : identity.images()) {
    if (image.name() == "factory") return &image;
  }
  return identity.images().empty() ? nullptr : &identity.images(0);
}

}  // namespace

std::string ManifestHeader() {
  return "ticket,device_id,serial_number,lot,product,vendor_id,product_id,dac_serial,dac_sha256,"
         "discriminator,passcode,qrcode,manualcode,image_sha256,sealed_at\n";
}

std::string ManifestRowOf(const v1::Identity& identity, const v1::ProductSpec& spec) {
  const v1::OnboardingCodes& codes = identity.codes();
  const v1::ImageFile* const image = MainImage(identity);
  const absl::Time sealed = absl::FromUnixSeconds(identity.sealed_at().seconds()) +
                            absl::Nanoseconds(identity.sealed_at().nanos());
  const bool has_codes = !codes.qr_code().empty();
  const std::vector<std::string> cells = {
      identity.ticket(), identity.device_id(), identity.serial_number(), identity.lot(),
      identity.product(), absl::StrFormat("0x%04X", spec.vendor_id()),
      absl::StrFormat("0x%04X", spec.product_id()), ToUpperHex(AsBytes(identity.dac_serial())),
      identity.dac().empty() ? "" : ToHex(Sha256(AsBytes(identity.dac()))),
      // A module gets it with the factory image, in the lot that completes it.
      identity.spake2p_salt().empty() ? "" : absl::StrCat(codes.discriminator()),
      has_codes ? absl::StrFormat("%08d", codes.passcode()) : "", codes.qr_code(),
      has_codes ? matter::FormatManualCode(codes.manual_code()) : "",
      image == nullptr ? "" : ToHex(AsBytes(image->sha256())),
      absl::FormatTime("%Y-%m-%dT%H:%M:%E3SZ", sealed, absl::UTCTimeZone())};
  return absl::StrJoin(cells, ",",
                       [](std::string* out, const std::string& cell) {
                         absl::StrAppend(out, image::CsvQuote(cell));
                       }) +
         "\n";
}

absl::StatusOr<std::vector<DeviceFile>> DeviceFiles(const v1::Identity& identity,
                                                    const v1::ProductSpec& spec) {
  FileList files;
  AddCertificate(files, "dac", "CERTIFICATE", identity.dac());
  AddCertificate(files, "pai", "CERTIFICATE", identity.pai());
  AddCertificate(files, "cd", "CMS", identity.certification_declaration());
  ASSAY_RETURN_IF_ERROR(AddImages(files, identity));
  ASSAY_RETURN_IF_ERROR(AddCodes(files, identity));
  files.AddPrivate("manifest_row.csv", AsBytes(ManifestRowOf(identity, spec)));
  return files.Take();
}

absl::Status WriteDeviceFiles(const std::string& folder, const std::vector<DeviceFile>& files) {
  ASSAY_RETURN_IF_ERROR(RemoveTree(folder));
  ASSAY_RETURN_IF_ERROR(MakeFolder(folder));
  for (const DeviceFile& file : files) {
    ASSAY_RETURN_IF_ERROR(WriteFile(PathBelow(folder, file.name), file.bytes.view(),
                                    file.is_private ? kPrivateFile : kPublicFile));
  }
  return absl::OkStatus();
}

absl::Status CheckFileName(const std::string& name) {
  const bool fine = !name.empty() && name.size() <= 128 && name[0] != '.' &&
                    std::all_of(name.begin(), name.end(), [](char c) {
                      return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '.' ||
                             c == '_' || c == '-';
                    });
  if (fine) return absl::OkStatus();
  return RefuseField(Reason::FIELD_MALFORMED, "images.name", name,
                     "is not fit to be a file's name: letters, digits, '.', '_' and '-'");
}

}  // namespace assay::client
