#include "tests/chaos/kill_points/stations.h"

#include <set>

#include "absl/strings/str_cat.h"
#include "tests/integration/office.h"

namespace assay::chaos {
namespace {

constexpr std::chrono::seconds kPatience{5};
// What a station waits before it asks again.
constexpr std::chrono::milliseconds kPause{40};

std::unique_ptr<grpc::ClientContext> Call() {
  auto context = std::make_unique<grpc::ClientContext>();
  context->set_deadline(std::chrono::system_clock::now() + kPatience);
  return context;
}

v1::IssueRequest Request(const std::string& lot, const std::string& ticket) {
  v1::IssueRequest request;
  request.set_lot(lot);
  request.set_ticket(ticket);
  return request;
}

}  // namespace

std::shared_ptr<grpc::Channel> Stations::Replica(size_t number) const {
  const auto all = replicas_();
  return all[number % all.size()];
}

void Stations::CountRefusal(const std::string& reason) {
  const std::lock_guard lock(mutex_);
  ++refused_[reason];
}

std::map<std::string, int> Stations::Refused() const {
  const std::lock_guard lock(mutex_);
  return refused_;
}

void Stations::Keep(const v1::IssueRequest& request, const v1::Identity& identity) {
  const std::lock_guard lock(mutex_);
  const auto [at, first] =
      held_.try_emplace(absl::StrCat(request.lot(), "/", request.ticket()),
                        Held{request, identity.SerializeAsString(), identity.device_id(),
                             identity.dac_serial(), false});
  if (!first && at->second.bytes != identity.SerializeAsString()) ++doubled_;
}

bool Stations::Ask(const v1::IssueRequest& request, size_t first) {
  for (size_t tries = first;; ++tries) {
    v1::IssueResponse response;
    const auto stub = v1::IssuanceService::NewStub(Replica(tries));
    const grpc::Status status = stub->Issue(Call().get(), request, &response);
    if (status.ok()) {
      Keep(request, response.identity());
      return true;
    }
    const std::string reason = integration::ReasonIn(status);
    CountRefusal(reason.empty() ? absl::StrCat("gRPC ", static_cast<int>(status.error_code()))
                                : reason);
    if (reason == "QUOTA_EXCEEDED") return false;
    std::this_thread::sleep_for(kPause);
  }
}

void Stations::Confirm(const v1::IssueRequest& request) {
  v1::ConfirmRequest confirm;
  confirm.set_lot(request.lot());
  confirm.set_ticket(request.ticket());
  confirm.set_outcome(v1::OUTCOME_PROVISIONED);
  for (size_t tries = 0;; ++tries) {
    v1::ConfirmResponse response;
    const auto stub = v1::IssuanceService::NewStub(Replica(tries));
    const grpc::Status status = stub->Confirm(Call().get(), confirm, &response);
    if (status.ok()) break;
    CountRefusal("confirm " + integration::ReasonIn(status));
    std::this_thread::sleep_for(kPause);
  }
  const std::lock_guard lock(mutex_);
  held_.at(absl::StrCat(request.lot(), "/", request.ticket())).confirmed = true;
}

void Stations::Single(const std::string& lot, const std::string& name, const Make& make) {
  threads_.emplace_back([this, lot, name, make] {
    for (int n = 0; !stopping_; ++n) {
      v1::IssueRequest request = Request(lot, absl::StrCat(name, "-", n));
      if (make) make(request);
      Ask(request, 0);
      if (n % 3 == 0) Confirm(request);
    }
  });
}

void Stations::Pair(const std::string& lot, const std::string& name) {
  threads_.emplace_back([this, lot, name] {
    for (int n = 0; !stopping_; ++n) {
      const v1::IssueRequest request = Request(lot, absl::StrCat(name, "-", n));
      std::thread other([&] { Ask(request, 1); });
      Ask(request, 0);
      other.join();
    }
  });
}

void Stations::Few(const std::string& lot, const std::string& name) {
  threads_.emplace_back([this, lot, name] {
    for (int n = 0; !stopping_; ++n) {
      if (!Ask(Request(lot, absl::StrCat(name, "-", n)), 0)) {
        std::this_thread::sleep_for(10 * kPause);
      }
    }
  });
}

void Stations::Stream(const std::string& lot, const std::string& name) {
  threads_.emplace_back([this, lot, name] {
    for (int n = 0; !stopping_; n += 8) {
      std::set<std::string> open;
      for (int i = 0; i < 8; ++i) open.insert(absl::StrCat(name, "-", n + i));
      for (size_t tries = 0; !open.empty(); ++tries) {
        const auto stub = v1::IssuanceService::NewStub(Replica(tries));
        const auto context = Call();
        const auto stream = stub->IssueStream(context.get());
        for (const std::string& ticket : open) stream->Write(Request(lot, ticket));
        stream->WritesDone();
        v1::IssueStreamResponse answer;
        while (stream->Read(&answer)) {
          if (answer.has_issued()) {
            Keep(Request(lot, answer.ticket()), answer.issued().identity());
            open.erase(answer.ticket());
          } else {
            CountRefusal("stream " + answer.refused().reason());
          }
        }
        if (!stream->Finish().ok()) CountRefusal("stream cut");
        if (!open.empty()) std::this_thread::sleep_for(kPause);
      }
    }
  });
}

void Stations::Stop() {
  stopping_ = true;
  for (std::thread& thread : threads_) {
    if (thread.joinable()) thread.join();
  }
}

}  // namespace assay::chaos
