#include "client/command/revocation_commands.h"

#include "absl/strings/str_cat.h"
#include "assay/v1/authority.grpc.pb.h"
#include "base/refusal.h"
#include "client/command/authority_call.h"
#include "client/command/confirm.h"
#include "client/command/guarded_requests.h"
#include "client/files.h"
#include "client/show.h"
#include "matter/certificate.h"

namespace assay::client {
namespace {

using Authority = v1::AuthorityService::Stub;

absl::Status Confirmed(Context& context, const RevokeOptions& options, const std::string& what) {
  return ConfirmByName(context, options.yes, options.name,
                       absl::StrCat("Revoke ", what, " for ever?"), "revoking");
}

absl::Status Print(Context& context, const absl::StatusOr<v1::RevokeResponse>& response) {
  if (!response.ok()) return response.status();
  if (context.json()) {
    context.PrintMessage(*response);
    return absl::OkStatus();
  }
  context.Print(absl::StrCat(response->revoked_before() ? "revoked before" : "revoked",
                             ", new entries: ", response->revoked(),
                             response->published() ? ", in the signed list\n" : "\n"));
  if (!response->waiting_for().empty()) context.Remark(response->waiting_for());
  return absl::OkStatus();
}

absl::Status WriteOut(const std::string& path, const std::string& label, const std::string& der) {
  const bool pem = path.ends_with(".pem");
  const std::string text = pem ? matter::ToPem(label, AsBytes(der)) : der;
  return ReplaceFile(path, AsBytes(text), kPublicFile);
}

}  // namespace

absl::Status RevokeDevice(Context& context, const RevokeOptions& options) {
  const auto reason = ReasonOf(options.reason);
  if (!reason.ok()) return reason.status();
  v1::RevokeDeviceRequest request;
  request.set_request_id(NewRequestId());
  request.set_reason(*reason);
  RevokeOptions asked = options;
  if (!options.dac_serial.empty()) {
    const auto serial = FromHex(options.dac_serial);
    if (!serial.ok()) return Within("--dac-serial", serial.status());
    request.set_dac_serial(ToText(*serial));
    asked.name = options.dac_serial;
  } else {
    request.set_device_id(options.name);
  }
  ASSAY_RETURN_IF_ERROR(Confirmed(context, asked, absl::StrCat("device ", asked.name)));
  return Print(context, CallAuthority(context, &Authority::RevokeDevice, request));
}

absl::Status RevokeLot(Context& context, const RevokeOptions& options) {
  const auto request = RevokeLotRequestOf(options);
  if (!request.ok()) return request.status();
  ASSAY_RETURN_IF_ERROR(
      Confirmed(context, options, absl::StrCat("every device of lot ", options.name)));
  return Print(context, CallAuthority(context, &Authority::RevokeLot, *request));
}

absl::Status RevokePai(Context& context, const RevokeOptions& options) {
  const auto request = RevokePaiRequestOf(options);
  if (!request.ok()) return request.status();
  ASSAY_RETURN_IF_ERROR(Confirmed(context, options, absl::StrCat("PAI ", options.name)));
  return Print(context, CallAuthority(context, &Authority::RevokePai, *request));
}

absl::Status FetchCrl(Context& context, const CrlCommandOptions& options) {
  v1::GetCrlRequest request;
  request.set_issuer(options.issuer);
  request.set_part(static_cast<uint32_t>(options.part));
  request.set_fresh(options.fresh);
  const auto crl = CallAuthority(context, &Authority::GetCrl, request);
  if (!crl.ok()) return crl.status();
  if (!options.out.empty()) {
    ASSAY_RETURN_IF_ERROR(WriteOut(options.out, "X509 CRL", crl->der()));
  }
  context.PrintMessage(*crl);
  return absl::OkStatus();
}

absl::Status ListCrlIssuers(Context& context, const CrlCommandOptions&) {
  const auto issuers =
      CallAuthority(context, &Authority::ListCrlIssuers, v1::ListCrlIssuersRequest());
  if (!issuers.ok()) return issuers.status();
  if (context.json()) {
    context.PrintMessage(*issuers);
    return absl::OkStatus();
  }
  std::vector<std::vector<std::string>> rows;
  for (const v1::CrlIssuer& issuer : issuers->issuers()) {
    rows.push_back({issuer.name(), absl::StrCat(issuer.entries()), absl::StrCat(issuer.parts()),
                    issuer.signer_certificate().empty() ? "itself" : "delegated"});
  }
  context.Print(RenderTable({"issuer", "entries", "parts", "signed by"}, rows));
  return absl::OkStatus();
}

absl::Status DelegateCrl(Context& context, const CrlCommandOptions& options) {
  v1::DelegateCrlRequest request;
  request.set_request_id(NewRequestId());
  request.set_name(options.issuer);
  const auto issuer = CallAuthority(context, &Authority::DelegateCrl, request);
  if (!issuer.ok()) return issuer.status();
  context.PrintMessage(*issuer);
  return absl::OkStatus();
}

absl::Status FetchRevocationSet(Context& context, const CrlCommandOptions& options) {
  const auto set =
      CallAuthority(context, &Authority::GetRevocationSet, v1::GetRevocationSetRequest());
  if (!set.ok()) return set.status();
  if (options.out.empty()) {
    context.Print(set->json() + "\n");
    return absl::OkStatus();
  }
  return ReplaceFile(options.out, AsBytes(set->json()), kPublicFile);
}

absl::Status ShowDistributionPoints(Context& context, const CrlCommandOptions& options) {
  v1::GetDistributionPointsRequest request;
  request.set_issuer(options.issuer);
  const auto points = CallAuthority(context, &Authority::GetDistributionPoints, request);
  if (!points.ok()) return points.status();
  if (!options.out.empty()) ASSAY_RETURN_IF_ERROR(MakeFolder(options.out, 0755));
  int part = 0;
  for (const v1::DistributionPoint& point : points->points()) {
    if (!options.out.empty()) {
      const auto write = [&](const std::string& name, const std::string& text) {
        return text.empty() ? absl::OkStatus()
                            : ReplaceFile(options.out + "/" + name, AsBytes(text), kPublicFile);
      };
      ASSAY_RETURN_IF_ERROR(write(absl::StrCat("record-", part++, ".json"), point.json() + "\n"));
      ASSAY_RETURN_IF_ERROR(write("CRL-SIGNER.pem", point.signer_pem()));
      ASSAY_RETURN_IF_ERROR(write("DELEGATOR.pem", point.delegator_pem()));
    }
    context.Print((context.json() ? point.json() : point.command()) + "\n");
  }
  return absl::OkStatus();
}

}  // namespace assay::client
