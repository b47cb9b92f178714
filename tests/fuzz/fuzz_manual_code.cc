// Manual pairing codes. What is read must be written digit by digit the same.
#include <cstdlib>
#include <string>
#include <string_view>

#include "matter/onboarding.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  using namespace assay::matter;
  const std::string_view text(reinterpret_cast<const char*>(bytes), size);
  (void)FormatManualCode(text, ManualCodeGrouping::kMfgTool).size();
  const auto code = ReadManualCode(text);
  if (ParseManualCode(text).ok() && !code.ok()) std::abort();
  if (!code.ok()) return 0;
  std::string digits;
  for (const char c : text) {
    if (c >= '0' && c <= '9') digits.push_back(c);
  }
  if (WriteManualCode(*code) != digits) std::abort();
  if (!(*ReadManualCode(FormatManualCode(digits)) == *code)) std::abort();
  return 0;
}
