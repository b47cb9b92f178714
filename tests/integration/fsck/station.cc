#include "tests/integration/fsck/station.h"

#include <stdlib.h>

#include <fstream>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "assay/v1/ledger.grpc.pb.h"
#include "client/command/run.h"
#include "hsm/pkcs11/pkcs11_token.h"

namespace assay::integration {

namespace fs = std::filesystem;

Folder::Folder() {
  std::string name = (fs::temp_directory_path() / "assay-fsck-XXXXXX").string();
  path_ = ::mkdtemp(name.data());
}
Folder::~Folder() { fs::remove_all(path_); }

v1::Identity Station::Issue(const std::string& lot, const std::string& ticket) {
  v1::IssueResponse response;
  const grpc::Status status = office_.Issue(Office::Request(lot, ticket), &response);
  EXPECT_TRUE(status.ok()) << status.error_message();
  return response.identity();
}

std::string Station::ReasonFor(const std::string& lot, const std::string& ticket) {
  v1::IssueResponse response;
  const grpc::Status status = office_.Issue(Office::Request(lot, ticket), &response);
  return status.ok() ? "" : ReasonIn(status);
}

void Station::Confirm(const std::string& lot, const std::string& ticket, v1::Outcome outcome) {
  v1::ConfirmRequest request;
  request.set_lot(lot);
  request.set_ticket(ticket);
  request.set_outcome(outcome);
  v1::ConfirmResponse response;
  const grpc::Status status = v1::IssuanceService::NewStub(office_.ChannelAs(kLine))
                                  ->Confirm(Context().get(), request, &response);
  EXPECT_TRUE(status.ok()) << status.error_message();
}

void Station::Revoke(const std::string& device_id) {
  v1::RevokeDeviceRequest request;
  request.set_request_id(office_.NextId());
  request.set_device_id(device_id);
  request.set_reason(v1::REVOCATION_REASON_KEY_COMPROMISE);
  v1::RevokeResponse response;
  const grpc::Status status = v1::AuthorityService::NewStub(office_.ChannelAs(kOperator))
                                  ->RevokeDevice(Context().get(), request, &response);
  EXPECT_TRUE(status.ok()) << status.error_message();
}

void Station::AwaitLedger() {
  const std::string waiting = absl::StrCat(
      "SELECT (SELECT count(*) FROM ledger_entries WHERE seq IS NULL) + (SELECT h.size - "
      "coalesce(max(c.size), 0) FROM ledger_head h LEFT JOIN ledger_checkpoints c ON true "
      "GROUP BY h.size)");
  const absl::Time limit = absl::Now() + absl::Minutes(2);
  while (absl::Now() < limit) {
    const auto left = test_support::PostgresCluster::Execute(office_.dsn(), waiting);
    ASSERT_TRUE(left.ok()) << left.status();
    if (*left == "0") return;
    absl::SleepFor(absl::Milliseconds(50));
  }
  FAIL() << "the ledger was not signed";
}

int Station::Run(const Folder& folder, const std::string& line) {
  std::string yaml =
      absl::StrCat("server: ", office_.Address(), "\nca: ca.pem\nfactory: north\nidentities:\n");
  std::ofstream(folder.Path("ca.pem")) << office_.pki().ca();
  for (const auto& [role, uri] : {std::pair("line", kLine), std::pair("auditor", kAuditor)}) {
    const auto identity = office_.pki().Client(uri);
    std::ofstream(folder.Path(absl::StrCat(role, ".pem"))) << identity.certificate;
    std::ofstream(folder.Path(absl::StrCat(role, ".key"))) << identity.key;
    absl::StrAppend(&yaml, "  ", role, ": {certificate: ", role, ".pem, key: ", role, ".key}\n");
  }
  std::ofstream(folder.Path("client.yaml")) << yaml;
  std::vector<std::string> arguments = {"--profile", folder.Path("client.yaml"), "--patience",
                                        "60"};
  for (absl::string_view word : absl::StrSplit(line, ' ', absl::SkipEmpty())) {
    arguments.emplace_back(word);
  }
  ::testing::internal::CaptureStderr();
  ::testing::internal::CaptureStdout();
  const int code = client::RunCommandLine(arguments);
  said_ = ::testing::internal::GetCapturedStderr();
  printed_ = ::testing::internal::GetCapturedStdout();
  return code;
}

fsck::Settings Station::SettingsFor(const std::string& dsn) const {
  auto settings = fsck::ReadSettings(office_.config_path());
  EXPECT_TRUE(settings.ok()) << settings.status();
  if (!dsn.empty()) settings->database.dsn = dsn;
  return *std::move(settings);
}

fsck::Report Station::Check(fsck::Findings& findings, const std::string& dsn, bool deep) {
  fsck::Settings settings = SettingsFor(dsn);
  const auto token = pkcs11::OpenPkcs11Token(std::move(settings.token));
  EXPECT_TRUE(token.ok()) << token.status();
  fsck::CheckOptions options;
  options.threads = 2;
  options.deep = deep;
  const auto report = fsck::CheckEverything(settings, token->get(), options, findings);
  EXPECT_TRUE(report.ok()) << report.status();
  return report.ok() ? *report : fsck::Report{};
}

std::string TextOf(const fsck::Findings& findings) {
  std::string text;
  for (const fsck::Finding& finding : findings.All()) {
    absl::StrAppend(&text, std::string(fsck::FaultName(finding.fault)), " ", finding.subject, ": ",
                    finding.what, "\n");
  }
  return text;
}

}  // namespace assay::integration
