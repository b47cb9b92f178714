#include "server/ops/system_watch.h"

#include "absl/strings/str_cat.h"
#include "base/refusal.h"

namespace assay::ops {
namespace {

absl::Status Judge(absl::Duration offset) {
  if (offset <= SystemWatch::kMostOffset && offset >= -SystemWatch::kMostOffset) {
    return absl::OkStatus();
  }
  return Refuse(
      Reason::FIELD_OUT_OF_RANGE,
      absl::StrCat("this replica's clock is ",
                   absl::FormatDuration(absl::Trunc(absl::AbsDuration(offset), absl::Seconds(1))),
                   offset > absl::ZeroDuration() ? " ahead of" : " behind",
                   " the database's; certificates would bear a wrong time"));
}

}  // namespace

absl::Status SystemWatch::CheckClock() {
  const absl::Time before = clock_.Now();
  auto facts = store_->ReadSystem();
  const absl::Time after = clock_.Now();
  const std::lock_guard lock(mutex_);
  if (facts.ok()) {
    offset_ = before + (after - before) / 2 - facts->now;
    facts_ = *std::move(facts);
  } else {
    facts_.reset();
  }
  return offset_ ? Judge(*offset_) : absl::OkStatus();
}

std::optional<absl::Duration> SystemWatch::offset() const {
  const std::lock_guard lock(mutex_);
  return offset_;
}

std::optional<db::SystemFacts> SystemWatch::facts() const {
  const std::lock_guard lock(mutex_);
  return facts_;
}

std::vector<FigureFamily> SystemWatch::Figures() const { return OffsetFigures(offset()); }

std::vector<FigureFamily> OffsetFigures(std::optional<absl::Duration> offset) {
  if (!offset) return {};
  return {{"assay_clock_offset_seconds",
           "This replica's clock less the database's",
           FigureType::kGauge,
           {{{}, absl::ToDoubleSeconds(*offset)}}}};
}

}  // namespace assay::ops
