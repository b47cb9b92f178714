// The guard of the ordinary calls: a guarded act becomes a proposal that waits for another
// operator.
#pragma once

#include <chrono>
#include <memory>

#include "absl/status/statusor.h"
#include "assay/v1/approval.pb.h"
#include "base/random.h"
#include "db/approval_store.h"
#include "server/lot/guard.h"

namespace assay::approve {

// Records the act and refuses it with SECOND_PERSON_REQUIRED, naming the proposal and the command
// that approves it. `random` must outlive the guard.
lot::Guard Hold(std::shared_ptr<db::ApprovalStore> store, Random& random,
                std::chrono::seconds lifetime);

// The guarded act that bears `request`; empty where its kind is not guarded.
v1::GuardedAct Wrap(const google::protobuf::Message& request);

// A proposal of `act`, not recorded yet, under a new id.
db::Proposal Draft(const google::protobuf::Message& request, const lot::GuardedEffect& effect,
                   const db::Act& act, Random& random);

}  // namespace assay::approve
