#include "server/issue/work_queue.h"

#include <gtest/gtest.h>

#include <atomic>
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
