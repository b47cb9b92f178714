#include <atomic>
#include <utility>
#include <vector>

#include "assay/v1/issuance.grpc.pb.h"
#include "client/whole_images.h"
#include "tests/bench/load/asking.h"

namespace assay::bench {
namespace {

constexpr auto kDeadline = std::chrono::seconds(120);

// Owns itself: gRPC is done with context, request and answer when it calls OnDone.
class Call final : public grpc::ClientUnaryReactor {
 public:
  Call(Question question, const Take& take) : question_(std::move(question)), take_(take) {}

  void Start(v1::IssuanceService::Stub& stub) {
    context_.set_deadline(std::chrono::system_clock::now() + kDeadline);
    client::TakeShortImages(context_);
    stub.async()->Issue(&context_, &question_.request, &answer_, this);
    StartCall();
  }

  void OnDone(const grpc::Status& status) override {
    const std::string fault = status.ok() ? FaultOf(answer_, question_.request.ticket())
                                          : "refused: " + status.error_message();
    const Question question = std::move(question_);
    const Take& take = take_;
    // Whoever hears of the last answer may let go of the channel. Its context must be gone by then:
    // a channel that ends on a thread of its own queue takes the queue from under that thread.
    delete this;
    take(question, fault);
  }

 private:
  grpc::ClientContext context_;
  Question question_;
  v1::IssueResponse answer_;
  const Take& take_;
};

class Calls final : public Asking {
 public:
  Calls(const Channels& channels, const Take& take) : take_(take) {
    for (const auto& channel : channels) stubs_.push_back(v1::IssuanceService::NewStub(channel));
  }

  void Ask(Question question) override {
    (new Call(std::move(question), take_))->Start(*stubs_[next_++ % stubs_.size()]);
  }

 private:
  std::vector<std::unique_ptr<v1::IssuanceService::Stub>> stubs_;
  std::atomic<size_t> next_ = 0;
  const Take& take_;
};

}  // namespace

std::unique_ptr<Asking> AskByCalls(const Channels& channels, const Take& take) {
  return std::make_unique<Calls>(channels, take);
}

std::string FaultOf(v1::IssueResponse& answer, const std::string& ticket) {
  v1::Identity& identity = *answer.mutable_identity();
  client::MakeImagesWhole(identity);
  if (identity.ticket() != ticket) return "the answer is not of ticket " + ticket;
  if (identity.dac().empty()) return "an identity without a certificate";
  if (identity.images().empty() || identity.images(0).content().empty())
    return "an identity without an image";
  if (identity.images(0).content().size() != identity.images(0).size())
    return "an identity whose image is not whole";
  return {};
}

}  // namespace assay::bench
