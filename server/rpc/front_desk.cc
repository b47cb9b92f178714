#include "server/rpc/front_desk.h"

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "base/refusal.h"
#include "image/erased_flash.h"
#include "server/rpc/authorize.h"
#include "server/rpc/error_map.h"
#include "server/rpc/field_path.h"
#include "server/rpc/identity.h"
#include "server/rpc/trace.h"

namespace assay::rpc {
namespace {

std::string_view Header(const grpc::CallbackServerContext& context, const char* name) {
  const auto& headers = context.client_metadata();
  const auto header = headers.find(name);
  if (header == headers.end()) return {};
  return {header->second.data(), header->second.size()};
}

}  // namespace

void Call::About(std::string_view ticket, std::string_view lot) {
  // A caller's bytes go to the log no longer than a well-formed name is.
  ticket_ = ticket.substr(0, 128);
  lot_ = lot.substr(0, 64);
}

grpc::Status Call::End(const absl::Status& ended) {
  const absl::Status status = InRequestsWords(method_, ended);
  const auto took = std::chrono::steady_clock::now() - began_;
  const std::string_view outcome = OutcomeName(status);
  observer_->CallEnded(method_, outcome, took);
  if (const auto refusal = RefusalOf(status)) {
    observer_->CallRefused(caller_.uri, method_, refusal->reason);
  }
  const auto micros =
      static_cast<int64_t>(std::chrono::duration_cast<std::chrono::microseconds>(took).count());
  const LogLevel level =
      status.code() == absl::StatusCode::kInternal ? LogLevel::kError : LogLevel::kInfo;
  if (status.ok()) {
    Log(level, "call",
        {{"method", method_},
         {"outcome", outcome},
         {"caller", caller_.uri},
         {"ticket", ticket_},
         {"lot", lot_},
         {"trace", trace_id_},
         {"took_us", micros}});
  } else {
    Log(level, "call",
        {{"method", method_},
         {"outcome", outcome},
         {"caller", caller_.uri},
         {"ticket", ticket_},
         {"lot", lot_},
         {"trace", trace_id_},
         {"took_us", micros},
         {"message", std::string(status.message().substr(0, 512))}});
  }
  return ToGrpcStatus(status);
}

FrontDesk::FrontDesk(const access::Grants& grants, Random& random, CallObserver& observer,
                     CallLimits limits)
    : grants_(grants), random_(random), observer_(observer) {
  SetLimits(limits);
}

void FrontDesk::Check(Call& call, std::string_view uri,
                      std::chrono::system_clock::time_point deadline) const {
  call.caller_.uri = uri;
  auto caller = grants_.FindCaller(uri);
  if (!caller.ok()) {
    call.admitted_ = caller.status();
    return;
  }
  call.caller_ = *std::move(caller);
  call.admitted_ = Authorize(call.caller_, call.method_);
  if (!call.admitted_.ok()) return;
  auto left = CallDeadline(deadline, std::chrono::system_clock::now(), limits()->deadline);
  if (!left.ok()) {
    call.admitted_ = left.status();
    return;
  }
  call.deadline_ = *left;
}

std::shared_ptr<Call> FrontDesk::Admit(const grpc::CallbackServerContext& context,
                                       std::string_view method) const {
  auto call = std::make_shared<Call>();
  call->method_ = method;
  call->observer_ = &observer_;
  call->began_ = std::chrono::steady_clock::now();
  call->trace_id_ =
      TraceId(Header(context, "traceparent"), Header(context, "x-request-id"), random_);
  const auto uri = PeerUri(*context.auth_context());
  if (!uri.ok()) {
    call->admitted_ = uri.status();
    return call;
  }
  Check(*call, *uri, context.deadline());
  call->caller_.takes_short_images = Header(context, image::kShortImagesHeader) == "1";
  return call;
}

std::shared_ptr<Call> FrontDesk::AdmitItem(const Call& stream,
                                           std::chrono::system_clock::time_point stream_deadline,
                                           std::string_view method) const {
  auto call = std::make_shared<Call>();
  call->method_ = method;
  call->observer_ = &observer_;
  call->began_ = std::chrono::steady_clock::now();
  call->trace_id_ = stream.trace_id_;
  const auto now = std::chrono::system_clock::now();
  const auto usual = now + limits()->deadline.usual;
  Check(*call, stream.caller_.uri, std::min(stream_deadline, usual));
  call->caller_.takes_short_images = stream.caller_.takes_short_images;
  return call;
}

}  // namespace assay::rpc
