// ECDSA verification of up to eight signatures side by side, for keys that are asked often, on
// processors with AVX-512 IFMA. Internal to matter/: SignatureVerifier chooses.
#pragma once

#include <openssl/ec.h>

#include <memory>
#include <span>

#include "base/bytes.h"
#include "matter/ecdsa_lanes.h"

namespace assay::matter {

// The multiples of one public key. Immutable and thread-safe. Making one takes as long as some
// hundreds of verifications and 148 KiB.
class LaneTables {
 public:
  // Whether this processor and its operating system run the kernel.
  static bool Run();
  // Null where the point is at infinity, or OpenSSL fails for lack of memory.
  static std::unique_ptr<const LaneTables> Make(const EC_POINT* public_key);

  const PointTable& points() const { return points_; }

 private:
  LaneTables() = default;
  PointTable points_;
};

enum class LaneVerdict {
  kWrong,
  kRight,
  kUnclear,  // about never: the sum met what the kernel's formulas do not cover; ask another way
};
struct LaneCheck {
  const LaneTables* key = nullptr;
  const Sha256Digest* digest = nullptr;
  ByteView raw;  // 64 bytes
  LaneVerdict verdict = LaneVerdict::kWrong;
};

// FIPS 186-4 6.4.2 for one to eight signatures, of any keys; it takes as long for one as for
// eight. Only where LaneTables::Run(). Nothing here is secret, so nothing is constant-time.
void VerifyLanes(std::span<LaneCheck> checks);

}  // namespace assay::matter
