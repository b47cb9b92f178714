#include "server/ops/metrics_table.h"

#include <map>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "server/ops/figures.h"
#include "server/ops/housekeeping.h"
#include "server/ops/metrics.h"
#include "server/ops/system_watch.h"

namespace assay::ops {
namespace {

const char* TypeName(prometheus::MetricType type) {
  switch (type) {
    case prometheus::MetricType::Counter:
      return "counter";
    case prometheus::MetricType::Histogram:
      return "histogram";
    default:
      return "gauge";
  }
}

// Every source of the daemon, with one sample where it would else be silent.
std::vector<FigureFamily> AllFigures() {
  const Health health({{"store", [] { return absl::OkStatus(); }}}, std::chrono::hours(1),
                      [](bool) {});
  const SystemClock clock;
  std::vector<FigureFamily> all;
  const auto add = [&](std::vector<FigureFamily> more) {
    for (FigureFamily& family : more) all.push_back(std::move(family));
  };
  add({KeyFigures({})});
  add(LedgerFigures({}));
  add(ClockFigures(clock));
  add(OffsetFigures(absl::ZeroDuration()));
  add(LeaseFigures(std::chrono::seconds(0)));
  add(CrlFigures(absl::ZeroDuration()));
  add(HsmFigures({}));
  add(FailoverFigures(0));
  add(StoreFigures({}));
  add(PipelineFigures({}));
  add(HealthFigures(health));
  add(TlsFigures({}));
  add(StockFigures({db::Lot{}}, {db::Pai{}}));
  return all;
}

std::string Row(const std::string& name, const char* type, const std::set<std::string>& labels,
                const std::string& what) {
  return absl::StrCat("| `", name, "` | ", type, " | ",
                      labels.empty() ? "" : absl::StrCat("`", absl::StrJoin(labels, "`, `"), "`"),
                      " | ", what, " |\n");
}

}  // namespace

std::string MetricsTable() {
  std::map<std::string, std::string> rows;
  Metrics metrics("");
  metrics.CallEnded("", "", {});
  metrics.CountHsmFault("", "", "");
  for (const prometheus::MetricFamily& family : metrics.Families()) {
    std::set<std::string> labels;
    for (const auto& metric : family.metric) {
      for (const auto& label : metric.label) labels.insert(label.name);
    }
    rows[family.name] = Row(family.name, TypeName(family.type), labels, family.help);
  }
  for (const FigureFamily& family : AllFigures()) {
    std::set<std::string> labels(family.label_names.begin(), family.label_names.end());
    for (const Figure& figure : family.figures) {
      for (const auto& [name, value] : figure.labels) labels.insert(name);
    }
    const char* type = family.type == FigureType::kGauge ? "gauge" : "counter";
    rows[family.name] = Row(family.name, type, labels, family.sentence);
  }
  std::string table = "| name | type | labels | what it tells |\n|---|---|---|---|\n";
  for (const auto& [name, row] : rows) table += row;
  return table;
}

}  // namespace assay::ops
