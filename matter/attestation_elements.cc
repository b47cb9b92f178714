#include <algorithm>

#include "base/refusal.h"
#include "matter/attestation.h"
#include "matter/tlv.h"

namespace assay::matter {
namespace {

absl::Status Malformed(absl::string_view field, absl::string_view rule) {
  return RefuseField(Reason::FIELD_MALFORMED, field, "", rule);
}

// Enters the one anonymous structure the input must be.
absl::Status EnterStructure(TlvReader& reader) {
  absl::StatusOr<std::optional<TlvElement>> outer = reader.Next();
  if (!outer.ok()) return outer.status();
  if (!outer->has_value() || (*outer)->type != TlvType::kStructure ||
      (*outer)->tag.kind != TlvTag::Kind::kAnonymous) {
    return Malformed("elements", "an anonymous structure");
  }
  return reader.Enter();
}

// Walks the elements: context tags ascending from 1, vendor-reserved elements after them.
template <typename TakeContext, typename TakeVendor>
absl::Status WalkElements(ByteView tlv, TakeContext take_context, TakeVendor take_vendor) {
  TlvReader reader(tlv);
  ASSAY_RETURN_IF_ERROR(EnterStructure(reader));
  int last_context = 0;
  bool vendor_part = false;
  while (true) {
    absl::StatusOr<std::optional<TlvElement>> next = reader.Next();
    if (!next.ok()) return next.status();
    if (!next->has_value()) break;
    const TlvElement& element = **next;
    if (element.tag.kind == TlvTag::Kind::kContext) {
      const int tag = static_cast<int>(element.tag.number);
      if (vendor_part || tag <= last_context || (last_context == 0 && tag != 1)) {
        return Malformed("elements",
                         "context tags in ascending order from 1, then vendor elements");
      }
      last_context = tag;
      ASSAY_RETURN_IF_ERROR(take_context(tag, element));
    } else {
      vendor_part = true;
      ASSAY_RETURN_IF_ERROR(take_vendor(element));
    }
  }
  ASSAY_RETURN_IF_ERROR(reader.Exit());
  return reader.Finish();
}

absl::Status TakeBytes(const TlvElement& element, absl::string_view field, Bytes& out) {
  if (element.type != TlvType::kBytes) return Malformed(field, "a byte string");
  out = ToBytes(element.bytes);
  return absl::OkStatus();
}

absl::Status CheckNonce(const Bytes& nonce) {
  return nonce.size() == kAttestationNonceSize ? absl::OkStatus()
                                               : Malformed("elements.nonce", "32 bytes");
}

}  // namespace

absl::StatusOr<Bytes> EncodeAttestationElements(const AttestationElements& elements) {
  ASSAY_RETURN_IF_ERROR(CheckNonce(elements.nonce));
  if (elements.certification_declaration.empty()) {
    return Malformed("elements.certification_declaration", "present");
  }
  TlvWriter writer;
  writer.StartStructure(TlvTag::Anonymous());
  writer.PutBytes(TlvTag::Context(1), elements.certification_declaration);
  writer.PutBytes(TlvTag::Context(2), elements.nonce);
  writer.PutUnsigned(TlvTag::Context(3), elements.timestamp);
  if (elements.firmware_information.has_value()) {
    writer.PutBytes(TlvTag::Context(4), *elements.firmware_information);
  }
  for (const VendorElement& vendor : elements.vendor_elements) {
    writer.PutBytes(TlvTag::FullyQualified(vendor.vendor_id, vendor.profile, vendor.number),
                    vendor.bytes);
  }
  writer.EndContainer();
  Bytes tlv = writer.Take();
  if (tlv.size() > kMaxAttestationElementsSize) {
    return RefuseField(Reason::FIELD_TOO_LONG, "elements", std::to_string(tlv.size()),
                       "at most 900 bytes");
  }
  return tlv;
}

absl::StatusOr<AttestationElements> DecodeAttestationElements(ByteView tlv) {
  AttestationElements elements;
  bool has_timestamp = false;
  ASSAY_RETURN_IF_ERROR(WalkElements(
      tlv,
      [&](int tag, const TlvElement& element) -> absl::Status {
        switch (tag) {
          case 1:
            return TakeBytes(element, "elements.certification_declaration",
                             elements.certification_declaration);
          case 2:
            ASSAY_RETURN_IF_ERROR(TakeBytes(element, "elements.nonce", elements.nonce));
            return CheckNonce(elements.nonce);
          case 3:
            has_timestamp = true;
            if (element.type != TlvType::kUnsigned || element.number > UINT32_MAX) {
              return Malformed("elements.timestamp", "an unsigned number of 32 bits");
            }
            elements.timestamp = static_cast<uint32_t>(element.number);
            return absl::OkStatus();
          case 4:
            return TakeBytes(element, "elements.firmware_information",
                             elements.firmware_information.emplace());
          default:
            return absl::OkStatus();  // elements of later versions of the specification
        }
      },
      [&](const TlvElement& element) -> absl::Status {
        if (element.tag.kind != TlvTag::Kind::kFullyQualified) {
          return Malformed("elements.vendor_reserved", "fully qualified tags");
        }
        VendorElement& vendor = elements.vendor_elements.emplace_back();
        vendor.vendor_id = element.tag.vendor;
        vendor.profile = element.tag.profile;
        vendor.number = element.tag.number;
        return TakeBytes(element, "elements.vendor_reserved", vendor.bytes);
      }));
  ASSAY_RETURN_IF_ERROR(CheckNonce(elements.nonce));
  if (!has_timestamp) return Malformed("elements.timestamp", "present");
  return elements;
}

absl::StatusOr<Bytes> EncodeNocsrElements(const NocsrElements& elements) {
  ASSAY_RETURN_IF_ERROR(CheckNonce(elements.nonce));
  TlvWriter writer;
  writer.StartStructure(TlvTag::Anonymous());
  writer.PutBytes(TlvTag::Context(1), elements.csr);
  writer.PutBytes(TlvTag::Context(2), elements.nonce);
  for (uint8_t i = 0; i < 3; ++i) {
    if (elements.vendor_reserved[i].has_value()) {
      writer.PutBytes(TlvTag::Context(static_cast<uint8_t>(3 + i)), *elements.vendor_reserved[i]);
    }
  }
  writer.EndContainer();
  return writer.Take();
}

absl::StatusOr<NocsrElements> DecodeNocsrElements(ByteView tlv) {
  NocsrElements elements;
  ASSAY_RETURN_IF_ERROR(WalkElements(
      tlv,
      [&](int tag, const TlvElement& element) -> absl::Status {
        if (tag == 1) return TakeBytes(element, "elements.csr", elements.csr);
        if (tag == 2) return TakeBytes(element, "elements.nonce", elements.nonce);
        if (tag > 5) return absl::OkStatus();
        return TakeBytes(element, "elements.vendor_reserved",
                         elements.vendor_reserved[tag - 3].emplace());
      },
      [](const TlvElement&) { return Malformed("elements", "context tags only"); }));
  ASSAY_RETURN_IF_ERROR(CheckNonce(elements.nonce));
  return elements;
}

bool VerifyElementsSignature(const SignatureVerifier& key, ByteView elements, ByteView challenge,
                             ByteView raw) {
  Bytes message;
  message.reserve(elements.size() + challenge.size());
  Append(message, elements);
  Append(message, challenge);
  return key.VerifyMessage(message, raw);
}

}  // namespace assay::matter
