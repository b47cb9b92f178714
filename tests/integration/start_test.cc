// What assayd meets when it starts: certificates out of their time, another token, a read-only
// database, a schema of the future, a clock that is off. And what it says of the whole system.
#include <gmock/gmock.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <signal.h>

#include <fstream>
#include <iterator>
#include <regex>
#include <set>
#include <utility>

#include "assay/v1/system.grpc.pb.h"
#include "tests/integration/assayd_program.h"
#include "tests/integration/office.h"
#include "tests/support/postgres_fixture.h"

namespace assay::integration {
namespace {

using ::testing::HasSubstr;

std::string LoggedUntil(const std::string& config, const std::string& text) {
  return RunningAssayd(config).Logged(text);
}

class StartTest : public ::testing::Test {
 protected:
  using Changes = std::vector<std::pair<std::string, std::string>>;
  std::string Changed(const Changes& changes) {
    std::ifstream file(office.config_path());
    std::string text{std::istreambuf_iterator<char>(file), {}};
    for (const auto& [from, to] : changes) {
      const size_t at = text.find(from);
      EXPECT_NE(at, std::string::npos) << from;
      if (at != std::string::npos) text.replace(at, from.size(), to);
    }
    const std::string path = (office.folder() / "start.yaml").string();
    std::ofstream(path) << text;
    return path;
  }
  std::string WithServerCertificate(int begins_in_seconds, int ends_in_seconds) {
    const auto identity = office.pki().Leaf({.dns = "localhost",
                                             .begins_in_seconds = begins_in_seconds,
                                             .ends_in_seconds = ends_in_seconds});
    test_support::WritePrivateFile((office.folder() / "dated.pem").string(), identity.certificate);
    test_support::WritePrivateFile((office.folder() / "dated.key").string(), identity.key);
    return Changed(
        {{"certificate: server.pem, key: server.key", "certificate: dated.pem, key: dated.key"}});
  }
  Office& office = Office::Shared();
};

TEST_F(StartTest, AnExpiredServerCertificateIsRefusedByItsPath) {
  const Ended ended = RunAssayd("--config " + WithServerCertificate(-7200, -3600));
  EXPECT_EQ(ended.code, 1);
  EXPECT_THAT(ended.output, HasSubstr("tls.certificate"));
  EXPECT_THAT(ended.output, HasSubstr("has expired"));
}

TEST_F(StartTest, AServerCertificateThatIsNotYetValidIsRefusedByItsPath) {
  const Ended ended = RunAssayd("--config " + WithServerCertificate(3600, 7200));
  EXPECT_EQ(ended.code, 1);
  EXPECT_THAT(ended.output, HasSubstr("tls.certificate"));
  EXPECT_THAT(ended.output, HasSubstr("is not yet valid"));
}

TEST_F(StartTest, ACallerThatTrustsAnotherCaTakesNoAnswer) {
  const test_support::TestPki other;
  const auto channel = office.Channel(office.pki().Client(kOperator), other.ca());
  v1::Server server;
  const grpc::Status status =
      v1::CatalogService::NewStub(channel)->GetServer(Context().get(), {}, &server);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE) << status.error_message();
}

TEST_F(StartTest, ATokenOfAnotherSerialIsNotTaken) {
  const std::string path =
      Changed({{"token_label: assay", "token_label: assay\n  token_serial: deadbeef"},
               {"level: error", "level: info"}});
  EXPECT_THAT(LoggedUntil(path, "\"part\":\"hsm\""),
              AllOf(HasSubstr("\"state\":\"ill\""),
                    HasSubstr("no token labelled assay and of serial number deadbeef")));
}

TEST_F(StartTest, ADatabaseThatTakesNoWritesIsNamed) {
  const std::string path =
      Changed({{"dsn: \"" + office.dsn(),
                "dsn: \"" + office.dsn() + " options='-c default_transaction_read_only=on'"},
               {"level: error", "level: info"}});
  EXPECT_THAT(LoggedUntil(path, "takes no writes"), HasSubstr("the database takes no writes"));
}

TEST_F(StartTest, ASchemaOfTheFutureIsRefusedAndNamed) {
  const std::string dsn = test_support::PostgresCluster::Shared().NewDatabase();
  const std::string path = Changed({{"dsn: \"" + office.dsn() + "\"", "dsn: \"" + dsn + "\""}});
  ASSERT_EQ(RunAssayd("migrate --config " + path).code, 0);
  ASSERT_TRUE(test_support::PostgresCluster::Execute(
                  dsn,
                  "INSERT INTO schema_migrations (version, name, checksum, works_with) VALUES "
                  "(9999, '9999_future', sha256('future'), 9999)")
                  .ok());
  for (const char* command : {"", "migrate ", "migrate --dry-run "}) {
    const Ended ended = RunAssayd(std::string(command) + "--config " + path);
    EXPECT_EQ(ended.code, 1) << command;
    EXPECT_THAT(ended.output, HasSubstr("9999_future, which needs a program of schema 9999"));
  }
}

// An expanding migration names the older schema it works with: the program before it serves on.
TEST_F(StartTest, ASchemaOfTheFutureThatWorksWithThisProgramIsServed) {
  const std::string dsn = test_support::PostgresCluster::Shared().NewDatabase();
  const std::string path = Changed(
      {{"dsn: \"" + office.dsn() + "\"", "dsn: \"" + dsn + "\""}, {"level: error", "level: info"}});
  ASSERT_EQ(RunAssayd("migrate --config " + path).code, 0);
  ASSERT_TRUE(test_support::PostgresCluster::Execute(
                  dsn,
                  "INSERT INTO schema_migrations (version, name, checksum, works_with) VALUES "
                  "(9999, '9999_expands', sha256('future'), 1)")
                  .ok());
  EXPECT_THAT(LoggedUntil(path, "\"event\":\"serving\""), HasSubstr("\"event\":\"serving\""));
  EXPECT_THAT(RunAssayd("migrate --config " + path).output, HasSubstr("up to date"));
}

TEST_F(StartTest, ABadFileAtAReloadKeepsTheOldSettingsAndSaysSo) {
  const std::string path = Changed({{"level: error", "level: info"}});
  RunningAssayd serving(path);
  EXPECT_THAT(serving.Logged("\"event\":\"serving\""), HasSubstr("serving"));
  std::ofstream(path, std::ios::app) << "grants: 7\n";
  serving.Send(SIGHUP);
  const std::string said = serving.Logged("reload_refused");
  EXPECT_THAT(said, HasSubstr("grants: is given twice"));
  EXPECT_THAT(said, HasSubstr("the former settings"));
  Changed({{"level: error", "level: info"}});
  serving.Send(SIGHUP);
  EXPECT_THAT(serving.Logged("\"event\":\"reload\""), HasSubstr("\"tls\":\"same\""));
}

TEST_F(StartTest, ACallsTraceIsInItsLogLine) {
  RunningAssayd serving(Changed({{"level: error", "level: info"}}));
  const std::string line = serving.Logged("\"event\":\"serving\"");
  std::smatch port;
  ASSERT_TRUE(std::regex_search(line, port, std::regex("\"port\":([0-9]+)"))) << line;
  const auto identity = office.pki().Client(kOperator);
  const auto stub = v1::CatalogService::NewStub(grpc::CreateChannel(
      "localhost:" + port[1].str(),
      grpc::SslCredentials({office.pki().ca(), identity.key, identity.certificate})));
  const auto call = [&](const char* key, const char* value) {
    const auto context = Context();
    context->AddMetadata(key, value);
    v1::Server server;
    return stub->GetServer(context.get(), {}, &server).ok();
  };
  EXPECT_TRUE(call("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"));
  EXPECT_THAT(serving.Logged("\"event\":\"call\""),
              HasSubstr("\"trace\":\"4bf92f3577b34da6a3ce929d0e0e4736\""));
  EXPECT_TRUE(call("x-request-id", "station-7.42"));
  EXPECT_THAT(serving.Logged("\"event\":\"call\""), HasSubstr("\"trace\":\"station-7.42\""));
}

class ClockOffBy final : public Clock {
 public:
  explicit ClockOffBy(absl::Duration offset) : offset_(offset) {}
  absl::Time Now() const override { return absl::Now() + offset_; }

 private:
  const absl::Duration offset_;
};

TEST_F(StartTest, AReplicaWhoseClockIsAnHourOffIsNotReadyAndSaysSo) {
  // Its certificate is valid by the wrong clock too, so that the clock alone is what is wrong.
  const ClockOffBy late(absl::Hours(1));
  WithServerCertificate(-7200, 24 * 3600);
  ops::Config config = office.config();
  config.tls.certificate = (office.folder() / "dated.pem").string();
  config.tls.key = (office.folder() / "dated.key").string();
  office.Stop();
  {
    app::DaemonParts parts;
    parts.clock = &late;
    const auto daemon = app::Daemon::Start(config, parts);
    ASSERT_TRUE(daemon.ok()) << daemon.status();
    EXPECT_TRUE((*daemon)->AwaitPart("clock", false, std::chrono::minutes(1)));
    EXPECT_FALSE((*daemon)->Ready());
    const std::string figures = (*daemon)->MetricsText();
    EXPECT_THAT(figures, HasSubstr("assay_health{part=\"clock\"} 0"));
    EXPECT_THAT(figures, HasSubstr("assay_clock_offset_seconds 3"));
  }
  ASSERT_TRUE(office.StartAgain().ok());
  office.AwaitReady();
}

TEST_F(StartTest, TheTableOfFiguresHoldsAllThatALiveDaemonExports) {
  office.AwaitReady();
  const std::string table = RunAssayd("metrics-table").output;
  const std::string live = office.daemon().MetricsText();
  const std::regex type("# TYPE (assay_[a-z_]+) ([a-z]+)");
  int figures = 0;
  for (std::sregex_iterator one(live.begin(), live.end(), type), end; one != end; ++one) {
    ++figures;
    EXPECT_THAT(table, HasSubstr("| `" + (*one)[1].str() + "` | " + (*one)[2].str() + " |"));
  }
  EXPECT_GT(figures, 20);
}

TEST_F(StartTest, AnOperatorSeesTheWholeSystemAndALineDoesNot) {
  office.AwaitReady();
  // So that there are signatures to be counted.
  office.OpenLot("counted", office.Light(), 1);
  v1::IssueResponse issued;
  ASSERT_TRUE(office.Issue(Office::Request("counted", "t-1"), &issued).ok());
  v1::SystemStatus status;
  const auto ask = [&](const char* as) {
    return v1::SystemService::NewStub(office.ChannelAs(as))
        ->GetSystem(Context().get(), {}, &status);
  };
  EXPECT_EQ(ReasonIn(ask(kLine)), "ROLE_MISSING");
  ASSERT_TRUE(ask(kAuditor).ok());
  ASSERT_TRUE(ask(kOperator).ok());
  EXPECT_TRUE(status.ready());
  EXPECT_EQ(status.caller(), kOperator);
  std::set<std::string> parts;
  for (const auto& part : status.parts()) {
    EXPECT_TRUE(part.well()) << part.name() << ": " << part.message();
    parts.insert(part.name());
  }
  EXPECT_THAT(parts, ::testing::IsSupersetOf({"store", "hsm", "ledger", "clock"}));
  EXPECT_EQ(status.database().schema(), status.database().schema_known());
  EXPECT_GT(status.hsm().signatures(), 0u);
  EXPECT_TRUE(std::any_of(status.replicas().begin(), status.replicas().end(), [&](const auto& one) {
    return one.instance() == status.instance() && one.lease_left().seconds() >= 0;
  }));
  EXPECT_TRUE(std::any_of(status.endings().begin(), status.endings().end(),
                          [](const auto& one) { return one.what() == "server certificate"; }));
}

}  // namespace
}  // namespace assay::integration
