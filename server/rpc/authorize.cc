#include "server/rpc/authorize.h"

#include <algorithm>
#include <map>
#include <string>

#include "base/refusal.h"

namespace assay::rpc {
namespace {

using access::Role;
using Table = std::map<std::string_view, std::vector<Role>>;

const Table& Rules() {
  static const Table rules = {
      {"assay.v1.IssuanceService/Issue", {Role::kLine}},
      {"assay.v1.IssuanceService/IssueStream", {Role::kLine}},
      {"assay.v1.IssuanceService/GetSealed", {Role::kLine}},
      {"assay.v1.IssuanceService/Confirm", {Role::kLine}},
      {"assay.v1.IssuanceService/BeginVerification", {Role::kLine}},
      {"assay.v1.IssuanceService/VerifyDevice", {Role::kLine}},
      {"assay.v1.BundleService/FetchLot", {Role::kLine}},
      {"assay.v1.BundleService/SignBundle", {Role::kLine, Role::kOperator}},
      {"assay.v1.CatalogService/ApplyProduct", {Role::kOperator}},
      {"assay.v1.CatalogService/GetProduct", {Role::kOperator, Role::kAuditor}},
      {"assay.v1.CatalogService/ListProducts", {Role::kOperator, Role::kAuditor}},
      {"assay.v1.CatalogService/OpenLot", {Role::kOperator}},
      {"assay.v1.CatalogService/RaiseLot", {Role::kOperator}},
      {"assay.v1.CatalogService/CloseLot", {Role::kOperator}},
      {"assay.v1.CatalogService/GetLot", {Role::kOperator, Role::kAuditor, Role::kLine}},
      {"assay.v1.CatalogService/ListLots", {Role::kOperator, Role::kAuditor, Role::kLine}},
      {"assay.v1.CatalogService/GetServer", {}},
      {"assay.v1.AuthorityService/CreatePai", {Role::kOperator}},
      {"assay.v1.AuthorityService/InstallPai", {Role::kOperator}},
      {"assay.v1.AuthorityService/SignSandboxPai", {Role::kOperator}},
      {"assay.v1.AuthorityService/ActivatePai", {Role::kOperator}},
      {"assay.v1.AuthorityService/RetirePai", {Role::kOperator}},
      {"assay.v1.AuthorityService/GetPai", {Role::kOperator, Role::kAuditor}},
      {"assay.v1.AuthorityService/ListPais", {Role::kOperator, Role::kAuditor}},
      {"assay.v1.AuthorityService/SignSandboxDeclaration", {Role::kOperator}},
      {"assay.v1.AuthorityService/RevokeDevice", {Role::kOperator}},
      {"assay.v1.AuthorityService/RevokeLot", {Role::kOperator}},
      {"assay.v1.AuthorityService/RevokePai", {Role::kOperator}},
      {"assay.v1.AuthorityService/DelegateCrl", {Role::kOperator}},
      {"assay.v1.AuthorityService/GetCrl", {Role::kOperator, Role::kAuditor}},
      {"assay.v1.AuthorityService/ListCrlIssuers", {Role::kOperator, Role::kAuditor}},
      {"assay.v1.AuthorityService/GetRevocationSet", {Role::kOperator, Role::kAuditor}},
      {"assay.v1.AuthorityService/GetDistributionPoints", {Role::kOperator, Role::kAuditor}},
      {"assay.v1.PaiKeyService/AdoptPai", {Role::kOperator}},
      {"assay.v1.ApprovalService/Propose", {Role::kOperator}},
      {"assay.v1.ApprovalService/GetProposal", {Role::kOperator, Role::kAuditor}},
      {"assay.v1.ApprovalService/ListProposals", {Role::kOperator, Role::kAuditor}},
      {"assay.v1.ApprovalService/ApproveProposal", {Role::kOperator}},
      {"assay.v1.ApprovalService/RejectProposal", {Role::kOperator}},
      {"assay.v1.AuditService/GetDevice", {Role::kAuditor}},
      {"assay.v1.AuditService/ListDevices", {Role::kAuditor}},
      {"assay.v1.AuditService/ExportManifest", {Role::kAuditor}},
      {"assay.v1.SystemService/GetSystem", {Role::kOperator, Role::kAuditor}},
      {"assay.v1.RecordsService/Export", {Role::kAuditor}},
      {"assay.v1.RecordsService/GetHistory", {Role::kAuditor}},
      {"assay.v1.RecordsService/Follow", {Role::kAuditor}},
      {"assay.v1.LotService/GrantLease", {Role::kOperator}},
      {"assay.v1.LotService/ReleaseLease", {Role::kOperator}},
      {"assay.v1.LotService/ListLeases", {Role::kOperator, Role::kAuditor, Role::kLine}},
      {"assay.v1.LotService/ReconcileLot", {Role::kOperator, Role::kAuditor}},
      {"assay.v1.LedgerService/GetCheckpoint", {}},
      {"assay.v1.LedgerService/GetInclusionProof", {Role::kAuditor, Role::kOperator}},
      {"assay.v1.LedgerService/GetConsistencyProof", {Role::kAuditor, Role::kOperator}},
      {"assay.v1.LedgerService/GetReceipts", {Role::kAuditor, Role::kLine}},
      {"assay.v1.LedgerService/ReadTile", {Role::kAuditor, Role::kOperator}},
      {"assay.v1.LedgerService/ReadEntries", {Role::kAuditor}},
      {"assay.v1.WitnessService/AddCosignature", {Role::kAuditor}},
      {"assay.v1.WitnessService/GetCosignedCheckpoint", {}},
      {"assay.v1.WitnessService/GetCosignedReceipts", {Role::kAuditor}},
  };
  return rules;
}

}  // namespace

const std::vector<Role>* RolesOf(std::string_view method) {
  const auto rule = Rules().find(method);
  return rule == Rules().end() ? nullptr : &rule->second;
}

absl::Status Authorize(const access::Caller& caller, std::string_view method) {
  const std::vector<Role>* roles = RolesOf(method);
  if (roles == nullptr) {
    return RefuseField(Reason::ROLE_MISSING, "method", std::string(method),
                       "no role may make this call");
  }
  if (roles->empty()) return absl::OkStatus();
  if (std::any_of(roles->begin(), roles->end(), [&](Role role) { return caller.Has(role); })) {
    return absl::OkStatus();
  }
  std::string names;
  for (const Role role : *roles) {
    if (!names.empty()) names += " or ";
    names += RoleName(role);
  }
  return RefuseField(Reason::ROLE_MISSING, "caller", caller.uri,
                     "this call needs the role " + names);
}

}  // namespace assay::rpc
