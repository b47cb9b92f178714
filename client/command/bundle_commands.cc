#include "client/command/bundle_commands.h"

#include <memory>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "assay/v1/bundle.grpc.pb.h"
#include "assay/v1/catalog.grpc.pb.h"
#include "base/refusal.h"
#include "client/bundle.h"
#include "client/files.h"
#include "client/progress.h"
#include "client/show.h"
#include "client/whole_images.h"
#include "matter/certificate.h"

namespace assay::client {
namespace {

using Bundles = v1::BundleService::Stub;
using Catalog = v1::CatalogService::Stub;

constexpr size_t kListPiece = size_t{1} << 20;

absl::Status FetchUnits(Context& context, Bundles& stub, const v1::Lot& lot, BundleWriter& writer) {
  grpc::ClientContext call;
  v1::FetchLotRequest request;
  request.set_lot(lot.name());
  TakeShortImages(call);
  const auto reader = stub.FetchLot(&call, request);
  Progress progress(context.remarks(), 0, lot.sealed());
  v1::FetchLotResponse response;
  absl::Status kept;
  while (kept.ok() && reader->Read(&response)) {
    MakeImagesWhole(*response.mutable_identity());
    kept = writer.AddUnit(response.identity(), lot.spec());
    progress.Add(1);
  }
  progress.End();
  if (!kept.ok()) {
    call.TryCancel();
    (void)reader->Finish();
    return kept;
  }
  return FromGrpc(reader->Finish());
}

absl::StatusOr<v1::SignBundleResponse> SignList(Bundles& stub, const std::string& lot,
                                                const std::string& list) {
  grpc::ClientContext call;
  v1::SignBundleResponse response;
  const auto writer = stub.SignBundle(&call, &response);
  v1::SignBundleRequest request;
  request.set_lot(lot);
  bool taken = true;
  for (size_t at = 0; taken && at < list.size(); at += kListPiece) {
    request.set_list(list.substr(at, kListPiece));
    taken = writer->Write(request);
    request.clear_lot();
  }
  writer->WritesDone();
  const absl::Status status = FromGrpc(writer->Finish());
  if (!status.ok()) return status;
  return response;
}

absl::StatusOr<Bytes> ReadCertificate(const std::string& path) {
  const auto bytes = ReadFile(path);
  if (!bytes.ok()) return Within("--certificate", bytes.status());
  const auto certificate = AsText(*bytes).find("-----BEGIN") != std::string_view::npos
                               ? matter::Certificate::ParsePem(AsText(*bytes))
                               : matter::Certificate::Parse(*bytes);
  if (!certificate.ok()) return Within("--certificate", certificate.status());
  return ToBytes(certificate->der());
}

const char* FaultText(const std::string& fault) {
  if (fault == "changed") return "changed: it is not the file that was signed";
  if (fault == "missing") return "missing: it was signed and is not there";
  if (fault == "added") return "added: it is there and was not signed";
  if (fault == "twice") return "there twice";
  return "its own signature does not hold";
}

}  // namespace

absl::Status MakeBundle(Context& context, const BundleCommandOptions& options) {
  const auto connection = context.Connect("line");
  if (!connection.ok()) return connection.status();
  const auto catalog = v1::CatalogService::NewStub((*connection)->channel());
  v1::GetLotRequest request;
  request.set_name(options.lot);
  const auto lot = (*connection)->Call(*catalog, &Catalog::GetLot, request);
  if (!lot.ok()) return lot.status();
  const auto stub = v1::BundleService::NewStub((*connection)->channel());
  auto writer = BundleWriter::Create(options.file, lot->name());
  if (!writer.ok()) return Within("--out", writer.status());
  ASSAY_RETURN_IF_ERROR(FetchUnits(context, *stub, *lot, *writer));
  const auto list = writer->Close();
  if (!list.ok()) return list.status();
  const auto signed_list = SignList(*stub, lot->name(), *list);
  if (!signed_list.ok()) return signed_list.status();
  ASSAY_RETURN_IF_ERROR(
      writer->Finish(*list, signed_list->signature(), signed_list->certificate()));
  if (context.json()) {
    context.Print(nlohmann::json{{"lot", lot->name()},
                                 {"file", options.file},
                                 {"units", writer->units()},
                                 {"members", signed_list->members()},
                                 {"list_sha256", ToHex(AsBytes(signed_list->list_sha256()))}}
                      .dump() +
                  "\n");
    return absl::OkStatus();
  }
  context.Remark(absl::StrCat(writer->units(), " unit(s) of lot ", lot->name(), " in ",
                              options.file, "; its list has SHA-256 ",
                              ToHex(AsBytes(signed_list->list_sha256()))));
  return absl::OkStatus();
}

absl::Status VerifyBundleFile(Context& context, const BundleCommandOptions& options) {
  const auto certificate = ReadCertificate(options.certificate);
  if (!certificate.ok()) return certificate.status();
  const auto verdict = VerifyBundle(options.file, *certificate);
  if (!verdict.ok()) return Within(options.file, verdict.status());
  if (context.json()) {
    nlohmann::json findings = nlohmann::json::array();
    for (const BundleFinding& finding : verdict->findings) {
      findings.push_back({{"member", finding.member}, {"fault", finding.fault}});
    }
    context.Print(nlohmann::json{{"lot", verdict->lot},
                                 {"units", verdict->units},
                                 {"members", verdict->members},
                                 {"valid", findings.empty()},
                                 {"findings", findings}}
                      .dump() +
                  "\n");
  } else if (!verdict->findings.empty()) {
    std::vector<std::vector<std::string>> rows;
    for (const BundleFinding& finding : verdict->findings) {
      rows.push_back({finding.member, FaultText(finding.fault)});
    }
    context.Print(RenderTable({"member", "fault"}, rows));
  } else {
    context.Print(absl::StrCat(options.file, ": lot ", verdict->lot, ", ", verdict->units,
                               " unit(s), ", verdict->members, " files, each as it was signed\n"));
  }
  if (verdict->findings.empty()) return absl::OkStatus();
  return RefuseField(
      Reason::BUNDLE_INVALID, options.file, verdict->findings.front().member,
      absl::StrCat("is not as it was signed: ", verdict->findings.size(), " fault(s)"));
}

void AddBundleCommands(CLI::App& lot,
                       const std::function<void(std::function<absl::Status(Context&)>)>& choose) {
  const auto leaf = [&](const char* name, const char* help, auto run,
                        const std::shared_ptr<BundleCommandOptions>& options) {
    CLI::App* const app = lot.add_subcommand(name, help);
    app->fallthrough();
    app->callback([choose, run, options] {
      choose([run, options](Context& context) { return run(context, *options); });
    });
    return app;
  };
  auto make = std::make_shared<BundleCommandOptions>();
  CLI::App* app = leaf("bundle", "the lot's units as one signed archive", &MakeBundle, make);
  app->add_option("name", make->lot, "the lot")->required();
  app->add_option("--out", make->file, "the archive (tar); written with mode 0600")->required();
  app->footer(
      "Takes what is sealed, so before the units are confirmed: confirming wipes their images.\n"
      "  assay lot bundle lot-2026-11 --out lot-2026-11.tar");

  auto verify = std::make_shared<BundleCommandOptions>();
  app = leaf("verify-bundle", "check such an archive, with no server", &VerifyBundleFile, verify);
  app->add_option("file", verify->file, "the archive")->required();
  app->add_option("--certificate", verify->certificate, "the image certificate, PEM or DER")
      ->required();
  app->footer("  assay lot verify-bundle lot-2026-11.tar --certificate image.pem");
}

}  // namespace assay::client
