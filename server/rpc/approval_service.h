// assay.v1.ApprovalService over approve::ApprovalDesk.
#pragma once

#include "assay/v1/approval.grpc.pb.h"
#include "server/approve/approval_desk.h"
#include "server/rpc/blocking_pool.h"
#include "server/rpc/page_token.h"
#include "server/rpc/readable.h"

namespace assay::rpc {

class ApprovalService final : public Readable<v1::ApprovalService> {
 public:
  ApprovalService(const FrontDesk& desk, BlockingPool& pool, approve::ApprovalDesk& approvals,
                  PageTokens tokens);

  grpc::ServerUnaryReactor* Propose(grpc::CallbackServerContext* context,
                                    const v1::ProposeRequest* request,
                                    v1::ProposeResponse* response) override;
  grpc::ServerUnaryReactor* GetProposal(grpc::CallbackServerContext* context,
                                        const v1::GetProposalRequest* request,
                                        v1::Proposal* response) override;
  grpc::ServerUnaryReactor* ListProposals(grpc::CallbackServerContext* context,
                                          const v1::ListProposalsRequest* request,
                                          v1::ListProposalsResponse* response) override;
  grpc::ServerUnaryReactor* ApproveProposal(grpc::CallbackServerContext* context,
                                            const v1::ApproveProposalRequest* request,
                                            v1::ApproveProposalResponse* response) override;
  grpc::ServerUnaryReactor* RejectProposal(grpc::CallbackServerContext* context,
                                           const v1::RejectProposalRequest* request,
                                           v1::Proposal* response) override;

 private:
  BlockingPool& pool_;
  approve::ApprovalDesk& approvals_;
  const PageTokens tokens_;
};

}  // namespace assay::rpc
