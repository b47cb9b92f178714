// What is in an image file, for people and programs: `assay image inspect` and `assay image diff`.
// Pure functions, thread-safe.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "base/bytes.h"

namespace assay::image {

enum class InspectedKind { kNvs, kNvsKeys, kSecureCert };
std::string_view InspectedKindName(InspectedKind kind);

// What stands for a secret that was not asked for.
inline constexpr std::string_view kMaskedValue = "***";

struct InspectedItem {
  std::string where;  // "page 0 slot 3", "offset 0x0010"
  std::string name;   // "chip-factory/serial-num", "201/0 discriminator"
  std::string type;   // "u32", "string", "blob", "tlv"
  size_t size = 0;    // bytes of value
  std::string value;  // text, or lower-case hex; masked as "***" where secret and not asked for
  bool secret = false;
  bool sound = true;  // its CRCs hold, and so does its shape
  size_t crcs = 0;    // how many CRCs cover it: header, data, further chunks of a blob
  size_t crcs_right = 0;
  std::string
      digest;  // first 8 bytes of SHA-256 of the value in hex; empty for secrets unless asked for
};

// A page of an NVS image; the counts are of slots.
struct InspectedPage {
  std::string state;  // "unused", "active", "full", "freeing", "unknown"
  bool in_use = false;
  bool header_crc_ok = false;
  size_t written = 0;
  size_t erased = 0;
};

struct Inspection {
  InspectedKind kind = InspectedKind::kNvs;
  std::string summary;               // "NVS v2, 6 pages, 2 in use, 44 entries"
  std::vector<InspectedPage> pages;  // of NVS images
  std::vector<InspectedItem> items;
  std::vector<std::string> faults;  // empty means sound
  bool sound() const { return faults.empty(); }
};

struct InspectOptions {
  ByteView nvs_keys;  // key partition (4096 bytes) or HMAC eFuse key (32 bytes) that opens the
                      // image; may be empty
  bool show_secrets = false;
};

// Tells the kind from the bytes. IMAGE_MALFORMED where it is none of them. A fault inside is not an
// error here.
absl::StatusOr<Inspection> InspectImage(ByteView file, const InspectOptions& options);
std::string InspectionText(const Inspection& inspection);
std::string InspectionJson(const Inspection& inspection);  // one object, indented

struct ImageDifference {
  std::string name;
  std::string left;  // "(absent)" or the value, masked as in the inspection
  std::string right;
};
// Compares by name. Secrets are compared truly and shown masked.
absl::StatusOr<std::vector<ImageDifference>> DiffImages(ByteView left,
                                                        const InspectOptions& left_options,
                                                        ByteView right,
                                                        const InspectOptions& right_options);
std::string DifferencesText(const std::vector<ImageDifference>& differences);
std::string DifferencesJson(const std::vector<ImageDifference>& differences);

}  // namespace assay::image
