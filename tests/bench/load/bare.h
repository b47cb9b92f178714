// What one identity costs in bare OpenSSL operations, with nothing around them.
#pragma once

#include <chrono>

namespace assay::bench {

struct BareWork {
  int iterations = 10000;
  bool csr = false;  // the device's key: its request is verified, and no key is made
};

// PBKDF2 (80 bytes, PKCS5_PBKDF2_HMAC), L = w1 * P, a key pair or a CSR's signature check, two
// ECDSA signatures and SHA-256 of 24 KiB, repeated on `threads` threads for `time`. Identities a
// second, all threads together.
double MeasureBare(const BareWork& work, int threads, std::chrono::milliseconds time);

}  // namespace assay::bench
