#include "server/ops/metrics.h"

#include <prometheus/gauge.h>
#include <prometheus/text_serializer.h>

#include <sstream>

#include "base/refusal.h"
#include "server/rpc/error_map.h"

namespace assay::ops {
namespace {

using prometheus::Histogram;

// From a cache hit to a hung device; PBKDF2 at 100,000 iterations and a network HSM lie in the
// middle.
Histogram::BucketBoundaries StepBuckets() {
  return {0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05,
          0.1,    0.25,    0.5,    1,     2.5,    5,     10,   30};
}
Histogram::BucketBoundaries CallBuckets() {
  return {0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 30};
}

double Seconds(std::chrono::nanoseconds took) {
  return std::chrono::duration<double>(took).count();
}

}  // namespace

Metrics::Metrics(const std::string& version) {
  auto& steps = prometheus::BuildHistogram()
                    .Name("assay_issue_step_seconds")
                    .Help("Time a ticket spent in each of the eight steps of issuing")
                    .Register(registry_);
  for (int i = 1; i <= 8; ++i) {
    const std::string name(issue::StepName(static_cast<issue::Step>(i)));
    steps_[static_cast<size_t>(i)] = &steps.Add({{"step", name}}, StepBuckets());
  }
  issue_seconds_ = &prometheus::BuildHistogram()
                        .Name("assay_issue_seconds")
                        .Help("Time from a ticket's arrival to its answer")
                        .Register(registry_);
  issued_ = &issue_seconds_->Add({{"outcome", "issued"}}, StepBuckets());
  sealed_before_ = &issue_seconds_->Add({{"outcome", "sealed_before"}}, StepBuckets());
  refused_ = &issue_seconds_->Add({{"outcome", "refused"}}, StepBuckets());
  auto& outcomes = prometheus::BuildCounter()
                       .Name("assay_issue_total")
                       .Help("Tickets answered, by reason; OK for an identity given")
                       .Register(registry_);
  outcomes_["OK"] = &outcomes.Add({{"reason", "OK"}});
  outcomes_["CANCELLED"] = &outcomes.Add({{"reason", "CANCELLED"}});
  for (const Reason reason : AllReasons()) {
    outcomes_[ReasonName(reason)] = &outcomes.Add({{"reason", std::string(ReasonName(reason))}});
  }
  calls_ = &prometheus::BuildCounter()
                .Name("assay_calls_total")
                .Help("Calls answered, by method and reason; items of a stream count as calls")
                .Register(registry_);
  call_seconds_ = &prometheus::BuildHistogram()
                       .Name("assay_call_seconds")
                       .Help("Time from a call's arrival to its answer")
                       .Register(registry_);
  hsm_faults_ = &prometheus::BuildCounter()
                     .Name("assay_hsm_faults_total")
                     .Help("Faults of the HSM, by class, Cryptoki call and CKR name")
                     .Register(registry_);
  prometheus::BuildGauge()
      .Name("assay_build_info")
      .Help("1; the version is in the label")
      .Register(registry_)
      .Add({{"version", version}})
      .Set(1);
}

void Metrics::StepEnded(issue::Step step, std::chrono::nanoseconds took) {
  steps_[static_cast<size_t>(step)]->Observe(Seconds(took));
}

void Metrics::Finished(const absl::Status& status, bool sealed_before,
                       std::chrono::nanoseconds took) {
  Histogram* histogram = !status.ok() ? refused_ : sealed_before ? sealed_before_ : issued_;
  histogram->Observe(Seconds(took));
  const auto counter = outcomes_.find(rpc::OutcomeName(status));
  if (counter != outcomes_.end()) counter->second->Increment();
}

void Metrics::CallEnded(std::string_view method, std::string_view outcome,
                        std::chrono::nanoseconds took) {
  prometheus::Counter* counter = nullptr;
  Histogram* histogram = nullptr;
  {
    const std::lock_guard lock(calls_mutex_);
    prometheus::Counter*& known_counter = call_counters_[{method, outcome}];
    if (known_counter == nullptr) {
      known_counter =
          &calls_->Add({{"method", std::string(method)}, {"reason", std::string(outcome)}});
    }
    Histogram*& known_histogram = call_histograms_[method];
    if (known_histogram == nullptr) {
      known_histogram = &call_seconds_->Add({{"method", std::string(method)}}, CallBuckets());
    }
    counter = known_counter;
    histogram = known_histogram;
  }
  counter->Increment();
  histogram->Observe(Seconds(took));
}

void Metrics::CountHsmFault(std::string_view fault_class, std::string_view call,
                            std::string_view ckr) {
  hsm_faults_
      ->Add({{"class", std::string(fault_class)},
             {"call", std::string(call)},
             {"ckr", std::string(ckr)}})
      .Increment();
}

void Metrics::AddSource(std::function<std::vector<FigureFamily>()> ask) {
  const std::lock_guard lock(sources_mutex_);
  sources_.push_back(std::move(ask));
}

void Metrics::ForgetSources() {
  const std::lock_guard lock(sources_mutex_);
  sources_.clear();
}

std::string Metrics::Text() const {
  std::vector<prometheus::MetricFamily> families = registry_.Collect();
  const std::lock_guard lock(sources_mutex_);
  for (const auto& ask : sources_) {
    for (const FigureFamily& asked : ask()) {
      prometheus::MetricFamily family;
      family.name = asked.name;
      family.help = asked.sentence;
      family.type = asked.type == FigureType::kGauge ? prometheus::MetricType::Gauge
                                                     : prometheus::MetricType::Counter;
      for (const Figure& figure : asked.figures) {
        prometheus::ClientMetric metric;
        for (const auto& [name, value] : figure.labels) metric.label.push_back({name, value});
        metric.gauge.value = figure.value;
        metric.counter.value = figure.value;
        family.metric.push_back(std::move(metric));
      }
      families.push_back(std::move(family));
    }
  }
  std::ostringstream out;
  prometheus::TextSerializer().Serialize(out, families);
  return out.str();
}

}  // namespace assay::ops
