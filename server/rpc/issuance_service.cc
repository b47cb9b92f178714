#include "server/rpc/issuance_service.h"

#include <utility>

#include "base/refusal.h"
#include "server/rpc/issue_stream.h"
#include "server/rpc/unary.h"

namespace assay::rpc {

IssuanceCalls IssuanceCalls::To(issue::Pipeline& pipeline) {
  return {
      [&pipeline](const access::Caller& caller, v1::IssueRequest request, Deadline deadline,
                  issue::Pipeline::Done done) {
        pipeline.Submit(caller, std::move(request), deadline, std::move(done));
      },
      [&pipeline](const access::Caller& caller, v1::GetSealedRequest request, Deadline deadline,
                  issue::Pipeline::Done done) {
        pipeline.Fetch(caller, std::move(request), deadline, std::move(done));
      },
      [&pipeline](const access::Caller& caller, v1::ConfirmRequest request, Deadline deadline,
                  issue::Pipeline::ConfirmDone done) {
        pipeline.Confirm(caller, std::move(request), deadline, std::move(done));
      },
  };
}

IssuanceCalls IssuanceCalls::Behind(std::function<absl::Status()> gate) const {
  IssuanceCalls guarded = *this;
  guarded.issue = [issue = issue, gate = std::move(gate)](
                      const access::Caller& caller, v1::IssueRequest request, Deadline deadline,
                      issue::Pipeline::Done done) {
    if (const absl::Status closed = gate(); !closed.ok()) return done(closed);
    issue(caller, std::move(request), deadline, std::move(done));
  };
  return guarded;
}

IssuanceService::IssuanceService(const FrontDesk& desk, IssuanceCalls calls, BlockingPool* pool,
                                 revoke::Verification* verification)
    : Readable(desk), calls_(std::move(calls)), pool_(pool), verification_(verification) {
  Serve("Issue", &IssuanceService::Issue, &issue_messages_);
  Serve("IssueStream", &IssuanceService::OpenStream);
  Serve("GetSealed", &IssuanceService::GetSealed, &sealed_messages_);
  Serve("Confirm", &IssuanceService::Confirm);
  Serve("BeginVerification", &IssuanceService::BeginVerification);
  Serve("VerifyDevice", &IssuanceService::VerifyDevice);
}

IssuanceService::~IssuanceService() = default;

namespace {

// Admits, hands the request on, and answers on whichever thread brings the result.
template <class Request, class Response, class Submit>
grpc::ServerUnaryReactor* Hand(const FrontDesk& desk, grpc::CallbackServerContext* context,
                               std::string_view method, const Request& request, Response* response,
                               const Submit& submit) {
  // Identities are wiped by IssueMessages, and nothing else here is secret.
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  std::shared_ptr<Call> call = desk.Admit(*context, method);
  call->About(request.ticket(), request.lot());
  if (!call->admitted().ok()) {
    reactor->Finish(call->End(call->admitted()));
    return reactor;
  }
  submit(call->caller(), request, call->deadline(),
         [reactor, call, response](absl::StatusOr<Response> result) {
           if (result.ok()) *response = *std::move(result);
           reactor->Finish(call->End(result.status()));
         });
  return reactor;
}

}  // namespace

grpc::ServerUnaryReactor* IssuanceService::Issue(grpc::CallbackServerContext* context,
                                                 const v1::IssueRequest* request,
                                                 v1::IssueResponse* response) {
  return Hand(desk_, context, "assay.v1.IssuanceService/Issue", *request, response, calls_.issue);
}

grpc::ServerUnaryReactor* IssuanceService::GetSealed(grpc::CallbackServerContext* context,
                                                     const v1::GetSealedRequest* request,
                                                     v1::IssueResponse* response) {
  return Hand(desk_, context, "assay.v1.IssuanceService/GetSealed", *request, response,
              calls_.fetch);
}

grpc::ServerUnaryReactor* IssuanceService::Confirm(grpc::CallbackServerContext* context,
                                                   const v1::ConfirmRequest* request,
                                                   v1::ConfirmResponse* response) {
  return Hand(desk_, context, "assay.v1.IssuanceService/Confirm", *request, response,
              calls_.confirm);
}

grpc::ServerUnaryReactor* IssuanceService::BeginVerification(
    grpc::CallbackServerContext* context, const v1::BeginVerificationRequest* request,
    v1::BeginVerificationResponse* response) {
  if (verification_ == nullptr) {
    return v1::IssuanceService::CallbackService::BeginVerification(context, request, response);
  }
  return ServeBlocking(desk_, *pool_, context, "assay.v1.IssuanceService/BeginVerification",
                       request->lot(), response, [this, request](const Call& call) {
                         return verification_->Begin(call.caller(), *request);
                       });
}

grpc::ServerUnaryReactor* IssuanceService::VerifyDevice(grpc::CallbackServerContext* context,
                                                        const v1::VerifyDeviceRequest* request,
                                                        v1::VerifyDeviceResponse* response) {
  if (verification_ == nullptr)
    return v1::IssuanceService::CallbackService::VerifyDevice(context, request, response);
  return ServeBlocking(
      desk_, *pool_, context, "assay.v1.IssuanceService/VerifyDevice", "", response,
      [this, request](const Call& call) { return verification_->Finish(call.caller(), *request); });
}

grpc::ServerBidiReactor<grpc::ByteBuffer, v1::IssueStreamResponse>* IssuanceService::OpenStream(
    grpc::CallbackServerContext* context) {
  // The service's lock is held over a stream's Drain, so a stream cannot go away under it: OnDone
  // waits here.
  auto* stream = new class IssueStream(desk_, calls_, context, [this](class IssueStream* gone) {
    const std::lock_guard lock(mutex_);
    streams_.erase(gone);
  });
  const std::lock_guard lock(mutex_);
  streams_.insert(stream);
  if (draining_) {
    stream->Drain();
  } else {
    stream->Start();
  }
  return stream;
}

void IssuanceService::Drain() {
  const std::lock_guard lock(mutex_);
  draining_ = true;
  for (class IssueStream* stream : streams_) stream->Drain();
}

}  // namespace assay::rpc
