#include "server/lot/extra_keys.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/refusal.h"
#include "image/csv.h"
#include "image/factory_known.h"
#include "image/text.h"

namespace assay::lot {
namespace {

std::string FieldOfExtraKey(int i) { return absl::StrCat("spec.extra_keys[", i, "]"); }

// The key as a csv would give it, without a value.
absl::StatusOr<image::CsvKey> ColumnOf(const v1::ExtraKey& key, absl::string_view field) {
  image::CsvKey column;
  column.name_space = NamespaceOf(key.namespace_());
  column.key = key.key();
  const absl::string_view lengths = "must be 1 to 15 bytes";
  if (key.key().empty()) {
    return RefuseField(Reason::FIELD_REQUIRED, absl::StrCat(field, ".key"), "", lengths);
  }
  if (key.key().size() > image::kNvsMaxKey) {
    return RefuseField(Reason::FIELD_TOO_LONG, absl::StrCat(field, ".key"), key.key(), lengths);
  }
  if (column.name_space.size() > image::kNvsMaxKey) {
    return RefuseField(Reason::FIELD_TOO_LONG, absl::StrCat(field, ".namespace"), column.name_space,
                       lengths);
  }
  if (key.type() != "data" && key.type() != "file") {
    return RefuseField(Reason::FIELD_MALFORMED, absl::StrCat(field, ".type"), key.type(),
                       "must be data or file");
  }
  column.source = key.type() == "file" ? image::CsvSource::kFile : image::CsvSource::kData;
  const auto encoding = image::CsvEncodingOf(key.encoding());
  if (!encoding) {
    return RefuseField(
        Reason::FIELD_MALFORMED, absl::StrCat(field, ".encoding"), key.encoding(),
        "must be u8, i8, u16, i16, u32, i32, u64, i64, string, binary, hex2bin or base64");
  }
  column.encoding = *encoding;
  if (column.source == image::CsvSource::kFile && column.encoding < image::CsvEncoding::kString) {
    return RefuseField(Reason::FIELDS_CONTRADICT, absl::StrCat(field, ".encoding"), key.encoding(),
                       "a number cannot come from a file");
  }
  return column;
}

// An entry that is as short as the key allows where its values come from the line.
absl::StatusOr<image::NvsEntry> SampleEntry(const v1::ExtraKey& key, const std::string& field) {
  if (HasValue(key)) return ExtraEntry(key, field, key.value(), AsBytes(key.content()));
  const std::string_view shortest = key.encoding() == "hex2bin"  ? "00"
                                    : key.encoding() == "base64" ? "AA=="
                                                                 : "0";
  const bool file = key.type() == "file";
  return ExtraEntry(key, field, file ? "" : shortest, AsBytes(file ? shortest : ""));
}

}  // namespace

std::string NamespaceOf(std::string_view given) {
  return std::string(given.empty() ? image::kFactoryNamespace : given);
}

absl::Status CheckExtraForm(const v1::ExtraKey& key, std::string_view field, std::string_view value,
                            ByteView content) {
  const bool file = key.type() == "file";
  if (file ? value.empty() : content.empty()) return absl::OkStatus();
  return RefuseField(Reason::FIELD_NOT_ALLOWED, image::Text(field), "",
                     absl::StrCat("key ", key.key(), " is of type ", key.type(), ": it has ",
                                  file ? "content and no value" : "a value and no content"));
}

bool HasValue(const v1::ExtraKey& key) {
  return key.type() == "file" ? !key.content().empty() : key.has_value();
}

// Keys that decide who the unit is have fields of their own, so that label, records and image
// cannot part. A key is checked whether it has a value or not: the line's come too late to find
// that no value fits.
absl::Status CheckExtraKeys(const v1::ProductSpec& spec) {
  static constexpr std::string_view kOwnFields[] = {
      "discriminator", "salt",      "verifier",  "iteration-count", "serial-num",
      "rd-id-uid",     "dac-cert",  "dac-key",   "dac-pub-key",     "pai-cert",
      "cert-dclrn",    "vendor-id", "product-id"};
  std::set<std::pair<std::string, std::string>> seen;
  for (int i = 0; i < spec.extra_keys_size(); ++i) {
    const v1::ExtraKey& key = spec.extra_keys(i);
    const std::string field = FieldOfExtraKey(i);
    const std::string name_space = NamespaceOf(key.namespace_());
    if (name_space == image::kFactoryNamespace &&
        std::find(std::begin(kOwnFields), std::end(kOwnFields), key.key()) !=
            std::end(kOwnFields)) {
      return RefuseField(Reason::FIELD_NOT_ALLOWED, absl::StrCat(field, ".key"), key.key(),
                         "has a field of its own in the product record or the request");
    }
    ASSAY_RETURN_IF_ERROR(ColumnOf(key, field).status());
    if (!seen.emplace(name_space, key.key()).second) {
      return RefuseField(Reason::FIELDS_CONTRADICT, absl::StrCat(field, ".key"), key.key(),
                         "stands twice in its namespace");
    }
    ASSAY_RETURN_IF_ERROR(CheckExtraForm(key, field, key.value(), AsBytes(key.content())));
    if (!HasValue(key) && !spec.values_from_line()) {
      return RefuseField(Reason::FIELD_REQUIRED, field, key.key(),
                         "must have a value: the product takes none from the line "
                         "(values_from_line)");
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<image::NvsEntry> ExtraEntry(const v1::ExtraKey& key, std::string_view field,
                                           std::string_view value, ByteView content) {
  const auto column = ColumnOf(key, image::Text(field));
  if (!column.ok()) return column.status();
  image::CsvCell cell;
  // For type "file" the caller has read the file; the cell only needs a path to name.
  cell.text = column->source == image::CsvSource::kFile ? key.key() : std::string(value);
  return image::ReadCsvValue(*column, cell, field, [&](std::string_view) {
    return absl::StatusOr<Bytes>(ToBytes(content));
  });
}

absl::Status AddSampleEntries(const v1::ProductSpec& spec, image::FactoryContent& content) {
  for (int i = 0; i < spec.extra_keys_size(); ++i) {
    const v1::ExtraKey& key = spec.extra_keys(i);
    auto entry = SampleEntry(key, FieldOfExtraKey(i));
    if (!entry.ok()) return entry.status();
    const auto known = entry->name_space == image::kFactoryNamespace
                           ? image::KnownKeyType(key.key())
                           : std::nullopt;
    if (known && *known != entry->value.index()) {
      return RefuseField(Reason::FIELD_MALFORMED, absl::StrCat(FieldOfExtraKey(i), ".encoding"),
                         key.encoding(),
                         absl::StrCat("the device does not find ", key.key(), " as ",
                                      image::Text(image::NvsTypeName(entry->value))));
    }
    // A sample is no value of a key the device knows.
    if (HasValue(key) || !known) content.extra.push_back(*std::move(entry));
  }
  return absl::OkStatus();
}

}  // namespace assay::lot
