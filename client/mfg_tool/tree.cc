#include "client/mfg_tool/tree.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "base/refusal.h"
#include "client/device_folder.h"
#include "client/files.h"
#include "client/identity_check.h"
#include "image/csv.h"
#include "image/qr.h"
#include "image/secure_cert.h"
#include "matter/certificate.h"
#include "matter/manual_code.h"
#include "matter/name.h"

namespace assay::client {
namespace {

constexpr absl::string_view kCrLf = "\r\n";

std::string Manual(const v1::OnboardingCodes& codes) {
  return matter::FormatManualCode(codes.manual_code(), matter::ManualCodeGrouping::kMfgTool);
}

std::string CsvLine(const std::vector<std::string>& cells) {
  return absl::StrJoin(cells, ",", [](std::string* out, const std::string& cell) {
    absl::StrAppend(out, image::CsvQuote(cell));
  });
}

absl::StatusOr<std::string> CommonName(const std::string& dac) {
  const auto certificate = matter::Certificate::Parse(AsBytes(dac));
  if (!certificate.ok()) return certificate.status();
  const auto name = matter::DecodeName(certificate->subject());
  if (!name.ok()) return name.status();
  static const Bytes kCommonName{0x55, 0x04, 0x03};
  for (const auto& relative : name->relative_names) {
    for (const auto& attribute : relative) {
      if (attribute.oid == kCommonName) return attribute.value;
    }
  }
  return std::string();
}

bool IsUuid(const std::string& text) {
  if (text.size() != 36) return false;
  for (size_t i = 0; i < text.size(); ++i) {
    const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
    if (dash ? text[i] != '-' : !absl::ascii_isxdigit(static_cast<unsigned char>(text[i])))
      return false;
  }
  return true;
}

// mfg_tool's names of the images.
std::string ImageFileName(const std::string& unit, const std::string& image) {
  if (image == "factory") return unit + "-partition.bin";
  if (image == "nvs_keys") return unit + "-keys-partition.bin";
  if (image == "esp_secure_cert") return unit + "_esp_secure_cert.bin";
  if (image == "hmac_efuse_key") return unit + "-hmac-key.bin";
  std::string name = image;
  std::replace(name.begin(), name.end(), '_', '-');
  return absl::StrCat(unit, "-", name, ".bin");
}

// Where mfg_tool keeps the bytes of a file key; empty for the declaration.
std::string InternalName(const std::string& key) {
  if (key == "dac-cert") return "DAC_cert.der";
  if (key == "dac-key") return "DAC_private_key.bin";
  if (key == "dac-pub-key") return "DAC_public_key.bin";
  if (key == "pai-cert") return "PAI_cert.der";
  return "";
}

// Columns of all devices, in the order of the first that has them.
void MergeColumns(const std::vector<DeviceKey>& keys, std::vector<DeviceKey>& columns) {
  for (const DeviceKey& key : keys) {
    const bool known = std::any_of(columns.begin(), columns.end(), [&](const DeviceKey& column) {
      return column.name_space == key.name_space && column.key == key.key;
    });
    if (!known) columns.push_back(key);
  }
}

}  // namespace

absl::StatusOr<MfgToolTree> MfgToolTree::Create(const TreeOptions& options,
                                                const v1::ProductSpec& spec) {
  MfgToolTree tree(options, spec);
  tree.folder_ = PathBelow(AbsolutePath(options.outdir),
                           absl::StrFormat("%x_%x", spec.vendor_id(), spec.product_id()));
  const std::string staging = PathBelow(tree.folder_, "staging");
  ASSAY_RETURN_IF_ERROR(MakeFolder(staging));
  if (!options.made_pai.empty()) {
    ASSAY_RETURN_IF_ERROR(
        ReplaceFile(PathBelow(staging, "pai_cert.der"), AsBytes(options.made_pai), kPublicFile));
    ASSAY_RETURN_IF_ERROR(
        ReplaceFile(PathBelow(staging, "pai_cert.pem"),
                    AsBytes(matter::ToPem("CERTIFICATE", AsBytes(options.made_pai))), kPublicFile));
  }
  tree.declaration_ = options.declaration_path;
  if (tree.declaration_.empty() && !spec.certification_declaration().empty()) {
    tree.declaration_ = PathBelow(staging, "cert_dclrn.der");
    ASSAY_RETURN_IF_ERROR(
        ReplaceFile(tree.declaration_, AsBytes(spec.certification_declaration()), kPublicFile));
  }
  return tree;
}

absl::Status MfgToolTree::Add(size_t index, const v1::Identity& identity) {
  ASSAY_RETURN_IF_ERROR(CheckIdentity(identity, spec_));
  auto content = ReadDeviceContent(identity, spec_);
  if (!content.ok()) return content.status();
  Row row;
  std::string name = identity.device_id();
  if (!identity.dac().empty()) {
    auto common_name = CommonName(identity.dac());
    if (!common_name.ok()) return common_name.status();
    row.common_name = *std::move(common_name);
    row.dac_pem = matter::ToPem("CERTIFICATE", AsBytes(identity.dac()));
    // A DAC made elsewhere lends its name to the folder where it is a UUID.
    if (IsUuid(row.common_name)) name = row.common_name;
  }
  ASSAY_RETURN_IF_ERROR(CheckFileName(name));
  const std::string final_folder = PathBelow(folder_, name);
  const std::string folder = PathBelow(folder_, ".part-" + name);
  SetPaths(final_folder, content->keys);
  ASSAY_RETURN_IF_ERROR(RemoveTree(folder));
  ASSAY_RETURN_IF_ERROR(MakeFolder(PathBelow(folder, "internal")));
  ASSAY_RETURN_IF_ERROR(WriteImages(folder, name, identity));
  ASSAY_RETURN_IF_ERROR(WriteOnboarding(folder, name, identity.codes()));
  ASSAY_RETURN_IF_ERROR(WriteInternal(folder, identity, *content));
  ASSAY_RETURN_IF_ERROR(RemoveTree(final_folder));
  ASSAY_RETURN_IF_ERROR(RenamePath(folder, final_folder));
  row.keys = std::move(content->keys);
  row.codes = identity.codes();
  row.iterations = identity.spake2p_iterations();
  row.salt = ToBase64(AsBytes(identity.spake2p_salt()));
  row.verifier = ToBase64(AsBytes(identity.spake2p_verifier()));
  row.rotating_id = ToHex(AsBytes(identity.rotating_id()));
  rows_[index] = std::move(row);
  return absl::OkStatus();
}

absl::Status MfgToolTree::WriteImages(const std::string& folder, const std::string& name,
                                      const v1::Identity& identity) const {
  for (const v1::ImageFile& image : identity.images()) {
    if (image.withheld()) continue;
    if (image.name() == "factory" && !options_.write_nvs) continue;
    if (image.name() == "esp_secure_cert" && !options_.write_secure_cert) continue;
    const std::string file = ImageFileName(name, image.name());
    ASSAY_RETURN_IF_ERROR(CheckFileName(file));
    // Private also without a device key: the passcode can be searched from the verifier inside.
    ASSAY_RETURN_IF_ERROR(
        WriteFile(PathBelow(folder, file), AsBytes(image.content()), kPrivateFile));
    if (image.signature().empty()) continue;
    ASSAY_RETURN_IF_ERROR(WriteFile(PathBelow(folder, absl::StrCat("internal/", file, ".cms")),
                                    AsBytes(image.signature()), kPublicFile));
  }
  return absl::OkStatus();
}

absl::Status MfgToolTree::WriteOnboarding(const std::string& folder, const std::string& name,
                                          const v1::OnboardingCodes& codes) const {
  if (codes.qr_code().empty()) return absl::OkStatus();
  const auto qr = image::EncodeQr(codes.qr_code());
  if (!qr.ok()) return qr.status();
  const std::string csv =
      absl::StrCat("qrcode,manualcode,discriminator,passcode\n",
                   CsvLine({codes.qr_code(), Manual(codes), absl::StrCat(codes.discriminator()),
                            absl::StrCat(codes.passcode())}),
                   "\n");
  ASSAY_RETURN_IF_ERROR(
      WriteFile(PathBelow(folder, name + "-onb_codes.csv"), AsBytes(csv), kPrivateFile));
  return WriteFile(PathBelow(folder, name + "-qrcode.png"), image::RenderQrPng(*qr), kPrivateFile);
}

absl::Status MfgToolTree::WriteInternal(const std::string& folder, const v1::Identity& identity,
                                        const DeviceContent& content) const {
  const auto write = [&](const char* name, ByteView bytes, mode_t mode) {
    return WriteFile(PathBelow(folder, absl::StrCat("internal/", name)), bytes, mode);
  };
  ASSAY_RETURN_IF_ERROR(write("partition.csv", AsBytes(PartitionCsv(content.keys)), kPrivateFile));
  if (!identity.image_certificate().empty()) {
    ASSAY_RETURN_IF_ERROR(write(
        "image_certificate.pem",
        AsBytes(matter::ToPem("CERTIFICATE", AsBytes(identity.image_certificate()))), kPublicFile));
  }
  if (identity.dac().empty()) return absl::OkStatus();
  ASSAY_RETURN_IF_ERROR(write("DAC_cert.der", AsBytes(identity.dac()), kPublicFile));
  // A DAC made elsewhere is left in DER and raw form only, as by mfg_tool.
  const bool given = spec_.dac().attestation() == v1::ATTESTATION_GIVEN;
  if (!given) {
    ASSAY_RETURN_IF_ERROR(write("DAC_cert.pem",
                                AsBytes(matter::ToPem("CERTIFICATE", AsBytes(identity.dac()))),
                                kPublicFile));
  }
  ASSAY_RETURN_IF_ERROR(write("PAI_cert.der", AsBytes(identity.pai()), kPublicFile));
  ASSAY_RETURN_IF_ERROR(write("DAC_public_key.bin", content.dac_public_key, kPublicFile));
  if (content.dac_key.empty()) return absl::OkStatus();
  const auto sec1 = image::EncodeSec1Key(content.dac_key.view(), content.dac_public_key);
  if (!sec1.ok()) return sec1.status();
  if (!given) {
    std::string pem = matter::ToPem("EC PRIVATE KEY", sec1->view());
    const absl::Status written = write("DAC_key.pem", AsBytes(pem), kPrivateFile);
    WipeText(pem);
    ASSAY_RETURN_IF_ERROR(written);
  }
  ASSAY_RETURN_IF_ERROR(write("DAC_key.der", sec1->view(), kPrivateFile));
  return write("DAC_private_key.bin", content.dac_key.view(), kPrivateFile);
}

void MfgToolTree::SetPaths(const std::string& final_folder, std::vector<DeviceKey>& keys) const {
  for (DeviceKey& key : keys) {
    if (key.type != "file") continue;
    const std::string name = InternalName(key.key);
    key.value = name.empty() ? declaration_ : absl::StrCat(final_folder, "/internal/", name);
  }
}

std::string MfgToolTree::PartitionCsv(const std::vector<DeviceKey>& keys) const {
  std::string csv = absl::StrCat("key,type,encoding,value", kCrLf);
  std::string name_space;
  for (const DeviceKey& key : keys) {
    if (key.name_space != name_space) {
      name_space = key.name_space;
      absl::StrAppend(&csv, name_space, ",namespace,,", kCrLf);
    }
    absl::StrAppend(&csv, CsvLine({key.key, key.type, key.encoding, key.value}), kCrLf);
  }
  return csv;
}

std::string MfgToolTree::MasterRow(const Row& row, const std::vector<DeviceKey>& columns) const {
  std::vector<std::string> cells;
  for (const DeviceKey& column : columns) {
    const auto found = std::find_if(row.keys.begin(), row.keys.end(), [&](const DeviceKey& key) {
      return key.name_space == column.name_space && key.key == column.key;
    });
    cells.push_back(found == row.keys.end() ? "" : found->value);
  }
  return CsvLine(cells);
}

absl::Status MfgToolTree::WriteStaging(const std::vector<DeviceKey>& columns) const {
  const std::string staging = PathBelow(folder_, "staging");
  std::string config, name_space, master, pins;
  std::vector<std::string> head;
  for (const DeviceKey& column : columns) {
    if (column.name_space != name_space) {
      name_space = column.name_space;
      absl::StrAppend(&config, name_space, ",namespace,\n");
    }
    absl::StrAppend(&config, column.key, ",", column.type, ",", column.encoding, "\n");
    head.push_back(column.key);
  }
  absl::StrAppend(&master, CsvLine(head), "\n");
  pins = spec_.dynamic_passcode() ? "Index,Iteration Count,Salt,Discriminator\n"
                                  : "Index,PIN Code,Iteration Count,Salt,Verifier,Discriminator\n";
  for (const auto& [index, row] : rows_) {
    absl::StrAppend(&master, MasterRow(row, columns), "\n");
    const std::string discriminator = absl::StrCat(row.codes.discriminator());
    const std::string iterations = absl::StrCat(row.iterations);
    std::vector<std::string> cells{absl::StrCat(index), iterations, row.salt, discriminator};
    if (!spec_.dynamic_passcode()) {
      cells = {absl::StrCat(index), absl::StrCat(row.codes.passcode()),
               iterations,          row.salt,
               row.verifier,        discriminator};
    }
    absl::StrAppend(&pins, CsvLine(cells), "\n");
  }
  ASSAY_RETURN_IF_ERROR(
      ReplaceFile(PathBelow(staging, "config.csv"), AsBytes(config), kPublicFile));
  ASSAY_RETURN_IF_ERROR(
      ReplaceFile(PathBelow(staging, "master.csv"), AsBytes(master), kPrivateFile));
  return ReplaceFile(PathBelow(staging, "pin_disc.csv"), AsBytes(pins), kPrivateFile);
}

std::string MfgToolTree::SummaryCsv(const std::vector<DeviceKey>& columns) const {
  const bool codes = !spec_.dynamic_passcode();
  const v1::SecureCert& secure_cert = spec_.image().secure_cert();
  std::vector<std::string> head;
  for (const DeviceKey& column : columns) head.push_back(column.key);
  if (codes) head.insert(head.end(), {"pincode", "qrcode", "manualcode"});
  if (secure_cert.commissioning())
    head.insert(head.end(), {"discriminator", "iteration-count", "salt"});
  if (secure_cert.rotating_id()) head.push_back("rd-id-uid");
  std::string csv = absl::StrCat(CsvLine(head), kCrLf);
  for (const auto& [index, row] : rows_) {
    std::vector<std::string> tail;
    if (codes) {
      tail.insert(tail.end(),
                  {absl::StrCat(row.codes.passcode()), row.codes.qr_code(), Manual(row.codes)});
    }
    if (secure_cert.commissioning()) {
      tail.insert(tail.end(), {absl::StrCat(row.codes.discriminator()),
                               absl::StrCat(row.iterations), row.salt});
    }
    if (secure_cert.rotating_id()) tail.push_back(row.rotating_id);
    const std::string master = MasterRow(row, columns);
    absl::StrAppend(&csv, master, master.empty() || tail.empty() ? "" : ",", CsvLine(tail), kCrLf);
  }
  return csv;
}

absl::StatusOr<std::string> MfgToolTree::Finish() {
  std::vector<DeviceKey> columns;
  for (const auto& [index, row] : rows_) MergeColumns(row.keys, columns);
  ASSAY_RETURN_IF_ERROR(WriteStaging(columns));
  std::string dacs = absl::StrCat("CN,certs", kCrLf);
  for (const auto& [index, row] : rows_) {
    if (!row.dac_pem.empty())
      absl::StrAppend(&dacs, CsvLine({row.common_name, row.dac_pem}), kCrLf);
  }
  const absl::TimeZone zone = absl::LocalTimeZone();
  const std::string dacs_name = absl::StrFormat(
      "cn_dacs-%s-%06d.csv", absl::FormatTime("%Y-%m-%d-%H-%M-%S", options_.now, zone),
      absl::ToUnixMicros(options_.now) % 1000000);
  ASSAY_RETURN_IF_ERROR(ReplaceFile(PathBelow(folder_, dacs_name), AsBytes(dacs), kPublicFile));
  // mfg_tool overwrites the summary of another run in the same second; here the next free second is
  // taken.
  absl::Time stamp = options_.now;
  std::string summary;
  do {
    summary = PathBelow(folder_, absl::FormatTime("summary-%Y-%m-%d-%H-%M-%S.csv", stamp, zone));
    stamp += absl::Seconds(1);
  } while (PathExists(summary));
  ASSAY_RETURN_IF_ERROR(ReplaceFile(summary, AsBytes(SummaryCsv(columns)), kPrivateFile));
  return summary;
}

}  // namespace assay::client
