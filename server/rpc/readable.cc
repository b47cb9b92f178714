#include "server/rpc/readable.h"

#include "base/refusal.h"

namespace assay::rpc {

absl::Status Unreadable() {
  return RefuseField(Reason::REQUEST_MALFORMED, "request", "",
                     "must be a message of the contract, with its texts in UTF-8");
}

grpc::Status RefuseUnreadable(const FrontDesk& desk, const grpc::CallbackServerContext& context,
                              std::string_view method) {
  const std::shared_ptr<Call> call = desk.Admit(context, method);
  return call->End(call->admitted().ok() ? Unreadable() : call->admitted());
}

}  // namespace assay::rpc
