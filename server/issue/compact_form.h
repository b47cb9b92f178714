// How a sealed identity is written before the lot's key encrypts it. Plain: the message
// (store/v1/sealed.proto). Compact: a zero byte, with which no message begins, the number of a
// dictionary of the lot (8 bytes, big-endian) and the message as a zstd frame made with it.
// Releases that know the plain form alone refuse a compact one.
#pragma once

#include <cstdint>
#include <optional>

#include "absl/status/statusor.h"
#include "base/bytes.h"
#include "base/secret.h"
#include "base/zstd/zstd_dictionary.h"

namespace assay::issue {

// What a lot's identities have in common. The number is of the content: the same wherever and
// whenever it is made.
struct LotDictionary {
  explicit LotDictionary(Bytes content);

  const uint64_t number;
  const ZstdDictionary frames;
};

// Empty where it would not be the shorter one.
SecretBytes CompactForm(ByteView message, const LotDictionary& dictionary);

// The number of the dictionary a form names; nothing where it is the plain form. INTERNAL where it
// is cut short.
absl::StatusOr<std::optional<uint64_t>> DictionaryNumberIn(ByteView form);
// The message of a compact form that names this dictionary. INTERNAL.
absl::StatusOr<SecretBytes> MessageIn(ByteView form, const LotDictionary& dictionary);

}  // namespace assay::issue
