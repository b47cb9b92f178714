// Faults between the store and PostgreSQL: refused clearly, nothing lost, healed without a restart.
#include <gtest/gtest.h>

#include <fstream>
#include <thread>

#include "absl/strings/str_cat.h"
#include "base/refusal.h"
#include "db/pg/migrate.h"
#include "db/pg/pg_store.h"
#include "tests/support/postgres_fixture.h"
#include "tests/support/refused.h"
#include "tests/support/store_fixture.h"
#include "tests/support/store_samples.h"
#include "tests/support/tcp_gate.h"

namespace assay::pg {
namespace {

using State = db::TicketView::State;
using test_support::NewMigratedDatabase;
using test_support::OpenSampleLot;
using test_support::PostgresCluster;
using test_support::SampleIntent;
using test_support::SampleSeal;
using test_support::TcpGate;

absl::StatusOr<int64_t> Claim(db::Store& store, const db::Intent& intent) {
  return store.RecordIntents({&intent, 1}, "replica-a")[0];
}

State StateOf(db::Store& store, int64_t lot, const std::string& ticket) {
  const db::TicketKey key{lot, ticket};
  const auto view = store.FindTickets({&key, 1})[0];
  EXPECT_TRUE(view.ok()) << view.status();
  return view.ok() ? view->state : State::kNew;
}

void Execute(const PgOptions& options, const std::string& sql) {
  const auto done = PostgresCluster::Execute(options.dsn, sql);
  EXPECT_TRUE(done.ok()) << done.status();
}

// A store that reaches its database through a gate, and one beside it that does not.
class Gated : public testing::Test {
 protected:
  Gated() {
    PgOptions through = direct_options_;
    // The last host and port named are the ones that count.
    through.dsn += absl::StrCat(" host=127.0.0.1 port=", gate_.port());
    through.call_timeout = std::chrono::milliseconds(700);
    through.statement_timeout = std::chrono::milliseconds(500);
    through.connect_timeout = std::chrono::seconds(2);
    store_ = OpenStore(through);
    EXPECT_TRUE(store_->RenewLease("replica-a", std::chrono::hours(1)).ok());
    lot_ = OpenSampleLot(*direct_, "lot-1", 5);
  }

  uint64_t Claimed() { return direct_->FindLot("lot-1")->claimed; }

  PgOptions direct_options_ = NewMigratedDatabase();
  std::shared_ptr<db::Store> direct_ = OpenStore(direct_options_);
  TcpGate gate_{PostgresCluster::Shared().socket_path()};
  std::shared_ptr<db::Store> store_;
  int64_t lot_ = 0;
};

TEST_F(Gated, AConnectionCutBeforeCommitArrivesIsInDoubtAndNothingHappened) {
  gate_.When("COMMIT", TcpGate::Act::kCutBefore);
  EXPECT_REFUSED(Claim(*store_, SampleIntent(lot_, "t1")).status(), STORE_IN_DOUBT);
  EXPECT_TRUE(gate_.Happened());
  // Asking again by the ticket resolves it.
  EXPECT_TRUE(Claim(*store_, SampleIntent(lot_, "t1")).ok());
  EXPECT_EQ(Claimed(), 1u);
}

TEST_F(Gated, AConnectionCutWhileCommittingIsInDoubtAndTheTicketTellsWhichWay) {
  const db::Intent intent = SampleIntent(lot_, "t1");
  gate_.When("COMMIT", TcpGate::Act::kCutAfter);
  EXPECT_REFUSED(Claim(*store_, intent).status(), STORE_IN_DOUBT);
  // Waits for the commit that may still be under way, then sees it.
  const auto again = Claim(*store_, SampleIntent(lot_, "t1"));
  EXPECT_TRUE(again.ok() || HasReason(again.status(), Reason::TICKET_IN_FLIGHT)) << again.status();
  EXPECT_EQ(StateOf(*store_, lot_, "t1"), State::kInFlight);
  EXPECT_EQ(Claimed(), 1u);
}

TEST_F(Gated, ALostReplyToCommitIsInDoubtAndTheTicketIsFound) {
  gate_.When("COMMIT", TcpGate::Act::kSwallowReply);
  EXPECT_REFUSED(Claim(*store_, SampleIntent(lot_, "t1")).status(), STORE_IN_DOUBT);
  EXPECT_EQ(StateOf(*store_, lot_, "t1"), State::kInFlight);
  EXPECT_EQ(Claimed(), 1u);
}

TEST_F(Gated, ASealInDoubtIsResolvedBySealingAgain) {
  const db::Intent intent = SampleIntent(lot_, "t1");
  const auto attempt = Claim(*store_, intent);
  ASSERT_TRUE(attempt.ok()) << attempt.status();
  const db::Seal seal = SampleSeal(*attempt, intent);
  for (const auto act : {TcpGate::Act::kCutBefore, TcpGate::Act::kSwallowReply}) {
    gate_.When("COMMIT", act);
    EXPECT_REFUSED(store_->SealTickets({&seal, 1})[0], STORE_IN_DOUBT);
  }
  EXPECT_TRUE(store_->SealTickets({&seal, 1})[0].ok());
  EXPECT_EQ(StateOf(*store_, lot_, "t1"), State::kSealed);
  EXPECT_EQ(direct_->FindLot("lot-1")->sealed, 1u);
}

TEST_F(Gated, ANewConnectionCutInTheMiddleIsUnavailableAndNothingHappened) {
  gate_.CutAll();
  gate_.When("INSERT INTO attempts", TcpGate::Act::kCutBefore);
  const auto refused = Claim(*store_, SampleIntent(lot_, "t1"));
  // The idle connection was dead and replaced; the replacement was cut too.
  EXPECT_REFUSED(refused.status(), STORE_UNAVAILABLE);
  EXPECT_EQ(StateOf(*store_, lot_, "t1"), State::kNew);
  EXPECT_TRUE(Claim(*store_, SampleIntent(lot_, "t1")).ok());
}

TEST_F(Gated, ConnectionsThatDiedIdleAreReplacedUnnoticed) {
  ASSERT_TRUE(Claim(*store_, SampleIntent(lot_, "t1")).ok());
  gate_.CutAll();
  EXPECT_TRUE(Claim(*store_, SampleIntent(lot_, "t2")).ok());
  gate_.CutAll();
  EXPECT_EQ(StateOf(*store_, lot_, "t2"), State::kInFlight);
}

TEST_F(Gated, ANetworkThatSwallowsPacketsIsGivenUp) {
  ASSERT_TRUE(store_->CheckHealth().ok());
  gate_.Stall();
  const auto refused = Claim(*store_, SampleIntent(lot_, "t1"));
  EXPECT_REFUSED(refused.status(), STORE_UNAVAILABLE);
  gate_.Resume();
  EXPECT_TRUE(Claim(*store_, SampleIntent(lot_, "t2")).ok());
}

TEST_F(Gated, ACommitThatIsNeverAnsweredIsInDoubt) {
  gate_.When("COMMIT", TcpGate::Act::kStall);
  EXPECT_REFUSED(Claim(*store_, SampleIntent(lot_, "t1")).status(), STORE_IN_DOUBT);
  gate_.Resume();
  EXPECT_EQ(StateOf(*store_, lot_, "t1"), State::kInFlight);
}

TEST_F(Gated, CutsAtAnyByteLoseNothingAndDoubleNothing) {
  int sealed = 0;
  for (int64_t bytes = 0; bytes < 9000; bytes += 450) {
    const std::string ticket = absl::StrCat("t", bytes);
    const std::string lot_name = absl::StrCat("lot-", bytes);
    const int64_t lot = OpenSampleLot(*direct_, lot_name, 1);
    gate_.CutAll();
    gate_.CutAfterBytes(bytes);
    for (int tries = 0; tries < 8; ++tries) {
      const State state = [&] {
        const db::TicketKey key{lot, ticket};
        const auto view = store_->FindTickets({&key, 1})[0];
        return view.ok() ? view->state : State::kDead;
      }();
      if (state == State::kSealed) break;
      if (state == State::kInFlight) {
        const db::TicketKey key{lot, ticket};
        const auto view = store_->FindTickets({&key, 1})[0];
        if (view.ok()) {
          const db::Void one{view->attempt_id, "STORE_IN_DOUBT"};
          (void)store_->VoidAttempts({&one, 1});
        }
      }
      const db::Intent intent = SampleIntent(lot, ticket);
      const auto attempt = Claim(*store_, intent);
      if (!attempt.ok()) continue;
      const db::Seal seal = SampleSeal(*attempt, intent, 2000);
      while (HasReason(store_->SealTickets({&seal, 1})[0], Reason::STORE_IN_DOUBT)) {
      }
    }
    const auto after = direct_->FindLot(lot_name);
    ASSERT_TRUE(after.ok());
    EXPECT_EQ(after->claimed, 1u);
    EXPECT_EQ(after->sealed, 1u);
    sealed += static_cast<int>(after->sealed);
  }
  EXPECT_EQ(direct_->ListDevices({}, 0, 1000)->size(), static_cast<size_t>(sealed));
}

TEST(StoreFaults, ARestartedServerIsFoundAgain) {
  auto cluster = PostgresCluster::Start();
  ASSERT_TRUE(cluster.ok()) << cluster.status();
  PgOptions options;
  options.dsn = (*cluster)->NewDatabase();
  ASSERT_TRUE(Migrator(options).Apply().ok());
  const auto store = OpenStore(options);
  const int64_t lot = OpenSampleLot(*store, "lot-1", 5);
  ASSERT_TRUE(Claim(*store, SampleIntent(lot, "t1")).ok());
  ASSERT_TRUE((*cluster)->Stop(/*immediate=*/true).ok());
  EXPECT_REFUSED(store->CheckHealth(), STORE_UNAVAILABLE);
  EXPECT_REFUSED(Claim(*store, SampleIntent(lot, "t2")).status(), STORE_UNAVAILABLE);
  ASSERT_TRUE((*cluster)->StartAgain().ok());
  EXPECT_TRUE(store->CheckHealth().ok());
  EXPECT_TRUE(Claim(*store, SampleIntent(lot, "t2")).ok());
  ASSERT_TRUE((*cluster)->Restart(/*immediate=*/false).ok());
  EXPECT_TRUE(Claim(*store, SampleIntent(lot, "t3")).ok());
  EXPECT_EQ(store->FindLot("lot-1")->claimed, 3u);
}

TEST(StoreFaults, TooManyConnectionsAreARefusal) {
  PostgresCluster::Options few;
  few.settings = {"max_connections=4", "superuser_reserved_connections=0"};
  auto cluster = PostgresCluster::Start(few);
  ASSERT_TRUE(cluster.ok()) << cluster.status();
  PgOptions options;
  options.dsn = (*cluster)->NewDatabase();
  ASSERT_TRUE(Migrator(options).Apply().ok());
  std::vector<std::shared_ptr<db::Store>> others;
  for (int i = 0; i < 4; ++i) {
    others.push_back(OpenStore(options));
    ASSERT_TRUE(others.back()->CheckHealth().ok());
  }
  const auto store = OpenStore(options);
  EXPECT_REFUSED(store->CheckHealth(), STORE_UNAVAILABLE);
  others.clear();
  absl::Status health = store->CheckHealth();
  // The server frees the places a moment after the connections have closed.
  while (HasReason(health, Reason::STORE_UNAVAILABLE)) health = store->CheckHealth();
  EXPECT_TRUE(health.ok()) << health;
}

TEST(StoreFaults, ACommitTheStandbyDidNotConfirmIsInDoubt) {
  auto cluster = PostgresCluster::Start();
  ASSERT_TRUE(cluster.ok()) << cluster.status();
  PgOptions options;
  options.dsn = (*cluster)->NewDatabase();
  ASSERT_TRUE(Migrator(options).Apply().ok());
  const auto store = OpenStore(options);
  const int64_t lot = OpenSampleLot(*store, "lot-1", 5);
  {
    std::ofstream config((*cluster)->socket_folder() + "/data/postgresql.conf", std::ios::app);
    config << "synchronous_standby_names='nobody'\n";
  }
  ASSERT_TRUE((*cluster)->Restart(false).ok());
  // What an operator does to a commit that waits for a standby that is gone.
  std::thread operator_of_the_database([&] {
    const std::string cancel =
        "SELECT count(pg_cancel_backend(pid)) FROM pg_stat_activity WHERE wait_event = 'SyncRep'";
    for (;;) {
      const auto cancelled = PostgresCluster::Execute(options.dsn, cancel);
      if (!cancelled.ok() || *cancelled != "0") break;
    }
  });
  EXPECT_REFUSED(Claim(*store, SampleIntent(lot, "t1")).status(), STORE_IN_DOUBT);
  operator_of_the_database.join();
  EXPECT_EQ(StateOf(*store, lot, "t1"), State::kDead);
}

TEST(StoreFaults, AReadOnlyDatabaseIsARefusalAndHeals) {
  const PgOptions options = NewMigratedDatabase();
  const auto store = OpenStore(options);
  const int64_t lot = OpenSampleLot(*store, "lot-1", 5);
  const std::string cut =
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() "
      "AND pid <> pg_backend_pid()";
  const std::string database = options.dsn.substr(options.dsn.find("dbname=") + 7);
  Execute(options,
          absl::StrCat("ALTER DATABASE ", database, " SET default_transaction_read_only = on"));
  Execute(options, cut);
  EXPECT_REFUSED(store->CheckHealth(), STORE_READ_ONLY);
  EXPECT_REFUSED(Claim(*store, SampleIntent(lot, "t1")).status(), STORE_READ_ONLY);
  EXPECT_EQ(StateOf(*store, lot, "t1"), State::kNew);
  // From another database, which still takes writes.
  const auto healed = PostgresCluster::Execute(
      PostgresCluster::Shared().Dsn(),
      absl::StrCat("ALTER DATABASE ", database, " RESET default_transaction_read_only"));
  ASSERT_TRUE(healed.ok()) << healed.status();
  Execute(options, cut);
  EXPECT_TRUE(store->CheckHealth().ok());
  EXPECT_TRUE(Claim(*store, SampleIntent(lot, "t1")).ok());
}

// Makes inserting attempts fail with `state` the first `times` times; sequences count through
// rollbacks.
void FailWith(const PgOptions& options, const std::string& state, int times) {
  Execute(options,
          absl::StrCat(
              "CREATE SEQUENCE tries; CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS "
              "$$ BEGIN IF nextval('tries') <= ",
              times, " THEN RAISE EXCEPTION 'made to fail' USING ERRCODE = '", state,
              "'; END IF; RETURN new; END $$; CREATE TRIGGER fail BEFORE INSERT ON attempts "
              "FOR EACH STATEMENT EXECUTE FUNCTION fail()"));
}

TEST(StoreFaults, ADeadlockIsTriedAgain) {
  const PgOptions options = NewMigratedDatabase();
  const auto store = OpenStore(options);
  const int64_t lot = OpenSampleLot(*store, "lot-1", 5);
  FailWith(options, "40P01", 2);
  const auto attempt = Claim(*store, SampleIntent(lot, "t1"));
  EXPECT_TRUE(attempt.ok()) << attempt.status();
  EXPECT_EQ(store->FindLot("lot-1")->claimed, 1u);
}

TEST(StoreFaults, SerializationFailuresWithoutEndAreGivenUp) {
  const PgOptions options = NewMigratedDatabase();
  const auto store = OpenStore(options);
  const int64_t lot = OpenSampleLot(*store, "lot-1", 5);
  FailWith(options, "40001", 1000);
  EXPECT_REFUSED(Claim(*store, SampleIntent(lot, "t1")).status(), STORE_UNAVAILABLE);
  EXPECT_EQ(*PostgresCluster::Execute(options.dsn, "SELECT last_value FROM tries"), "4");
  EXPECT_EQ(store->FindLot("lot-1")->claimed, 0u);
}

TEST(StoreFaults, AFullDiskRefusesBeforeAnythingIsSigned) {
  const PgOptions options = NewMigratedDatabase();
  const auto store = OpenStore(options);
  const int64_t lot = OpenSampleLot(*store, "lot-1", 5);
  FailWith(options, "53100", 1);
  const auto refused = Claim(*store, SampleIntent(lot, "t1"));
  EXPECT_REFUSED(refused.status(), STORE_UNAVAILABLE);
  EXPECT_NE(refused.status().message().find("53100"), absl::string_view::npos);
  EXPECT_EQ(store->FindLot("lot-1")->claimed, 0u);
  EXPECT_TRUE(Claim(*store, SampleIntent(lot, "t1")).ok());
}

TEST(StoreFaults, RightsThatWereTakenAwayAreNamed) {
  const PgOptions options = NewMigratedDatabase();
  const auto store = OpenStore(options);
  const int64_t lot = OpenSampleLot(*store, "lot-1", 5);
  FailWith(options, "42501", 1);
  const auto refused = Claim(*store, SampleIntent(lot, "t1"));
  EXPECT_REFUSED(refused.status(), STORE_READ_ONLY);
  EXPECT_NE(refused.status().message().find("give its rights back"), absl::string_view::npos);
  EXPECT_EQ(store->FindLot("lot-1")->claimed, 0u);
}

TEST(StoreFaults, ALockThatIsHeldForLongIsGivenUpAndThePoolSaysWhenItIsBusy) {
  PgOptions options = NewMigratedDatabase();
  options.pool_size = 1;
  options.pool_timeout = std::chrono::milliseconds(1);
  options.statement_timeout = std::chrono::milliseconds(600);
  const auto store = OpenStore(options);
  const int64_t lot = OpenSampleLot(*store, "lot-1", 5);
  std::thread holder([&] {
    (void)PostgresCluster::Execute(options.dsn, "BEGIN; LOCK lot_claims; SELECT pg_sleep(30)");
  });
  const std::string sleeping = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'";
  while (*PostgresCluster::Execute(options.dsn, sleeping) == "0") {
  }
  std::thread waiter(
      [&] { EXPECT_REFUSED(Claim(*store, SampleIntent(lot, "t1")).status(), STORE_UNAVAILABLE); });
  const std::string waiting =
      "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'";
  while (*PostgresCluster::Execute(options.dsn, waiting) == "0") {
  }
  const auto crowded = Claim(*store, SampleIntent(lot, "t2"));
  EXPECT_REFUSED(crowded.status(), STORE_UNAVAILABLE);
  EXPECT_NE(crowded.status().message().find("no database connection"), absl::string_view::npos);
  waiter.join();
  Execute(options,
          "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'PgSleep'");
  holder.join();
  EXPECT_TRUE(Claim(*store, SampleIntent(lot, "t1")).ok());
}

TEST(StoreFaults, ThePasswordFileIsReadAtEachConnectAndNeverTold) {
  PgOptions options = NewMigratedDatabase();
  static constexpr char kRight[] = "correct-horse", kWrong[] = "battery-staple";
  Execute(options, absl::StrCat("CREATE ROLE ", PostgresCluster::kPasswordUser,
                                " LOGIN SUPERUSER PASSWORD '", kRight, "'"));
  options.dsn += absl::StrCat(" user=", PostgresCluster::kPasswordUser);
  options.password_file = testing::TempDir() + "assay-db-password";
  const auto write = [&](const char* password) {
    std::ofstream(options.password_file) << password << "\n";
  };
  const auto store = OpenStore(options);
  write(kWrong);
  const absl::Status refused = store->CheckHealth();
  EXPECT_REFUSED(refused, STORE_UNAVAILABLE);
  EXPECT_EQ(refused.ToString().find(kWrong), std::string::npos);
  write(kRight);
  EXPECT_TRUE(store->CheckHealth().ok()) << store->CheckHealth();
  std::remove(options.password_file.c_str());
  EXPECT_REFUSED(OpenStore(options)->CheckHealth(), STORE_UNAVAILABLE);
}

TEST(StoreFaults, WhatTheDatabaseSaysGoesToTheLogAndToNoCaller) {
  PgOptions options;
  options.dsn = "host=/nowhere/secret-socket dbname=secret-name user=secret-user";
  const absl::Status away = OpenStore(options)->CheckHealth();
  EXPECT_REFUSED(away, STORE_UNAVAILABLE);
  EXPECT_EQ(away.ToString().find("secret"), std::string::npos) << away;
  options = NewMigratedDatabase();
  options.dsn += " user=secret-user";
  const absl::Status stranger = OpenStore(options)->CheckHealth();
  EXPECT_REFUSED(stranger, STORE_UNAVAILABLE);
  EXPECT_EQ(stranger.ToString().find("secret"), std::string::npos) << stranger;
}

TEST(StoreFaults, StoresOpenedTogetherShareTheirConnections) {
  PgOptions options = NewMigratedDatabase();
  options.pool_size = 2;
  options = SharePool(options);
  const auto first = OpenStore(options), second = OpenStore(options);
  for (int i = 0; i < 3; ++i) {
    EXPECT_TRUE(first->CheckHealth().ok());
    EXPECT_TRUE(second->CheckHealth().ok());
  }
  EXPECT_EQ(first->Counters().connections, 1);
  EXPECT_EQ(second->Counters().connections, 1);
}

TEST(StoreFaults, AMissingSchemaIsSaidSo) {
  PgOptions options;
  options.dsn = PostgresCluster::Shared().NewDatabase();
  const auto store = OpenStore(options);
  EXPECT_REFUSED(store->CheckHealth(), SCHEMA_MISMATCH);
  EXPECT_REFUSED(Claim(*store, SampleIntent(1, "t1")).status(), SCHEMA_MISMATCH);
  ASSERT_TRUE(Migrator(options).Apply().ok());
  EXPECT_TRUE(store->CheckHealth().ok());
}

}  // namespace
}  // namespace assay::pg
