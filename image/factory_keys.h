// What a factory image says, typed: every key of mfg_tool's chip-factory namespace, with the
// specification's limits in bytes, written to NVS entries in mfg_tool's order and read back. Pure
// functions, thread-safe.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "base/bytes.h"
#include "base/secret.h"
#include "image/nvs.h"

namespace assay::image {

inline constexpr std::string_view kFactoryNamespace = "chip-factory";

struct FixedLabel {
  uint16_t endpoint = 0;
  std::string label;  // 1..16 bytes
  std::string value;  // 0..16 bytes
  bool operator==(const FixedLabel&) const = default;
};
struct SemanticTag {
  uint16_t value = 0;
  uint16_t manufacturer_code = 0;
  bool operator==(const SemanticTag&) const = default;
};
struct SupportedMode {
  uint16_t endpoint = 0;
  std::string label;  // 1..64 bytes
  uint8_t mode = 0;
  std::vector<SemanticTag> tags;
  bool operator==(const SupportedMode&) const = default;
};

// Which parts leave NVS for the secure-cert partition. The device reads the second and third only
// together with the first, so either of them asks for all three (FIELDS_CONTRADICT).
struct Placement {
  bool attestation_in_secure_cert = false;    // DAC, key, PAI
  bool commissioning_in_secure_cert = false;  // discriminator, iteration count, salt, verifier
  bool rotating_id_in_secure_cert = false;
  bool operator==(const Placement&) const = default;
};

// Empty texts and blobs and empty optionals are absent. Move-only, for it holds a key; Clone says
// it aloud.
struct FactoryContent {
  // commissioning
  std::optional<uint16_t> discriminator;    // 0..4095
  std::optional<uint32_t> iteration_count;  // 1000..100000
  Bytes salt;                               // 16..32 bytes
  Bytes verifier;  // 97 bytes: w0 (32), L (65); empty for dynamic passcodes
  // product
  uint16_t vendor_id = 0;    // always written
  uint16_t product_id = 0;   // always written
  std::string vendor_name;   // 1..32 bytes
  std::string product_name;  // 1..32 bytes
  std::optional<uint16_t> hardware_version;
  std::string hardware_version_string;  // 1..64 bytes
  std::string
      manufacturing_date;  // YYYYMMDD or YYYY-MM-DD, then free text, 16 bytes in all; kept as given
  Bytes rotating_id;       // 16 bytes
  std::optional<uint8_t> finish;  // FinishName
  std::optional<uint8_t> color;   // ColorName
  std::string part_number;        // 1..32 bytes
  std::string serial_number;      // 1..32 bytes; mfg_tool always writes it
  // attestation
  Bytes dac;             // DER, at most 600 bytes
  SecretBytes dac_key;   // 32 bytes; empty where the device made its own key
  Bytes dac_public_key;  // 65 bytes; may stand without dac_key
  Bytes pai;             // DER, at most 600 bytes
  Bytes certification_declaration;
  // lists
  std::optional<uint32_t> calendar_types;  // bit a type, CalendarName; 0 is written where set
  std::vector<std::string> locales;        // each 1..35 bytes
  std::vector<FixedLabel> fixed_labels;
  std::vector<SupportedMode> supported_modes;
  std::string product_label;  // 1..64 bytes
  std::string product_url;    // 1..256 bytes
  // Keys of the maker's own, in order; under chip-factory or other namespaces. One named like a key
  // above takes that key's place in the image; AbsorbKnownKeys moves such ones into their typed
  // fields first, so that every output agrees.
  std::vector<NvsEntry> extra;
  Placement placement;

  FactoryContent Clone() const;
};

// The first rule broken, as RefuseField(field, value, rule): limits, pairs that exclude each other,
// forms, an extra key with a known key's name and another type. Secret values are left out of the
// refusal.
absl::Status CheckFactoryContent(const FactoryContent& content);

// Moves extra keys of chip-factory that have a typed field (discriminator, serial-num, rd-id-uid,
// salt, verifier, names, certificates, ...) into it. Refuses a known key of a type the device would
// not find (FIELD_MALFORMED, names the key).
absl::Status AbsorbKnownKeys(FactoryContent& content);

// The entries for the NVS partition in mfg_tool's order; what `placement` sends to the secure-cert
// partition is left out. Does not check; call CheckFactoryContent.
std::vector<NvsEntry> ToNvsEntries(const FactoryContent& content);

// Reads entries back into fields; keys without a field land in `extra`. `placement` and values from
// a secure-cert partition are the caller's to add. IMAGE_MALFORMED where a known key has another
// type or an impossible value, or where a list's counts and items disagree.
absl::StatusOr<FactoryContent> FromNvsEntries(const std::vector<NvsEntry>& entries);

// Nothing when equal, else VERIFY_FAILED naming the first field that differs (never its value). For
// read-back before release.
absl::Status CompareFactoryContent(const FactoryContent& expected, const FactoryContent& found);

// Names as mfg_tool spells them; matching is exact but for letter case. Empty or nothing where
// unknown.
std::string_view FinishName(uint8_t finish);
std::optional<uint8_t> FinishOf(std::string_view name);
std::string_view ColorName(uint8_t color);
std::optional<uint8_t> ColorOf(std::string_view name);
std::string_view CalendarName(uint8_t calendar);  // bit number 0..11
std::optional<uint8_t> CalendarOf(std::string_view name);

// "<endpoint>/<label>/<value>"; the endpoint in decimal, or in hex with 0x.
absl::StatusOr<FixedLabel> ParseFixedLabel(std::string_view text);
// "<mode>/<label>/<endpoint>" or "<mode>/<label>/<endpoint>/<value>\<mfg>, <value>\<mfg>": numbers
// in decimal, or hex with 0x, as mfg_tool takes them.
absl::StatusOr<SupportedMode> ParseSupportedMode(std::string_view text);

}  // namespace assay::image
