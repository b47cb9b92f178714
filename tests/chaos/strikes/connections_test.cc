// Every connection the server allows is taken by others.
#include <gtest/gtest.h>
#include <libpq-fe.h>

#include <list>

#include "tests/chaos/strikes/site.h"

namespace assay::chaos {
namespace {

using test_support::PostgresCluster;

// Sessions that do nothing but be there.
class Hogs {
 public:
  explicit Hogs(std::string dsn) : dsn_(std::move(dsn)) {}
  ~Hogs() { Leave(); }
  Hogs(const Hogs&) = delete;
  Hogs& operator=(const Hogs&) = delete;

  // Until the server refuses.
  void Come() {
    while (true) {
      PGconn* const one = PQconnectdb(dsn_.c_str());
      if (PQstatus(one) != CONNECTION_OK) {
        said_ = PQerrorMessage(one);
        PQfinish(one);
        return;
      }
      sessions_.push_back(one);
    }
  }
  // Ends everybody else's connections from a session that is inside already.
  void PushOut() {
    PQclear(PQexec(sessions_.front(),
                   "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                   "WHERE application_name <> 'hog' AND backend_type = 'client backend'"));
  }
  void Leave() {
    for (PGconn* session : sessions_) PQfinish(session);
    sessions_.clear();
  }
  const std::string& said() const { return said_; }

 private:
  const std::string dsn_;
  std::list<PGconn*> sessions_;
  std::string said_;
};

TEST(ConnectionLimit, AServerWithoutAFreeConnectionRefusesAndHeals) {
  auto cluster = PostgresCluster::Start({.settings = {"max_connections=30"}});
  ASSERT_TRUE(cluster.ok()) << cluster.status();
  Site site({.cluster = cluster->get()});
  Shift shift({site.Channel()}, {.lot = kLot});
  ASSERT_TRUE(shift.AwaitEachLine());
  for (int round = 0; round < Rounds(); ++round) {
    Hogs hogs((*cluster)->Dsn() + " application_name=hog");
    hogs.Come();
    EXPECT_NE(hogs.said().find("too many clients"), std::string::npos) << hogs.said();
    // They come in again as soon as somebody was pushed out; whoever is faster.
    const auto before = shift.Refused();
    AwaitThat(
        [&] {
          hogs.PushOut();
          hogs.Come();
          return shift.Refused() != before;
        },
        "a line that is refused");
    site.CountFault();
    SleepFor(Hold());
    hogs.Leave();
    ASSERT_TRUE(shift.AwaitEachLine());
  }
  site.Judge("ConnectionLimit", {&shift});
}

}  // namespace
}  // namespace assay::chaos
