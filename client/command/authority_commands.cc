#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/time.h"
#include "assay/v1/authority.grpc.pb.h"
#include "base/refusal.h"
#include "client/certificate_file.h"
#include "client/command/authority_call.h"
#include "client/command/commands.h"
#include "client/command/pai_key_commands.h"
#include "client/files.h"
#include "client/show.h"
#include "matter/certificate.h"

namespace assay::client {
namespace {

using Authority = v1::AuthorityService::Stub;

absl::StatusOr<std::string> CertificateFrom(const char* flag, const std::string& path) {
  const auto certificate = ReadCertificateFile(flag, path);
  if (!certificate.ok()) return certificate.status();
  return ToText(certificate->der());
}

std::string Fingerprint(const std::string& der) {
  return der.empty() ? "" : ToUpperHex(Sha256(AsBytes(der))).substr(0, 16);
}

std::string NotAfter(const std::string& der) {
  if (der.empty()) return "";
  const auto certificate = matter::Certificate::Parse(AsBytes(der));
  if (!certificate.ok()) return "unreadable";
  if (certificate->validity().not_after >= matter::NeverExpires()) return "never";
  return absl::FormatTime("%Y-%m-%d", certificate->validity().not_after, absl::UTCTimeZone());
}

std::vector<std::string> PaiRow(const v1::Pai& pai) {
  return {pai.name(),
          absl::StrFormat("0x%04X", pai.vendor_id()),
          pai.has_product_id() ? absl::StrFormat("0x%04X", pai.product_id()) : "any",
          EnumWord(*v1::PaiState_descriptor()->FindValueByNumber(pai.state())),
          NotAfter(pai.certificate()),
          Fingerprint(pai.certificate()),
          pai.key_label()};
}

absl::Status PrintPais(Context& context, const std::vector<v1::Pai>& pais) {
  std::vector<std::vector<std::string>> rows;
  for (const v1::Pai& pai : pais) rows.push_back(PaiRow(pai));
  context.Print(RenderTable({"PAI", "VID", "PID", "state", "ends", "fingerprint", "key"}, rows));
  return absl::OkStatus();
}

template <typename Request>
absl::Status ByName(Context& context,
                    grpc::Status (Authority::*method)(grpc::ClientContext*, const Request&,
                                                      v1::Pai*),
                    const std::string& name) {
  Request request;
  request.set_request_id(NewRequestId());
  request.set_name(name);
  return PrintPai(context, CallAuthority(context, method, request));
}

}  // namespace

absl::Status PrintPai(Context& context, const absl::StatusOr<v1::Pai>& pai) {
  if (!pai.ok()) return pai.status();
  if (!context.json()) return PrintPais(context, {*pai});
  context.PrintMessage(*pai);
  return absl::OkStatus();
}

absl::Status CreatePai(Context& context, const PaiOptions& options) {
  v1::CreatePaiRequest request;
  request.set_request_id(NewRequestId());
  request.set_name(options.name);
  request.set_vendor_id(static_cast<uint32_t>(options.vendor_id));
  if (options.product_id) request.set_product_id(static_cast<uint32_t>(*options.product_id));
  request.set_common_name(options.common_name);
  const auto pai = CallAuthority(context, &Authority::CreatePai, request);
  if (!pai.ok()) return pai.status();
  if (!options.out.empty()) {
    ASSAY_RETURN_IF_ERROR(
        ReplaceFile(options.out, AsBytes(matter::ToPem("CERTIFICATE REQUEST", AsBytes(pai->csr()))),
                    kPublicFile));
    context.Remark(absl::StrCat("request for the PAA's owner in ", options.out));
  }
  return PrintPai(context, pai);
}

absl::Status InstallPai(Context& context, const PaiOptions& options) {
  auto certificate = CertificateFrom("--certificate", options.certificate_file);
  if (!certificate.ok()) return certificate.status();
  auto paa = CertificateFrom("--paa", options.paa_file);
  if (!paa.ok()) return paa.status();
  v1::InstallPaiRequest request;
  request.set_request_id(NewRequestId());
  request.set_name(options.name);
  request.set_certificate(*certificate);
  request.set_paa_certificate(*paa);
  return PrintPai(context, CallAuthority(context, &Authority::InstallPai, request));
}

absl::Status SignSandboxPai(Context& context, const PaiOptions& options) {
  return ByName(context, &Authority::SignSandboxPai, options.name);
}
absl::Status ActivatePai(Context& context, const PaiOptions& options) {
  return ByName(context, &Authority::ActivatePai, options.name);
}

absl::Status ShowPai(Context& context, const PaiOptions& options) {
  v1::GetPaiRequest request;
  request.set_name(options.name);
  const auto pai = CallAuthority(context, &Authority::GetPai, request);
  if (!pai.ok()) return pai.status();
  if (!options.out.empty()) {
    if (pai->certificate().empty()) {
      return RefuseField(Reason::PAI_NOT_ACTIVE, "name", options.name, "has no certificate yet");
    }
    const std::string pem = matter::ToPem("CERTIFICATE", AsBytes(pai->certificate())) +
                            matter::ToPem("CERTIFICATE", AsBytes(pai->paa_certificate()));
    ASSAY_RETURN_IF_ERROR(ReplaceFile(options.out, AsBytes(pem), kPublicFile));
  }
  return PrintPai(context, pai);
}

absl::Status ListPais(Context& context) {
  const auto pais = CallAuthority(context, &Authority::ListPais, v1::ListPaisRequest());
  if (!pais.ok()) return pais.status();
  if (!context.json()) return PrintPais(context, {pais->pais().begin(), pais->pais().end()});
  context.PrintMessage(*pais);
  return absl::OkStatus();
}

absl::Status SignDeclaration(Context& context, const DeclarationOptions& options) {
  v1::SignSandboxDeclarationRequest request;
  request.set_vendor_id(static_cast<uint32_t>(options.vendor_id));
  for (const uint64_t id : options.product_ids) request.add_product_ids(static_cast<uint32_t>(id));
  request.set_device_type_id(static_cast<uint32_t>(options.device_type_id));
  request.set_certificate_id(options.certificate_id);
  request.set_version_number(static_cast<uint32_t>(options.version_number));
  if (options.origin_vendor_id) {
    request.set_dac_origin_vendor_id(static_cast<uint32_t>(*options.origin_vendor_id));
  }
  if (options.origin_product_id) {
    request.set_dac_origin_product_id(static_cast<uint32_t>(*options.origin_product_id));
  }
  for (const std::string& hex : options.authorized_paas) {
    const auto id = FromHex(hex);
    if (!id.ok() || id->size() != 20) {
      return RefuseField(Reason::FIELD_MALFORMED, "--authorized-paa", hex, "must be 40 hex digits");
    }
    request.add_authorized_paas(ToText(*id));
  }
  const auto response = CallAuthority(context, &Authority::SignSandboxDeclaration, request);
  if (!response.ok()) return response.status();
  ASSAY_RETURN_IF_ERROR(ReplaceFile(options.out, AsBytes(response->declaration()), kPublicFile));
  context.Remark(
      absl::StrCat("declaration in ", options.out, ", ", response->declaration().size(), " bytes"));
  return absl::OkStatus();
}

}  // namespace assay::client
