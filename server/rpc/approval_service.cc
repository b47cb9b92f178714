#include "server/rpc/approval_service.h"

#include <utility>

#include "server/rpc/list_page.h"
#include "server/rpc/unary.h"

namespace assay::rpc {

ApprovalService::ApprovalService(const FrontDesk& desk, BlockingPool& pool,
                                 approve::ApprovalDesk& approvals, PageTokens tokens)
    : Readable(desk), pool_(pool), approvals_(approvals), tokens_(std::move(tokens)) {
  Serve("Propose", &ApprovalService::Propose);
  Serve("GetProposal", &ApprovalService::GetProposal);
  Serve("ListProposals", &ApprovalService::ListProposals);
  Serve("ApproveProposal", &ApprovalService::ApproveProposal);
  Serve("RejectProposal", &ApprovalService::RejectProposal);
}

grpc::ServerUnaryReactor* ApprovalService::Propose(grpc::CallbackServerContext* context,
                                                   const v1::ProposeRequest* request,
                                                   v1::ProposeResponse* response) {
  return ServeBlocking(
      desk_, pool_, context, "assay.v1.ApprovalService/Propose", "", response,
      [this, request](const Call& call) { return approvals_.Propose(call.caller(), *request); });
}

grpc::ServerUnaryReactor* ApprovalService::GetProposal(grpc::CallbackServerContext* context,
                                                       const v1::GetProposalRequest* request,
                                                       v1::Proposal* response) {
  return ServeBlocking(desk_, pool_, context, "assay.v1.ApprovalService/GetProposal", "", response,
                       [this, request](const Call& call) {
                         return approvals_.GetProposal(call.caller(), *request);
                       });
}

grpc::ServerUnaryReactor* ApprovalService::ListProposals(grpc::CallbackServerContext* context,
                                                         const v1::ListProposalsRequest* request,
                                                         v1::ListProposalsResponse* response) {
  return ServeBlocking(desk_, pool_, context, "assay.v1.ApprovalService/ListProposals", "",
                       response, [this, request](const Call& call) {
                         return ListPage(tokens_, call.caller(), *request, [&](const auto& page) {
                           return approvals_.ListProposals(call.caller(), page);
                         });
                       });
}

grpc::ServerUnaryReactor* ApprovalService::ApproveProposal(
    grpc::CallbackServerContext* context, const v1::ApproveProposalRequest* request,
    v1::ApproveProposalResponse* response) {
  return ServeBlocking(desk_, pool_, context, "assay.v1.ApprovalService/ApproveProposal", "",
                       response, [this, request](const Call& call) {
                         return approvals_.ApproveProposal(call.caller(), *request);
                       });
}

grpc::ServerUnaryReactor* ApprovalService::RejectProposal(grpc::CallbackServerContext* context,
                                                          const v1::RejectProposalRequest* request,
                                                          v1::Proposal* response) {
  return ServeBlocking(desk_, pool_, context, "assay.v1.ApprovalService/RejectProposal", "",
                       response, [this, request](const Call& call) {
                         return approvals_.RejectProposal(call.caller(), *request);
                       });
}

}  // namespace assay::rpc
