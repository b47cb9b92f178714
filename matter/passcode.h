// Setup passcode and discriminator (Matter spec 5.1.1.5, 5.1.1.6 and the passcode rules
// of 5.1.7.1).
#pragma once

#include <cstdint>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "base/random.h"

namespace assay::matter {

inline constexpr uint32_t kMinPasscode = 1;
inline constexpr uint32_t kMaxPasscode = 99999998;
inline constexpr uint16_t kMaxDiscriminator = 0xFFF;

// What every example of the SDK uses. Certification (TC-SC-7.1) forbids them on products.
inline constexpr uint32_t kDefaultPasscode = 20202021;
inline constexpr uint16_t kDefaultDiscriminator = 3840;

// kExcluded: the SDK's default is neither drawn nor accepted, as in production mode.
enum class SdkDefaults { kAllowed, kExcluded };

// The twelve passcodes the specification names: eight equal digits, 12345678 and 87654321.
bool IsForbiddenPasscode(uint32_t passcode);

// PASSCODE_FORBIDDEN unless 1..99999998 and none of the twelve. The refusal never holds the
// passcode; `field` is the path it names.
absl::Status CheckPasscode(uint32_t passcode, absl::string_view field = "passcode",
                           SdkDefaults defaults = SdkDefaults::kAllowed);

// FIELD_OUT_OF_RANGE unless it fits 12 bits; FIELD_NOT_ALLOWED for an excluded 3840.
absl::Status CheckDiscriminator(uint32_t discriminator, absl::string_view field = "discriminator",
                                SdkDefaults defaults = SdkDefaults::kAllowed);

// Uniform over all passcodes CheckPasscode accepts, by rejection. Thread-safe as `random` is.
uint32_t DrawPasscode(Random& random, SdkDefaults defaults = SdkDefaults::kExcluded);

// Uniform over 0..4095, without 3840 when excluded.
uint16_t DrawDiscriminator(Random& random, SdkDefaults defaults = SdkDefaults::kExcluded);

}  // namespace assay::matter
