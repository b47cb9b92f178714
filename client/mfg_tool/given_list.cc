#include "client/mfg_tool/given_list.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <set>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "base/refusal.h"
#include "client/files.h"
#include "client/mfg_tool/dac_key.h"
#include "image/csv.h"
#include "matter/certificate.h"
#include "matter/certificate_format.h"
#include "matter/certification_declaration.h"

namespace assay::client {
namespace {

namespace fs = std::filesystem;
using matter::Certificate;

struct Pai {
  std::string origin;
  Certificate certificate;
};
struct Dac {
  std::string origin;
  Certificate certificate;
  std::string serial_number;
};
struct Key {
  std::string origin;
  SecretBytes scalar;
  Bytes point;
};

bool IsAuthority(const Certificate& certificate) {
  const auto constraints = certificate.basic_constraints();
  return constraints.ok() && constraints->has_value() && (*constraints)->ca;
}

bool HasBlock(std::string_view text, std::string_view label) {
  const size_t at = text.find("-----BEGIN ");
  return at != std::string_view::npos && text.find(label, at) != std::string_view::npos;
}

// What one file or cell held.
struct Content {
  std::vector<Certificate> certificates;
  std::optional<DacKey> key;
};

absl::StatusOr<Content> ReadContent(const SecretBytes& bytes, const std::string& origin) {
  Content content;
  const std::string_view text = AsText(bytes.view());
  if (HasBlock(text, "CERTIFICATE-----")) {
    auto read = matter::ParsePemCertificates(text);
    if (!read.ok()) return Within(origin, read.status());
    content.certificates = *std::move(read);
  } else if (auto der = Certificate::Parse(bytes.view()); der.ok()) {
    content.certificates.push_back(*std::move(der));
    return content;
  }
  if (content.certificates.empty() || HasBlock(text, "PRIVATE KEY-----")) {
    auto key = ParseDacKey(bytes.view(), origin);
    if (!key.ok() && content.certificates.empty()) {
      return RefuseField(Reason::FIELD_MALFORMED, origin, "",
                         "is neither a certificate nor a P-256 private key, in PEM or DER");
    }
    if (!key.ok()) return key.status();
    content.key = *std::move(key);
  }
  return content;
}

class Gathering {
 public:
  explicit Gathering(const GivenRules& rules) : rules_(rules) {}

  // Of a folder: the same thing in both forms under one name counts once.
  absl::Status AddFile(const std::string& path) {
    auto bytes = ReadFile(path);
    if (!bytes.ok()) return bytes.status();
    auto content = ReadContent(SecretBytes(*std::move(bytes)), path);
    if (!content.ok()) return content.status();
    for (Certificate& certificate : content->certificates) {
      if (IsAuthority(certificate)) {
        AddPai(path, std::move(certificate));
        continue;
      }
      const fs::path file(path);
      const std::string twin = absl::StrCat((file.parent_path() / file.stem()).string(), "\n",
                                            ToText(certificate.der()));
      if (twins_.insert(twin).second) dacs_.push_back({path, std::move(certificate), ""});
    }
    if (content->key) AddKey(path, *std::move(content->key));
    return absl::OkStatus();
  }

  absl::Status AddPaiFile(const std::string& path) {
    auto bytes = ReadFile(path);
    if (!bytes.ok()) return bytes.status();
    auto content = ReadContent(SecretBytes(*std::move(bytes)), path);
    if (!content.ok()) return content.status();
    for (Certificate& certificate : content->certificates) AddPai(path, std::move(certificate));
    if (pais_.empty()) {
      return RefuseField(Reason::PAI_INVALID, path, "", "holds no certificate of a PAI");
    }
    return absl::OkStatus();
  }

  void AddPai(const std::string& origin, Certificate certificate) {
    pais_.push_back({origin, std::move(certificate)});
  }
  void AddDac(const std::string& origin, Certificate certificate, std::string serial_number) {
    dacs_.push_back({origin, std::move(certificate), std::move(serial_number)});
  }
  // False where the key does not belong to the last DAC added.
  bool AddKeyOfLast(const std::string& origin, DacKey key) {
    const bool fits = std::ranges::equal(dacs_.back().certificate.public_key(), key.point);
    AddKey(origin, std::move(key));
    return fits;
  }

  absl::StatusOr<std::vector<GivenUnit>> Match() {
    std::vector<GivenUnit> units;
    std::map<std::string, std::string> by_serial, by_key;
    std::set<std::string> names;
    for (const Dac& dac : dacs_) {
      const auto pai = FindPai(dac);
      if (!pai.ok()) return pai.status();
      ASSAY_RETURN_IF_ERROR(CheckDac(dac, **pai));
      const std::string serial = dac.certificate.SerialText();
      const std::string issuer = ToText(dac.certificate.issuer());
      const auto [same, is_new] = by_serial.emplace(absl::StrCat(serial, "\n", issuer), dac.origin);
      if (!is_new) {
        return RefuseField(Reason::DAC_INVALID, dac.origin, serial,
                           absl::StrCat("is the same DAC as in ", same->second,
                                        ": issuer and serial number are the same"));
      }
      const auto [twin, fresh] = by_key.emplace(ToText(dac.certificate.public_key()), dac.origin);
      if (!fresh) {
        return RefuseField(Reason::PUBLIC_KEY_REUSED, dac.origin, serial,
                           absl::StrCat("has the same key as the DAC in ", twin->second));
      }
      GivenUnit unit;
      unit.origin = dac.origin;
      unit.name = serial;
      if (!names.insert(unit.name).second) {
        absl::StrAppend(&unit.name, "-", ToHex(Sha256(AsBytes(issuer))).substr(0, 8));
      }
      unit.serial_number = dac.serial_number;
      unit.dac.set_certificate(ToText(dac.certificate.der()));
      unit.dac.set_pai(ToText((*pai)->certificate.der()));
      const auto key = keys_.find(ToText(dac.certificate.public_key()));
      if (key != keys_.end()) unit.dac.set_private_key(ToText(key->second.scalar.view()));
      units.push_back(std::move(unit));
    }
    for (const auto& [point, key] : keys_) {
      if (by_key.contains(point)) continue;
      return RefuseField(Reason::DAC_INVALID, key.origin, "",
                         "is the key of none of the certificates given");
    }
    return units;
  }

  bool empty() const { return dacs_.empty(); }

 private:
  void AddKey(const std::string& origin, DacKey key) {
    keys_.try_emplace(ToText(key.point), Key{origin, std::move(key.scalar), key.point});
  }

  absl::StatusOr<const Pai*> FindPai(const Dac& dac) const {
    for (const Pai& pai : pais_) {
      if (std::ranges::equal(pai.certificate.subject(), dac.certificate.issuer()) &&
          dac.certificate.IsSignedBy(pai.certificate)) {
        return &pai;
      }
    }
    return RefuseField(Reason::PAI_UNKNOWN, dac.origin, dac.certificate.SerialText(),
                       pais_.empty() ? "its PAI is missing: put it beside the DACs or name its file"
                                     : "its PAI is missing: none of the PAIs given signed it");
  }

  absl::Status CheckDac(const Dac& dac, const Pai& pai) const {
    if (const auto found = matter::CheckFormat(pai.certificate, matter::Role::kPai);
        !found.empty()) {
      return RefuseField(Reason::PAI_INVALID, pai.origin, "", found.front().rule);
    }
    const Certificate& certificate = dac.certificate;
    if (const auto found = matter::CheckFormat(certificate, matter::Role::kDac); !found.empty()) {
      return RefuseField(Reason::DAC_INVALID, dac.origin, certificate.SerialText(),
                         found.front().rule);
    }
    const auto& ids = certificate.subject_ids();
    if (!ids.ok()) return Within(dac.origin, ids.status());
    if (ids->vid != rules_.vendor_id || ids->pid != rules_.product_id) {
      const auto text = [](std::optional<uint16_t> id) {
        return id ? "0x" + matter::IdToText(*id) : std::string("none");
      };
      return RefuseField(Reason::DAC_INVALID, dac.origin,
                         absl::StrCat("vendor ", text(ids->vid), ", product ", text(ids->pid)),
                         absl::StrCat("must name vendor ", text(rules_.vendor_id), " and product ",
                                      text(rules_.product_id), ", as the lot does"));
    }
    if (!certificate.validity().Contains(rules_.now)) {
      return RefuseField(Reason::DAC_INVALID, dac.origin, certificate.SerialText(),
                         "must be valid now");
    }
    return absl::OkStatus();
  }

  const GivenRules rules_;
  std::vector<Pai> pais_;
  std::vector<Dac> dacs_;
  std::map<std::string, Key> keys_;  // by the point
  std::set<std::string> twins_;
};

// Sorted, so that the same folder is always read the same way.
absl::StatusOr<std::vector<std::string>> FilesOf(const std::string& folder) {
  static const std::set<std::string> kEndings = {".pem", ".der", ".crt", ".cer", ".key"};
  std::vector<std::string> files;
  std::error_code error;
  for (fs::recursive_directory_iterator at(folder, error), end; !error && at != end;
       at.increment(error)) {
    if (at->is_regular_file(error) && kEndings.contains(at->path().extension().string())) {
      files.push_back(at->path().string());
    }
  }
  if (error) return RefuseField(Reason::FIELD_REQUIRED, folder, "", "cannot be read as a folder");
  std::sort(files.begin(), files.end());
  return files;
}

// The place of the first of `names` in the header.
std::optional<size_t> ColumnOf(const image::CsvRecord& head,
                               std::initializer_list<const char*> names) {
  for (size_t i = 0; i < head.cells.size(); ++i) {
    const std::string cell = absl::AsciiStrToLower(absl::StripAsciiWhitespace(head.cells[i].text));
    for (const char* name : names) {
      if (cell == name) return i;
    }
  }
  return std::nullopt;
}

class CsvRows {
 public:
  CsvRows(std::string path, Gathering& gathering)
      : path_(std::move(path)),
        folder_(fs::path(path_).parent_path().string()),
        gathering_(gathering) {}

  absl::Status Read() {
    const auto text = ReadTextFile(path_);
    if (!text.ok()) return text.status();
    const auto records = image::ReadCsv(*text, path_);
    if (!records.ok()) return records.status();
    if (records->size() < 2) {
      return RefuseField(Reason::FIELD_REQUIRED, path_, "",
                         "must have a header and a row for each DAC");
    }
    const image::CsvRecord& head = records->front();
    cert_ = ColumnOf(head, {"cert", "certs", "certificate", "dac-cert", "dac_cert"});
    key_ = ColumnOf(head, {"key", "dac-key", "dac_key"});
    pai_ = ColumnOf(head, {"pai", "pai-cert", "pai_cert"});
    serial_ = ColumnOf(head, {"serial-num", "serial_num", "serial_number"});
    if (!cert_) {
      return RefuseField(Reason::FIELD_REQUIRED, absl::StrCat(path_, " line ", head.line), "",
                         "the header must have a column cert");
    }
    for (size_t i = 1; i < records->size(); ++i) ASSAY_RETURN_IF_ERROR(TakeRow((*records)[i]));
    return absl::OkStatus();
  }

 private:
  std::string Cell(const image::CsvRecord& record, const std::optional<size_t>& column) const {
    if (!column || *column >= record.cells.size()) return "";
    return std::string(absl::StripAsciiWhitespace(record.cells[*column].text));
  }
  std::string Place(const image::CsvRecord& record, const std::optional<size_t>& column,
                    const char* name) const {
    return absl::StrCat(path_, " line ", record.line, " column ", column.value_or(0) + 1, " (",
                        name, ")");
  }

  absl::StatusOr<Content> Open(const std::string& cell, const std::string& place) const {
    if (cell.find("-----BEGIN") != std::string::npos) {
      return ReadContent(SecretBytes::CopyOf(AsBytes(cell)), place);
    }
    auto bytes = ReadFile(folder_.empty() ? cell : PathBelow(folder_, cell));
    if (!bytes.ok()) return Within(place, bytes.status());
    return ReadContent(SecretBytes(*std::move(bytes)), absl::StrCat(place, ": ", cell));
  }

  absl::Status TakeRow(const image::CsvRecord& record) {
    const std::string origin = absl::StrCat(path_, " line ", record.line);
    const std::string cert_place = Place(record, cert_, "cert");
    const std::string cert = Cell(record, cert_);
    if (cert.empty()) return RefuseField(Reason::FIELD_REQUIRED, cert_place, "", "names no DAC");
    auto content = Open(cert, cert_place);
    if (!content.ok()) return content.status();
    bool has_dac = false;
    for (Certificate& certificate : content->certificates) {
      if (IsAuthority(certificate)) {
        gathering_.AddPai(origin, std::move(certificate));
      } else if (has_dac) {
        return RefuseField(Reason::FIELD_MALFORMED, cert_place, "", "holds more than one DAC");
      } else {
        gathering_.AddDac(origin, std::move(certificate), Cell(record, serial_));
        has_dac = true;
      }
    }
    if (!has_dac) return RefuseField(Reason::FIELD_REQUIRED, cert_place, "", "holds no DAC");
    if (const std::string key = Cell(record, key_); !key.empty()) {
      const std::string place = Place(record, key_, "key");
      auto read = Open(key, place);
      if (!read.ok()) return read.status();
      if (!read->key) return RefuseField(Reason::FIELD_REQUIRED, place, "", "holds no private key");
      content->key = std::move(read->key);
    }
    if (content->key && !gathering_.AddKeyOfLast(origin, *std::move(content->key))) {
      return RefuseField(Reason::DAC_INVALID, Place(record, key_ ? key_ : cert_, "key"), "",
                         "is not the key of the certificate in this row");
    }
    if (const std::string pai = Cell(record, pai_); !pai.empty()) {
      auto read = Open(pai, Place(record, pai_, "pai"));
      if (!read.ok()) return read.status();
      for (Certificate& certificate : read->certificates) {
        gathering_.AddPai(origin, std::move(certificate));
      }
    }
    return absl::OkStatus();
  }

  const std::string path_, folder_;
  Gathering& gathering_;
  std::optional<size_t> cert_, key_, pai_, serial_;
};

}  // namespace

GivenRules RulesFor(const v1::ProductSpec& spec, absl::Time now) {
  GivenRules rules{static_cast<uint16_t>(spec.vendor_id()),
                   static_cast<uint16_t>(spec.product_id()), now};
  const auto envelope = matter::ParseCdEnvelope(AsBytes(spec.certification_declaration()));
  if (!envelope.ok()) return rules;
  const auto cd = matter::DecodeCdContent(envelope->content);
  if (cd.ok() && cd->dac_origin_vendor_id && cd->dac_origin_product_id) {
    rules.vendor_id = *cd->dac_origin_vendor_id;
    rules.product_id = *cd->dac_origin_product_id;
  }
  return rules;
}

absl::StatusOr<std::vector<GivenUnit>> ReadGiven(const std::string& path,
                                                 const std::string& pai_file,
                                                 const GivenRules& rules) {
  Gathering gathering(rules);
  std::error_code error;
  if (fs::is_directory(path, error)) {
    const auto files = FilesOf(path);
    if (!files.ok()) return files.status();
    for (const std::string& file : *files) ASSAY_RETURN_IF_ERROR(gathering.AddFile(file));
  } else if (absl::AsciiStrToLower(fs::path(path).extension().string()) == ".csv") {
    ASSAY_RETURN_IF_ERROR(CsvRows(path, gathering).Read());
  } else {
    ASSAY_RETURN_IF_ERROR(gathering.AddFile(path));
  }
  if (gathering.empty()) {
    return RefuseField(Reason::FIELD_REQUIRED, path, "",
                       "holds no DAC: a folder of *.pem, *.der, *.crt, *.cer and *.key, or a .csv "
                       "with a column cert");
  }
  if (!pai_file.empty()) ASSAY_RETURN_IF_ERROR(gathering.AddPaiFile(pai_file));
  return gathering.Match();
}

}  // namespace assay::client
