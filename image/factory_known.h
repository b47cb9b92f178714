// The names and NVS types of the factory keys that have a typed field.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

namespace assay::image {

// Alternatives of NvsValue by index.
inline constexpr size_t kNvsIndexU32 = 4;
inline constexpr size_t kNvsIndexString = 8;
inline constexpr size_t kNvsIndexBlob = 9;

// The NvsValue alternative a key of chip-factory must have for the device to find it; nothing for
// keys without a field.
std::optional<size_t> KnownKeyType(std::string_view key);

// Keys whose values are never shown: private keys, passcodes, verifiers, and the id that rotating
// ids are made from.
bool IsSecretFactoryKey(std::string_view key);

}  // namespace assay::image
