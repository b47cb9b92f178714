// The rotating device identifier (spec 5.4.2.4.5): RDI = counter (16 bits, little-endian) || last
// 16 bytes of SHA-256(unique id || counter).
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/bytes.h"
#include "base/random.h"
#include "base/secret.h"

namespace assay::matter {

inline constexpr size_t kMinUniqueIdSize = 16;
inline constexpr size_t kMaxUniqueIdSize = 32;
inline constexpr size_t kRotatingIdSize = 18;
using RotatingId = std::array<uint8_t, kRotatingIdSize>;

// FIELD_OUT_OF_RANGE unless 16..32 bytes; FIELD_NOT_ALLOWED when all bytes are equal (an unset
// field).
absl::Status CheckUniqueId(ByteView unique_id, absl::string_view field = "rotating_id_unique_id");

// Random, for the life of the unit; never derived from anything else about it. `size` is brought
// into 16..32.
SecretBytes DrawUniqueId(Random& random, size_t size = kMinUniqueIdSize);

absl::StatusOr<RotatingId> ComputeRotatingId(ByteView unique_id, uint16_t lifetime_counter);

// The additional data payload a device advertises: an anonymous structure with the id under tag 0.
Bytes EncodeAdditionalData(const std::optional<RotatingId>& rotating_id);
// The id's bytes, at most 18, as other makers' devices may send fewer; empty where there is none.
// FIELD_MALFORMED otherwise.
absl::StatusOr<Bytes> ParseAdditionalData(ByteView tlv);

}  // namespace assay::matter
