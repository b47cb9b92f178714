// The HSM's faults, told once by a metric and once by a log line of their class.
#pragma once

#include <chrono>
#include <map>
#include <mutex>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "server/issue/pipeline.h"
#include "server/ops/metrics.h"

namespace assay::ops {

// Thread-safe; never blocks on the device. Each fault is counted in assay_hsm_faults_total by
// class, Cryptoki call and CKR name. A class is logged when it begins and then every ten seconds at
// most, with the number of faults since its last line: a token that is away must not bury the log.
// Stands before Metrics as the pipeline's observer, for the pipeline is who finds a signature
// wrong.
class HsmFaults final : public issue::Observer {
 public:
  using Steady = std::chrono::steady_clock;
  static constexpr std::chrono::seconds kLineEvery{10};

  explicit HsmFaults(Metrics& metrics) : metrics_(metrics) {}

  void StepEnded(issue::Step step, std::chrono::nanoseconds took) override {
    metrics_.StepEnded(step, took);
  }
  void Finished(const absl::Status& status, bool sealed_before,
                std::chrono::nanoseconds took) override;

  // One the PKCS#11 module reported.
  void Reported(std::string_view fault_class, std::string_view call, std::string_view ckr);
  // One that no CKR tells, from what the signer pool met: "hang", "wrong_signature", "key_missing",
  // "key_unfit" (duplicated or drifted), "pin_hold". Others are passed by.
  void Met(const absl::Status& status);

 private:
  struct Told {
    Steady::time_point at{};
    int64_t since = 0;
  };
  void Tell(std::string_view fault_class, std::string_view call, std::string_view ckr,
            std::string_view message);

  Metrics& metrics_;
  std::mutex mutex_;
  std::map<std::string, Told, std::less<>> told_;
};

}  // namespace assay::ops
