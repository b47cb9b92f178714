// One measurement a call, told as one line of JSON: what the lines saw (issue), what the processor
// could do at best (ideal); and lots to measure in, and connections to hold. tests/bench/run calls
// it and makes the tables.
#include <CLI/CLI.hpp>
#include <cmath>
#include <cstdio>
#include <iostream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "tests/bench/load/ideal.h"
#include "tests/bench/load/line.h"
#include "tests/bench/load/service.h"

namespace assay::bench {
namespace {

using Json = nlohmann::json;

struct Arguments {
  Settings settings;
  Load load;
  std::string mode = "server-key";
  std::vector<std::string> watched;  // name=pid
  int milliseconds = 900;
  int lines = 500;
};

void Tell(const Json& json) { std::cout << json.dump() << std::endl; }

Json Describe(const CpuReading& spent) {
  return {{"of", spent.of},
          {"busy", spent.machine.busy},
          {"idle", spent.machine.idle},
          {"steal", spent.machine.steal}};
}

void TellIssue(const Arguments& arguments) {
  CpuWatch watch;
  for (const std::string& named : arguments.watched) {
    const size_t at = named.find('=');
    if (at == std::string::npos) throw std::runtime_error(named + ": is not NAME=PID");
    watch.Add(named.substr(0, at), std::stoi(named.substr(at + 1)));
  }
  const Measured measured = RunLine(arguments.settings, arguments.load, watch);
  Json took = Json::array();
  for (const double ms : measured.took_ms) took.push_back(std::round(ms * 100) / 100);
  Tell({{"seconds", measured.seconds},
        {"issued", measured.took_ms.size()},
        {"took_ms", took},
        {"refused", measured.refused},
        {"first_refusal", measured.first_refusal},
        {"cpu", Describe(measured.spent)}});
}

void TellIdeal(const Arguments& arguments) {
  const IdealWork work{arguments.load.iterations, arguments.load.mode};
  const std::chrono::milliseconds time(arguments.milliseconds);
  const Ideal fastest = MeasureIdeal(work, IdealBy::kFastest, time);
  const Ideal openssl = MeasureIdeal(work, IdealBy::kOpenssl, time / 2);
  Tell({{"fastest", fastest.rate}, {"openssl", openssl.rate}, {"fastest_us", fastest.cpu_us}});
}

void HoldIdleLines(const Arguments& arguments) {
  const Channels channels = OpenIdleLines(arguments.settings, arguments.load.lot, arguments.lines);
  Tell({{"lines", channels.size()}});
  std::string line;
  std::getline(std::cin, line);
}

}  // namespace
}  // namespace assay::bench

int main(int argc, char** argv) {
  using namespace assay::bench;
  // As the service does: see RpcServer::Start.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  Arguments arguments;
  Load& load = arguments.load;
  CLI::App app("Measures how many identities the service gives. One line of JSON a call.");
  app.require_subcommand(1);
  const auto reach = [&](CLI::App* command) {
    command->add_option("--server", arguments.settings.server, "host:port");
    command
        ->add_option("--tls", arguments.settings.tls,
                     "folder of ca.pem and of line's and operator's certificate and key")
        ->required();
    command->add_option("--factory", arguments.settings.factory, "a factory the line is granted");
  };
  const auto kind = [&](CLI::App* command) {
    command->add_option("--iterations", load.iterations, "of PBKDF2");
    command->add_option("--mode", arguments.mode, "server-key, csr, encrypted-nvs, secure-cert");
  };
  CLI::App* lot = app.add_subcommand("lot", "opens a lot for one kind of identity");
  reach(lot);
  kind(lot);
  CLI::App* issue = app.add_subcommand("issue", "issues identities in such a lot");
  reach(issue);
  kind(issue);
  issue->add_option("--lot", load.lot)->required();
  issue->add_option("--in-flight", load.in_flight, "calls at a time");
  issue->add_option("--streams", load.streams,
                    "over so many streams, each with a connection of its own; 0: a call each");
  issue->add_option("--rate", load.rate, "instead: so many calls a second, come what may");
  issue->add_flag("--evenly", load.evenly, "at even distances rather than as chance has it");
  issue->add_option("--seconds", load.seconds, "length, without the warm-up");
  issue->add_option("--watch", arguments.watched, "NAME=PID whose processor time is told");
  CLI::App* ideal = app.add_subcommand("ideal", "the cryptography alone, on all cores");
  kind(ideal);
  ideal->add_option("--milliseconds", arguments.milliseconds, "for the fastest way");
  CLI::App* idle = app.add_subcommand("idle", "holds connections until its input ends");
  reach(idle);
  idle->add_option("--lot", load.lot)->required();
  idle->add_option("--lines", arguments.lines);
  CLI11_PARSE(app, argc, argv);
  try {
    const auto mode = ModeOf(arguments.mode);
    if (!mode) throw std::runtime_error(arguments.mode + ": no such mode");
    load.mode = *mode;
    if (lot->parsed()) Tell({{"lot", OpenLot(arguments.settings, load.iterations, load.mode)}});
    if (issue->parsed()) TellIssue(arguments);
    if (ideal->parsed()) TellIdeal(arguments);
    if (idle->parsed()) HoldIdleLines(arguments);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "assay_load: %s\n", error.what());
    return 1;
  }
  return 0;
}
