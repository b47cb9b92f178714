// PBKDF2-HMAC-SHA256 (RFC 8018 5.2) for many keys at once. At 10000 iterations this is nine tenths
// of the CPU an identity costs, so several ways to compute it stand side by side and the best is
// taken by what the CPU can do and how much work is in hand.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"

namespace assay::matter {

enum class Pbkdf2Kernel {
  kOpenssl,    // PKCS5_PBKDF2_HMAC, the reference the others are held against
  kTransform,  // OpenSSL's compression function with the HMAC pads kept; any CPU
  kShaNi,      // x86 SHA extensions, three blocks interleaved
  kAvx512,     // sixteen blocks side by side
};

// "openssl", "transform", "sha_ni", "avx512": also the values of ASSAY_PBKDF2_KERNEL.
std::string_view Pbkdf2KernelName(Pbkdf2Kernel kernel);
std::optional<Pbkdf2Kernel> Pbkdf2KernelOf(std::string_view name);

// Whether this build has the kernel and this CPU (and its operating system) runs it.
bool Runs(Pbkdf2Kernel kernel);
std::vector<Pbkdf2Kernel> RunnablePbkdf2Kernels();

// One key to be derived. `key` is filled; its size is free, a multiple of 32 wastes nothing.
// `iterations` is at least 1. The spans must stay alive over the call.
struct Pbkdf2Job {
  ByteView password = {};
  ByteView salt = {};
  uint32_t iterations = 1;
  std::span<uint8_t> key = {};
};

// The kernel that carries the bulk of `jobs` keys of three blocks. ASSAY_PBKDF2_KERNEL, read once,
// overrides it where it names a kernel that runs here; a name that does not is ignored.
Pbkdf2Kernel ChoosePbkdf2Kernel(size_t jobs);

// The choice in words, for the log: "avx512 from 7 lanes on, sha_ni below".
std::string Pbkdf2Choice();

// Fills every key, on the calling thread. Takes the widest kernel for as long as its lanes are well
// filled and a narrower one for the rest. Iteration counts may differ between jobs. All
// intermediate state is wiped. Thread-safe.
void DeriveKeys(std::span<const Pbkdf2Job> jobs);

// Keys that are asked for while others are computed.
class Pbkdf2Feed {
 public:
  virtual ~Pbkdf2Feed() = default;
  // The next job, or null where none waits now; it stays alive until Ended names it.
  virtual const Pbkdf2Job* Next() = 0;
  // The job's key is filled.
  virtual void Ended(const Pbkdf2Job& job) = 0;
  // All that end in one step have: what was gathered of them may go on.
  virtual void StepEnded() {}
};

// Until none waits and all are ended. A job takes lanes as soon as they come free and does not wait
// for those begun before it, so lanes stay filled while work comes, and each key leaves when it is
// done. `feed` is asked on the calling thread, at least every kPbkdf2StepsAtOnce iterations.
void DeriveKeys(Pbkdf2Feed& feed);
inline constexpr uint32_t kPbkdf2StepsAtOnce = 500;

// The same by one named kernel, which must run here (Runs): for tests and measurements.
void DeriveKeysWith(Pbkdf2Kernel kernel, std::span<const Pbkdf2Job> jobs);
void DeriveKeysWith(Pbkdf2Kernel kernel, Pbkdf2Feed& feed);

}  // namespace assay::matter
