#include "base/refusal.h"

#include <array>

#include "absl/strings/cord.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace assay {
namespace {

constexpr absl::string_view kPayload = "assay.refusal";
// Fields of the payload are parted by a byte that no field may hold.
constexpr char kSeparator = '\x1f';

struct Row {
  std::string_view name;
  absl::StatusCode code;
  Retry retry;
  std::string_view text;
};

constexpr Row kRows[] = {
#define ASSAY_REASON_ROW(name, code, retry, text) \
  {#name, absl::StatusCode::code, Retry::retry, text},
    ASSAY_REASONS(ASSAY_REASON_ROW)
#undef ASSAY_REASON_ROW
};

const Row& RowOf(Reason reason) { return kRows[static_cast<size_t>(reason)]; }

std::optional<std::chrono::milliseconds> UsualDelay(Reason reason) {
  switch (RowOf(reason).retry) {
    case Retry::kNever:
      return std::nullopt;
    case Retry::kSoon:
      return std::chrono::seconds(1);
    case Retry::kLater:
      return std::chrono::seconds(30);
  }
  return std::nullopt;
}

std::string WithoutSeparator(absl::string_view text) {
  std::string clean(text);
  for (char& c : clean) {
    if (c == kSeparator) c = '?';
  }
  return clean;
}

absl::Status Make(absl::StatusCode code, absl::string_view message, const Refusal& refusal) {
  absl::Status status(code, message);
  const int64_t delay = refusal.retry_after ? refusal.retry_after->count() : -1;
  const char separator[] = {kSeparator, 0};
  status.SetPayload(kPayload,
                    absl::Cord(absl::StrCat(static_cast<int>(refusal.reason), separator,
                                            WithoutSeparator(refusal.field), separator,
                                            WithoutSeparator(refusal.value), separator,
                                            WithoutSeparator(refusal.rule), separator, delay)));
  return status;
}

// A value that is far too long is told by its beginning: whole characters of UTF-8, and its size.
std::string Shortened(absl::string_view value) {
  constexpr size_t kMost = 160, kShown = 64;
  if (value.size() <= kMost) return std::string(value);
  size_t end = kShown;
  while (end > 0 && (static_cast<uint8_t>(value[end]) & 0xC0) == 0x80) --end;
  return absl::StrCat(value.substr(0, end), "... of ", value.size(), " bytes");
}

absl::Status MakeOfField(Reason reason, absl::string_view field, absl::string_view whole,
                         absl::string_view rule,
                         std::optional<std::chrono::milliseconds> retry_after) {
  const std::string value = Shortened(whole);
  const std::string message = value.empty() ? absl::StrCat(field, ": ", rule)
                                            : absl::StrCat(field, ": ", rule, " (got ", value, ")");
  return Make(RowOf(reason).code, message,
              {reason, std::string(field), value, std::string(rule), retry_after});
}

}  // namespace

std::string_view ReasonName(Reason reason) { return RowOf(reason).name; }
std::string_view ReasonText(Reason reason) { return RowOf(reason).text; }

std::vector<Reason> AllReasons() {
  std::vector<Reason> reasons;
  for (size_t i = 0; i < std::size(kRows); ++i) reasons.push_back(static_cast<Reason>(i));
  return reasons;
}

absl::Status Refuse(Reason reason, absl::string_view message) {
  return Make(RowOf(reason).code, message, {reason, "", "", "", UsualDelay(reason)});
}

absl::Status RefuseField(Reason reason, absl::string_view field, absl::string_view value,
                         absl::string_view rule) {
  return MakeOfField(reason, field, value, rule, UsualDelay(reason));
}

absl::Status RefuseField(Reason reason, absl::string_view field, absl::string_view value,
                         absl::string_view rule, std::chrono::milliseconds retry_after) {
  return MakeOfField(reason, field, value, rule, retry_after);
}

absl::Status Refuse(const Refusal& refusal) {
  return MakeOfField(refusal.reason, refusal.field, refusal.value, refusal.rule,
                     refusal.retry_after);
}

absl::Status RefuseFor(Reason reason, absl::string_view message,
                       std::chrono::milliseconds retry_after) {
  return Make(RowOf(reason).code, message, {reason, "", "", "", retry_after});
}

std::optional<Refusal> RefusalOf(const absl::Status& status) {
  const auto payload = status.GetPayload(kPayload);
  if (!payload) return std::nullopt;
  const std::vector<std::string> parts =
      absl::StrSplit(std::string(*payload), absl::ByChar(kSeparator));
  int reason = 0;
  int64_t delay = -1;
  if (parts.size() != 5 || !absl::SimpleAtoi(parts[0], &reason) ||
      !absl::SimpleAtoi(parts[4], &delay)) {
    return std::nullopt;
  }
  Refusal refusal{static_cast<Reason>(reason), parts[1], parts[2], parts[3], std::nullopt};
  if (delay >= 0) refusal.retry_after = std::chrono::milliseconds(delay);
  return refusal;
}

bool HasReason(const absl::Status& status, Reason reason) {
  const auto refusal = RefusalOf(status);
  return refusal && refusal->reason == reason;
}

absl::Status Within(absl::string_view prefix, const absl::Status& status) {
  if (status.ok()) return status;
  const std::string message = absl::StrCat(prefix, ": ", status.message());
  auto refusal = RefusalOf(status);
  if (!refusal) return absl::Status(status.code(), message);
  if (!refusal->field.empty()) refusal->field = absl::StrCat(prefix, ".", refusal->field);
  return Make(status.code(), message, *refusal);
}

absl::Status Blame(absl::string_view field, absl::string_view value, const absl::Status& status) {
  const auto refusal = RefusalOf(status);
  if (!refusal || refusal->field.empty()) return status;
  return MakeOfField(refusal->reason, field, value, status.message(), refusal->retry_after);
}

}  // namespace assay
