#include "tests/chaos/simulation/fibers.h"

#include <ucontext.h>

#include <cstdint>
#include <utility>

namespace assay::simulation {
namespace {

constexpr size_t kStack = 1 << 20;
thread_local Fiber* running = nullptr;

}  // namespace

class Fiber {
 public:
  Fiber() : stack_(new char[kStack]) {}

  void Begin(std::function<void()> body) {
    body_ = std::move(body);
    ended_ = false;
    getcontext(&inside_);
    inside_.uc_stack.ss_sp = stack_.get();
    inside_.uc_stack.ss_size = kStack;
    inside_.uc_link = &outside_;
    // makecontext passes ints only.
    const auto self = reinterpret_cast<uintptr_t>(this);
    makecontext(&inside_, reinterpret_cast<void (*)()>(&Fiber::Enter), 2,
                static_cast<unsigned>(self >> 32), static_cast<unsigned>(self));
  }
  bool Run() {
    Fiber* const before = std::exchange(running, this);
    swapcontext(&outside_, &inside_);
    running = before;
    return ended_;
  }
  void GiveWay() { swapcontext(&inside_, &outside_); }

 private:
  static void Enter(unsigned high, unsigned low) {
    auto* const self = reinterpret_cast<Fiber*>((static_cast<uintptr_t>(high) << 32) | low);
    self->body_();
    self->body_ = nullptr;
    self->ended_ = true;
  }

  std::unique_ptr<char[]> stack_;
  std::function<void()> body_;
  bool ended_ = false;
  ucontext_t inside_{}, outside_{};
};

Fibers::Fibers() = default;
Fibers::~Fibers() = default;

Fiber* Fibers::Start(std::function<void()> body) {
  if (idle_.empty()) {
    all_.push_back(std::make_unique<Fiber>());
    idle_.push_back(all_.back().get());
  }
  Fiber* const fiber = idle_.back();
  idle_.pop_back();
  fiber->Begin(std::move(body));
  return Resume(fiber) ? nullptr : fiber;
}

bool Fibers::Resume(Fiber* fiber) {
  if (!fiber->Run()) return false;
  idle_.push_back(fiber);
  return true;
}

void Fibers::Pause() {
  if (running != nullptr) running->GiveWay();
}

}  // namespace assay::simulation
