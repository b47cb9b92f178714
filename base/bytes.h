// Bytes as Assay passes them around: owned, viewed, and written as text.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace assay {

using Bytes = std::vector<uint8_t>;
using ByteView = std::span<const uint8_t>;
using Sha256Digest = std::array<uint8_t, 32>;

inline ByteView AsBytes(std::string_view text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}
inline std::string_view AsText(ByteView bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}
inline Bytes ToBytes(ByteView bytes) { return {bytes.begin(), bytes.end()}; }
inline std::string ToText(ByteView bytes) { return std::string(AsText(bytes)); }

// Lower case by default; the trade writes key ids and serials in upper case.
std::string ToHex(ByteView bytes);
std::string ToUpperHex(ByteView bytes);
// Either case, even length, nothing else; INVALID_ARGUMENT otherwise.
absl::StatusOr<Bytes> FromHex(std::string_view text);

// RFC 4648 section 4, padded.
std::string ToBase64(ByteView bytes);
// Strict: padded, no white space, unused bits zero; INVALID_ARGUMENT otherwise.
absl::StatusOr<Bytes> FromBase64(std::string_view text);

Sha256Digest Sha256(ByteView bytes);
// Matter's key identifiers are SHA-1 over the 65-byte public point (RFC 5280 4.2.1.2 method 1).
std::array<uint8_t, 20> Sha1(ByteView bytes);

void AppendLe16(Bytes& out, uint16_t value);
void AppendLe32(Bytes& out, uint32_t value);
void AppendLe64(Bytes& out, uint64_t value);
void Append(Bytes& out, ByteView tail);
inline uint16_t ReadLe16(const uint8_t* at) { return static_cast<uint16_t>(at[0] | at[1] << 8); }
inline uint32_t ReadLe32(const uint8_t* at) {
  return uint32_t{at[0]} | uint32_t{at[1]} << 8 | uint32_t{at[2]} << 16 | uint32_t{at[3]} << 24;
}

// Compares in time that depends on the lengths only.
bool EqualInConstantTime(ByteView a, ByteView b);

}  // namespace assay
