// What one identity costs in cryptography alone, with nothing around it.
#pragma once

#include <chrono>

#include "tests/bench/load/mode.h"

namespace assay::bench {

struct IdealWork {
  int iterations = 10000;
  Mode mode = Mode::kServerKey;
};

// PBKDF2's way: each identity alone by PKCS5_PBKDF2_HMAC, or several side by side by the fastest
// kernel of this machine.
enum class IdealBy { kOpenssl, kFastest };

struct Ideal {
  double rate = 0;    // identities a second, all cores together
  double cpu_us = 0;  // processor time of one, which other programs hardly change
};

// What as many threads as there are cores make together over `time`: the
// SPAKE2+ verifier (80 bytes of PBKDF2, w0, w1, L), a key pair (in mode kCsr the check of a
// request), ECDSA signatures of certificate and images, SHA-256 of the images, and in mode
// kEncryptedNvs AES-256-XTS over the written entries. OpenSSL with reused contexts for all but
// PBKDF2.
Ideal MeasureIdeal(const IdealWork& work, IdealBy by, std::chrono::milliseconds time);

}  // namespace assay::bench
