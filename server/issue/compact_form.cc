#include "server/issue/compact_form.h"

#include <algorithm>

#include "base/refusal.h"

namespace assay::issue {
namespace {

constexpr size_t kHeadSize = 9;  // the zero byte and the number
// More than any identity has: a size beyond it is not believed.
constexpr size_t kMostMessage = size_t{32} << 20;

uint64_t ReadNumber(ByteView bytes) {
  uint64_t number = 0;
  for (const uint8_t byte : bytes) number = number << 8 | byte;
  return number;
}

}  // namespace

LotDictionary::LotDictionary(Bytes content)
    : number(ReadNumber(ByteView(Sha256(content)).first(8))), frames(std::move(content)) {}

SecretBytes CompactForm(ByteView message, const LotDictionary& dictionary) {
  if (message.size() > kMostMessage) return {};
  const SecretBytes frame = dictionary.frames.Compress(message);
  if (frame.empty() || kHeadSize + frame.size() >= message.size()) return {};
  SecretBytes form(kHeadSize + frame.size());
  for (size_t i = 1; i < kHeadSize; ++i) {
    form.data()[i] = static_cast<uint8_t>(dictionary.number >> 8 * (kHeadSize - 1 - i));
  }
  std::ranges::copy(frame.view(), form.data() + kHeadSize);
  return form;
}

absl::StatusOr<std::optional<uint64_t>> DictionaryNumberIn(ByteView form) {
  if (form.empty() || form[0] != 0) return std::nullopt;
  if (form.size() <= kHeadSize) return Refuse(Reason::INTERNAL, "a sealed identity is cut short");
  return ReadNumber(form.subspan(1, kHeadSize - 1));
}

absl::StatusOr<SecretBytes> MessageIn(ByteView form, const LotDictionary& dictionary) {
  const auto number = DictionaryNumberIn(form);
  if (!number.ok()) return number.status();
  if (*number != dictionary.number) {
    return Refuse(Reason::INTERNAL, "a sealed identity was made with another dictionary");
  }
  return dictionary.frames.Decompress(form.subspan(kHeadSize), kMostMessage);
}

}  // namespace assay::issue
