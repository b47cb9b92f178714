// The onboarding payload (spec 5.1): what QR code and manual pairing code of a unit say.
// Both codes let their reader commission the unit: they are label secrets and must not be logged,
// and no refusal made here holds them or the passcode.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "matter/manual_code.h"
#include "matter/spake2p.h"

namespace assay::matter {

enum class CommissioningFlow : uint8_t { kStandard = 0, kUserIntent = 1, kCustom = 2 };

// Bits of the discovery capabilities (5.1.1.4); bits 6 and 7 are reserved.
namespace discovery {
inline constexpr uint8_t kSoftAp = 0x01;
inline constexpr uint8_t kBle = 0x02;
inline constexpr uint8_t kOnNetwork = 0x04;
inline constexpr uint8_t kWifiPaf = 0x08;
inline constexpr uint8_t kNfc = 0x10;
inline constexpr uint8_t kThread = 0x20;
inline constexpr uint8_t kAll = 0x3F;
}  // namespace discovery

inline constexpr size_t kMaxPayloadSize = 255;      // base38 characters of one payload
inline constexpr size_t kMaxQrSize = 4296;          // characters of the whole code
inline constexpr size_t kMaxSerialNumberSize = 32;  // bytes of UTF-8

// Optional TLV after the fixed fields (5.1.5). Written in ascending tag order, read in any.
struct PayloadExtension {
  std::optional<std::variant<std::string, uint64_t>> serial_number;  // tag 0x00, text 1..32 bytes
  std::optional<Spake2pParameters> spake2p;                          // tags 0x01 and 0x02
  std::optional<uint8_t> device_count;                               // tag 0x03
  std::optional<uint16_t> commissioning_timeout_s;                   // tag 0x04
  std::map<uint8_t, std::variant<std::string, int32_t>> vendor;      // tags 0x80..0xFF

  bool IsEmpty() const {
    return !serial_number && !spake2p && !device_count && !commissioning_timeout_s &&
           vendor.empty();
  }
  bool operator==(const PayloadExtension&) const = default;
};

struct SetupPayload {
  uint8_t version = 0;  // 3 bits; only 0 is defined
  uint16_t vendor_id = 0;
  uint16_t product_id = 0;
  CommissioningFlow flow = CommissioningFlow::kStandard;
  uint8_t discovery = 0;
  uint16_t discriminator = 0;
  uint32_t passcode = 0;
  PayloadExtension extension = {};

  bool operator==(const SetupPayload&) const = default;
};

// Whether a label may carry `payload`: version 0, vendor id 0 or 1..0xFFF4, product id 0 only with
// vendor id 0, a known flow, at least one discovery bit and no reserved one, discriminator and
// passcode in range, extension within its limits. The refusal names the field: "vendor_id",
// "product_id", "flow", "discovery", "discriminator", "passcode", "extension.*".
absl::Status CheckPayload(const SetupPayload& payload);

// "MT:" and 19 base38 characters, more with an extension. Refuses what CheckPayload refuses.
absl::StatusOr<std::string> EncodeQr(const SetupPayload& payload);
// Several units in one code: "MT:<first>*<second>...". At least one; REQUEST_MALFORMED otherwise.
absl::StatusOr<std::string> EncodeQr(std::span<const SetupPayload> payloads);

// Exactly one payload. Tolerates reserved discovery bits, as readers must; refuses all else
// CheckPayload refuses, and non-zero padding. `text` may carry other applications' parts, delimited
// by '%'.
absl::StatusOr<SetupPayload> ParseQr(std::string_view text);
// One or more payloads.
absl::StatusOr<std::vector<SetupPayload>> ParseQrs(std::string_view text);

// The part after "MT:" up to the next '%', empty where there is none: "Z%MT:ABC%D" gives "ABC".
std::string_view ExtractPayload(std::string_view text);

// 11 digits in the standard flow, 21 in others. Refuses what CheckPayload refuses, discovery apart:
// the manual code does not carry it.
absl::StatusOr<std::string> EncodeManualCode(const SetupPayload& payload);
// Reads as ReadManualCode and refuses passcodes and ids no label may carry.
absl::StatusOr<ManualCode> ParseManualCode(std::string_view text);

// Reads both codes back and compares them with the record they were made from, field by field.
// VERIFY_FAILED naming "qr_code" or "manual_code" and the field that differs.
absl::Status CheckCodes(const SetupPayload& payload, std::string_view qr_code,
                        std::string_view manual_code);

}  // namespace assay::matter
