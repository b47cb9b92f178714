#include "matter/passcode.h"

#include <openssl/crypto.h>

#include <algorithm>
#include <array>
#include <string>

#include "base/refusal.h"

namespace assay::matter {
namespace {

constexpr std::array<uint32_t, 12> kForbidden = {0,        11111111, 22222222, 33333333,
                                                 44444444, 55555555, 66666666, 77777777,
                                                 88888888, 99999999, 12345678, 87654321};

}  // namespace

bool IsForbiddenPasscode(uint32_t passcode) {
  return std::find(kForbidden.begin(), kForbidden.end(), passcode) != kForbidden.end();
}

absl::Status CheckPasscode(uint32_t passcode, absl::string_view field, SdkDefaults defaults) {
  if (passcode < kMinPasscode || passcode > kMaxPasscode) {
    return RefuseField(Reason::PASSCODE_FORBIDDEN, field, "", "must be 1..99999998");
  }
  if (IsForbiddenPasscode(passcode)) {
    return RefuseField(Reason::PASSCODE_FORBIDDEN, field, "",
                       "must not be one of the twelve the specification forbids");
  }
  if (defaults == SdkDefaults::kExcluded && passcode == kDefaultPasscode) {
    return RefuseField(Reason::PASSCODE_FORBIDDEN, field, "",
                       "must not be the SDK's example passcode");
  }
  return absl::OkStatus();
}

absl::Status CheckDiscriminator(uint32_t discriminator, absl::string_view field,
                                SdkDefaults defaults) {
  if (discriminator > kMaxDiscriminator) {
    return RefuseField(Reason::FIELD_OUT_OF_RANGE, field, std::to_string(discriminator),
                       "must be 0..4095");
  }
  if (defaults == SdkDefaults::kExcluded && discriminator == kDefaultDiscriminator) {
    return RefuseField(Reason::FIELD_NOT_ALLOWED, field, std::to_string(discriminator),
                       "must not be the SDK's example discriminator");
  }
  return absl::OkStatus();
}

uint32_t DrawPasscode(Random& random, SdkDefaults defaults) {
  for (;;) {
    std::array<uint8_t, 4> bytes;
    random.Fill(bytes);
    // 27 bits: three draws in four are in range, and none is favoured as a modulo would.
    const uint32_t passcode = ReadLe32(bytes.data()) & 0x7FFFFFF;
    OPENSSL_cleanse(bytes.data(), bytes.size());
    if (CheckPasscode(passcode, "", defaults).ok()) return passcode;
  }
}

uint16_t DrawDiscriminator(Random& random, SdkDefaults defaults) {
  for (;;) {
    std::array<uint8_t, 2> bytes;
    random.Fill(bytes);
    const uint16_t discriminator = ReadLe16(bytes.data()) & kMaxDiscriminator;
    if (CheckDiscriminator(discriminator, "", defaults).ok()) return discriminator;
  }
}

}  // namespace assay::matter
