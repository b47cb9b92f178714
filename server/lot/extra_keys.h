// Keys of the maker's own in the factory image: what the product says of them, and their values.
// A value may be a secret of the factory's, so no refusal shows one.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "assay/v1/catalog.pb.h"
#include "base/bytes.h"
#include "image/factory_keys.h"

namespace assay::lot {

// The namespace of an extra key or value: chip-factory where none is given.
std::string NamespaceOf(std::string_view given);

// Whether the product itself has a value for every device.
bool HasValue(const v1::ExtraKey& key);

// Form and names of all keys, and that somebody can give each a value.
absl::Status CheckExtraKeys(const v1::ProductSpec& spec);

// That there is what the key's type asks for alone: a value, or content. Not asked of what a
// product in the store has, which an older release may have taken otherwise.
absl::Status CheckExtraForm(const v1::ExtraKey& key, std::string_view field, std::string_view value,
                            ByteView content);

// An extra key's value as an NVS entry; `value` and `content` from the product or from the line,
// which calls it `field`.
absl::StatusOr<image::NvsEntry> ExtraEntry(const v1::ExtraKey& key, std::string_view field,
                                           std::string_view value, ByteView content);

// The product's own values, and the shortest where they come from the line.
absl::Status AddSampleEntries(const v1::ProductSpec& spec, image::FactoryContent& content);

}  // namespace assay::lot
