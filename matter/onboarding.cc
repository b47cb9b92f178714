#include "matter/onboarding.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/bytes.h"
#include "base/refusal.h"
#include "base/secret.h"
#include "matter/base38.h"
#include "matter/onboarding_extension.h"
#include "matter/passcode.h"

namespace assay::matter {
namespace {

constexpr std::string_view kPrefix = "MT:";
constexpr size_t kFixedSize = 11;  // bytes
constexpr uint16_t kLastVendorId = 0xFFF4;

// Widths in bits, in the order the fields are packed, least significant first.
constexpr int kVersionBits = 3, kIdBits = 16, kFlowBits = 2, kDiscoveryBits = 8,
              kDiscriminatorBits = 12, kPasscodeBits = 27, kPaddingBits = 4;
static_assert(kVersionBits + 2 * kIdBits + kFlowBits + kDiscoveryBits + kDiscriminatorBits +
                  kPasscodeBits + kPaddingBits ==
              8 * kFixedSize);

class BitWriter {
 public:
  explicit BitWriter(Bytes& out) : out_(out) {}
  void Put(uint32_t value, int bits) {
    for (int bit = 0; bit < bits; ++bit, ++at_) {
      out_[at_ / 8] = static_cast<uint8_t>(out_[at_ / 8] | (value >> bit & 1) << (at_ % 8));
    }
  }

 private:
  Bytes& out_;
  size_t at_ = 0;
};

class BitReader {
 public:
  explicit BitReader(ByteView in) : in_(in) {}
  uint32_t Take(int bits) {
    uint32_t value = 0;
    for (int bit = 0; bit < bits; ++bit, ++at_) {
      value |= uint32_t{static_cast<uint8_t>(in_[at_ / 8] >> (at_ % 8) & 1)} << bit;
    }
    return value;
  }

 private:
  ByteView in_;
  size_t at_ = 0;
};

absl::Status Malformed(absl::string_view rule) {
  return RefuseField(Reason::FIELD_MALFORMED, "qr_code", "", rule);
}

std::string Hex16(uint16_t value) { return absl::StrFormat("0x%04X", value); }

absl::Status CheckIds(uint16_t vendor_id, uint16_t product_id) {
  if (vendor_id > kLastVendorId) {
    return RefuseField(Reason::FIELD_OUT_OF_RANGE, "vendor_id", Hex16(vendor_id),
                       "must be 0 or 0x0001..0xFFF4");
  }
  if (product_id == 0 && vendor_id != 0) {
    return RefuseField(Reason::FIELD_OUT_OF_RANGE, "product_id", Hex16(product_id),
                       "may be 0 only where the vendor id is");
  }
  return absl::OkStatus();
}

// The rules both codes share.
absl::Status CheckCommon(const SetupPayload& payload) {
  if (payload.version != 0) {
    return RefuseField(Reason::FIELD_OUT_OF_RANGE, "version", absl::StrCat(payload.version),
                       "must be 0");
  }
  ASSAY_RETURN_IF_ERROR(CheckIds(payload.vendor_id, payload.product_id));
  if (payload.flow > CommissioningFlow::kCustom) {
    return RefuseField(Reason::FIELD_OUT_OF_RANGE, "flow",
                       absl::StrCat(static_cast<int>(payload.flow)), "must be 0, 1 or 2");
  }
  ASSAY_RETURN_IF_ERROR(CheckDiscriminator(payload.discriminator));
  return CheckPasscode(payload.passcode);
}

enum class ReservedDiscovery { kRefused, kTolerated };

absl::Status CheckForQr(const SetupPayload& payload, ReservedDiscovery reserved) {
  ASSAY_RETURN_IF_ERROR(CheckCommon(payload));
  if (payload.discovery == 0) {
    return RefuseField(Reason::FIELD_REQUIRED, "discovery", "0", "at least one bit must be set");
  }
  if (reserved == ReservedDiscovery::kRefused && (payload.discovery & ~discovery::kAll) != 0) {
    return RefuseField(Reason::FIELD_OUT_OF_RANGE, "discovery", absl::StrCat(payload.discovery),
                       "bits 6 and 7 are reserved");
  }
  return CheckExtension(payload.extension);
}

// The base38 part of one unit.
absl::StatusOr<std::string> EncodeBody(const SetupPayload& payload) {
  ASSAY_RETURN_IF_ERROR(CheckPayload(payload));
  Bytes bytes(kFixedSize);
  BitWriter bits(bytes);
  bits.Put(payload.version, kVersionBits);
  bits.Put(payload.vendor_id, kIdBits);
  bits.Put(payload.product_id, kIdBits);
  bits.Put(static_cast<uint32_t>(payload.flow), kFlowBits);
  bits.Put(payload.discovery, kDiscoveryBits);
  bits.Put(payload.discriminator, kDiscriminatorBits);
  bits.Put(payload.passcode, kPasscodeBits);
  // Built apart so that no reallocation leaves a copy of the passcode behind.
  const Bytes extension = EncodeExtension(payload.extension);
  Bytes whole;
  whole.reserve(bytes.size() + extension.size());
  Append(whole, bytes);
  Append(whole, extension);
  std::string body = ToBase38(whole);
  WipeBytes(bytes);
  WipeBytes(whole);
  if (body.size() > kMaxPayloadSize) {
    const std::string size = absl::StrCat(body.size(), " characters");
    WipeText(body);
    return RefuseField(Reason::FIELD_TOO_LONG, "extension", size,
                       "a payload must not exceed 255 characters");
  }
  return body;
}

absl::StatusOr<SetupPayload> ParseBytes(ByteView bytes) {
  if (bytes.size() < kFixedSize) return Malformed("must hold at least 11 bytes");
  BitReader bits(bytes.first(kFixedSize));
  SetupPayload payload;
  payload.version = static_cast<uint8_t>(bits.Take(kVersionBits));
  payload.vendor_id = static_cast<uint16_t>(bits.Take(kIdBits));
  payload.product_id = static_cast<uint16_t>(bits.Take(kIdBits));
  payload.flow = static_cast<CommissioningFlow>(bits.Take(kFlowBits));
  payload.discovery = static_cast<uint8_t>(bits.Take(kDiscoveryBits));
  payload.discriminator = static_cast<uint16_t>(bits.Take(kDiscriminatorBits));
  payload.passcode = bits.Take(kPasscodeBits);
  if (bits.Take(kPaddingBits) != 0) return Malformed("the padding must be zero");
  absl::StatusOr<PayloadExtension> extension = ParseExtension(bytes.subspan(kFixedSize));
  if (!extension.ok()) return Within("qr_code", extension.status());
  payload.extension = *std::move(extension);
  const absl::Status status = CheckForQr(payload, ReservedDiscovery::kTolerated);
  if (!status.ok()) return Within("qr_code", status);
  return payload;
}

absl::StatusOr<SetupPayload> ParseBody(std::string_view body) {
  if (body.size() > kMaxPayloadSize) return Malformed("a payload must not exceed 255 characters");
  absl::StatusOr<Bytes> bytes = FromBase38(body);
  if (!bytes.ok()) return Within("qr_code", bytes.status());
  absl::StatusOr<SetupPayload> payload = ParseBytes(*bytes);
  WipeBytes(*bytes);
  return payload;
}

absl::Status Differs(absl::string_view code, absl::string_view field) {
  return RefuseField(Reason::VERIFY_FAILED, code, "",
                     absl::StrCat("must read back as the record's ", field));
}

absl::Status CompareQr(const SetupPayload& want, const SetupPayload& read) {
  constexpr absl::string_view kCode = "qr_code";
  if (read.vendor_id != want.vendor_id) return Differs(kCode, "vendor_id");
  if (read.product_id != want.product_id) return Differs(kCode, "product_id");
  if (read.flow != want.flow) return Differs(kCode, "flow");
  if (read.discovery != want.discovery) return Differs(kCode, "discovery");
  if (read.discriminator != want.discriminator) return Differs(kCode, "discriminator");
  if (read.passcode != want.passcode) return Differs(kCode, "passcode");
  if (read.extension != want.extension) return Differs(kCode, "extension");
  if (read != want) return Differs(kCode, "version");
  return absl::OkStatus();
}

ManualCode ManualCodeOf(const SetupPayload& payload) {
  ManualCode code;
  code.short_discriminator = static_cast<uint8_t>(payload.discriminator >> 8);
  code.passcode = payload.passcode;
  code.is_long = payload.flow != CommissioningFlow::kStandard;
  if (code.is_long) {
    code.vendor_id = payload.vendor_id;
    code.product_id = payload.product_id;
  }
  return code;
}

absl::Status CompareManualCode(const ManualCode& want, const ManualCode& read) {
  constexpr absl::string_view kCode = "manual_code";
  if (read.is_long != want.is_long) return Differs(kCode, "flow");
  if (read.short_discriminator != want.short_discriminator) return Differs(kCode, "discriminator");
  if (read.passcode != want.passcode) return Differs(kCode, "passcode");
  if (read.vendor_id != want.vendor_id) return Differs(kCode, "vendor_id");
  if (read.product_id != want.product_id) return Differs(kCode, "product_id");
  return absl::OkStatus();
}

}  // namespace

absl::Status CheckPayload(const SetupPayload& payload) {
  return CheckForQr(payload, ReservedDiscovery::kRefused);
}

absl::StatusOr<std::string> EncodeQr(const SetupPayload& payload) {
  return EncodeQr(std::span<const SetupPayload>(&payload, 1));
}

absl::StatusOr<std::string> EncodeQr(std::span<const SetupPayload> payloads) {
  if (payloads.empty()) return Refuse(Reason::REQUEST_MALFORMED, "a QR code needs a payload");
  std::string code(kPrefix);
  for (size_t i = 0; i < payloads.size(); ++i) {
    absl::StatusOr<std::string> body = EncodeBody(payloads[i]);
    if (!body.ok()) {
      WipeText(code);
      return body.status();
    }
    if (i > 0) code += '*';
    code += *body;
    WipeText(*body);
  }
  if (code.size() > kMaxQrSize) {
    const std::string size = absl::StrCat(code.size(), " characters");
    WipeText(code);
    return RefuseField(Reason::FIELD_TOO_LONG, "payloads", size,
                       "a QR code must not exceed 4296 characters");
  }
  return code;
}

std::string_view ExtractPayload(std::string_view text) {
  while (true) {
    const size_t end = text.find('%');
    const std::string_view part = text.substr(0, end);
    if (part.starts_with(kPrefix)) return part.substr(kPrefix.size());
    if (end == std::string_view::npos) return {};
    text.remove_prefix(end + 1);
  }
}

absl::StatusOr<std::vector<SetupPayload>> ParseQrs(std::string_view text) {
  if (text.size() > kMaxQrSize) return Malformed("must not exceed 4296 characters");
  std::string_view rest = ExtractPayload(text);
  if (rest.empty()) return Malformed("must hold a part that begins with MT:");
  std::vector<SetupPayload> payloads;
  for (;;) {
    const size_t end = rest.find('*');
    absl::StatusOr<SetupPayload> payload = ParseBody(rest.substr(0, end));
    if (!payload.ok()) return payload.status();
    payloads.push_back(*std::move(payload));
    if (end == std::string_view::npos) return payloads;
    rest.remove_prefix(end + 1);
  }
}

absl::StatusOr<SetupPayload> ParseQr(std::string_view text) {
  absl::StatusOr<std::vector<SetupPayload>> payloads = ParseQrs(text);
  if (!payloads.ok()) return payloads.status();
  if (payloads->size() != 1) return Malformed("must hold exactly one payload");
  return std::move(payloads->front());
}

absl::StatusOr<std::string> EncodeManualCode(const SetupPayload& payload) {
  ASSAY_RETURN_IF_ERROR(CheckCommon(payload));
  return WriteManualCode(ManualCodeOf(payload));
}

absl::StatusOr<ManualCode> ParseManualCode(std::string_view text) {
  absl::StatusOr<ManualCode> code = ReadManualCode(text);
  if (!code.ok()) return code.status();
  absl::Status status = CheckPasscode(code->passcode);
  if (status.ok()) status = CheckIds(code->vendor_id, code->product_id);
  if (!status.ok()) return Within("manual_code", status);
  return code;
}

absl::Status CheckCodes(const SetupPayload& payload, std::string_view qr_code,
                        std::string_view manual_code) {
  const absl::StatusOr<SetupPayload> read_qr = ParseQr(qr_code);
  if (!read_qr.ok()) return Differs("qr_code", "payload");
  ASSAY_RETURN_IF_ERROR(CompareQr(payload, *read_qr));
  const absl::StatusOr<ManualCode> read_manual = ParseManualCode(manual_code);
  if (!read_manual.ok()) return Differs("manual_code", "payload");
  return CompareManualCode(ManualCodeOf(payload), *read_manual);
}

}  // namespace assay::matter
