#include "tests/chaos/strikes/site.h"

#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <sys/wait.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <iterator>
#include <set>
#include <sstream>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "db/pg/migrate.h"
#include "db/pg/pg_options.h"
#include "tests/support/softhsm_fixture.h"

namespace assay::chaos {
namespace {

using integration::Office;
using test_support::PostgresCluster;

constexpr std::chrono::minutes kNever{10};

int NumberIn(const char* name, int otherwise) {
  const char* text = std::getenv(name);
  return text != nullptr ? std::atoi(text) : otherwise;
}

std::string NewDatabase(PostgresCluster& cluster) {
  pg::PgOptions options;
  options.dsn = cluster.NewDatabase();
  const auto applied = pg::Migrator(options).Apply();
  if (!applied.ok()) throw std::runtime_error(std::string(applied.status().message()));
  return options.dsn;
}

// By ticket, what the database holds: "device_id dac_sha256".
std::map<std::string, std::string> Stored(const std::string& lines) {
  std::map<std::string, std::string> stored;
  std::istringstream text(lines);
  std::string ticket, device, digest;
  while (text >> ticket >> device >> digest) stored[ticket] = absl::StrCat(device, " ", digest);
  return stored;
}

}  // namespace

void AwaitThat(const std::function<bool()>& done, const std::string& what) {
  const auto end = std::chrono::steady_clock::now() + kNever;
  while (!done()) {
    ASSERT_LT(std::chrono::steady_clock::now(), end) << "never: " << what;
    SleepFor(std::chrono::milliseconds(20));
  }
}

std::chrono::milliseconds Hold() {
  return std::chrono::milliseconds(NumberIn("ASSAY_CHAOS_HOLD_MS", 700));
}
void SleepFor(std::chrono::milliseconds time) { std::this_thread::sleep_for(time); }
int Rounds() { return NumberIn("ASSAY_CHAOS_ROUNDS", 1); }

Site::Site(const SiteOptions& options)
    : assayd_options_(options.assayd),
      cluster_(options.cluster != nullptr ? options.cluster : &PostgresCluster::Shared()) {
  office_ = std::make_unique<Office>(NewDatabase(*cluster_));
  gate_ = std::make_unique<test_support::TcpGate>(cluster_->socket_path());
  v1::ProductSpec spec = office_->Light();
  spec.set_spake2p_iterations(options.iterations);
  office_->OpenLot(kLot, spec, options.count);
  office_->Stop();
  config_ = ConfigFor(options);
  AddReplica();
}

Site::~Site() {
  // A gate that is stalled would keep assayd from ending in order.
  gate_->Resume();
  gate_->Shape(0, std::chrono::microseconds(0));
  programs_.clear();
}

AssaydProcess& Site::AddReplica() {
  AssaydOptions options = assayd_options_;
  options.name = absl::StrCat("struck-", programs_.size());
  programs_.push_back(std::make_unique<AssaydProcess>(
      ASSAY_BINARY_DIR "/bin/assayd", office_->folder().string(), config_, options));
  return *programs_.back();
}

std::string Site::ConfigFor(const SiteOptions& options) const {
  std::ifstream file(office_->config_path());
  std::string config{std::istreambuf_iterator<char>(file), {}};
  const std::string dsn = office_->dsn();
  std::string through = dsn;
  const size_t user = through.find("user=");
  through = absl::StrCat("host=127.0.0.1 port=", gate_->port(), " sslmode=disable ",
                         through.substr(user));
  std::string limits = "health_interval: 200ms, drain: 20s";
  for (const std::string& limit : options.limits) absl::StrAppend(&limits, ", ", limit);
  std::vector<std::pair<std::string, std::string>> changes = {
      {"listen: localhost:0", "listen: localhost:PORT"},
      {"metrics: {listen: '127.0.0.1:0'}", "metrics: {listen: '127.0.0.1:METRICS_PORT'}"},
      {"log: {level: error}", "log: {level: info}"},
      {dsn, through},
      {"  pool: 6\n",
       "  pool: 6\n  connect_timeout: 2s\n  statement_timeout: 2s\n  call_timeout: 3s\n"
       "  pool_timeout: 2s\n"},
      {"health_interval: 200ms, drain: 20s", limits}};
  if (!options.module.empty()) {
    changes.emplace_back("module: " + test_support::SoftHsm::ModulePath(),
                         "module: " + options.module);
  }
  for (const auto& [from, to] : changes) {
    if (config.find(from) == std::string::npos) throw std::runtime_error("not there: " + from);
    config = absl::StrReplaceAll(config, {{from, to}});
  }
  return config;
}

std::shared_ptr<grpc::Channel> Site::ChannelTo(int port, const std::string& uri) const {
  const auto identity = office_->pki().Client(uri);
  grpc::SslCredentialsOptions options;
  options.pem_root_certs = office_->pki().ca();
  options.pem_private_key = identity.key;
  options.pem_cert_chain = identity.certificate;
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 500);
  return grpc::CreateCustomChannel(absl::StrCat("localhost:", port), grpc::SslCredentials(options),
                                   arguments);
}

std::string Site::Sql(const std::string& statement) const {
  const auto value = PostgresCluster::Execute(office_->dsn(), statement);
  EXPECT_TRUE(value.ok()) << statement << ": " << value.status();
  return value.ok() ? *value : "";
}

std::string Site::SqlElsewhere(const std::string& statement) const {
  const auto value = PostgresCluster::Execute(cluster_->Dsn(), statement);
  EXPECT_TRUE(value.ok()) << statement << ": " << value.status();
  return value.ok() ? *value : "";
}

void Site::EndConnections() const {
  Sql("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
      "WHERE datname = current_database() AND pid <> pg_backend_pid()");
}

void Site::RunFsck() const {
  const std::string report = (office_->folder() / "fsck.txt").string();
  const std::string command = absl::StrCat(ASSAY_BINARY_DIR "/bin/assay-fsck --config ",
                                           office_->config_path(), " >", report, " 2>&1");
  const int status = std::system(command.c_str());
  std::ifstream file(report);
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << "assay-fsck is not clean\n" << text;
}

void Site::Judge(const std::string& name, const std::vector<Shift*>& shifts) {
  for (Shift* shift : shifts) shift->Stop();
  for (const auto& program : programs_) {
    EXPECT_TRUE(program->Alive()) << "assayd ended";
    AwaitThat([&] { return program->Ready(); }, "ready");
  }
  AwaitThat(
      [&] {
        return Sql("SELECT (SELECT count(*) FROM ledger_entries WHERE seq IS NULL) + (SELECT "
                   "h.size "
                   "- coalesce((SELECT max(size) FROM ledger_checkpoints), 0) FROM ledger_head "
                   "h)") == "0";
      },
      "every entry signed");
  RunFsck();
  size_t issued = 0, lost = 0, doubled = 0;
  std::set<std::string> devices, serials;
  std::string refusals;
  for (const Shift* shift : shifts) {
    const auto stored = Stored(Sql(absl::StrCat(
        "SELECT string_agg(a.ticket || ' ' || a.device_id || ' ' || encode(d.dac_sha256, 'hex'), "
        "E'\\n') FROM devices d JOIN attempts a ON a.id = d.attempt_id JOIN lots l ON l.id = "
        "a.lot_id WHERE a.live AND l.name = '",
        shift->lot(), "'")));
    issued += shift->given().size();
    doubled += static_cast<size_t>(shift->differed());
    for (const auto& [ticket, given] : shift->given()) {
      const auto found = stored.find(ticket);
      const std::string held = absl::StrCat(given.device_id, " ", given.dac_sha256);
      if (found == stored.end() || found->second != held) ++lost;
      if (!devices.insert(given.device_id).second) ++doubled;
      if (!serials.insert(given.dac_serial).second) ++doubled;
    }
    for (const auto& [reason, count] : shift->Refused()) {
      absl::StrAppend(&refusals, " ", reason, " ", count);
    }
  }
  doubled += static_cast<size_t>(std::atoi(Sql("SELECT count(*) FROM (SELECT a.lot_id, a.ticket "
                                               "FROM devices d JOIN attempts a ON a.id = "
                                               "d.attempt_id GROUP BY 1, 2 HAVING count(*) > 1) q")
                                               .c_str()));
  const int over = std::atoi(
      Sql("SELECT coalesce(sum(greatest(0, a.live - c.capacity)), 0) FROM lot_claims c JOIN "
          "(SELECT "
          "lot_id, count(*) AS live FROM attempts WHERE live GROUP BY 1) a USING (lot_id)")
          .c_str());
  EXPECT_GT(issued, 0u);
  EXPECT_EQ(lost, 0u);
  EXPECT_EQ(doubled, 0u);
  EXPECT_EQ(over, 0);
  std::cout << name << ": faults injected " << faults_ << ", identities issued " << issued
            << ", lost " << lost << ", doubled " << doubled << ", over quota " << over << "; fsck "
            << (testing::Test::HasFailure() ? "see above" : "clean")
            << "\n  refusals:" << (refusals.empty() ? " none" : refusals) << "\n";
}

}  // namespace assay::chaos
