// assay.v1.IssuanceService over the pipeline and the check at the end of the line.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <set>

#include "assay/v1/issuance.grpc.pb.h"
#include "server/issue/pipeline.h"
#include "server/revoke/verification.h"
#include "server/rpc/blocking_pool.h"
#include "server/rpc/issue_messages.h"
#include "server/rpc/readable.h"

namespace assay::rpc {

class IssueStream;

// The pipeline as the service sees it; tests put their own in its place.
struct IssuanceCalls {
  std::function<void(const access::Caller&, v1::IssueRequest, Deadline, issue::Pipeline::Done)>
      issue;
  std::function<void(const access::Caller&, v1::GetSealedRequest, Deadline, issue::Pipeline::Done)>
      fetch;
  std::function<void(const access::Caller&, v1::ConfirmRequest, Deadline,
                     issue::Pipeline::ConfirmDone)>
      confirm;

  static IssuanceCalls To(issue::Pipeline& pipeline);
  // The same, but issuing is refused with what `gate` says while that is not OK. `gate` is quick.
  IssuanceCalls Behind(std::function<absl::Status()> gate) const;
};

// Never blocks a gRPC thread. Outlives the server that serves it.
class IssuanceService final : public Readable<v1::IssuanceService> {
 public:
  // Without a verification those two calls are UNIMPLEMENTED; with one, it and the pool that runs
  // it outlive the service.
  IssuanceService(const FrontDesk& desk, IssuanceCalls calls, BlockingPool* pool = nullptr,
                  revoke::Verification* verification = nullptr);
  ~IssuanceService() override;

  grpc::ServerUnaryReactor* Issue(grpc::CallbackServerContext* context,
                                  const v1::IssueRequest* request,
                                  v1::IssueResponse* response) override;
  grpc::ServerUnaryReactor* GetSealed(grpc::CallbackServerContext* context,
                                      const v1::GetSealedRequest* request,
                                      v1::IssueResponse* response) override;
  grpc::ServerUnaryReactor* Confirm(grpc::CallbackServerContext* context,
                                    const v1::ConfirmRequest* request,
                                    v1::ConfirmResponse* response) override;
  grpc::ServerUnaryReactor* BeginVerification(grpc::CallbackServerContext* context,
                                              const v1::BeginVerificationRequest* request,
                                              v1::BeginVerificationResponse* response) override;
  grpc::ServerUnaryReactor* VerifyDevice(grpc::CallbackServerContext* context,
                                         const v1::VerifyDeviceRequest* request,
                                         v1::VerifyDeviceResponse* response) override;

  // Streams read no further, answer what they have read, and end with DRAINING. New streams too.
  void Drain();

 private:
  grpc::ServerBidiReactor<grpc::ByteBuffer, v1::IssueStreamResponse>* OpenStream(
      grpc::CallbackServerContext* context);

  const IssuanceCalls calls_;
  BlockingPool* const pool_;
  revoke::Verification* const verification_;
  IssueMessages<v1::IssueRequest> issue_messages_;
  IssueMessages<v1::GetSealedRequest> sealed_messages_;
  std::mutex mutex_;
  bool draining_ = false;
  std::set<class IssueStream*> streams_;
};

}  // namespace assay::rpc
