// Two threads of a queue of the pipeline's add to one number without a lock.
#include <cstdio>
#include <latch>

#include "server/issue/work_queue.h"

int main() {
  int raced = 0;
  {
    std::latch both_run(2);
    assay::issue::WorkQueue<int> queue(2, {{1, [&](const std::vector<int>& batch) {
                                              both_run.arrive_and_wait();
                                              for (int i = 0; i < 1000; ++i) raced += batch.front();
                                            }}});
    queue.PushAll(0, {1, 1});
  }
  std::printf("%d\n", raced);
  return 0;
}
