#include "tests/chaos/strikes/stormy_load.h"

#include <algorithm>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "tests/integration/office.h"

namespace assay::chaos {

using std::chrono::milliseconds;

struct StormyLoad::Call {
  grpc::ClientContext context;
  v1::IssueRequest request;
  v1::IssueResponse response;
  Steady::time_point begun = Steady::now();
};

StormyLoad::StormyLoad(std::vector<std::shared_ptr<grpc::Channel>> channels, std::string lot,
                       milliseconds patience)
    : channels_(std::move(channels)), lot_(std::move(lot)), patience_(patience) {
  for (const auto& channel : channels_) stubs_.push_back(v1::IssuanceService::NewStub(channel));
}

void StormyLoad::Ask() {
  auto call = std::make_shared<Call>();
  const auto deadline = std::chrono::system_clock::now() + patience_;
  const auto micros =
      std::chrono::duration_cast<std::chrono::microseconds>(deadline.time_since_epoch()).count();
  call->context.set_deadline(deadline);
  call->request.set_lot(lot_);
  call->request.set_ticket(absl::StrCat("storm-", ++number_, "-", micros));
  ++under_way_;
  {
    const std::lock_guard lock(mutex_);
    ++storm_.asked;
  }
  stubs_[number_ % stubs_.size()]->async()->Issue(&call->context, &call->request, &call->response,
                                                  [this, call](const grpc::Status& status) {
                                                    Count(*call, status);
                                                    --under_way_;
                                                  });
}

void StormyLoad::Count(const Call& call, const grpc::Status& status) {
  const double took = std::chrono::duration<double, std::milli>(Steady::now() - call.begun).count();
  const std::string reason = integration::ReasonIn(status);
  const std::lock_guard lock(mutex_);
  if (status.ok()) {
    const bool in_time = took <= static_cast<double>(patience_.count());
    ++(in_time ? storm_.given : storm_.late);
    last_given_ = Steady::now();
    storm_.answer_ms.push_back(took);
  } else if (reason == "OVERLOADED") {
    ++storm_.overloaded;
    storm_.refusal_ms.push_back(took);
    if (!integration::HasRetryInfo(status)) ++storm_.unhinted;
  } else if (reason == "DEADLINE_TOO_SHORT" ||
             status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED) {
    ++storm_.expired;
  } else {
    ++storm_.other;
  }
}

Storm StormyLoad::Run(milliseconds length, const std::function<void(double)>& ask) {
  const auto begun = Steady::now();
  last_given_ = begun;
  while (Steady::now() < begun + length) {
    ask(std::chrono::duration<double>(Steady::now() - begun).count());
    std::this_thread::sleep_for(milliseconds(1));
  }
  while (under_way_ > 0) std::this_thread::sleep_for(milliseconds(1));
  const std::lock_guard lock(mutex_);
  Storm storm = std::exchange(storm_, Storm());
  storm.seconds = std::chrono::duration<double>(last_given_ - begun).count();
  std::sort(storm.answer_ms.begin(), storm.answer_ms.end());
  std::sort(storm.refusal_ms.begin(), storm.refusal_ms.end());
  return storm;
}

Storm StormyLoad::Closed(int in_flight, milliseconds length) {
  return Run(length, [&](double) {
    while (under_way_ < in_flight) Ask();
  });
}

Storm StormyLoad::Open(double rate, milliseconds length) {
  uint64_t asked = 0;
  return Run(length, [&](double passed) {
    for (; static_cast<double>(asked) < rate * passed; ++asked) Ask();
  });
}

}  // namespace assay::chaos
