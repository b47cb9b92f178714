// kill -9 at each of the eight steps, between the HSM's reply and the seal, and before, during and
// after every COMMIT: one identity a ticket, the same bytes again, no place of a quota lost.
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cstdlib>
#include <fstream>
#include <iostream>
#include <iterator>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "assay/v1/lot.grpc.pb.h"
#include "tests/chaos/hsm_faults/assayd_process.h"
#include "tests/chaos/kill_points/stations.h"
#include "tests/integration/office.h"
#include "tests/support/postgres_fixture.h"

namespace assay::chaos {
namespace {

using integration::Context;
using integration::kLine;
using integration::kOperator;
using integration::Office;
using test_support::PostgresCluster;
using Channels = std::vector<std::shared_ptr<grpc::Channel>>;

constexpr char kKeys[] = "by-server", kCsrs[] = "by-csr", kImages[] = "with-images", kFew[] = "few";
constexpr uint64_t kFewPlaces = 60;

struct Point {
  const char* name;
  int time;  // at which the program ends
};
// The eight steps end at the first eight; the rest is between them.
constexpr Point kPoints[] = {{"admit", 7},
                             {"ticket", 6},
                             {"claim", 6},
                             {"build", 6},
                             {"intent", 6},
                             {"sign", 6},
                             {"verify", 6},
                             {"seal", 6},
                             {"image signed", 3},
                             {"answered", 6},
                             {"intent before commit", 2},
                             {"intent during commit", 2},
                             {"intent after commit", 2},
                             {"seal before commit", 2},
                             {"seal during commit", 2},
                             {"seal after commit", 2},
                             {"confirm before commit", 1},
                             {"confirm during commit", 1},
                             {"confirm after commit", 1}};

int Rounds() {
  const char* const text = std::getenv("ASSAY_KILL_ROUNDS");
  return text == nullptr ? 1 : std::atoi(text);
}

std::string Sql(const std::string& statement) {
  const auto value = PostgresCluster::Execute(Office::Shared().dsn(), statement);
  EXPECT_TRUE(value.ok()) << statement << ": " << value.status();
  return value.ok() ? *value : "";
}

void AwaitSql(const std::string& statement, const std::string& wanted) {
  for (int i = 0; i < 3000; ++i) {
    if (Sql(statement) == wanted) return;
    std::this_thread::sleep_for(std::chrono::milliseconds(40));
  }
  FAIL() << "never " << wanted << ": " << statement;
}

class KillPoints : public testing::Test {
 protected:
  KillPoints() {
    Office& office = Office::Shared();
    v1::ProductSpec light = office.Light();
    office.OpenLot(kKeys, light, 1'000'000);
    office.OpenLot(kFew, light, kFewPlaces);
    light.mutable_dac()->set_attestation(v1::ATTESTATION_CSR);
    office.OpenLot(kCsrs, light, 1'000'000);
    office.OpenLot(kImages, office.Light(), 1'000'000);
    office.Stop();
    std::ifstream file(office.config_path());
    config_.assign(std::istreambuf_iterator<char>(file), {});
    config_ = absl::StrReplaceAll(
        config_,
        {{"listen: localhost:0", "listen: localhost:PORT"},
         {"metrics: {listen: '127.0.0.1:0'}", "metrics: {listen: '127.0.0.1:METRICS_PORT'}"},
         {"  pool: 6\n", "  pool: 6\n  compact_identities: true\n"},
         {"health_interval: 200ms,", "health_interval: 200ms, lease: 2s,"}});
    if (HasFailure()) return;
    survivor_ = Start(ASSAY_BINARY_DIR "/bin/assayd", {.name = "survivor"});
    survivor_channel_ = ChannelTo(*survivor_);
  }

  std::unique_ptr<AssaydProcess> Start(const std::string& program, const AssaydOptions& options) {
    return std::make_unique<AssaydProcess>(program, Office::Shared().folder().string(), config_,
                                           options);
  }
  std::shared_ptr<grpc::Channel> ChannelTo(const AssaydProcess& assayd,
                                           const std::string& uri = kLine) {
    const auto identity = Office::Shared().pki().Client(uri);
    grpc::SslCredentialsOptions options;
    options.pem_root_certs = Office::Shared().pki().ca();
    options.pem_private_key = identity.key;
    options.pem_cert_chain = identity.certificate;
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    return grpc::CreateCustomChannel(absl::StrCat("localhost:", assayd.port()),
                                     grpc::SslCredentials(options), arguments);
  }
  Channels Replicas() {
    const std::lock_guard lock(mutex_);
    if (struck_channel_ == nullptr) return {survivor_channel_};
    return {struck_channel_, survivor_channel_};
  }
  void SetStruck(std::shared_ptr<grpc::Channel> channel) {
    const std::lock_guard lock(mutex_);
    struck_channel_ = std::move(channel);
  }
  // A replica that ends at that point, under load; returns when it has.
  void Strike(const Point& point) {
    AssaydOptions options{.name = "struck"};
    options.environment = {{"ASSAY_STRIKE", absl::StrCat(point.name, ":", point.time)}};
    const auto assayd = Start(ASSAY_STRUCK, options);
    SetStruck(ChannelTo(*assayd));
    for (int i = 0; assayd->Alive(); ++i) {
      ASSERT_LT(i, 6000) << "never came to: " << point.name;
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    siginfo_t ended{};
    waitid(P_PID, static_cast<id_t>(assayd->pid()), &ended, WEXITED | WNOHANG | WNOWAIT);
    EXPECT_EQ(ended.si_code, CLD_KILLED) << point.name;
    EXPECT_EQ(ended.si_status, SIGKILL) << point.name;
    ++kills_;
  }
  void CheckAgain(const Stations& stations, const Channels& replicas);
  void CheckBooks(const Stations& stations);
  void RunFsck();

  std::string config_;
  std::unique_ptr<AssaydProcess> survivor_;
  std::mutex mutex_;
  std::shared_ptr<grpc::Channel> survivor_channel_, struck_channel_;
  int kills_ = 0, lost_ = 0, over_ = 0, more_ = 0;
};

// From every replica the same bytes, and the digest alone of what was confirmed.
void KillPoints::CheckAgain(const Stations& stations, const Channels& replicas) {
  for (const auto& replica : replicas) {
    const auto stub = v1::IssuanceService::NewStub(replica);
    for (const auto& [name, held] : stations.held()) {
      v1::IssueResponse again;
      const grpc::Status status = stub->Issue(Context().get(), held.request, &again);
      if (held.confirmed) {
        EXPECT_EQ(integration::ReasonIn(status), "IDENTITY_WIPED") << name;
        if (status.error_message().find(held.device_id) == std::string::npos) ++lost_;
      } else if (!status.ok() || again.identity().SerializeAsString() != held.bytes) {
        ADD_FAILURE() << name << ": " << status.error_message();
        ++lost_;
      }
    }
  }
}

void KillPoints::CheckBooks(const Stations& stations) {
  AwaitSql("SELECT count(*) FROM open_intents", "0");
  EXPECT_EQ(Sql("SELECT count(*) FROM (SELECT a.lot_id, a.ticket FROM devices d JOIN attempts a ON "
                "a.id = d.attempt_id WHERE a.live GROUP BY 1, 2 HAVING count(*) > 1) q"),
            "0");
  EXPECT_EQ(Sql("SELECT count(*) - count(DISTINCT dac_serial) FROM attempts"), "0")
      << "a serial number was used twice";
  // What was sealed and never heard of is held by its ticket, which somebody asked for again.
  EXPECT_EQ(Sql("SELECT count(*) FROM devices"),
            absl::StrCat(stations.held().size() + static_cast<size_t>(more_)));
  over_ = std::atoi(Sql(absl::StrCat("SELECT count(*) - ", kFewPlaces,
                                     " FROM devices d JOIN attempts a ON a.id = d.attempt_id JOIN "
                                     "lots l ON l.id = a.lot_id WHERE l.name = '",
                                     kFew, "'"))
                        .c_str());
  EXPECT_EQ(over_, 0) << "of the lot with few places";
  // Attempts that died are listed.
  uint64_t listed = 0;
  const auto lots = v1::LotService::NewStub(ChannelTo(*survivor_, kOperator));
  for (const char* lot : {kKeys, kCsrs, kImages, kFew}) {
    v1::ReconcileLotRequest request;
    request.set_lot(lot);
    v1::ReconcileLotResponse account;
    const grpc::Status status = lots->ReconcileLot(Context().get(), request, &account);
    ASSERT_TRUE(status.ok()) << status.error_message();
    listed += account.total().voided();
    EXPECT_EQ(account.claimed(), account.total().issued()) << lot;
  }
  EXPECT_EQ(absl::StrCat(listed), Sql("SELECT count(*) FROM attempts WHERE NOT live"));
  EXPECT_GT(listed, 0u);
  std::cout << "attempts that died: " << listed << "\n";
}

void KillPoints::RunFsck() {
  AwaitSql(
      "SELECT (SELECT count(*) FROM ledger_entries WHERE seq IS NULL) + (SELECT h.size - "
      "coalesce((SELECT max(size) FROM ledger_checkpoints), 0) FROM ledger_head h)",
      "0");
  const Office& office = Office::Shared();
  const std::string report = (office.folder() / "fsck.txt").string();
  const int status = std::system(absl::StrCat(ASSAY_BINARY_DIR "/bin/assay-fsck --config ",
                                              office.config_path(), " >", report, " 2>&1")
                                     .c_str());
  std::ifstream file(report);
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << "assay-fsck is not clean\n" << text;
}

TEST_F(KillPoints, WhereverAssaydIsKilledEachTicketHasOneIdentity) {
  ASSERT_FALSE(HasFailure());
  Stations stations([this] { return Replicas(); });
  stations.Single(kKeys, "single");
  stations.Single(kKeys, "another");
  stations.Single(kCsrs, "csr", [](v1::IssueRequest& request) { request.set_csr(Office::Csr()); });
  stations.Single(kImages, "image");
  stations.Stream(kKeys, "stream");
  stations.Pair(kKeys, "pair");
  stations.Few(kFew, "few");
  for (int round = 0; round < Rounds() && !HasFailure(); ++round) {
    for (Point point : kPoints) {
      point.time += round;
      Strike(point);
      if (HasFatalFailure()) break;
    }
  }
  const auto healed = Start(ASSAY_BINARY_DIR "/bin/assayd", {.name = "healed"});
  SetStruck(ChannelTo(*healed));
  stations.Stop();
  // The lot with few places: whatever the dead attempts held is given out, and not one more.
  AwaitSql("SELECT count(*) FROM open_intents", "0");
  const auto stub = v1::IssuanceService::NewStub(survivor_channel_);
  for (int n = 0;; ++n) {
    v1::IssueResponse response;
    const auto request = Office::Request(kFew, absl::StrCat("last-", n));
    const grpc::Status status = stub->Issue(Context().get(), request, &response);
    if (!status.ok()) {
      EXPECT_EQ(integration::ReasonIn(status), "QUOTA_EXCEEDED") << status.error_message();
      break;
    }
    ++more_;
  }
  CheckAgain(stations, {survivor_channel_, ChannelTo(*healed)});
  EXPECT_EQ(stations.doubled(), 0);
  EXPECT_EQ(lost_, 0);
  CheckBooks(stations);
  RunFsck();
  std::cout << "kill points: faults injected " << kills_ << ", identities issued "
            << stations.held().size() + static_cast<size_t>(more_) << ", lost " << lost_
            << ", doubled " << stations.doubled() << ", over quota " << over_ << "; fsck "
            << (HasFailure() ? "see above" : "clean") << "\n  refusals:";
  for (const auto& [reason, count] : stations.Refused()) std::cout << " " << reason << " " << count;
  std::cout << "\n";
}

// An attacker who can set assayd's environment must not be able to end it so.
TEST(Testpoints, TheProgramsThatShipHaveNone) {
  for (const char* const program : {"assayd", "assay", "assay-fsck"}) {
    std::ifstream file(absl::StrCat(ASSAY_BINARY_DIR "/bin/", program), std::ios::binary);
    const std::string bytes{std::istreambuf_iterator<char>(file), {}};
    if (bytes.empty()) continue;
    EXPECT_EQ(bytes.find("ASSAY_STRIKE"), std::string::npos) << program;
    EXPECT_EQ(bytes.find("ReachTestpoint"), std::string::npos) << program;
  }
  std::ifstream file(ASSAY_STRUCK, std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(file), {}};
  EXPECT_NE(bytes.find("ASSAY_STRIKE"), std::string::npos);
}

}  // namespace
}  // namespace assay::chaos
