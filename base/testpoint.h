// Named places at which the chaos suites end the process, as a power cut would.
//
// The programs that ship hold none: the macro is nothing there, and a test looks for what it would
// leave behind. tests/chaos/kill_points compiles the few files that bear such places a second time,
// with ASSAY_TESTPOINTS, for a program of its own.
#pragma once

#ifdef ASSAY_TESTPOINTS

#include <functional>
#include <string_view>

namespace assay {

// Ends the process with SIGKILL where the program was told to end here; `last` is done before, and
// only then.
void ReachTestpoint(std::string_view name, const std::function<void()>& last = {});
// What this thread does from now on goes before the names of the places it comes to.
void EnterStretch(std::string_view name);

}  // namespace assay

#define ASSAY_TESTPOINT(...) ::assay::ReachTestpoint(__VA_ARGS__)
#define ASSAY_STRETCH(name) ::assay::EnterStretch(name)

#else

#define ASSAY_TESTPOINT(...) static_cast<void>(0)
#define ASSAY_STRETCH(name) static_cast<void>(0)

#endif
