// A bounded pool of connections that heals by itself.
#pragma once

#include <chrono>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "db/pg/pg_options.h"
#include "db/pg/session.h"
#include "db/store.h"

namespace assay::pg {

// Cuts connections whose call has taken too long: a network that swallows packets never tells
// libpq.
class Watchdog {
 public:
  using Steady = std::chrono::steady_clock;
  Watchdog();
  ~Watchdog();

  // Cuts `session` at `at` unless the returned watch has ended before.
  class Watch {
   public:
    Watch(Watchdog& dog, Session& session, Steady::time_point at);
    ~Watch();
    Watch(const Watch&) = delete;
    Watch& operator=(const Watch&) = delete;

   private:
    Watchdog& dog_;
    std::multimap<Steady::time_point, Session*>::iterator entry_;
    friend class Watchdog;
  };

 private:
  void Run();

  std::mutex mutex_;
  std::condition_variable changed_;
  std::multimap<Steady::time_point, Session*> watched_;
  bool ending_ = false;
  std::thread thread_;
};

enum class Use {
  kIssue,
  kRead,  // lists and exports: never more than half of the pool
};

// Thread-safe.
class Pool {
 public:
  explicit Pool(PgOptions options);
  ~Pool();

  class Lease {
   public:
    Lease(Pool& pool, std::unique_ptr<Session> session, Use use)
        : pool_(&pool), session_(std::move(session)), use_(use) {}
    Lease(Lease&&) = default;
    Lease& operator=(Lease&&) = delete;
    ~Lease();
    Session& operator*() const { return *session_; }
    Session* operator->() const { return session_.get(); }

   private:
    Pool* pool_;
    std::unique_ptr<Session> session_;
    Use use_;
  };

  // Waits for a free connection or opens one. STORE_UNAVAILABLE.
  absl::StatusOr<Lease> Take(Use use);
  // Closes the idle connections: they were opened before a failure that others will share.
  void DropIdle();

  db::PoolCounters Counters() const;
  const PgOptions& options() const { return options_; }
  Watchdog& watchdog() { return watchdog_; }

 private:
  void GiveBack(std::unique_ptr<Session> session, Use use);
  absl::StatusOr<Lease> Open(Use use);

  PgOptions options_;
  Watchdog watchdog_;
  mutable std::mutex mutex_;
  std::condition_variable freed_;
  std::vector<std::unique_ptr<Session>> idle_;
  int open_ = 0;
  int reading_ = 0;
  int waiting_ = 0;
};

// A transaction under way.
class Transaction {
 public:
  explicit Transaction(Session& session) : session_(session) {}
  Rows Run(const Statement& statement, const Params& params = Params()) {
    return session_.Run(statement, params);
  }
  // Nothing was written: roll back instead of committing, which spares a flush.
  void Discard() { discarded_ = !kept_; }
  bool discarded() const { return discarded_; }
  // Something was written that must stay, whatever else turns out to be there already.
  void Keep() { kept_ = true; }

 private:
  Session& session_;
  bool discarded_ = false;
  bool kept_ = false;
};

// The pool of `options`, or a new one.
std::shared_ptr<Pool> PoolOf(PgOptions options);

// Runs `body` in a transaction and commits it when it returns OK; a refusal of `body` rolls back
// and is returned as it is. Runs `body` again, from the beginning, after a serialization failure or
// deadlock (four times at most, with growing random pauses) and after finding that an idle
// connection had died. Failures: see db::Store. A lost COMMIT is STORE_IN_DOUBT and never repeated.
absl::Status Transact(Pool& pool, absl::FunctionRef<absl::Status(Transaction&)> body);

// The same for statements that need no transaction around them.
absl::Status Read(Pool& pool, Use use, absl::FunctionRef<absl::Status(Session&)> body);

}  // namespace assay::pg
