#include <memory>

#include "CLI/CLI.hpp"
#include "absl/strings/str_format.h"
#include "client/command/system_commands.h"
#include "client/sizing.h"
#include "nlohmann/json.hpp"

namespace assay::client {
namespace {

std::string JsonText(const Size& size) {
  const nlohmann::ordered_json json = {{"mean_devices_per_second", size.mean_rate},
                                       {"peak_devices_per_second", size.peak_rate},
                                       {"cpu_microseconds_per_device", size.cpu_us},
                                       {"cores", size.cores},
                                       {"replicas", size.replicas},
                                       {"hsm_signatures_per_second", size.hsm_needed},
                                       {"hsm_suffices", size.hsm_suffices},
                                       {"hsm_allows_devices_per_second", size.hsm_limit},
                                       {"signer_threads", size.signer_threads},
                                       {"database_cores", size.database_cores},
                                       {"database_connections", size.connections},
                                       {"wal_megabytes_per_second", size.wal_mb_s},
                                       {"records_gigabytes", size.records_gb},
                                       {"sealed_gigabytes", size.sealed_gb}};
  return json.dump(2) + "\n";
}

std::string Text(const Demand& demand, const Size& size) {
  std::string text = absl::StrFormat(
      "rate      %.2f devices/s in the mean, %.2f at the peak\n"
      "replicas  %d of %d cores each; one may be away at the peak (%.2f cores of work at %.0f %% "
      "full)\n"
      "hsm       %.0f signatures/s at the peak: two a device, and the ledger's\n",
      size.mean_rate, size.peak_rate, size.replicas, demand.cores_a_replica, size.cores,
      kMostFull * 100, size.hsm_needed);
  absl::StrAppendFormat(
      &text,
      size.hsm_suffices
          ? "          it has %.0f: enough, up to %.1f devices/s; hsm.signer_threads: %d\n"
          : "          it has %.0f: NOT ENOUGH, the limit is %.1f devices/s; hsm.signer_threads: "
            "%d\n",
      demand.hsm_rate, size.hsm_limit, size.signer_threads);
  absl::StrAppendFormat(
      &text,
      "database  %.2f cores, %d connections, %.2f MB of WAL a second at the peak\n"
      "          %.1f GB of records after %g years; %.1f GB of sealed identities (%d days)\n",
      size.database_cores, size.connections, size.wal_mb_s, size.records_gb, demand.years,
      size.sealed_gb, demand.retention_days);
  return text;
}

}  // namespace

void AddSizeCommand(CLI::App& root, const Choose& choose) {
  CLI::App* const app = root.add_subcommand(
      "size", "how many replicas, cores and HSM signatures a production needs; no server");
  app->fallthrough();
  auto demand = std::make_shared<Demand>();
  app->add_option("--devices-a-day", demand->devices_a_day, "identities a day")->required();
  app->add_option("--hsm-rate", demand->hsm_rate, "P-256 signatures a second the HSM makes")
      ->required();
  app->add_option("--iterations", demand->iterations, "PBKDF2 iterations (default 10000)");
  app->add_option("--hours-a-day", demand->hours_a_day, "hours the lines run (default 16)");
  app->add_option("--peak", demand->peak, "busiest minute against the mean (default 2)");
  app->add_option("--hsm-latency", demand->hsm_latency_ms,
                  "milliseconds of one signature (default 2)");
  app->add_option("--kernel", demand->kernel,
                  "the processors' PBKDF2: avx512 (default), sha-ni or portable");
  app->add_option("--cores-a-replica", demand->cores_a_replica, "default 4");
  app->add_option("--retention-days", demand->retention_days,
                  "days sealed identities are kept (default 90)");
  app->add_option("--years", demand->years, "years of records (default 10)");
  app->footer(
      "Example: assay size --devices-a-day 200000 --hsm-rate 500 --iterations 10000\n"
      "The model is in docs/performance.md.");
  app->callback([choose, demand] {
    choose([demand](Context& context) -> absl::Status {
      const auto size = SizeFor(*demand);
      if (!size.ok()) return size.status();
      context.Print(context.json() ? JsonText(*size) : Text(*demand, *size));
      return absl::OkStatus();
    });
  });
}

}  // namespace assay::client
