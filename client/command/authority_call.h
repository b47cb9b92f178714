// A call of the authority, as an operator.
#pragma once

#include "assay/v1/authority.grpc.pb.h"
#include "client/command/context.h"

namespace assay::client {

template <typename Request, typename Response>
absl::StatusOr<Response> CallAuthority(Context& context,
                                       grpc::Status (v1::AuthorityService::Stub::*method)(
                                           grpc::ClientContext*, const Request&, Response*),
                                       const Request& request) {
  const auto connection = context.Connect("operator");
  if (!connection.ok()) return connection.status();
  const auto stub = v1::AuthorityService::NewStub((*connection)->channel());
  return (*connection)->Call(*stub, method, request);
}

}  // namespace assay::client
