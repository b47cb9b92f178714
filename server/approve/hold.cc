#include "server/approve/hold.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "base/refusal.h"
#include "server/lot/act.h"

namespace assay::approve {

v1::GuardedAct Wrap(const google::protobuf::Message& request) {
  v1::GuardedAct act;
  const auto* const descriptor = v1::GuardedAct::descriptor();
  for (int i = 0; i < descriptor->field_count(); ++i) {
    if (descriptor->field(i)->message_type() == request.GetDescriptor()) {
      act.GetReflection()->MutableMessage(&act, descriptor->field(i))->CopyFrom(request);
    }
  }
  return act;
}

db::Proposal Draft(const google::protobuf::Message& request, const lot::GuardedEffect& effect,
                   const db::Act& act, Random& random) {
  db::Proposal made;
  made.id = absl::StrCat("p-", ToHex(random.Draw(6)));
  made.kind = act.kind;
  made.subject = act.subject;
  made.factory = effect.factory;
  made.request = ToBytes(AsBytes(lot::Deterministic(Wrap(request))));
  made.digest = act.digest;
  made.effect = effect.text;
  made.proposer = act.actor;
  made.request_id = act.request_id;
  return made;
}

lot::Guard Hold(std::shared_ptr<db::ApprovalStore> store, Random& random,
                std::chrono::seconds lifetime) {
  return [store = std::move(store), &random, lifetime](
             const access::Caller& caller, const google::protobuf::Message& request,
             const lot::GuardedEffect& effect, db::Act& act) -> absl::Status {
    const auto outcome = store->Propose(Draft(request, effect, act, random), lifetime);
    if (!outcome.ok()) return outcome.status();
    const db::Proposal& proposal = outcome->proposal;
    if (proposal.state != db::ProposalState::kOpen) {
      return RefuseField(Reason::PROPOSAL_NOT_OPEN, "request_id", act.request_id,
                         absl::StrCat("its proposal ", proposal.id,
                                      " is decided or has expired; ask anew under another id"));
    }
    const std::string whose =
        proposal.proposer == caller.uri ? "" : absl::StrCat(" by ", proposal.proposer);
    return RefuseField(
        Reason::SECOND_PERSON_REQUIRED, "caller", caller.uri,
        absl::StrCat(
            "the act waits for another operator as proposal ", proposal.id, whose, ", until ",
            absl::FormatTime("%Y-%m-%d %H:%M UTC", proposal.expires_at, absl::UTCTimeZone()),
            ": assay proposal approve ", proposal.id));
  };
}

}  // namespace assay::approve
