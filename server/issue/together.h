// What several answers lead to, done once.
#pragma once

#include <functional>
#include <utility>
#include <vector>

namespace assay::issue {

// Stands around the answers of a batch, on their thread: a stream that several of them go to writes
// once they are all there, so that they leave, and arrive, by one wake-up. Not nested.
class Together {
 public:
  Together() { current_ = this; }
  // Runs what was put off, in its order.
  ~Together() {
    current_ = nullptr;
    for (const auto& rest : rests_) rest();
  }
  Together(const Together&) = delete;
  Together& operator=(const Together&) = delete;

  // Once the thread's batch has been answered, or at once where it answers none.
  static void After(std::function<void()> rest) {
    if (current_ == nullptr) return rest();
    current_->rests_.push_back(std::move(rest));
  }

 private:
  static thread_local Together* current_;
  std::vector<std::function<void()>> rests_;
};

inline thread_local Together* Together::current_ = nullptr;

}  // namespace assay::issue
