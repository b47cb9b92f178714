#include "absl/strings/str_cat.h"
#include "base/refusal.h"
#include "base/testpoint.h"
#include "server/issue/build.h"
#include "server/issue/pipeline_impl.h"
#include "server/lot/act.h"

namespace assay::issue {

// ---- confirmations
// ---------------------------------------------------------------------------------------

void Pipeline::Impl::Confirm(const access::Caller& caller, v1::ConfirmRequest request,
                             Deadline deadline, ConfirmDone done) {
  absl::Status refusal = caller.CheckRole(access::Role::kLine);
  if (refusal.ok()) refusal = CheckTicketForm(request.ticket());
  if (refusal.ok()) refusal = lot::CheckName("lot", request.lot());
  if (refusal.ok() && request.outcome() != v1::OUTCOME_PROVISIONED &&
      request.outcome() != v1::OUTCOME_SCRAPPED) {
    refusal = RefuseField(Reason::FIELD_OUT_OF_RANGE, "outcome",
                          absl::StrCat(static_cast<int>(request.outcome())),
                          "must be PROVISIONED or SCRAPPED");
  }
  if (refusal.ok()) refusal = Enter(caller.line, request.lot(), false, deadline);
  if (!refusal.ok()) {
    done(refusal);
    return;
  }
  auto confirming = std::make_shared<Confirming>(
      Confirming{caller, std::move(request), deadline, std::move(done)});
  database_.Push(kConfirm, {nullptr, std::move(confirming), std::nullopt});
}

void Pipeline::Impl::ConfirmBatch(std::vector<Errand> batch) {
  std::vector<db::Confirmation> confirmations;
  std::vector<std::shared_ptr<Confirming>> live;
  lot::BatchPlans plans(plans_, lot::PlanFor::kConfirming);
  for (const Errand& errand : batch) {
    const auto& confirming = errand.confirming;
    absl::StatusOr<std::shared_ptr<const lot::LotPlan>> plan =
        Refuse(Reason::DEADLINE_TOO_SHORT, "the deadline passed while the call waited");
    if (!confirming->deadline.Passed()) {
      plan = FindGranted(confirming->caller, confirming->request.lot(), plans);
    }
    if (!plan.ok()) {
      confirming->done(plan.status());
      Leave(confirming->caller.line, confirming->request.lot());
      continue;
    }
    db::Confirmation confirmation;
    confirmation.lot_id = (*plan)->lot.id;
    confirmation.ticket = confirming->request.ticket();
    confirmation.line = confirming->caller.line;
    confirmation.actor = confirming->caller.uri;
    confirmation.outcome = confirming->request.outcome() == v1::OUTCOME_SCRAPPED
                               ? db::DeviceState::kScrapped
                               : db::DeviceState::kProvisioned;
    confirmation.revoke = (*plan)->spec.scrap().revoke();
    confirmation.return_quota = !(*plan)->spec.scrap().replacement_costs_quota();
    confirmations.push_back(std::move(confirmation));
    live.push_back(confirming);
  }
  if (live.empty()) return;
  ASSAY_STRETCH("confirm");
  const auto outcomes = store_->ConfirmDevices(confirmations);
  for (size_t i = 0; i < live.size(); ++i) {
    if (outcomes[i].ok()) {
      v1::ConfirmResponse response;
      response.set_device_id(outcomes[i]->device_id);
      response.set_confirmed_before(outcomes[i]->before);
      live[i]->done(std::move(response));
    } else {
      live[i]->done(outcomes[i].status());
    }
    Leave(live[i]->caller.line, live[i]->request.lot());
  }
}

}  // namespace assay::issue
