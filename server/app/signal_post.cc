#include "server/app/signal_post.h"

#include <unistd.h>

#include <csignal>
#include <thread>

namespace assay::app {
namespace {

sigset_t Answered() {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&signals, signal);
  return signals;
}

}  // namespace

SignalPost& SignalPost::Open() {
  const sigset_t signals = Answered();
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
  // Never destroyed: its thread waits until the process has ended.
  static SignalPost* const post = [] {
    auto* const made = new SignalPost();
    std::thread([made] { made->Take(); }).detach();
    return made;
  }();
  return *post;
}

void SignalPost::Take() {
  const sigset_t signals = Answered();
  bool asked = false;
  while (true) {
    int signal = 0;
    if (sigwait(&signals, &signal) != 0) continue;
    // Nothing is flushed or unwound: what hangs may hold any lock.
    if (signal != SIGHUP && asked) _exit(128 + signal);
    asked = asked || signal != SIGHUP;
    const std::lock_guard lock(mutex_);
    (signal == SIGHUP ? reload_ : end_) = true;
    came_.notify_all();
  }
}

SignalPost::Letter SignalPost::Next() {
  std::unique_lock lock(mutex_);
  came_.wait(lock, [this] { return reload_ || end_; });
  if (end_) return Letter::kEnd;
  reload_ = false;
  return Letter::kReload;
}

}  // namespace assay::app
