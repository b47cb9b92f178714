#include "client/command/issue_order.h"

#include "base/refusal.h"
#include "client/mfg_tool/given_list.h"
#include "client/module_list.h"

namespace assay::client {
namespace {

// The option that lists the units must be the one the lot's product asks for.
absl::Status CheckLists(const IssueOptions& options, v1::Attestation attestation) {
  const bool wants_csr = attestation == v1::ATTESTATION_CSR;
  if (wants_csr == options.csr_folder.empty()) {
    return RefuseField(
        Reason::FIELDS_CONTRADICT, "--csr", options.csr_folder,
        wants_csr ? "the lot's devices make their own keys: give the folder of their requests"
                  : "the lot's product does not take requests of devices");
  }
  const bool wants_given = attestation == v1::ATTESTATION_GIVEN;
  if (wants_given == options.given.empty()) {
    return RefuseField(Reason::FIELDS_CONTRADICT, "--given", options.given,
                       wants_given
                           ? "the lot's certificates are made elsewhere: give their folder or csv"
                           : "the lot's product does not take certificates made elsewhere");
  }
  if (!options.modules.empty() && attestation != v1::ATTESTATION_NONE) {
    return RefuseField(Reason::FIELDS_CONTRADICT, "--modules", options.modules,
                       "the lot gives its devices certificates; only one whose attestation is "
                       "none completes modules of another");
  }
  if (!options.pai_file.empty() && options.given.empty()) {
    return RefuseField(Reason::FIELDS_CONTRADICT, "--pai", options.pai_file, "goes with --given");
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<RunOrder> OrderOf(Context& context, const IssueOptions& options,
                                 const v1::ProductSpec& spec) {
  ASSAY_RETURN_IF_ERROR(CheckLists(options, spec.dac().attestation()));
  RunOrder order{options.lot, options.count, options.ticket_prefix, options.csr_folder, "", {}};
  if (!options.modules.empty()) {
    auto modules = ReadModules(options.modules);
    if (!modules.ok()) return modules.status();
    order.kind = "modules";
    order.units = *std::move(modules);
  }
  if (!options.given.empty()) {
    auto units = ReadGiven(options.given, options.pai_file, RulesFor(spec, context.clock().Now()));
    if (!units.ok()) return Within("--given", units.status());
    order.kind = "given";
    for (GivenUnit& unit : *units) {
      PlannedTicket& planned = order.units.emplace_back();
      planned.ticket = std::move(unit.name);
      planned.given_dac = std::move(unit.dac);
      planned.serial_number = std::move(unit.serial_number);
    }
  }
  return order;
}

v1::IssueRequest RequestFor(const PlannedTicket& planned, const std::string& lot) {
  v1::IssueRequest request;
  request.set_ticket(planned.ticket);
  request.set_lot(lot);
  if (!planned.csr.empty()) request.set_csr(ToText(planned.csr));
  if (planned.module) *request.mutable_module() = *planned.module;
  if (planned.given_dac) *request.mutable_given_dac() = *planned.given_dac;
  if (!planned.serial_number.empty()) {
    request.mutable_values()->set_serial_number(planned.serial_number);
  }
  return request;
}

}  // namespace assay::client
