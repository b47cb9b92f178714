// Distinguished names, and the vendor and product id they carry (Matter 6.2.2.2). Pure,
// thread-safe.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "base/bytes.h"
#include "matter/der.h"

namespace assay::matter {

struct NameAttribute {
  Bytes oid;          // content octets (oid.h)
  std::string value;  // raw value octets; UTF-8 for a UTF8String
  uint8_t string_tag = kDerUtf8String;
  friend bool operator==(const NameAttribute&, const NameAttribute&) = default;
};
using RelativeName = std::vector<NameAttribute>;  // almost always one attribute

struct Name {
  std::vector<RelativeName> relative_names;
  friend bool operator==(const Name&, const Name&) = default;
};

// Whole Name SEQUENCE. Attributes of a multi-valued RDN are written in the order given.
Bytes EncodeName(const Name& name);
// FIELD_MALFORMED where the bytes are no Name or hold more than one.
absl::StatusOr<Name> DecodeName(ByteView der);

// Common name (left out when empty), then VID, then PID (each left out when absent), each a
// UTF8String in an RDN of its own: the only form Assay issues.
Name MatterName(std::string_view common_name, std::optional<uint16_t> vid,
                std::optional<uint16_t> pid);
// As DecodeName(...) prints for people: "CN=...,VID=FFF1,PID=8000".
std::string NameToText(const Name& name);

// Four upper-case hexadecimal digits.
std::string IdToText(uint16_t id);
std::optional<uint16_t> IdFromText(std::string_view text);

struct NameIds {
  std::optional<uint16_t> vid;
  std::optional<uint16_t> pid;
  friend bool operator==(const NameIds&, const NameIds&) = default;
};

// Collects VID and PID over a name's attributes as the SDK does: the OID form wins over the whole
// common-name fallback ("Mvid:XXXX", "Mpid:XXXX"); a repeated OID attribute, a value that is not
// four upper-case hex digits, or a prefix never followed by them is FIELD_MALFORMED.
class NameIdsCollector {
 public:
  absl::Status Add(ByteView oid, std::string_view value);
  NameIds Ids() const;

 private:
  NameIds from_oid_;
  NameIds from_common_name_;
};
absl::StatusOr<NameIds> IdsOfName(const Name& name);
absl::StatusOr<NameIds> IdsOfEncodedName(ByteView der);

// Whether text given by an operator may stand as a common name: 1..64 bytes of UTF-8 without
// control characters, and no "Mvid:" or "Mpid:" in it. FIELD_* for `field` otherwise.
absl::Status CheckCommonName(std::string_view field, std::string_view common_name);

}  // namespace assay::matter
