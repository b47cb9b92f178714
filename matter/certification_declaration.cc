#include "matter/certification_declaration.h"

#include <algorithm>
#include <limits>

#include "absl/strings/str_cat.h"
#include "base/refusal.h"
#include "matter/oid.h"
#include "matter/tlv.h"

namespace assay::matter {
namespace {

constexpr size_t kCertificateIdSize = 19;

absl::Status Malformed(absl::string_view field, absl::string_view rule) {
  return RefuseField(Reason::CD_MALFORMED, field, "", rule);
}

absl::Status CheckContent(const CertificationDeclaration& cd) {
  if (cd.product_ids.size() > kMaxCdProducts) {
    return Malformed("cd.product_ids", "at most 100 product ids");
  }
  if (cd.certificate_id.size() != kCertificateIdSize) {
    return Malformed("cd.certificate_id", "exactly 19 characters");
  }
  if (cd.dac_origin_vendor_id.has_value() != cd.dac_origin_product_id.has_value()) {
    return Malformed("cd.dac_origin", "vendor and product id, or neither");
  }
  if (cd.authorized_paas.has_value() && cd.authorized_paas->size() > kMaxCdPaas) {
    return Malformed("cd.authorized_paas", "at most 10 subject key ids");
  }
  return absl::OkStatus();
}

// Walks the structure's elements, which must come with the tags asked for.
class ContentReader {
 public:
  explicit ContentReader(ByteView tlv) : reader_(tlv) {}

  absl::Status Open() {
    absl::StatusOr<std::optional<TlvElement>> outer = reader_.Next();
    if (!outer.ok() || !outer->has_value() || (*outer)->type != TlvType::kStructure ||
        (*outer)->tag.kind != TlvTag::Kind::kAnonymous) {
      return Malformed("cd", "an anonymous structure");
    }
    ASSAY_RETURN_IF_ERROR(reader_.Enter());
    return Advance();
  }

  bool At(uint8_t tag) const { return next_.has_value() && next_->tag.IsContext(tag); }

  template <typename Number>
  absl::Status ReadNumber(uint8_t tag, const char* field, Number& number) {
    if (!At(tag) || next_->type != TlvType::kUnsigned ||
        next_->number > std::numeric_limits<Number>::max()) {
      return Malformed(
          field, absl::StrCat("an unsigned number of ", sizeof(Number), " bytes at its place"));
    }
    number = static_cast<Number>(next_->number);
    return Advance();
  }

  absl::Status ReadProducts(std::vector<uint16_t>& products) {
    return ReadArray(2, "cd.product_ids", [&](const TlvElement& element) {
      if (element.type != TlvType::kUnsigned || element.number > UINT16_MAX) return false;
      products.push_back(static_cast<uint16_t>(element.number));
      return products.size() <= kMaxCdProducts;
    });
  }

  absl::Status ReadPaas(std::vector<KeyId>& paas) {
    return ReadArray(11, "cd.authorized_paas", [&](const TlvElement& element) {
      if (element.type != TlvType::kBytes || element.bytes.size() != KeyId{}.size()) return false;
      std::ranges::copy(element.bytes, paas.emplace_back().begin());
      return paas.size() <= kMaxCdPaas;
    });
  }

  absl::Status ReadText(uint8_t tag, const char* field, std::string& text) {
    if (!At(tag) || next_->type != TlvType::kUtf8) {
      return Malformed(field, "UTF-8 text at its place");
    }
    text = ToText(next_->bytes);
    return Advance();
  }

  absl::Status Close() {
    if (next_.has_value()) return Malformed("cd", "no element beyond those of the specification");
    if (!reader_.Exit().ok() || !reader_.Finish().ok()) {
      return Malformed("cd", "one structure and nothing after it");
    }
    return absl::OkStatus();
  }

 private:
  absl::Status Advance() {
    absl::StatusOr<std::optional<TlvElement>> next = reader_.Next();
    if (!next.ok()) return Malformed("cd", "Matter TLV");
    next_ = *next;
    return absl::OkStatus();
  }

  template <typename Take>
  absl::Status ReadArray(uint8_t tag, const char* field, Take take) {
    if (!At(tag) || next_->type != TlvType::kArray || !reader_.Enter().ok()) {
      return Malformed(field, "an array at its place");
    }
    while (true) {
      ASSAY_RETURN_IF_ERROR(Advance());
      if (!next_.has_value()) break;
      if (next_->tag.kind != TlvTag::Kind::kAnonymous || !take(*next_)) {
        return Malformed(field, "elements of the right type and number");
      }
    }
    if (!reader_.Exit().ok()) return Malformed(field, "an array that ends");
    return Advance();
  }

  TlvReader reader_;
  std::optional<TlvElement> next_;
};

Finding Broken(AttestationResult result, const char* field, const std::string& rule) {
  return {result, field, rule, false};
}

// The pair a DAC must carry, its PAI included (2.3 rule 4).
void MatchDacPair(const CertificationDeclaration& cd, const CdSubject& subject,
                  Findings& findings) {
  const bool origin = cd.dac_origin_vendor_id.has_value();
  const uint16_t vendor = origin ? *cd.dac_origin_vendor_id : cd.vendor_id;
  if (subject.dac_vid != vendor || subject.pai_vid != vendor) {
    findings.push_back(Broken(
        AttestationResult::kCdInvalidVendorId, origin ? "cd.dac_origin_vendor_id" : "cd.vendor_id",
        absl::StrCat("must be the DAC's and the PAI's vendor id, and is ", IdToText(vendor))));
  }
  auto covers = [&](uint16_t pid) {
    return origin ? pid == *cd.dac_origin_product_id
                  : std::ranges::find(cd.product_ids, pid) != cd.product_ids.end();
  };
  const char* field = origin ? "cd.dac_origin_product_id" : "cd.product_ids";
  if (!covers(subject.dac_pid)) {
    findings.push_back(
        Broken(AttestationResult::kCdInvalidProductId, field,
               absl::StrCat("must cover the DAC's product id ", IdToText(subject.dac_pid))));
  }
  if (subject.pai_pid.has_value() && !covers(*subject.pai_pid)) {
    findings.push_back(
        Broken(AttestationResult::kCdInvalidProductId, field,
               absl::StrCat("must cover the PAI's product id ", IdToText(*subject.pai_pid))));
  }
}

}  // namespace

absl::StatusOr<Bytes> EncodeCdContent(const CertificationDeclaration& cd) {
  ASSAY_RETURN_IF_ERROR(CheckContent(cd));
  // Empty lists can be read, for they cover nothing and fail by that; they are not written.
  if (cd.product_ids.empty()) return Malformed("cd.product_ids", "1 to 100 product ids");
  if (cd.authorized_paas.has_value() && cd.authorized_paas->empty()) {
    return Malformed("cd.authorized_paas", "1 to 10 subject key ids, or no list");
  }
  if (cd.certification_type > CertificationDeclaration::kOfficial) {
    return Malformed("cd.certification_type", "0, 1 or 2");
  }
  TlvWriter writer;
  writer.StartStructure(TlvTag::Anonymous());
  writer.PutUnsigned(TlvTag::Context(0), cd.format_version);
  writer.PutUnsigned(TlvTag::Context(1), cd.vendor_id);
  writer.StartArray(TlvTag::Context(2));
  for (uint16_t product : cd.product_ids) writer.PutUnsigned(TlvTag::Anonymous(), product);
  writer.EndContainer();
  writer.PutUnsigned(TlvTag::Context(3), cd.device_type_id);
  writer.PutUtf8(TlvTag::Context(4), cd.certificate_id);
  writer.PutUnsigned(TlvTag::Context(5), cd.security_level);
  writer.PutUnsigned(TlvTag::Context(6), cd.security_information);
  writer.PutUnsigned(TlvTag::Context(7), cd.version_number);
  writer.PutUnsigned(TlvTag::Context(8), cd.certification_type);
  if (cd.dac_origin_vendor_id.has_value()) {
    writer.PutUnsigned(TlvTag::Context(9), *cd.dac_origin_vendor_id);
    writer.PutUnsigned(TlvTag::Context(10), *cd.dac_origin_product_id);
  }
  if (cd.authorized_paas.has_value()) {
    writer.StartArray(TlvTag::Context(11));
    for (const KeyId& paa : *cd.authorized_paas) writer.PutBytes(TlvTag::Anonymous(), paa);
    writer.EndContainer();
  }
  writer.EndContainer();
  Bytes content = writer.Take();
  if (content.size() > kMaxCdContentSize) return Malformed("cd", "at most 607 bytes of content");
  return content;
}

absl::StatusOr<CertificationDeclaration> DecodeCdContent(ByteView tlv) {
  CertificationDeclaration cd;
  ContentReader reader(tlv);
  ASSAY_RETURN_IF_ERROR(reader.Open());
  ASSAY_RETURN_IF_ERROR(reader.ReadNumber(0, "cd.format_version", cd.format_version));
  ASSAY_RETURN_IF_ERROR(reader.ReadNumber(1, "cd.vendor_id", cd.vendor_id));
  ASSAY_RETURN_IF_ERROR(reader.ReadProducts(cd.product_ids));
  ASSAY_RETURN_IF_ERROR(reader.ReadNumber(3, "cd.device_type_id", cd.device_type_id));
  ASSAY_RETURN_IF_ERROR(reader.ReadText(4, "cd.certificate_id", cd.certificate_id));
  ASSAY_RETURN_IF_ERROR(reader.ReadNumber(5, "cd.security_level", cd.security_level));
  ASSAY_RETURN_IF_ERROR(reader.ReadNumber(6, "cd.security_information", cd.security_information));
  ASSAY_RETURN_IF_ERROR(reader.ReadNumber(7, "cd.version_number", cd.version_number));
  ASSAY_RETURN_IF_ERROR(reader.ReadNumber(8, "cd.certification_type", cd.certification_type));
  if (reader.At(9)) {
    ASSAY_RETURN_IF_ERROR(
        reader.ReadNumber(9, "cd.dac_origin_vendor_id", cd.dac_origin_vendor_id.emplace()));
  }
  if (reader.At(10)) {
    ASSAY_RETURN_IF_ERROR(
        reader.ReadNumber(10, "cd.dac_origin_product_id", cd.dac_origin_product_id.emplace()));
  }
  if (reader.At(11)) ASSAY_RETURN_IF_ERROR(reader.ReadPaas(cd.authorized_paas.emplace()));
  ASSAY_RETURN_IF_ERROR(reader.Close());
  ASSAY_RETURN_IF_ERROR(CheckContent(cd));
  return cd;
}

Findings MatchCd(const CertificationDeclaration& cd, const CdSubject& subject) {
  Findings findings;
  if (cd.vendor_id != subject.basic_info_vid) {
    findings.push_back(
        Broken(AttestationResult::kCdInvalidVendorId, "cd.vendor_id",
               absl::StrCat("must be the device's vendor id ", IdToText(subject.basic_info_vid),
                            ", and is ", IdToText(cd.vendor_id))));
  }
  if (std::ranges::find(cd.product_ids, subject.basic_info_pid) == cd.product_ids.end()) {
    findings.push_back(Broken(
        AttestationResult::kCdInvalidProductId, "cd.product_ids",
        absl::StrCat("must hold the device's product id ", IdToText(subject.basic_info_pid))));
  }
  MatchDacPair(cd, subject, findings);
  if (cd.authorized_paas.has_value() &&
      (!subject.paa_key_id.has_value() ||
       std::ranges::find(*cd.authorized_paas, *subject.paa_key_id) == cd.authorized_paas->end())) {
    findings.push_back(Broken(AttestationResult::kCdInvalidPaa, "cd.authorized_paas",
                              "must hold the subject key id of the chain's PAA"));
  }
  return findings;
}

Findings MatchCdRecord(const CertificationDeclaration& cd, const CdRecord& record) {
  Findings findings;
  auto require = [&](bool holds, const char* field, const char* rule) {
    if (!holds) findings.push_back({AttestationResult::kCdInvalidFormat, field, rule, true});
  };
  constexpr const char* kAsRecorded = "must be the product record's";
  require(!record.device_type_id.has_value() || cd.device_type_id == *record.device_type_id,
          "cd.device_type_id", kAsRecorded);
  require(!record.certificate_id.has_value() || cd.certificate_id == *record.certificate_id,
          "cd.certificate_id", kAsRecorded);
  require(!record.version_number.has_value() || cd.version_number == *record.version_number,
          "cd.version_number", kAsRecorded);
  if (record.security_fields_zero) {
    require(cd.security_level == 0, "cd.security_level", "must be 0");
    require(cd.security_information == 0, "cd.security_information", "must be 0");
  }
  return findings;
}

absl::Status CheckCdCovers(const CertificationDeclaration& cd, const CdSubject& subject) {
  const Findings findings = MatchCd(cd, subject);
  if (findings.empty()) return absl::OkStatus();
  return RefuseField(Reason::CD_MISMATCH, findings[0].field, "", findings[0].rule);
}

}  // namespace assay::matter
