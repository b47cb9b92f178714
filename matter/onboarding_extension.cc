#include "matter/onboarding_extension.h"

#include <limits>
#include <set>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/refusal.h"
#include "matter/tlv.h"
#include "matter/utf8.h"

namespace assay::matter {
namespace {

constexpr uint8_t kSerialNumber = 0x00;
constexpr uint8_t kIterations = 0x01;
constexpr uint8_t kSalt = 0x02;
constexpr uint8_t kDeviceCount = 0x03;
constexpr uint8_t kCommissioningTimeout = 0x04;
constexpr uint8_t kFirstVendorTag = 0x80;

absl::Status Malformed(absl::string_view rule) {
  return RefuseField(Reason::FIELD_MALFORMED, "extension", "", rule);
}

absl::StatusOr<uint64_t> ReadUnsigned(const TlvElement& element, uint64_t most) {
  if (element.type != TlvType::kUnsigned || element.number > most) {
    return Malformed(
        absl::StrCat("tag ", element.tag.number, " must be an unsigned number up to ", most));
  }
  return element.number;
}

// Iterations and salt come as two elements and make sense only together.
struct Halves {
  std::optional<uint32_t> iterations;
  std::optional<Bytes> salt;
};

absl::Status ReadVendorElement(const TlvElement& element, PayloadExtension& extension) {
  const auto tag = static_cast<uint8_t>(element.tag.number);
  if (element.type == TlvType::kUtf8) {
    extension.vendor[tag] = ToText(element.bytes);
    return absl::OkStatus();
  }
  if (element.type != TlvType::kSigned ||
      element.AsSigned() < std::numeric_limits<int32_t>::min() ||
      element.AsSigned() > std::numeric_limits<int32_t>::max()) {
    return Malformed(absl::StrCat("vendor tag ", tag, " must be text or a signed 32-bit number"));
  }
  extension.vendor[tag] = static_cast<int32_t>(element.AsSigned());
  return absl::OkStatus();
}

absl::Status ReadElement(const TlvElement& element, PayloadExtension& extension, Halves& halves) {
  if (element.tag.number >= kFirstVendorTag) return ReadVendorElement(element, extension);
  switch (element.tag.number) {
    case kSerialNumber:
      if (element.type == TlvType::kUtf8) {
        extension.serial_number = ToText(element.bytes);
      } else if (element.type == TlvType::kUnsigned) {
        extension.serial_number = element.number;
      } else {
        return Malformed("the serial number must be text or an unsigned number");
      }
      return absl::OkStatus();
    case kSalt:
      if (element.type != TlvType::kBytes) return Malformed("the salt must be bytes");
      halves.salt = ToBytes(element.bytes);
      return absl::OkStatus();
    case kIterations: {
      const auto number = ReadUnsigned(element, std::numeric_limits<uint32_t>::max());
      if (!number.ok()) return number.status();
      halves.iterations = static_cast<uint32_t>(*number);
      return absl::OkStatus();
    }
    case kDeviceCount: {
      const auto number = ReadUnsigned(element, std::numeric_limits<uint8_t>::max());
      if (!number.ok()) return number.status();
      extension.device_count = static_cast<uint8_t>(*number);
      return absl::OkStatus();
    }
    case kCommissioningTimeout: {
      const auto number = ReadUnsigned(element, std::numeric_limits<uint16_t>::max());
      if (!number.ok()) return number.status();
      extension.commissioning_timeout_s = static_cast<uint16_t>(*number);
      return absl::OkStatus();
    }
  }
  return Malformed(absl::StrCat("tag ", element.tag.number, " is reserved"));
}

// The elements of the structure just entered, up to its end.
absl::Status ReadElements(TlvReader& reader, PayloadExtension& extension) {
  Halves halves;
  std::set<uint32_t> seen;
  for (;;) {
    const auto element = reader.Next();
    if (!element.ok()) return element.status();
    if (!element->has_value()) break;
    const TlvTag& tag = (*element)->tag;
    if (tag.kind != TlvTag::Kind::kContext) return Malformed("only context tags may stand here");
    if (!seen.insert(tag.number).second) {
      return Malformed(absl::StrCat("tag ", tag.number, " stands twice"));
    }
    ASSAY_RETURN_IF_ERROR(ReadElement(**element, extension, halves));
  }
  if (halves.iterations.has_value() != halves.salt.has_value()) {
    return Malformed("iterations and salt must come together");
  }
  if (halves.salt) {
    extension.spake2p = Spake2pParameters{*halves.iterations, std::move(*halves.salt)};
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status CheckExtension(const PayloadExtension& extension) {
  if (extension.serial_number) {
    if (const auto* text = std::get_if<std::string>(&*extension.serial_number)) {
      if (text->empty() || text->size() > kMaxSerialNumberSize) {
        return RefuseField(Reason::FIELD_TOO_LONG, "extension.serial_number",
                           absl::StrCat(text->size(), " bytes"), "must be 1..32 bytes");
      }
      if (!IsUtf8(*text)) {
        return RefuseField(Reason::FIELD_MALFORMED, "extension.serial_number", "", "must be UTF-8");
      }
    }
  }
  if (extension.spake2p) ASSAY_RETURN_IF_ERROR(CheckParameters(*extension.spake2p, "extension."));
  for (const auto& [tag, value] : extension.vendor) {
    if (tag < kFirstVendorTag) {
      return RefuseField(Reason::FIELD_OUT_OF_RANGE, "extension.vendor", absl::StrCat(tag),
                         "a vendor's tag must be 128..255");
    }
    const auto* text = std::get_if<std::string>(&value);
    if (text != nullptr && !IsUtf8(*text)) {
      return RefuseField(Reason::FIELD_MALFORMED, "extension.vendor", absl::StrCat(tag),
                         "text must be UTF-8");
    }
  }
  return absl::OkStatus();
}

Bytes EncodeExtension(const PayloadExtension& extension) {
  if (extension.IsEmpty()) return {};
  TlvWriter writer;
  writer.StartStructure(TlvTag::Anonymous());
  if (extension.serial_number) {
    if (const auto* text = std::get_if<std::string>(&*extension.serial_number)) {
      writer.PutUtf8(TlvTag::Context(kSerialNumber), *text);
    } else {
      writer.PutUnsigned(TlvTag::Context(kSerialNumber),
                         std::get<uint64_t>(*extension.serial_number));
    }
  }
  if (extension.spake2p) {
    writer.PutUnsigned(TlvTag::Context(kIterations), extension.spake2p->iterations);
    writer.PutBytes(TlvTag::Context(kSalt), extension.spake2p->salt);
  }
  if (extension.device_count)
    writer.PutUnsigned(TlvTag::Context(kDeviceCount), *extension.device_count);
  if (extension.commissioning_timeout_s) {
    writer.PutUnsigned(TlvTag::Context(kCommissioningTimeout), *extension.commissioning_timeout_s);
  }
  for (const auto& [tag, value] : extension.vendor) {
    if (const auto* text = std::get_if<std::string>(&value)) {
      writer.PutUtf8(TlvTag::Context(tag), *text);
    } else {
      writer.PutSigned(TlvTag::Context(tag), std::get<int32_t>(value));
    }
  }
  writer.EndContainer();
  return writer.Take();
}

absl::StatusOr<PayloadExtension> ParseExtension(ByteView tlv) {
  PayloadExtension extension;
  if (tlv.empty()) return extension;
  TlvReader reader(tlv);
  const auto element = reader.Next();
  if (!element.ok()) return element.status();
  if (!element->has_value() || (*element)->type != TlvType::kStructure ||
      (*element)->tag != TlvTag::Anonymous()) {
    return Malformed("must be an anonymous structure");
  }
  ASSAY_RETURN_IF_ERROR(reader.Enter());
  ASSAY_RETURN_IF_ERROR(ReadElements(reader, extension));
  ASSAY_RETURN_IF_ERROR(reader.Exit());
  ASSAY_RETURN_IF_ERROR(reader.Finish());
  return extension;
}

}  // namespace assay::matter
