// Commands that read and write files and call nobody.
#include <algorithm>
#include <filesystem>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/refusal.h"
#include "client/command/commands.h"
#include "client/files.h"
#include "client/show.h"
#include "image/cms.h"
#include "image/csv.h"
#include "image/inspect.h"
#include "image/secure_cert.h"
#include "matter/certificate.h"
#include "nlohmann/json.hpp"

namespace assay::client {
namespace {

using Fields = std::vector<std::pair<std::string, std::string>>;

// An image file and, where given, the keys that open it.
struct OpenedImage {
  SecretBytes bytes;
  SecretBytes keys;
  image::InspectOptions options;
};
absl::StatusOr<OpenedImage> OpenImage(const std::string& path, const std::string& keys_path,
                                      bool show_secrets) {
  auto bytes = ReadFile(path);
  if (!bytes.ok()) return bytes.status();
  OpenedImage opened{SecretBytes(*std::move(bytes)), {}, {}};
  if (!keys_path.empty()) {
    auto keys = ReadFile(keys_path);
    if (!keys.ok()) return keys.status();
    opened.keys = SecretBytes(*std::move(keys));
  }
  opened.options.nvs_keys = opened.keys.view();
  opened.options.show_secrets = show_secrets;
  return opened;
}

// The columns of a csv file by name.
class CsvTable {
 public:
  static absl::StatusOr<CsvTable> Read(const std::string& path) {
    const auto text = ReadTextFile(path);
    if (!text.ok()) return text.status();
    auto records = image::ReadCsv(*text, path);
    if (!records.ok()) return records.status();
    if (records->empty())
      return RefuseField(Reason::FIELD_REQUIRED, path, "", "has no header line");
    CsvTable table;
    table.records_ = *std::move(records);
    return table;
  }
  size_t size() const { return records_.size() - 1; }
  // Empty where the column or the cell is not there.
  std::string Cell(size_t row, const std::string& column) const {
    const auto& head = records_[0].cells;
    for (size_t i = 0; i < head.size(); ++i) {
      if (head[i].text == column && i < records_[row + 1].cells.size())
        return records_[row + 1].cells[i].text;
    }
    return "";
  }

 private:
  std::vector<image::CsvRecord> records_;
};

// The DAC of a secure-cert image; empty where the file is none.
Bytes DacIn(ByteView file) {
  const auto entries = image::ParseSecureCert(file);
  if (!entries.ok()) return {};
  const auto* const dac = image::FindEntry(*entries, image::SecureCertType::kDeviceCertificate);
  return dac == nullptr ? Bytes() : ToBytes(dac->data.view());
}

// What a check of files at hand found: neither the server's refusal nor mended by trying again.
absl::Status NotGenuine(const std::string& path, absl::string_view why) {
  return absl::DataLossError(absl::StrCat(path, ": ", why));
}

// The unit whose row names this image by its digest or, for a secure-cert image beside a factory
// image, by the DAC in it.
absl::StatusOr<std::string> FindInManifest(const std::string& manifest, ByteView file) {
  const auto table = CsvTable::Read(manifest);
  if (!table.ok()) return table.status();
  const std::string digest = ToHex(Sha256(file));
  const Bytes dac = DacIn(file);
  const std::string dac_digest = dac.empty() ? "" : ToHex(Sha256(dac));
  for (size_t row = 0; row < table->size(); ++row) {
    const bool by_image = table->Cell(row, "image_sha256") == digest;
    const bool by_dac = !dac.empty() && table->Cell(row, "dac_sha256") == dac_digest;
    if (!by_image && !by_dac) continue;
    return absl::StrCat("ticket ", table->Cell(row, "ticket"), ", device ",
                        table->Cell(row, "device_id"), by_image ? "" : ", by its DAC");
  }
  return NotGenuine(manifest, absl::StrCat("no row has this image (SHA-256 ", digest, ")"));
}

}  // namespace

absl::Status InspectImageFile(Context& context, const ImageOptionsTyped& options) {
  const auto opened = OpenImage(options.file, options.keys, options.show_secrets);
  if (!opened.ok()) return opened.status();
  image::InspectOptions inspect = opened->options;
  inspect.nvs_keys = opened->keys.view();
  const auto inspection = image::InspectImage(opened->bytes.view(), inspect);
  if (!inspection.ok()) return Within(options.file, inspection.status());
  context.Print(context.json() ? image::InspectionJson(*inspection) + "\n"
                               : image::InspectionText(*inspection));
  if (inspection->sound()) return absl::OkStatus();
  return RefuseField(Reason::IMAGE_MALFORMED, options.file, "", inspection->faults.front());
}

absl::Status DiffImageFiles(Context& context, const ImageOptionsTyped& options) {
  const auto left = OpenImage(options.file, options.keys, options.show_secrets);
  if (!left.ok()) return left.status();
  const auto right = OpenImage(options.other, options.other_keys, options.show_secrets);
  if (!right.ok()) return right.status();
  const auto differences =
      image::DiffImages(left->bytes.view(), {left->keys.view(), options.show_secrets},
                        right->bytes.view(), {right->keys.view(), options.show_secrets});
  if (!differences.ok()) return differences.status();
  context.Print(context.json() ? image::DifferencesJson(*differences) + "\n"
                               : image::DifferencesText(*differences));
  if (differences->empty()) return absl::OkStatus();
  return RefuseField(Reason::FIELDS_CONTRADICT, options.file, "",
                     absl::StrCat(differences->size(), " difference(s) from ", options.other));
}

absl::Status VerifyImageFile(Context& context, const ImageOptionsTyped& options) {
  const auto image = ReadFile(options.file);
  if (!image.ok()) return image.status();
  const std::string signature_path =
      options.signature.empty() ? options.file + ".cms" : options.signature;
  const auto signature = ReadFile(signature_path);
  if (!signature.ok()) return signature.status();
  const auto text = ReadTextFile(options.certificate);
  if (!text.ok()) return text.status();
  const auto certificate = absl::StrContains(*text, "-----BEGIN")
                               ? matter::Certificate::ParsePem(*text)
                               : matter::Certificate::Parse(AsBytes(*text));
  if (!certificate.ok()) return Within("--certificate", certificate.status());
  const absl::Status genuine = image::VerifyDetachedCms(*signature, *image, certificate->der());
  if (HasReason(genuine, Reason::VERIFY_FAILED)) {
    return NotGenuine(options.file, genuine.message());
  }
  if (!genuine.ok()) return Within(signature_path, genuine);
  std::string unit = "not asked for";
  if (!options.manifest.empty()) {
    auto found = FindInManifest(options.manifest, *image);
    if (!found.ok()) return found.status();
    unit = *std::move(found);
  }
  const Fields fields = {{"verified", options.file},
                         {"sha256", ToHex(Sha256(*image))},
                         {"signature", signature_path},
                         {"manifest", unit}};
  if (context.json()) {
    nlohmann::ordered_json json;
    for (const auto& [name, value] : fields) json[name] = value;
    context.Print(json.dump(2) + "\n");
    return absl::OkStatus();
  }
  for (const auto& [name, value] : fields)
    context.Print(absl::StrFormat("%-10s %s\n", name, value));
  return absl::OkStatus();
}

}  // namespace assay::client
