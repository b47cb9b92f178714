// The line of the failover tests: issues one device after another at a given rate, retries each
// ticket until it is answered, and notes every answer. `assay_line --check` asks for what was noted
// and compares.
#include <CLI/CLI.hpp>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <fstream>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "assay/v1/issuance.grpc.pb.h"
#include "base/bytes.h"
#include "base/refusal.h"
#include "client/connection.h"
#include "client/profile.h"

namespace assay::failover {
namespace {

using Issuance = v1::IssuanceService::Stub;
using std::chrono::milliseconds;

struct Settings {
  std::string profile, lot, prefix = "t-", notes;
  int threads = 2;
  int rate = 20;      // devices a second, of each thread
  int seconds = 600;  // at most; SIGTERM ends it earlier
  bool check = false;
};

std::atomic<bool> ending{false};

int64_t UnixMilliseconds() {
  return std::chrono::duration_cast<milliseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

std::string Name(const absl::Status& status) {
  const auto refusal = RefusalOf(status);
  return refusal ? std::string(ReasonName(refusal->reason))
                 : std::string(absl::StatusCodeToString(status.code()));
}

std::string Fingerprint(const v1::Identity& identity) {
  std::string all = identity.dac() + identity.spake2p_verifier();
  for (const auto& image : identity.images()) all += image.content();
  return ToHex(Sha256(AsBytes(all)));
}

// One attempt a call: the loop here counts the retries itself.
std::shared_ptr<client::Connection> Connect(const Settings& settings) {
  const auto profile = client::FindProfile(settings.profile);
  if (!profile.ok()) {
    std::fprintf(stderr, "%s\n", std::string(profile.status().message()).c_str());
    std::exit(2);
  }
  auto connection = client::Connection::Open(
      *profile, "line", {.each = milliseconds(8000), .in_all = milliseconds(0)});
  if (!connection.ok()) std::exit(2);
  return *connection;
}

class Line {
 public:
  explicit Line(const Settings& settings)
      : settings_(settings),
        connection_(Connect(settings)),
        notes_(settings.notes, std::ios::app) {}

  // The number of tickets that were never answered.
  int Run() {
    std::vector<std::jthread> threads;
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(settings_.seconds);
    for (int i = 0; i < settings_.threads; ++i) {
      threads.emplace_back([this, i, end] {
        Issuance stub(connection_->channel());
        auto next = std::chrono::steady_clock::now();
        for (int number = 1; !ending && next < end; ++number) {
          std::this_thread::sleep_until(next);
          // Late devices are not caught up with: a storm would hide how long the first one waited.
          next = std::max(next, std::chrono::steady_clock::now() - milliseconds(20)) +
                 milliseconds(1000 / settings_.rate);
          IssueOne(stub, settings_.prefix + std::to_string(i) + "-" + std::to_string(number));
        }
      });
    }
    threads.clear();
    std::printf("answered %d unanswered %d retried %d in-doubt %d\n", answered_.load(),
                unanswered_.load(), retried_.load(), in_doubt_.load());
    return unanswered_;
  }

 private:
  void IssueOne(Issuance& stub, const std::string& ticket) {
    v1::IssueRequest request;
    request.set_ticket(ticket);
    request.set_lot(settings_.lot);
    std::string first = "-";
    bool doubted = false;
    const auto give_up = std::chrono::steady_clock::now() + std::chrono::minutes(2);
    for (int attempt = 1; std::chrono::steady_clock::now() < give_up; ++attempt) {
      const auto answer = connection_->Call<Issuance, v1::IssueRequest, v1::IssueResponse>(
          stub, &Issuance::Issue, request);
      if (answer.ok()) {
        Note(ticket, answer->identity(), attempt, first);
        return;
      }
      if (attempt == 1) {
        first = Name(answer.status());
        ++retried_;
      }
      if (!doubted && HasReason(answer.status(), Reason::STORE_IN_DOUBT)) {
        doubted = true;
        ++in_doubt_;
      }
      client::WaitConnecting(*connection_->channel(), milliseconds(100));
    }
    ++unanswered_;
    std::fprintf(stderr, "%s was never answered; first: %s\n", ticket.c_str(), first.c_str());
  }

  void Note(const std::string& ticket, const v1::Identity& identity, int attempts,
            const std::string& first) {
    const std::lock_guard lock(mutex_);
    notes_ << UnixMilliseconds() << ' ' << ticket << ' ' << Fingerprint(identity) << ' '
           << ToHex(AsBytes(identity.dac_serial())) << ' ' << attempts << ' ' << first << std::endl;
    ++answered_;
  }

  const Settings settings_;
  std::shared_ptr<client::Connection> connection_;
  std::mutex mutex_;
  std::ofstream notes_;
  std::atomic<int> answered_{0}, unanswered_{0}, retried_{0}, in_doubt_{0};
};

// Every noted identity is there, and is the same to the byte.
int Check(const Settings& settings) {
  const auto connection = Connect(settings);
  Issuance stub(connection->channel());
  std::ifstream notes(settings.notes);
  std::string time, ticket, fingerprint, serial, rest;
  int good = 0, bad = 0;
  while (notes >> time >> ticket >> fingerprint >> serial && std::getline(notes, rest)) {
    v1::GetSealedRequest request;
    request.set_ticket(ticket);
    request.set_lot(settings.lot);
    const auto answer = connection->Call<Issuance, v1::GetSealedRequest, v1::IssueResponse>(
        stub, &Issuance::GetSealed, request);
    if (answer.ok() && Fingerprint(answer->identity()) == fingerprint) {
      ++good;
      continue;
    }
    ++bad;
    std::fprintf(stderr, "%s: %s\n", ticket.c_str(),
                 answer.ok() ? "other bytes" : Name(answer.status()).c_str());
  }
  std::printf("same %d missing-or-other %d\n", good, bad);
  return bad == 0 && good > 0 ? 0 : 1;
}

}  // namespace
}  // namespace assay::failover

int main(int argc, char** argv) {
  assay::failover::Settings settings;
  CLI::App app{"a line that issues through outages and notes every answer"};
  app.add_option("--profile", settings.profile, "client profile")->required();
  app.add_option("--lot", settings.lot, "the lot")->required();
  app.add_option("--notes", settings.notes,
                 "file of answers: Unix ms, ticket, SHA-256, DAC serial, attempts, first reason")
      ->required();
  app.add_option("--prefix", settings.prefix, "before each ticket's number");
  app.add_option("--threads", settings.threads, "stations")->check(CLI::Range(1, 64));
  app.add_option("--rate", settings.rate, "devices a second of each station")
      ->check(CLI::Range(1, 1000));
  app.add_option("--seconds", settings.seconds, "how long at most; SIGTERM ends it earlier");
  app.add_flag("--check", settings.check, "issue nothing: ask for each noted ticket and compare");
  CLI11_PARSE(app, argc, argv);
  std::signal(SIGTERM, [](int) { assay::failover::ending = true; });
  if (settings.check) return assay::failover::Check(settings);
  return assay::failover::Line(settings).Run() == 0 ? 0 : 1;
}
