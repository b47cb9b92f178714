// How big an installation must be: from devices a day to replicas, cores, HSM and database. The
// model and where its figures come from: docs/performance.md. Pure, thread-safe.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"

namespace assay::client {

struct Demand {
  double devices_a_day = 0;
  double hours_a_day = 16;        // in which the lines run
  double peak = 2;                // the busiest minute against the mean
  uint64_t iterations = 10'000;   // of PBKDF2
  double hsm_rate = 0;            // P-256 signatures a second the HSM makes, all its parts together
  double hsm_latency_ms = 2;      // of one signature
  std::string kernel = "avx512";  // avx512, sha-ni or portable: what the replicas' processors have
  uint64_t cores_a_replica = 4;
  uint64_t retention_days = 90;  // how long sealed identities are kept
  double years = 10;             // of records
};

struct Size {
  double mean_rate = 0, peak_rate = 0;  // devices a second
  double cpu_us = 0;                    // of assayd, a device
  double cores = 0;                     // of assayd, at the peak, filled to kMostFull
  uint64_t replicas = 0;                // one of them may be away
  double hsm_needed = 0;                // signatures a second
  bool hsm_suffices = false;
  double hsm_limit = 0;         // devices a second the HSM allows
  uint64_t signer_threads = 0;  // a replica
  double database_cores = 0;
  uint64_t connections = 0;
  double wal_mb_s = 0;    // at the peak
  double records_gb = 0;  // after `years`
  double sealed_gb = 0;   // sealed identities within the retention
};

inline constexpr double kMostFull = 0.6;

// Refuses naming the field: a demand of nothing, iterations outside 1,000 to 100,000, an HSM of no
// rate.
absl::StatusOr<Size> SizeFor(const Demand& demand);

}  // namespace assay::client
