// Where the struck program ends itself: ASSAY_STRIKE=<point>:<n>, at the n-th time.
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <string>

#include "base/testpoint.h"

namespace assay {
namespace {

struct Order {
  Order() {
    const char* const text = std::getenv("ASSAY_STRIKE");
    if (text == nullptr) return;
    const std::string order = text;
    const size_t colon = order.rfind(':');
    point = order.substr(0, colon);
    left = std::atoi(order.c_str() + colon + 1);
  }
  std::string point;
  std::atomic<int> left{0};
};

Order& TheOrder() {
  static Order order;
  return order;
}

thread_local std::string stretch;

}  // namespace

void EnterStretch(std::string_view name) { stretch = name; }

void ReachTestpoint(std::string_view name, const std::function<void()>& last) {
  Order& order = TheOrder();
  if (order.point.empty()) return;
  if (order.point != name && order.point != stretch + " " + std::string(name)) return;
  if (--order.left != 0) return;
  if (last) last();
  kill(getpid(), SIGKILL);
  pause();
}

}  // namespace assay
