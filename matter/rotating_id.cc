#include "matter/rotating_id.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/refusal.h"
#include "matter/tlv.h"

namespace assay::matter {
namespace {

constexpr size_t kCounterSize = 2;
constexpr uint8_t kRotatingIdTag = 0;

absl::Status Malformed(absl::string_view rule) {
  return RefuseField(Reason::FIELD_MALFORMED, "additional_data", "", rule);
}

}  // namespace

absl::Status CheckUniqueId(ByteView unique_id, absl::string_view field) {
  if (unique_id.size() < kMinUniqueIdSize || unique_id.size() > kMaxUniqueIdSize) {
    return RefuseField(Reason::FIELD_OUT_OF_RANGE, field, absl::StrCat(unique_id.size(), " bytes"),
                       "must be 16..32 bytes");
  }
  if (std::all_of(unique_id.begin(), unique_id.end(),
                  [&](uint8_t byte) { return byte == unique_id.front(); })) {
    return RefuseField(Reason::FIELD_NOT_ALLOWED, field, "", "must be random");
  }
  return absl::OkStatus();
}

SecretBytes DrawUniqueId(Random& random, size_t size) {
  return random.DrawSecret(std::clamp(size, kMinUniqueIdSize, kMaxUniqueIdSize));
}

absl::StatusOr<RotatingId> ComputeRotatingId(ByteView unique_id, uint16_t lifetime_counter) {
  ASSAY_RETURN_IF_ERROR(CheckUniqueId(unique_id));
  RotatingId id;
  id[0] = static_cast<uint8_t>(lifetime_counter);
  id[1] = static_cast<uint8_t>(lifetime_counter >> 8);
  SecretBytes message(unique_id.size() + kCounterSize);
  std::copy(unique_id.begin(), unique_id.end(), message.data());
  std::copy(id.begin(), id.begin() + kCounterSize, message.data() + unique_id.size());
  const Sha256Digest digest = Sha256(message.view());
  std::copy(digest.end() - (kRotatingIdSize - kCounterSize), digest.end(),
            id.begin() + kCounterSize);
  return id;
}

Bytes EncodeAdditionalData(const std::optional<RotatingId>& rotating_id) {
  TlvWriter writer;
  writer.StartStructure(TlvTag::Anonymous());
  if (rotating_id) writer.PutBytes(TlvTag::Context(kRotatingIdTag), *rotating_id);
  writer.EndContainer();
  return writer.Take();
}

absl::StatusOr<Bytes> ParseAdditionalData(ByteView tlv) {
  TlvReader reader(tlv);
  const auto outer = reader.Next();
  if (!outer.ok()) return Within("additional_data", outer.status());
  if (!outer->has_value() || (*outer)->type != TlvType::kStructure ||
      (*outer)->tag != TlvTag::Anonymous()) {
    return Malformed("must be an anonymous structure");
  }
  ASSAY_RETURN_IF_ERROR(reader.Enter());
  Bytes id;
  const auto element = reader.Next();
  if (!element.ok()) return Within("additional_data", element.status());
  if (element->has_value()) {
    if (!(*element)->tag.IsContext(kRotatingIdTag) || (*element)->type != TlvType::kBytes ||
        (*element)->bytes.size() > kRotatingIdSize) {
      return Malformed("tag 0 must hold at most 18 bytes");
    }
    id = ToBytes((*element)->bytes);
  }
  ASSAY_RETURN_IF_ERROR(reader.Exit());
  ASSAY_RETURN_IF_ERROR(reader.Finish());
  return id;
}

}  // namespace assay::matter
