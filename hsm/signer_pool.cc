#include "hsm/signer_pool.h"

#include <chrono>
#include <condition_variable>
#include <deque>
#include <future>
#include <list>
#include <map>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/log.h"
#include "base/refusal.h"

namespace assay::hsm {
namespace {

using Steady = std::chrono::steady_clock;
using std::chrono::milliseconds;

// Whether a refusal says something about the device, not about one key or one input.
bool IsDeviceFailure(const absl::Status& status) {
  return !status.ok() && !HasReason(status, Reason::HSM_KEY_MISSING) &&
         !HasReason(status, Reason::HSM_KEY_UNFIT) && !HasReason(status, Reason::HSM_DATA_REJECTED);
}

}  // namespace

// Shared by the pool and every thread it started: a thread that hangs in the token outlives the
// pool.
class SignerPool::Impl : public std::enable_shared_from_this<SignerPool::Impl> {
 public:
  Impl(std::shared_ptr<Token> token, SignerPoolOptions options)
      : token_(std::move(token)), options_(options) {}

  void Start() {
    std::lock_guard lock(mutex_);
    while (live_ < options_.threads && StartWorker()) {
    }
    watch_ = std::thread([self = shared_from_this()] { self->Watch(); });
  }

  void Sign(std::string label, const Sha256Digest& digest, Deadline deadline, Done done) {
    auto job = std::make_shared<Job>();
    job->label = std::move(label);
    job->digest = digest;
    job->at = deadline.at();
    job->done = std::move(done);
    absl::Status refusal;
    {
      std::lock_guard lock(mutex_);
      refusal = Admit(*job);
      if (refusal.ok()) {
        if (job->at != Steady::time_point::max()) job->timer = timers_.emplace(job->at, job);
        waiting_.push_back(job);
        ++queued_;
        work_.notify_one();
        if (job->at < watch_wakes_) watch_wake_.notify_one();
      } else {
        ++counters_.refused_total;
      }
    }
    if (!refusal.ok()) job->done(std::move(refusal));
  }

  SignerPoolCounters Counters() {
    std::lock_guard lock(mutex_);
    SignerPoolCounters counters = counters_;
    counters.queued = queued_;
    counters.busy = static_cast<int>(running_.size());
    counters.stuck = stuck_;
    counters.breaker_open = breaker_open_;
    return counters;
  }

  void Stop() {
    std::vector<std::shared_ptr<Job>> left;
    std::vector<std::thread> threads;
    {
      std::unique_lock lock(mutex_);
      closing_ = true;
      for (const auto& job : waiting_) {
        if (Settle(*job)) left.push_back(job);
      }
      waiting_.clear();
      work_.notify_all();
      idle_.wait(lock, [this] { return live_ == 0; });
      watch_closing_ = true;
      watch_wake_.notify_all();
      threads.swap(ended_);
    }
    for (const auto& job : left) job->done(Refuse(Reason::DRAINING, "the signer pool is closing"));
    for (std::thread& thread : threads) thread.join();
    watch_.join();
  }

 private:
  struct Job;
  using Timers = std::multimap<Steady::time_point, std::shared_ptr<Job>>;

  struct Job {
    std::string label;
    Sha256Digest digest{};
    Steady::time_point at;
    Done done;
    bool settled = false;  // somebody has taken it on himself to call `done`
    bool started = false;
    std::optional<Timers::iterator> timer;
  };
  // A call inside the token; lives on the worker's stack, and is listed until it returns or is
  // given up.
  struct Call {
    Steady::time_point since;
    std::thread* thread = nullptr;
    bool given_up = false;
  };

  absl::Status Admit(const Job& job) {
    if (closing_) return Refuse(Reason::DRAINING, "the signer pool is closing");
    if (job.at <= Steady::now()) {
      return Refuse(Reason::HSM_TIMEOUT, "the deadline had passed before the HSM was asked");
    }
    if (live_ == 0 && stuck_ >= options_.max_stuck_threads) {
      return Refuse(Reason::HSM_UNAVAILABLE, absl::StrCat(stuck_, " calls hang in the HSM"));
    }
    if (breaker_open_ && Steady::now() < next_probe_) return BreakerRefusal();
    if (queued_ >= options_.queue_limit) {
      return Refuse(Reason::OVERLOADED, absl::StrCat(queued_, " signatures wait for the HSM"));
    }
    return absl::OkStatus();
  }

  absl::Status BreakerRefusal() const {
    const auto left = std::chrono::ceil<milliseconds>(next_probe_ - Steady::now());
    return RefuseFor(Reason::HSM_UNAVAILABLE,
                     absl::StrCat("the HSM failed ", failures_, " times in a row; last: ",
                                  absl::string_view(last_failure_.message())),
                     std::max(left, milliseconds(1)));
  }

  // True for the one caller who shall answer the job. Drops it from the clock and the count.
  bool Settle(Job& job) {
    if (job.settled) return false;
    job.settled = true;
    if (!job.started) --queued_;
    if (job.timer) timers_.erase(*job.timer);
    job.timer.reset();
    return true;
  }

  // With mutex_ held. False when the system gives no more threads; the watch tries again.
  bool StartWorker() {
    auto thread = std::make_unique<std::thread>();
    try {
      std::thread* own = thread.get();
      *thread = std::thread([self = shared_from_this(), own] { self->Work(own); });
    } catch (const std::system_error& error) {
      LogError("signer_thread_not_started", {{"error", error.what()}});
      return false;
    }
    ++live_;
    threads_.push_back(std::move(thread));
    return true;
  }

  void Work(std::thread* own) {
    std::unique_lock lock(mutex_);
    while (true) {
      work_.wait(lock, [this] { return closing_ || !waiting_.empty(); });
      if (closing_) break;
      const std::shared_ptr<Job> job = std::move(waiting_.front());
      waiting_.pop_front();
      if (job->settled) continue;
      if (!Serve(job, own, lock)) return;
    }
    --live_;
    TakeOut(own);
    idle_.notify_all();
  }

  // Calls the token for one job. False when this thread was given up meanwhile and has to end.
  bool Serve(const std::shared_ptr<Job>& job, std::thread* own,
             std::unique_lock<std::mutex>& lock) {
    if (breaker_open_) {
      if (Steady::now() < next_probe_) {
        absl::Status refusal = BreakerRefusal();
        Settle(*job);
        ++counters_.refused_total;
        lock.unlock();
        job->done(std::move(refusal));
        lock.lock();
        return true;
      }
      next_probe_ = Steady::now() + milliseconds(options_.breaker_probe_ms);
    }
    job->started = true;
    --queued_;
    Call call{.since = Steady::now(), .thread = own};
    const auto listed = running_.insert(running_.end(), &call);
    lock.unlock();
    absl::StatusOr<RawSignature> signature = token_->Sign(job->label, job->digest);
    lock.lock();
    if (call.given_up) {
      --stuck_;
      LogInfo("signer_thread_returned", {{"stuck", stuck_}});
      if (!closing_ && live_ < options_.threads) StartWorker();
      return false;
    }
    running_.erase(listed);
    Judge(signature.status());
    ++(signature.ok() ? counters_.signed_total : counters_.failed_total);
    const bool answer = Settle(*job);
    lock.unlock();
    if (answer) job->done(std::move(signature));
    lock.lock();
    return true;
  }

  void Judge(const absl::Status& status) {
    if (!status.ok() && options_.on_failure) options_.on_failure(status);
    if (!IsDeviceFailure(status)) {
      if (breaker_open_) LogInfo("hsm_breaker_closed");
      failures_ = 0;
      breaker_open_ = false;
      return;
    }
    last_failure_ = status;
    if (++failures_ < options_.breaker_failures || breaker_open_) return;
    breaker_open_ = true;
    next_probe_ = Steady::now() + milliseconds(options_.breaker_probe_ms);
    LogError("hsm_breaker_opened",
             {{"failures", failures_}, {"last", std::string(status.message())}});
  }

  // With mutex_ held: this thread's handle goes where Stop() joins it.
  void TakeOut(std::thread* own) {
    for (auto it = threads_.begin(); it != threads_.end(); ++it) {
      if (it->get() != own) continue;
      ended_.push_back(std::move(**it));
      threads_.erase(it);
      return;
    }
  }

  void Watch() {
    std::unique_lock lock(mutex_);
    while (!watch_closing_) {
      const auto now = Steady::now();
      std::vector<std::shared_ptr<Job>> late;
      while (!timers_.empty() && timers_.begin()->first <= now) {
        late.push_back(timers_.begin()->second);
        Settle(*late.back());
        ++counters_.timed_out_total;
      }
      GiveUpHungCalls(now);
      while (!closing_ && live_ < options_.threads && stuck_ < options_.max_stuck_threads &&
             StartWorker()) {
      }
      std::vector<std::shared_ptr<Job>> hopeless = HopelessJobs();
      if (!late.empty() || !hopeless.empty()) {
        const int stuck = stuck_;
        lock.unlock();
        for (const auto& job : late) {
          job->done(Refuse(Reason::HSM_TIMEOUT, job->started
                                                    ? "the HSM did not answer before the deadline"
                                                    : "the deadline passed in the HSM's queue"));
        }
        for (const auto& job : hopeless) {
          job->done(Refuse(Reason::HSM_UNAVAILABLE, absl::StrCat(stuck, " calls hang in the HSM")));
        }
        lock.lock();
        continue;
      }
      watch_wakes_ = now + milliseconds(std::max(1, options_.stuck_after_ms / 2));
      if (!timers_.empty()) watch_wakes_ = std::min(watch_wakes_, timers_.begin()->first);
      watch_wake_.wait_until(lock, watch_wakes_);
    }
  }

  void GiveUpHungCalls(Steady::time_point now) {
    for (auto it = running_.begin(); it != running_.end();) {
      Call& call = **it;
      if (now - call.since < milliseconds(options_.stuck_after_ms)) {
        ++it;
        continue;
      }
      call.given_up = true;
      ++stuck_;
      --live_;
      ++counters_.failed_total;
      Judge(Refuse(Reason::HSM_TIMEOUT, "the HSM did not return from a call"));
      LogError("signer_thread_stuck", {{"stuck", stuck_}});
      call.thread->detach();
      for (auto own = threads_.begin(); own != threads_.end(); ++own) {
        if (own->get() == call.thread) {
          threads_.erase(own);
          break;
        }
      }
      it = running_.erase(it);
      idle_.notify_all();
    }
  }

  // With no thread left to serve them and none to come, those who wait are told at once.
  std::vector<std::shared_ptr<Job>> HopelessJobs() {
    std::vector<std::shared_ptr<Job>> jobs;
    if (live_ > 0 || stuck_ < options_.max_stuck_threads) return jobs;
    for (const auto& job : waiting_) {
      if (!Settle(*job)) continue;
      ++counters_.refused_total;
      jobs.push_back(job);
    }
    waiting_.clear();
    return jobs;
  }

  const std::shared_ptr<Token> token_;
  const SignerPoolOptions options_;
  std::mutex mutex_;
  std::condition_variable work_, watch_wake_, idle_;
  std::deque<std::shared_ptr<Job>> waiting_;  // settled ones stay until a worker passes them by
  Timers timers_;
  std::list<Call*> running_;
  std::list<std::unique_ptr<std::thread>> threads_;
  std::vector<std::thread> ended_;
  std::thread watch_;
  Steady::time_point watch_wakes_ = Steady::time_point::max();
  int live_ = 0, queued_ = 0, stuck_ = 0, failures_ = 0;
  bool closing_ = false, watch_closing_ = false, breaker_open_ = false;
  Steady::time_point next_probe_;
  absl::Status last_failure_;
  SignerPoolCounters counters_;
};

SignerPool::SignerPool(std::shared_ptr<Token> token, SignerPoolOptions options)
    : impl_(std::make_shared<Impl>(std::move(token), options)) {
  impl_->Start();
}

SignerPool::~SignerPool() { impl_->Stop(); }

void SignerPool::Sign(std::string label, const Sha256Digest& digest, Deadline deadline, Done done) {
  impl_->Sign(std::move(label), digest, deadline, std::move(done));
}

absl::StatusOr<RawSignature> SignerPool::SignAndWait(std::string label, const Sha256Digest& digest,
                                                     Deadline deadline) {
  // Shared, because the answering thread may still be inside set_value when the waiter goes on.
  auto promise = std::make_shared<std::promise<absl::StatusOr<RawSignature>>>();
  auto answer = promise->get_future();
  impl_->Sign(std::move(label), digest, deadline, [promise](absl::StatusOr<RawSignature> given) {
    promise->set_value(std::move(given));
  });
  return answer.get();
}

SignerPoolCounters SignerPool::Counters() const { return impl_->Counters(); }

}  // namespace assay::hsm
