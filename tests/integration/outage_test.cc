// Token and database away, wrong PIN, missing key, new certificates, drain: refusals with a hint,
// and healing.
#include <gmock/gmock.h>

#include <cstdlib>
#include <thread>

#include "tests/integration/office.h"
#include "tests/support/postgres_fixture.h"

namespace assay::integration {
namespace {

class OutageTest : public ::testing::Test {
 protected:
  grpc::Status Issue(const std::string& lot, const std::string& ticket) {
    v1::IssueResponse response;
    return office.Issue(Office::Request(lot, ticket), &response);
  }
  // Ready means that the parts answer again; a connection that died idle may still cost a try.
  void IssueAfterHealing(const std::string& lot, const std::string& ticket) {
    grpc::Status status;
    for (int tries = 0; tries < 10; ++tries) {
      status = Issue(lot, ticket);
      if (status.ok()) return;
    }
    FAIL() << status.error_message();
  }
  Office& office = Office::Shared();
};

TEST_F(OutageTest, TheDatabaseGoesAndComesBackWithoutARestart) {
  office.OpenLot("db", office.Light(), 5);
  ASSERT_TRUE(Issue("db", "t-1").ok());
  auto& cluster = test_support::PostgresCluster::Shared();
  ASSERT_TRUE(cluster.Stop(true).ok());
  const grpc::Status status = Issue("db", "t-2");
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(ReasonIn(status), "STORE_UNAVAILABLE");
  EXPECT_TRUE(HasRetryInfo(status));
  office.AwaitReady(false);
  ASSERT_TRUE(cluster.StartAgain().ok());
  office.AwaitReady();
  IssueAfterHealing("db", "t-2");
  EXPECT_EQ(office.LotNow("db").sealed(), 2u);
}

TEST_F(OutageTest, ADaemonStartsWithoutItsDatabaseAndHeals) {
  auto& cluster = test_support::PostgresCluster::Shared();
  office.Stop();
  ASSERT_TRUE(cluster.Stop(false).ok());
  ASSERT_TRUE(office.StartAgain().ok());
  EXPECT_FALSE(office.daemon().Ready());
  ASSERT_TRUE(cluster.StartAgain().ok());
  office.AwaitReady();
  office.OpenLot("db-later", office.Light(), 1);
  IssueAfterHealing("db-later", "t-1");
}

TEST_F(OutageTest, TheTokenGoesAndComesBackWithoutARestart) {
  office.OpenLot("hsm", office.Light(), 5);
  ASSERT_TRUE(Issue("hsm", "t-1").ok());
  office.hsm().TakeStoreAway();
  const grpc::Status status = Issue("hsm", "t-2");
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE) << status.error_message();
  EXPECT_THAT(ReasonIn(status), ::testing::StartsWith("HSM_"));
  EXPECT_TRUE(HasRetryInfo(status));
  office.AwaitReady(false);
  EXPECT_EQ(office.LotNow("hsm").claimed(), 1u);
  office.hsm().GiveStoreBack();
  office.AwaitReady();
  IssueAfterHealing("hsm", "t-2");
  EXPECT_EQ(office.LotNow("hsm").sealed(), 2u);
}

TEST_F(OutageTest, AWrongPinIsTriedOnceAndHealsWhenTheFileIsRight) {
  office.OpenLot("pin", office.Light(), 9);
  office.Stop();
  office.hsm().WritePin("000000");
  ASSERT_TRUE(office.StartAgain().ok());
  office.AwaitReady(false);
  // Until the process has tried to look at the ledger it cannot know what keeps it from it.
  while (ReasonIn(Issue("pin", "t-0")) == "LEDGER_PENDING") std::this_thread::yield();
  for (int i = 0; i < 5; ++i) {
    const grpc::Status status = Issue("pin", "t-" + std::to_string(i));
    EXPECT_THAT(ReasonIn(status), ::testing::StartsWith("HSM_")) << status.error_message();
  }
  EXPECT_FALSE(office.daemon().Ready());
  office.hsm().WritePin(office.hsm().pin());
  office.AwaitReady();  // a locked token would never become ready
}

TEST_F(OutageTest, AMissingKeyIsNamedAndCostsNoQuota) {
  const v1::Pai pai = office.MakePai("pai-lost", 0xFFF3);
  v1::ProductSpec spec = office.Light();
  spec.set_vendor_id(0xFFF3);
  spec.set_certification_declaration(office.Declaration(0xFFF3, 0x8000));
  office.OpenLot("lost-key", spec, 2);
  ASSERT_TRUE(Issue("lost-key", "t-1").ok());
  // By another program, as an administrator's slip would be.
  const std::string erase = "pkcs11-tool --module " + test_support::SoftHsm::ModulePath() +
                            " --token-label assay --login --pin " + office.hsm().pin() +
                            " --delete-object --type privkey --label " + pai.key_label() +
                            " >/dev/null 2>&1";
  ASSERT_EQ(std::system(erase.c_str()), 0);
  const grpc::Status status = Issue("lost-key", "t-2");
  EXPECT_EQ(ReasonIn(status), "HSM_KEY_MISSING") << status.error_message();
  EXPECT_TRUE(HasRetryInfo(status));
  EXPECT_EQ(office.LotNow("lost-key").claimed(), 1u);
}

TEST_F(OutageTest, ASchemaOfAnotherProgramRefusesToStart) {
  ops::Config config = office.config();
  config.database.dsn = test_support::PostgresCluster::Shared().NewDatabase();
  office.Stop();
  const auto daemon = app::Daemon::Start(config);
  EXPECT_FALSE(daemon.ok());
  EXPECT_THAT(std::string(daemon.status().message()), ::testing::HasSubstr("database"));
  ASSERT_TRUE(office.StartAgain().ok());
  office.AwaitReady();
}

TEST_F(OutageTest, NewTlsFilesServeNewHandshakesAndBadOnesChangeNothing) {
  const auto write = [&](const char* name, const std::string& text) {
    test_support::WritePrivateFile((office.folder() / name).string(), text);
  };
  const auto call = [&](const test_support::TestPki& server_of,
                        const test_support::TestPki& client_of) {
    v1::Server server;
    const auto channel = office.Channel(client_of.Client(kOperator), server_of.ca());
    return v1::CatalogService::NewStub(channel)->GetServer(Context().get(), {}, &server).ok();
  };
  write("server.pem", "no certificate");
  EXPECT_FALSE(office.daemon().Reload(office.config()).ok());
  EXPECT_TRUE(call(office.pki(), office.pki()));

  const test_support::TestPki next;
  const test_support::TlsIdentity server = next.Server();
  write("server.pem", server.certificate);
  EXPECT_FALSE(office.daemon().Reload(office.config()).ok());  // the key is still the old one's
  write("server.key", server.key);
  write("ca.pem", next.ca());
  ASSERT_TRUE(office.daemon().Reload(office.config()).ok());
  EXPECT_TRUE(call(next, next));
  EXPECT_FALSE(call(next, office.pki()));

  const test_support::TlsIdentity old = office.pki().Server();
  write("server.pem", old.certificate);
  write("server.key", old.key);
  write("ca.pem", office.pki().ca());
  ASSERT_TRUE(office.daemon().Reload(office.config()).ok());
  EXPECT_TRUE(call(office.pki(), office.pki()));
}

TEST_F(OutageTest, GrantsAreReloadedWithoutARestartAlsoForAnOpenStream) {
  office.OpenLot("regranted", office.Light(), 5);
  const auto stub = v1::IssuanceService::NewStub(office.ChannelAs(kLine));
  const auto context = Context();
  const auto stream = stub->IssueStream(context.get());
  v1::IssueStreamResponse answer;
  ASSERT_TRUE(stream->Write(Office::Request("regranted", "t-1")));
  ASSERT_TRUE(stream->Read(&answer));
  EXPECT_TRUE(answer.has_issued()) << answer.refused().message();
  ops::Config next = office.config();
  std::erase_if(next.grants, [](const access::Grant& grant) { return grant.identity == kLine; });
  ASSERT_TRUE(office.daemon().Reload(next).ok());
  ASSERT_TRUE(stream->Write(Office::Request("regranted", "t-2")));
  ASSERT_TRUE(stream->Read(&answer));
  EXPECT_EQ(answer.refused().reason(), "CALLER_UNKNOWN");
  stream->WritesDone();
  EXPECT_TRUE(stream->Finish().ok());
  ASSERT_TRUE(office.daemon().Reload(office.config()).ok());
  EXPECT_TRUE(Issue("regranted", "t-2").ok());
}

TEST_F(OutageTest, DrainEndsIdleStreamsWithAHintAndFinishesWhatIsUnderWay) {
  office.OpenLot("drained", office.Light(), 5);
  const auto stub = v1::IssuanceService::NewStub(office.ChannelAs(kLine));
  const auto context = Context();
  const auto stream = stub->IssueStream(context.get());
  v1::IssueStreamResponse answer;
  ASSERT_TRUE(stream->Write(Office::Request("drained", "t-1")));
  ASSERT_TRUE(stream->Read(&answer));
  EXPECT_TRUE(answer.has_issued());
  std::thread draining([&] { office.daemon().Drain(); });
  EXPECT_FALSE(stream->Read(&answer));
  const grpc::Status status = stream->Finish();
  draining.join();
  EXPECT_EQ(ReasonIn(status), "DRAINING") << status.error_message();
  EXPECT_TRUE(HasRetryInfo(status));
  EXPECT_FALSE(office.daemon().Ready());
  office.Stop();
  ASSERT_TRUE(office.StartAgain().ok());
  office.AwaitReady();
  EXPECT_TRUE(Issue("drained", "t-1").ok());
  EXPECT_EQ(office.LotNow("drained").sealed(), 1u);
}

}  // namespace
}  // namespace assay::integration
