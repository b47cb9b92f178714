// The place that is struck: the program assayd, on a token of its own, before it a database behind
// a gate; and the verdict over what it issued.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tests/chaos/hsm_faults/assayd_process.h"
#include "tests/chaos/strikes/shift.h"
#include "tests/integration/office.h"
#include "tests/support/postgres_fixture.h"
#include "tests/support/tcp_gate.h"

namespace assay::chaos {

inline constexpr char kLot[] = "struck";

struct SiteOptions {
  // Where the database is; nullptr: the program's own cluster. Must outlive the site.
  test_support::PostgresCluster* cluster = nullptr;
  uint64_t count = 1'000'000;  // of the lot
  uint32_t iterations = 1000;
  // Lines of the configuration under `limits:`, "max_in_flight: 64".
  std::vector<std::string> limits = {};
  // A PKCS#11 module in SoftHSM's place, and lines that follow it.
  std::string module = {};
  AssaydOptions assayd = {};
};

// One lives at a time in a process.
class Site {
 public:
  explicit Site(const SiteOptions& options = {});
  ~Site();

  integration::Office& office() { return *office_; }
  test_support::TcpGate& gate() { return *gate_; }
  AssaydProcess& assayd() { return *programs_.front(); }
  // Another replica on the same database and token.
  AssaydProcess& AddReplica();
  // In order, and waits for its end.
  void StopAll() { programs_.clear(); }

  std::shared_ptr<grpc::Channel> ChannelTo(int port, const std::string& uri) const;
  std::shared_ptr<grpc::Channel> Channel(const std::string& uri = integration::kLine) {
    return ChannelTo(assayd().port(), uri);
  }
  // A value of the database, past the gate; fails the test where the database refuses.
  std::string Sql(const std::string& statement) const;
  // As assayd's role, at the server's own database for maintenance.
  std::string SqlElsewhere(const std::string& statement) const;
  // Ends the connections of the database but for this one.
  void EndConnections() const;
  std::string database() const { return Sql("SELECT current_database()"); }

  // Something was done to the site.
  void CountFault() { ++faults_; }
  // Stops the shift; waits until every replica is ready and every entry signed; runs assay-fsck;
  // and compares what the lines hold with what the database has. Fails the test unless all is clean
  // and nothing was lost, doubled or issued beyond a quota; prints the figures under `name`.
  void Judge(const std::string& name, const std::vector<Shift*>& shifts);

 private:
  std::string ConfigFor(const SiteOptions& options) const;
  void RunFsck() const;

  std::unique_ptr<integration::Office> office_;
  std::unique_ptr<test_support::TcpGate> gate_;
  std::string config_;
  AssaydOptions assayd_options_;
  std::vector<std::unique_ptr<AssaydProcess>> programs_;
  test_support::PostgresCluster* cluster_ = nullptr;
  int faults_ = 0;
};

// Asks until `done`; fails the test after ten minutes, which means never.
void AwaitThat(const std::function<bool()>& done, const std::string& what);

// How long a fault stays: ASSAY_CHAOS_HOLD_MS, or 700 ms.
std::chrono::milliseconds Hold();
void SleepFor(std::chrono::milliseconds time);
// How often a suite's faults are dealt: ASSAY_CHAOS_ROUNDS, or once.
int Rounds();

}  // namespace assay::chaos
