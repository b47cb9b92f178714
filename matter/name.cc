#include "matter/name.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/refusal.h"
#include "matter/oid.h"
#include "matter/utf8.h"

namespace assay::matter {
namespace {

constexpr size_t kMaxCommonName =
    64;  // ub-common-name, in bytes, which is stricter than characters

bool IsOid(ByteView oid, ByteView wanted) {
  return oid.size() == wanted.size() && std::equal(oid.begin(), oid.end(), wanted.begin());
}

absl::Status Malformed(absl::string_view rule) {
  return RefuseField(Reason::FIELD_MALFORMED, "name", "", rule);
}

std::optional<int> HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return std::nullopt;
}

// The first occurrence of `prefix` that four hex digits follow. A prefix that is there but never
// followed by them makes the name invalid.
absl::Status FindInCommonName(std::string_view text, const std::string& prefix,
                              std::optional<uint16_t>& found) {
  bool seen = false;
  for (size_t at = text.find(prefix); at != std::string_view::npos;
       at = text.find(prefix, at + 1)) {
    seen = true;
    found = IdFromText(text.substr(at + prefix.size(), 4));
    if (found.has_value()) return absl::OkStatus();
  }
  return seen ? Malformed(absl::StrCat(prefix, " without four upper-case hexadecimal digits"))
              : absl::OkStatus();
}

template <typename Visit>
absl::Status VisitAttributes(ByteView der, Visit visit) {
  DerReader outer(der);
  absl::StatusOr<DerReader> names = outer.Enter(kDerSequence);
  if (!names.ok()) return names.status();
  ASSAY_RETURN_IF_ERROR(outer.Finish());
  while (!names->AtEnd()) {
    absl::StatusOr<DerReader> relative = names->Enter(kDerSet);
    if (!relative.ok()) return relative.status();
    if (relative->AtEnd()) return Malformed("an empty relative name");
    bool first = true;
    while (!relative->AtEnd()) {
      absl::StatusOr<DerReader> pair = relative->Enter(kDerSequence);
      if (!pair.ok()) return pair.status();
      absl::StatusOr<ByteView> oid = pair->Expect(kDerOid);
      if (!oid.ok()) return oid.status();
      absl::StatusOr<DerElement> value = pair->Next();
      if (!value.ok()) return value.status();
      ASSAY_RETURN_IF_ERROR(pair->Finish());
      ASSAY_RETURN_IF_ERROR(visit(first, *oid, value->tag, AsText(value->content)));
      first = false;
    }
  }
  return absl::OkStatus();
}

}  // namespace

Bytes EncodeName(const Name& name) {
  Bytes content;
  for (const RelativeName& relative : name.relative_names) {
    Bytes attributes;
    for (const NameAttribute& attribute : relative) {
      const Bytes oid = EncodeDer(kDerOid, attribute.oid);
      const Bytes value = EncodeDer(attribute.string_tag, AsBytes(attribute.value));
      Append(attributes, EncodeDer(kDerSequence, {ByteView(oid), ByteView(value)}));
    }
    AppendDer(content, kDerSet, attributes);
  }
  return EncodeDer(kDerSequence, content);
}

absl::StatusOr<Name> DecodeName(ByteView der) {
  Name name;
  ASSAY_RETURN_IF_ERROR(
      VisitAttributes(der, [&](bool first, ByteView oid, uint8_t tag, std::string_view value) {
        if (first) name.relative_names.emplace_back();
        name.relative_names.back().push_back({ToBytes(oid), std::string(value), tag});
        return absl::OkStatus();
      }));
  return name;
}

Name MatterName(std::string_view common_name, std::optional<uint16_t> vid,
                std::optional<uint16_t> pid) {
  Name name;
  auto add = [&](ByteView oid, std::string value) {
    name.relative_names.push_back({{ToBytes(oid), std::move(value), kDerUtf8String}});
  };
  if (!common_name.empty()) add(kOidCommonName, std::string(common_name));
  if (vid.has_value()) add(kOidVendorId, IdToText(*vid));
  if (pid.has_value()) add(kOidProductId, IdToText(*pid));
  return name;
}

std::string NameToText(const Name& name) {
  std::string text;
  for (const RelativeName& relative : name.relative_names) {
    for (const NameAttribute& attribute : relative) {
      const std::string label = IsOid(attribute.oid, kOidCommonName)     ? "CN"
                                : IsOid(attribute.oid, kOidOrganization) ? "O"
                                : IsOid(attribute.oid, kOidVendorId)     ? "VID"
                                : IsOid(attribute.oid, kOidProductId)    ? "PID"
                                                                         : OidToText(attribute.oid);
      absl::StrAppend(&text, text.empty() ? "" : ",", label, "=", attribute.value);
    }
  }
  return text;
}

std::string IdToText(uint16_t id) { return absl::StrFormat("%04X", id); }

std::optional<uint16_t> IdFromText(std::string_view text) {
  if (text.size() != 4) return std::nullopt;
  int id = 0;
  for (char c : text) {
    const std::optional<int> digit = HexDigit(c);
    if (!digit.has_value()) return std::nullopt;
    id = id * 16 + *digit;
  }
  return static_cast<uint16_t>(id);
}

absl::Status NameIdsCollector::Add(ByteView oid, std::string_view value) {
  const bool is_vid = IsOid(oid, kOidVendorId);
  if (is_vid || IsOid(oid, kOidProductId)) {
    std::optional<uint16_t>& id = is_vid ? from_oid_.vid : from_oid_.pid;
    if (id.has_value()) return Malformed(is_vid ? "two vendor ids" : "two product ids");
    id = IdFromText(value);
    if (id.has_value()) return absl::OkStatus();
    return Malformed(is_vid ? "a vendor id that is not four upper-case hexadecimal digits"
                            : "a product id that is not four upper-case hexadecimal digits");
  }
  if (!IsOid(oid, kOidCommonName)) return absl::OkStatus();
  NameIds ids;
  ASSAY_RETURN_IF_ERROR(FindInCommonName(value, "Mvid:", ids.vid));
  ASSAY_RETURN_IF_ERROR(FindInCommonName(value, "Mpid:", ids.pid));
  if (!from_common_name_.vid.has_value()) from_common_name_.vid = ids.vid;
  if (!from_common_name_.pid.has_value()) from_common_name_.pid = ids.pid;
  return absl::OkStatus();
}

NameIds NameIdsCollector::Ids() const {
  return from_oid_.vid.has_value() || from_oid_.pid.has_value() ? from_oid_ : from_common_name_;
}

absl::StatusOr<NameIds> IdsOfName(const Name& name) {
  NameIdsCollector collector;
  for (const RelativeName& relative : name.relative_names) {
    for (const NameAttribute& attribute : relative) {
      ASSAY_RETURN_IF_ERROR(collector.Add(attribute.oid, attribute.value));
    }
  }
  return collector.Ids();
}

absl::StatusOr<NameIds> IdsOfEncodedName(ByteView der) {
  NameIdsCollector collector;
  ASSAY_RETURN_IF_ERROR(
      VisitAttributes(der, [&](bool, ByteView oid, uint8_t, std::string_view value) {
        return collector.Add(oid, value);
      }));
  return collector.Ids();
}

absl::Status CheckCommonName(std::string_view field_name, std::string_view common_name) {
  const std::string field(field_name);
  if (common_name.empty()) {
    return RefuseField(Reason::FIELD_REQUIRED, field, "", "a common name");
  }
  if (common_name.size() > kMaxCommonName) {
    return RefuseField(Reason::FIELD_TOO_LONG, field, std::string(common_name), "at most 64 bytes");
  }
  for (unsigned char c : common_name) {
    if (c < 0x20 || c == 0x7F) {
      return RefuseField(Reason::FIELD_MALFORMED, field, "", "no control characters");
    }
  }
  if (!IsUtf8(common_name)) {
    return RefuseField(Reason::FIELD_MALFORMED, field, "", "UTF-8 text");
  }
  if (common_name.find("Mvid:") != std::string_view::npos ||
      common_name.find("Mpid:") != std::string_view::npos) {
    return RefuseField(Reason::FIELD_NOT_ALLOWED, field, std::string(common_name),
                       "no Mvid: or Mpid:, which commissioners read as vendor and product id");
  }
  return absl::OkStatus();
}

}  // namespace assay::matter
