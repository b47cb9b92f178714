#include "client/command/confirm.h"

#include <unistd.h>

#include <cstdio>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "base/refusal.h"

namespace assay::client {

absl::Status ConfirmByName(Context& context, bool yes, const std::string& name,
                           const std::string& question, const std::string& act) {
  if (yes) return absl::OkStatus();
  const absl::Status refusal =
      RefuseField(Reason::FIELD_REQUIRED, "--yes", "",
                  absl::StrCat(act, " cannot be undone and was not confirmed"));
  if (isatty(STDIN_FILENO) == 0) return refusal;
  context.Remark(absl::StrCat(question, " Type its name to go on:"));
  char typed[256] = {};
  if (std::fgets(typed, sizeof typed, stdin) == nullptr) return refusal;
  return absl::StripAsciiWhitespace(typed) == name ? absl::OkStatus() : refusal;
}

}  // namespace assay::client
