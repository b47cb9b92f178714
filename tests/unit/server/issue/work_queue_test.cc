#include "server/issue/work_queue.h"

#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <latch>

namespace assay::issue {
namespace {

using Batch = std::vector<int>;

TEST(WorkQueue, GivesWhatGatheredWhileABatchRanAsTheNextBatch) {
  std::mutex mutex;
  std::vector<Batch> batches;
  std::latch first_runs(1), more_came(1);
  {
    WorkQueue<int> queue(1, {{8, [&](Batch batch) {
                                const bool first = batch.front() == 0;
                                {
                                  const std::lock_guard lock(mutex);
                                  batches.push_back(std::move(batch));
                                }
                                if (!first) return;
                                first_runs.count_down();
                                more_came.wait();
                              }}});
    queue.Push(0, 0);
    first_runs.wait();
    for (int item = 1; item <= 5; ++item) queue.Push(0, item);
    more_came.count_down();
  }
  EXPECT_EQ(batches, (std::vector<Batch>{{0}, {1, 2, 3, 4, 5}}));
}

TEST(WorkQueue, KeepsWhatIsPushedTogetherInOneBatch) {
  std::mutex mutex;
  std::vector<Batch> batches;
  {
    WorkQueue<int> queue(4, {{8, [&](Batch batch) {
                                const std::lock_guard lock(mutex);
                                batches.push_back(std::move(batch));
                              }}});
    queue.PushAll(0, {1, 2, 3, 4, 5, 6});
    queue.PushAll(0, {});
  }
  EXPECT_EQ(batches, (std::vector<Batch>{{1, 2, 3, 4, 5, 6}}));
}

// One kind that gathers until `enough` of it wait or the time given comes, and one that does not,
// on one thread: batches in the order they ran, of the second kind as negative numbers.
struct Gathering {
  using Queue = WorkQueue<int>;

  Gathering(size_t enough, Queue::Steady::time_point until)
      : queue(1, {{4, [this](const Batch& batch) { Note(batch, 1); }, 0,
                   [=](const int&, size_t waiting) {
                     return waiting >= enough ? Queue::Steady::time_point() : until;
                   }},
                  {4, [this](const Batch& batch) { Note(batch, -1); }}}) {}
  void Note(Batch batch, int sign) {
    for (int& item : batch) item *= sign;
    const std::lock_guard lock(mutex);
    batches.push_back(std::move(batch));
    ran.notify_all();
  }
  void Await(size_t count) {
    std::unique_lock lock(mutex);
    ran.wait(lock, [&] { return batches.size() >= count; });
  }

  std::mutex mutex;
  std::condition_variable ran;
  std::vector<Batch> batches;
  Queue queue;
};

constexpr auto kNever = WorkQueue<int>::Steady::time_point::max();

TEST(WorkQueue, LetsABatchGatherUntilItIsEnoughWhileOtherWorkGoesOn) {
  Gathering all(3, kNever);
  all.queue.Push(0, 1);
  all.queue.Push(0, 2);
  all.queue.Push(1, 7);
  all.Await(1);
  all.queue.Push(0, 3);
  all.Await(2);
  EXPECT_EQ(all.batches, (std::vector<Batch>{{-7}, {1, 2, 3}}));
}

TEST(WorkQueue, RunsAtOnceWhatNeedNotGather) {
  Gathering all(1, kNever);
  all.queue.Push(0, 1);
  all.Await(1);
  EXPECT_EQ(all.batches, (std::vector<Batch>{{1}}));
}

TEST(WorkQueue, RunsAGatheringBatchWhenItsTimeComes) {
  Gathering all(3, WorkQueue<int>::Steady::now() + std::chrono::milliseconds(5));
  all.queue.Push(0, 1);
  all.Await(1);
  EXPECT_EQ(all.batches, (std::vector<Batch>{{1}}));
}

TEST(WorkQueue, RunsAWholeBatchHoweverMuchItWouldGather) {
  Gathering all(100, kNever);
  all.queue.PushAll(0, {1, 2, 3, 4});
  all.Await(1);
  EXPECT_EQ(all.batches, (std::vector<Batch>{{1, 2, 3, 4}}));
}

TEST(WorkQueue, RunsWhatStillGathersWhenItStops) {
  Gathering all(3, kNever);
  all.queue.Push(0, 1);
  all.queue.Stop();
  EXPECT_EQ(all.batches, (std::vector<Batch>{{1}}));
}

TEST(WorkQueue, TakesAGatheringBatchAsItIsOnTheCallersThread) {
  std::vector<Batch> batches;
  WorkQueue<int> queue(0, {{4, [&](Batch batch) { batches.push_back(std::move(batch)); }, 0,
                            [](const int&, size_t) { return kNever; }}});
  queue.PushAll(0, {1, 2});
  EXPECT_TRUE(queue.RunOne());
  EXPECT_FALSE(queue.RunOne());
  EXPECT_EQ(batches, (std::vector<Batch>{{1, 2}}));
}

TEST(WorkQueue, RunsNoMoreBatchesOfAKindAtOnceThanItsLimit) {
  std::atomic<int> running = 0, most = 0, done = 0;
  {
    WorkQueue<int> queue(4, {{1,
                              [&](const Batch&) {
                                const int now = ++running;
                                int seen = most;
                                while (seen < now && !most.compare_exchange_weak(seen, now)) {
                                }
                                std::this_thread::yield();
                                --running;
                                ++done;
                              },
                              2}});
    for (int item = 0; item < 500; ++item) queue.Push(0, item);
  }
  EXPECT_LE(most, 2);
  EXPECT_EQ(done, 500) << "the queue finishes what was pushed before it ends";
}

TEST(WorkQueue, RunsAnotherKindWhileOneIsAtItsLimit) {
  std::latch first_runs(1), other_ran(1);
  WorkQueue<int> queue(2, {{1,
                            [&](const Batch&) {
                              first_runs.count_down();
                              other_ran.wait();
                            },
                            1},
                           {1, [&](const Batch&) { other_ran.count_down(); }}});
  queue.Push(0, 1);
  first_runs.wait();
  queue.Push(0, 2);
  queue.Push(1, 3);
  other_ran.wait();
}

TEST(WorkQueue, WakesAllThatAreNeededForWhatIsPushedTogether) {
  constexpr int kThreads = 4;
  std::latch all_run(kThreads);
  WorkQueue<int> queue(kThreads, {{1, [&](const Batch&) { all_run.arrive_and_wait(); }}});
  queue.PushAll(0, Batch(kThreads));
  all_run.wait();
}

TEST(WorkQueue, LetsARunningBatchTakeWhatComesMeanwhile) {
  std::vector<int> seen;
  WorkQueue<int>* self = nullptr;
  WorkQueue<int> taking(0, {{1, [&](Batch batch) {
                               seen = std::move(batch);
                               while (const auto more = self->Take(0)) seen.push_back(*more);
                             }}});
  self = &taking;
  taking.PushAll(0, {1, 2, 3});
  EXPECT_TRUE(taking.RunOne());
  EXPECT_EQ(seen, (Batch{1, 2, 3}));
  EXPECT_FALSE(taking.RunOne());
}

}  // namespace
}  // namespace assay::issue
