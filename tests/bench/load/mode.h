// The ways an identity is asked for that the benchmark tells apart.
#pragma once

#include <optional>
#include <string_view>

namespace assay::bench {

enum class Mode {
  kServerKey,     // Assay makes the device's key; a plain factory image
  kCsr,           // the device made its key: its request is verified, no key is made
  kEncryptedNvs,  // as kServerKey, and the image is encrypted under a key of its own
  kSecureCert,    // as kServerKey, and certificates and key lie in an esp_secure_cert image
};

struct ModeName {
  Mode mode;
  std::string_view name;
};
inline constexpr ModeName kModes[] = {{Mode::kServerKey, "server-key"},
                                      {Mode::kCsr, "csr"},
                                      {Mode::kEncryptedNvs, "encrypted-nvs"},
                                      {Mode::kSecureCert, "secure-cert"}};

inline std::optional<Mode> ModeOf(std::string_view name) {
  for (const ModeName& row : kModes) {
    if (row.name == name) return row.mode;
  }
  return std::nullopt;
}

}  // namespace assay::bench
