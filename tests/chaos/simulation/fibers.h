// Stretches of work that give way to each other at places of their own choice, at the word of
// whoever resumes them: the same words, the same run. All on one thread.
#pragma once

#include <functional>
#include <memory>
#include <vector>

namespace assay::simulation {

class Fiber;

// One at a time in a thread, and used by that thread only.
class Fibers {
 public:
  Fibers();
  ~Fibers();  // every fiber has ended
  Fibers(const Fibers&) = delete;
  Fibers& operator=(const Fibers&) = delete;

  // Runs `body` until its first Pause; nullptr where it ended already. No exception leaves a body.
  Fiber* Start(std::function<void()> body);
  // Runs it on until its next Pause; true when it ended.
  bool Resume(Fiber* fiber);
  // In a fiber: gives way to whoever started or resumed it. Elsewhere nothing.
  static void Pause();

 private:
  std::vector<std::unique_ptr<Fiber>> all_;
  std::vector<Fiber*> idle_;
};

}  // namespace assay::simulation
