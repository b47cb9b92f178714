#include "server/issue/unit_values.h"

#include "base/refusal.h"
#include "matter/passcode.h"
#include "server/lot/lot_key.h"
#include "server/lot/product_spec.h"

namespace assay::issue {
namespace {

// Long enough that two values never have the same by chance, and half as long in the index.
constexpr size_t kDigestSize = 16;
// Two draws in a row hit other units' values about never, unless the line fixes the passcode and
// the product has used up most of its discriminators.
constexpr int kMaxDraws = 16;

Bytes Digest(const SecretBytes& key, ByteView what, ByteView value) {
  SecretBytes message(what.size() + value.size());
  std::copy(what.begin(), what.end(), message.data());
  std::copy(value.begin(), value.end(), message.data() + what.size());
  const Sha256Digest digest = lot::KeyedDigest(key, message.view());
  return Bytes(digest.begin(), digest.begin() + kDigestSize);
}

bool IsRotatingId(const absl::Status& taken) {
  const auto refusal = RefusalOf(taken);
  return refusal && refusal->field == "rotating_id";
}

absl::Status ValueTaken(const absl::Status& taken) {
  if (IsRotatingId(taken)) {
    return RefuseField(Reason::VALUE_TAKEN, "values.rotating_id", "",
                       "is another unit's of this product: each must have its own");
  }
  return RefuseField(Reason::VALUE_TAKEN, "values.passcode", "",
                     "stands with the same discriminator in another unit of this product: two "
                     "units would have one label");
}

}  // namespace

void FillUnitValues(const Work& work, bool production, db::Intent& intent) {
  if (work.plan->product_key == nullptr) return;
  const SecretBytes& key = *work.plan->product_key;
  const bool is_test = !production && work.passcode == matter::kDefaultPasscode;
  if (lot::HasPasscode(work.plan->spec) && !is_test) {
    SecretBytes label(6);
    for (size_t i = 0; i < 4; ++i) label.data()[i] = static_cast<uint8_t>(work.passcode >> 8 * i);
    label.data()[4] = static_cast<uint8_t>(work.discriminator);
    label.data()[5] = static_cast<uint8_t>(work.discriminator >> 8);
    intent.setup_code_digest = Digest(key, AsBytes("setup code|"), label.view());
  }
  if (!work.rotating_id.empty()) {
    intent.rotating_id_digest = Digest(key, AsBytes("rotating id|"), work.rotating_id);
  }
  intent.may_repeat_unit = !production && !work.request.values().serial_number().empty();
}

bool MayDrawAgain(const Work& work, const absl::Status& taken) {
  if (!HasReason(taken, Reason::VALUE_TAKEN) || work.draws >= kMaxDraws) return false;
  const v1::DeviceValues& values = work.request.values();
  return IsRotatingId(taken) ? values.rotating_id().empty()
                             : !values.has_passcode() || !values.has_discriminator();
}

absl::Status InRequest(const Work& work, const absl::Status& refused) {
  const auto refusal = RefusalOf(refused);
  if (!refusal) return refused;
  const auto with = [&](absl::string_view field, absl::string_view value) {
    return RefuseField(refusal->reason, field, value, refusal->rule);
  };
  switch (refusal->reason) {
    case Reason::VALUE_TAKEN:
      return ValueTaken(refused);
    case Reason::QUOTA_EXCEEDED:
    case Reason::LOT_NOT_OPEN:
      return with("lot", work.request.lot());
    case Reason::SERIAL_NUMBER_TAKEN:
      return work.request.values().serial_number().empty()
                 ? refused
                 : with("values.serial_number", refusal->value);
    case Reason::PUBLIC_KEY_REUSED:
      if (!work.request.csr().empty()) return with("csr", "");
      return work.request.has_given_dac() ? with("given_dac.certificate", "") : refused;
    default:
      return refused;
  }
}

}  // namespace assay::issue
