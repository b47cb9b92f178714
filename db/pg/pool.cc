#include "db/pg/pool.h"

#include <algorithm>
#include <random>

#include "absl/strings/str_cat.h"
#include "base/refusal.h"
#include "base/testpoint.h"
#include "db/pg/failure.h"

namespace assay::pg {
namespace {

// A connection is replaced after this, so that load spreads again after a failover.
constexpr std::chrono::minutes kConnectionLife{30};
constexpr int kTries = 4;

// The store's statements that enter devices list them as waiting; the trigger is for all others.
constexpr char kListsWaiting[] = "SET assay.lists_waiting = 'on'";

// A pool that held itself would never end.
PgOptions WithoutPool(PgOptions options) {
  options.pool.reset();
  return options;
}

}  // namespace

Watchdog::Watchdog() : thread_([this] { Run(); }) {}

Watchdog::~Watchdog() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void Watchdog::Run() {
  std::unique_lock lock(mutex_);
  while (!ending_) {
    if (watched_.empty()) {
      changed_.wait(lock);
      continue;
    }
    const auto first = watched_.begin();
    if (first->first > Steady::now()) {
      changed_.wait_until(lock, Steady::time_point(first->first));
      continue;
    }
    // Under the lock, so that the session cannot end meanwhile; then never again for this watch.
    Session* const session = first->second;
    auto node = watched_.extract(first);
    session->Cut();
    node.key() = Steady::time_point::max();
    watched_.insert(std::move(node));
  }
}

Watchdog::Watch::Watch(Watchdog& dog, Session& session, Steady::time_point at) : dog_(dog) {
  const std::lock_guard lock(dog_.mutex_);
  const bool first = dog_.watched_.empty() || at < dog_.watched_.begin()->first;
  entry_ = dog_.watched_.emplace(at, &session);
  if (first) dog_.changed_.notify_all();
}

Watchdog::Watch::~Watch() {
  const std::lock_guard lock(dog_.mutex_);
  dog_.watched_.erase(entry_);
}

Pool::Pool(PgOptions options) : options_(WithoutPool(std::move(options))) {}
Pool::~Pool() = default;

std::shared_ptr<Pool> PoolOf(PgOptions options) {
  if (options.pool != nullptr) return options.pool;
  return std::make_shared<Pool>(std::move(options));
}

PgOptions SharePool(PgOptions options) {
  options.pool = PoolOf(options);
  return options;
}

Pool::Lease::~Lease() {
  if (session_ != nullptr) pool_->GiveBack(std::move(session_), use_);
}

absl::StatusOr<Pool::Lease> Pool::Take(Use use) {
  const int most_reading = std::max(1, options_.pool_size / 2);
  std::unique_lock lock(mutex_);
  const auto free = [&] {
    return (use == Use::kIssue || reading_ < most_reading) &&
           (!idle_.empty() || open_ < std::max(1, options_.pool_size));
  };
  if (!free()) {
    ++waiting_;
    const bool got = freed_.wait_for(lock, options_.pool_timeout, free);
    --waiting_;
    if (!got) {
      return Refuse(Reason::STORE_UNAVAILABLE,
                    absl::StrCat("no database connection came free within ",
                                 options_.pool_timeout.count(), " ms"));
    }
  }
  if (use == Use::kRead) ++reading_;
  if (!idle_.empty()) {
    std::unique_ptr<Session> session = std::move(idle_.back());
    idle_.pop_back();
    session->used_before = true;
    return Lease(*this, std::move(session), use);
  }
  ++open_;
  lock.unlock();
  return Open(use);
}

absl::StatusOr<Pool::Lease> Pool::Open(Use use) {
  try {
    auto session = std::make_unique<Session>(options_);
    session->RunScript(kListsWaiting);
    return Lease(*this, std::move(session), use);
  } catch (const std::exception& thrown) {
    GiveBack(nullptr, use);
    return Classify(thrown, /*committing=*/false, /*alive=*/true).status;
  }
}

void Pool::GiveBack(std::unique_ptr<Session> session, Use use) {
  const bool keep = session != nullptr && session->Usable() &&
                    Session::Steady::now() - session->opened_at() < kConnectionLife;
  {
    const std::lock_guard lock(mutex_);
    if (use == Use::kRead) --reading_;
    if (keep) {
      idle_.push_back(std::move(session));
    } else {
      --open_;
    }
  }
  // All, since a reader that may not go on would swallow a single call.
  freed_.notify_all();
}

void Pool::DropIdle() {
  std::vector<std::unique_ptr<Session>> dropped;
  {
    const std::lock_guard lock(mutex_);
    dropped.swap(idle_);
    open_ -= static_cast<int>(dropped.size());
  }
  freed_.notify_all();
}

db::PoolCounters Pool::Counters() const {
  const std::lock_guard lock(mutex_);
  return {open_, open_ - static_cast<int>(idle_.size()), waiting_};
}

namespace {

void PauseBeforeTry(int number) {
  static thread_local std::minstd_rand random{std::random_device{}()};
  const int most = 4 << number;
  std::this_thread::sleep_for(
      std::chrono::milliseconds(std::uniform_int_distribution<int>(1, most)(random)));
}

// One try of a call on one connection. True when `failure` asks for another.
template <typename Body>
absl::Status Attempt(Pool& pool, Use use, bool& again, int number, Body body) {
  again = false;
  auto lease = pool.Take(use);
  if (!lease.ok()) return lease.status();
  Session& session = **lease;
  bool committing = false;
  Failure failure;
  try {
    const Watchdog::Watch watch(pool.watchdog(), session,
                                Watchdog::Steady::now() + pool.options().call_timeout);
    return body(session, committing);
  } catch (const std::exception& thrown) {
    const bool alive = !session.was_cut() && PQstatus(session.raw()) == CONNECTION_OK;
    failure = Classify(thrown, committing, alive);
  }
  if (session.was_cut()) {
    if (!committing) {
      failure.status = Refuse(Reason::STORE_UNAVAILABLE,
                              absl::StrCat("the database did not answer within ",
                                           pool.options().call_timeout.count(), " ms"));
    }
    return failure.status;
  }
  if (failure.remedy == Remedy::kReconnect) {
    session.Cut();
    again = session.used_before && number + 1 < kTries;
    pool.DropIdle();
  } else if (failure.remedy == Remedy::kRepeat) {
    again = number + 1 < kTries;
    if (again) PauseBeforeTry(number);
  }
  return failure.status;
}

class RollbackUnlessCommitted {
 public:
  explicit RollbackUnlessCommitted(Session& session) : session_(session) {}
  ~RollbackUnlessCommitted() { session_.Rollback(); }
  RollbackUnlessCommitted(const RollbackUnlessCommitted&) = delete;
  RollbackUnlessCommitted& operator=(const RollbackUnlessCommitted&) = delete;

 private:
  Session& session_;
};

}  // namespace

absl::Status Transact(Pool& pool, absl::FunctionRef<absl::Status(Transaction&)> body) {
  const auto once = [&](Session& session, bool& committing) -> absl::Status {
    const RollbackUnlessCommitted rollback(session);
    session.Begin();
    Transaction transaction(session);
    absl::Status status = body(transaction);
    if (!status.ok() || transaction.discarded()) return status;
    session.warned = false;
    committing = true;
    ASSAY_TESTPOINT("before commit");
    ASSAY_TESTPOINT("during commit", [&session] {
      PQsendQuery(session.raw(), "COMMIT");
      PQflush(session.raw());
    });
    session.Commit();
    ASSAY_TESTPOINT("after commit");
    if (session.warned) {
      session.Cut();
      return Refuse(
          Reason::STORE_IN_DOUBT,
          "the database committed with a warning: the standby may not have it; ask again by "
          "the ticket");
    }
    return absl::OkStatus();
  };
  absl::Status status;
  bool again = true;
  for (int number = 0; again; ++number) status = Attempt(pool, Use::kIssue, again, number, once);
  return status;
}

absl::Status Read(Pool& pool, Use use, absl::FunctionRef<absl::Status(Session&)> body) {
  const auto once = [&](Session& session, bool&) { return body(session); };
  absl::Status status;
  bool again = true;
  for (int number = 0; again; ++number) status = Attempt(pool, use, again, number, once);
  return status;
}

}  // namespace assay::pg
