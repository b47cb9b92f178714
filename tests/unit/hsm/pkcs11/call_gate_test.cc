#include "hsm/pkcs11/call_gate.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

namespace assay::pkcs11 {
namespace {

using std::chrono::milliseconds;

TEST(CallGate, ShutsWhenNobodyIsInside) {
  CallGate gate;
  EXPECT_TRUE(gate.ShutAndDrain(milliseconds(0)));
  gate.Open();
  const CallGate::Pass pass(gate);
}

TEST(CallGate, GivesUpOnACallThatStaysAndIsOpenAgain) {
  CallGate gate;
  const CallGate::Pass hung(gate);
  EXPECT_FALSE(gate.ShutAndDrain(milliseconds(1)));
  const CallGate::Pass another(gate);
}

TEST(CallGate, KeepsNewCallsOutUntilItIsOpened) {
  CallGate gate;
  ASSERT_TRUE(gate.ShutAndDrain(milliseconds(0)));
  std::atomic<bool> opened = false, entered_early = false;
  std::thread caller([&] {
    const CallGate::Pass pass(gate);
    entered_early = !opened;
  });
  opened = true;
  gate.Open();
  caller.join();
  EXPECT_FALSE(entered_early);
}

}  // namespace
}  // namespace assay::pkcs11
