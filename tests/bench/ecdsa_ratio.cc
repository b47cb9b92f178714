// Measures ECDSA verification eight side by side against one after the other with OpenSSL's tables,
// and fails where the kernel has lost its lead: built with the wrong flags it would still be right.
// A ratio only, as in pbkdf2_ratio.cc.
#include <openssl/ecdsa.h>
#include <openssl/obj_mac.h>
#include <time.h>

#include <algorithm>
#include <cstdio>
#include <limits>
#include <vector>

#include "base/random.h"
#include "matter/ecdsa_tables.h"
#include "matter/lane_tables.h"

namespace assay::matter {
namespace {

constexpr size_t kSignatures = 8 * 50;
constexpr int kRounds = 9;
constexpr double kLeast = 2.0;  // measured on a server EPYC with two cores: 4.9

double CpuSeconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

struct Signed {
  Sha256Digest digest{};
  Bytes raw = Bytes(64);
};

std::vector<Signed> SignMany(EC_KEY* key) {
  SystemRandom random;
  std::vector<Signed> all(kSignatures);
  for (Signed& one : all) {
    random.Fill(one.digest);
    ECDSA_SIG* signature =
        ECDSA_do_sign(one.digest.data(), static_cast<int>(one.digest.size()), key);
    BN_bn2binpad(ECDSA_SIG_get0_r(signature), one.raw.data(), 32);
    BN_bn2binpad(ECDSA_SIG_get0_s(signature), one.raw.data() + 32, 32);
    ECDSA_SIG_free(signature);
  }
  return all;
}

// CPU seconds a signature, and whether each was found right.
template <typename Verify>
double Run(const Verify& verify, bool& right) {
  const double start = CpuSeconds();
  right = verify() && right;
  return (CpuSeconds() - start) / static_cast<double>(kSignatures);
}

int Compare() {
  EC_KEY* key = EC_KEY_new_by_curve_name(NID_X9_62_prime256v1);
  EC_KEY_generate_key(key);
  const std::vector<Signed> all = SignMany(key);
  const auto tables = VerificationTables::Make(EC_KEY_get0_public_key(key));
  const auto lanes = LaneTables::Make(EC_KEY_get0_public_key(key));
  EC_KEY_free(key);
  const auto one_by_one = [&] {
    return std::all_of(all.begin(), all.end(),
                       [&](const Signed& one) { return tables->Verify(one.digest, one.raw); });
  };
  const auto side_by_side = [&] {
    bool right = true;
    for (size_t at = 0; at < all.size(); at += kEcdsaLanes) {
      LaneCheck checks[kEcdsaLanes];
      for (size_t i = 0; i < kEcdsaLanes; ++i) {
        checks[i] = {lanes.get(), &all[at + i].digest, all[at + i].raw};
      }
      VerifyLanes(checks);
      for (const LaneCheck& check : checks) right &= check.verdict == LaneVerdict::kRight;
    }
    return right;
  };
  bool right = true;
  double alone = std::numeric_limits<double>::max(), together = alone;
  for (int round = 0; round < kRounds; ++round) {
    alone = std::min(alone, Run(one_by_one, right));
    together = std::min(together, Run(side_by_side, right));
  }
  const double ratio = alone / together;
  std::printf(
      "ECDSA verification: %.1f us with OpenSSL's tables, %.1f us of eight, %.2f times%s%s\n",
      alone * 1e6, together * 1e6, ratio, ratio < kLeast ? "  TOO SLOW" : "",
      right ? "" : "  WRONG");
  return right && ratio >= kLeast ? 0 : 1;
}

}  // namespace
}  // namespace assay::matter

int main() {
  if (!assay::matter::LaneTables::Run()) {
    std::printf("SKIPPED: this processor has no AVX-512 IFMA\n");
    return 0;
  }
  return assay::matter::Compare();
}
