// QR texts, their base38 and their TLV extension. What is read must be written and read the same.
#include <algorithm>
#include <cstdlib>
#include <string_view>

#include "matter/base38.h"
#include "matter/onboarding.h"
#include "matter/onboarding_extension.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  using namespace assay::matter;
  const assay::ByteView view(bytes, size);
  const std::string_view text = assay::AsText(view);
  if (const auto plain = FromBase38(text); plain.ok() && ToBase38(*plain) != text) std::abort();
  if (const auto extension = ParseExtension(view);
      extension.ok() && CheckExtension(*extension).ok()) {
    const auto again = ParseExtension(EncodeExtension(*extension));
    if (!again.ok() || !(*again == *extension)) std::abort();
  }
  const auto one = ParseQr(text);
  const auto all = ParseQrs(text);
  if (!all.ok()) {
    if (one.ok()) std::abort();
    return 0;
  }
  if (one.ok() != (all->size() == 1)) std::abort();
  // Readers tolerate reserved discovery bits; writers do not make them.
  for (const SetupPayload& payload : *all) {
    if ((payload.discovery & ~discovery::kAll) != 0) return 0;
    const auto manual = EncodeManualCode(payload);
    if (!manual.ok() || !ParseManualCode(*manual).ok()) std::abort();
  }
  const auto written = EncodeQr(*all);
  if (!written.ok()) std::abort();
  const auto again = ParseQrs(*written);
  if (!again.ok() || !(*again == *all)) std::abort();
  return 0;
}
