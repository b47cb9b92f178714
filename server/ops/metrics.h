// What Prometheus is told. Names follow its conventions; every label has a bounded set of values.
#pragma once

#include <prometheus/collectable.h>
#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include <array>
#include <chrono>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "server/issue/pipeline.h"
#include "server/rpc/front_desk.h"

namespace assay::ops {

// A figure asked for at each scrape. A type, a name, a sentence, and one value a label set.
struct Figure {
  std::map<std::string, std::string> labels;
  double value = 0;
};
enum class FigureType { kGauge, kCounter };
struct FigureFamily {
  std::string name, sentence;
  FigureType type = FigureType::kGauge;
  std::vector<Figure> figures;
  std::vector<std::string> label_names = {};  // for the list of figures, where there may be none
};

// Thread-safe.
class Metrics final : public issue::Observer, public rpc::CallObserver {
 public:
  explicit Metrics(const std::string& version);

  void StepEnded(issue::Step step, std::chrono::nanoseconds took) override;
  void Finished(const absl::Status& status, bool sealed_before,
                std::chrono::nanoseconds took) override;
  void CallEnded(std::string_view method, std::string_view outcome,
                 std::chrono::nanoseconds took) override;

  void CountHsmFault(std::string_view fault_class, std::string_view call, std::string_view ckr);

  // `ask` is called at each scrape and must not block; it may be added to at any time, and must
  // stay valid until Forget.
  void AddSource(std::function<std::vector<FigureFamily>()> ask);
  void ForgetSources();

  // What is counted here, without the sources.
  std::vector<prometheus::MetricFamily> Families() const { return registry_.Collect(); }
  // Prometheus text format 0.0.4.
  std::string Text() const;

 private:
  prometheus::Registry registry_;
  std::array<prometheus::Histogram*, 9> steps_{};  // by Step; [0] unused
  prometheus::Family<prometheus::Histogram>* issue_seconds_;
  prometheus::Histogram* issued_;
  prometheus::Histogram* sealed_before_;
  prometheus::Histogram* refused_;
  std::map<std::string_view, prometheus::Counter*> outcomes_;  // fixed after construction
  prometheus::Family<prometheus::Counter>* calls_;
  prometheus::Family<prometheus::Histogram>* call_seconds_;
  prometheus::Family<prometheus::Counter>* hsm_faults_;

  std::mutex calls_mutex_;
  std::map<std::pair<std::string_view, std::string_view>, prometheus::Counter*> call_counters_;
  std::map<std::string_view, prometheus::Histogram*> call_histograms_;

  mutable std::mutex sources_mutex_;
  std::vector<std::function<std::vector<FigureFamily>()>> sources_;
};

}  // namespace assay::ops
