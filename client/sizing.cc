#include "client/sizing.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "absl/strings/str_cat.h"
#include "base/refusal.h"

namespace assay::client {
namespace {

// Measured by tests/bench/replicas; docs/performance.md says on what. CPU microseconds a
// device.
constexpr double kServiceFixedUs = 700, kDatabaseUs = 600;
// PBKDF2 for one device, microseconds an iteration.
const std::map<std::string, double>& IterationUs() {
  static const auto* const kUs =
      new std::map<std::string, double>{{"avx512", 0.13}, {"sha-ni", 0.26}, {"portable", 0.98}};
  return *kUs;
}
// DAC and image; the ledger's checkpoints and the health checks besides, a second.
constexpr double kSignaturesADevice = 2, kSignaturesBesides = 6;
constexpr double kRecordKb = 4.7, kSealedKb = 7.3, kWalKb = 13.4;
// The pool's 8, the ledger's 4, and those for revocation and the system's state.
constexpr uint64_t kConnectionsAReplica = 14;

absl::Status Check(const char* field, double value, double least, double most) {
  if (value >= least && value <= most) return absl::OkStatus();
  return RefuseField(Reason::FIELD_OUT_OF_RANGE, field, absl::StrCat(value),
                     absl::StrCat("must be ", least, " to ", most));
}

absl::Status CheckDemand(const Demand& demand) {
  ASSAY_RETURN_IF_ERROR(Check("devices-a-day", demand.devices_a_day, 1, 1e9));
  ASSAY_RETURN_IF_ERROR(Check("hours-a-day", demand.hours_a_day, 0.1, 24));
  ASSAY_RETURN_IF_ERROR(Check("peak", demand.peak, 1, 100));
  ASSAY_RETURN_IF_ERROR(Check("iterations", static_cast<double>(demand.iterations), 1000, 100'000));
  ASSAY_RETURN_IF_ERROR(Check("hsm-rate", demand.hsm_rate, 0.1, 1e6));
  ASSAY_RETURN_IF_ERROR(Check("hsm-latency", demand.hsm_latency_ms, 0.01, 10'000));
  ASSAY_RETURN_IF_ERROR(
      Check("cores-a-replica", static_cast<double>(demand.cores_a_replica), 1, 1024));
  ASSAY_RETURN_IF_ERROR(
      Check("retention-days", static_cast<double>(demand.retention_days), 0, 36'500));
  ASSAY_RETURN_IF_ERROR(Check("years", demand.years, 0, 100));
  if (!IterationUs().contains(demand.kernel)) {
    return RefuseField(Reason::FIELD_MALFORMED, "kernel", demand.kernel,
                       "must be avx512, sha-ni or portable");
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Size> SizeFor(const Demand& demand) {
  ASSAY_RETURN_IF_ERROR(CheckDemand(demand));
  Size size;
  size.mean_rate = demand.devices_a_day / (demand.hours_a_day * 3600);
  size.peak_rate = size.mean_rate * demand.peak;
  size.cpu_us =
      kServiceFixedUs + IterationUs().at(demand.kernel) * static_cast<double>(demand.iterations);
  size.cores = size.peak_rate * size.cpu_us / 1e6 / kMostFull;
  const auto busy =
      static_cast<uint64_t>(std::ceil(size.cores / static_cast<double>(demand.cores_a_replica)));
  // The peak is borne while one replica is away.
  size.replicas = std::max<uint64_t>(1, busy) + 1;
  size.hsm_needed = size.peak_rate * kSignaturesADevice + kSignaturesBesides;
  size.hsm_limit = std::max(0.0, (demand.hsm_rate - kSignaturesBesides) / kSignaturesADevice);
  size.hsm_suffices = size.hsm_needed <= demand.hsm_rate;
  const double in_hsm = size.hsm_needed * demand.hsm_latency_ms / 1000 / kMostFull;
  size.signer_threads = std::clamp<uint64_t>(
      static_cast<uint64_t>(std::ceil(in_hsm / static_cast<double>(size.replicas - 1))), 1, 256);
  size.database_cores = size.peak_rate * kDatabaseUs / 1e6 / kMostFull;
  size.connections = size.replicas * kConnectionsAReplica;
  size.wal_mb_s = size.peak_rate * kWalKb / 1024;
  size.records_gb = demand.devices_a_day * 365.25 * demand.years * kRecordKb / (1024 * 1024);
  size.sealed_gb =
      demand.devices_a_day * static_cast<double>(demand.retention_days) * kSealedKb / (1024 * 1024);
  return size;
}

}  // namespace assay::client
