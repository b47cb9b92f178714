#include "base/bytes.h"

#include <openssl/crypto.h>
#include <openssl/sha.h>

#include <algorithm>

#include "absl/strings/escaping.h"

namespace assay {
namespace {

std::string Hex(ByteView bytes, const char* digits) {
  std::string text;
  text.reserve(bytes.size() * 2);
  for (uint8_t byte : bytes) {
    text.push_back(digits[byte >> 4]);
    text.push_back(digits[byte & 15]);
  }
  return text;
}

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

std::string ToHex(ByteView bytes) { return Hex(bytes, "0123456789abcdef"); }
std::string ToUpperHex(ByteView bytes) { return Hex(bytes, "0123456789ABCDEF"); }

absl::StatusOr<Bytes> FromHex(std::string_view text) {
  if (text.size() % 2 != 0) return absl::InvalidArgumentError("hexadecimal text of odd length");
  Bytes bytes;
  bytes.reserve(text.size() / 2);
  for (size_t i = 0; i < text.size(); i += 2) {
    const int high = HexDigit(text[i]);
    const int low = HexDigit(text[i + 1]);
    if (high < 0 || low < 0) return absl::InvalidArgumentError("not hexadecimal text");
    bytes.push_back(static_cast<uint8_t>(high << 4 | low));
  }
  return bytes;
}

std::string ToBase64(ByteView bytes) {
  std::string text;
  absl::Base64Escape(absl::string_view(AsText(bytes).data(), bytes.size()), &text);
  return text;
}

absl::StatusOr<Bytes> FromBase64(std::string_view text) {
  const bool plain = std::all_of(text.begin(), text.end(), [](unsigned char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' ||
           c == '/' || c == '=';
  });
  std::string decoded;
  if (text.size() % 4 != 0 || !plain ||
      !absl::Base64Unescape(absl::string_view(text.data(), text.size()), &decoded)) {
    return absl::InvalidArgumentError("not base64 text (RFC 4648, padded)");
  }
  Bytes bytes = ToBytes(AsBytes(decoded));
  // The unused bits of the last character must be zero: one text for the same bytes.
  if (ToBase64(bytes) != text) {
    return absl::InvalidArgumentError("not the base64 text of its bytes (RFC 4648 section 3.5)");
  }
  return bytes;
}

Sha256Digest Sha256(ByteView bytes) {
  Sha256Digest digest;
  // Not SHA256(): OpenSSL 3 looks its algorithm up by name each time, dearer than a small hash.
  SHA256_CTX context;
  SHA256_Init(&context);
  SHA256_Update(&context, bytes.data(), bytes.size());
  SHA256_Final(digest.data(), &context);
  return digest;
}

std::array<uint8_t, 20> Sha1(ByteView bytes) {
  std::array<uint8_t, 20> digest;
  SHA1(bytes.data(), bytes.size(), digest.data());
  return digest;
}

void AppendLe16(Bytes& out, uint16_t value) {
  for (int shift = 0; shift < 16; shift += 8) out.push_back(static_cast<uint8_t>(value >> shift));
}
void AppendLe32(Bytes& out, uint32_t value) {
  for (int shift = 0; shift < 32; shift += 8) out.push_back(static_cast<uint8_t>(value >> shift));
}
void AppendLe64(Bytes& out, uint64_t value) {
  for (int shift = 0; shift < 64; shift += 8) out.push_back(static_cast<uint8_t>(value >> shift));
}
void Append(Bytes& out, ByteView tail) { out.insert(out.end(), tail.begin(), tail.end()); }

bool EqualInConstantTime(ByteView a, ByteView b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace assay
