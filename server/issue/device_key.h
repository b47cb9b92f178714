// Attestation key pairs made for devices that do not make their own.
#pragma once

#include <array>
#include <cstdint>

#include "absl/status/statusor.h"
#include "base/bytes.h"
#include "base/secret.h"

namespace assay::issue {

struct DeviceKey {
  SecretBytes scalar;               // 32 bytes, big-endian
  std::array<uint8_t, 65> point{};  // 04 || X || Y
};

// P-256, from OpenSSL's private random generator. Thread-safe; the curve is set up once a thread.
absl::StatusOr<DeviceKey> MakeDeviceKey();
// The point of a scalar given from outside; FIELD_MALFORMED when it is not 1 to n - 1 in 32 bytes.
absl::StatusOr<std::array<uint8_t, 65>> PointOf(const SecretBytes& scalar);

}  // namespace assay::issue
