// The command line and the records' calls against a whole Assay.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "assay/v1/ledger.grpc.pb.h"
#include "assay/v1/lot.grpc.pb.h"
#include "assay/v1/records.grpc.pb.h"
#include "tests/integration/client/client_fixture.h"

namespace assay::integration {

class RecordsTest : public ClientTest {
 protected:
  // Issues `count` devices with serial numbers <prefix>1 ...; their identities.
  std::vector<v1::Identity> IssueSome(const std::string& lot, int count,
                                      const std::string& prefix = "SN",
                                      const std::string& as = kLine) {
    std::vector<v1::Identity> made;
    for (int i = 1; i <= count; ++i) {
      v1::IssueRequest request = Office::Request(lot, absl::StrCat(prefix, "-t", i));
      request.mutable_values()->set_serial_number(absl::StrCat(prefix, i));
      v1::IssueResponse response;
      const grpc::Status status = office_.Issue(request, &response, as);
      EXPECT_TRUE(status.ok()) << status.error_message();
      made.push_back(response.identity());
    }
    return made;
  }
  grpc::Status Confirm(const std::string& lot, const std::string& ticket, v1::Outcome outcome,
                       const std::string& as = kLine, v1::ConfirmResponse* answer = nullptr) {
    const auto stub = v1::IssuanceService::NewStub(office_.ChannelAs(as));
    v1::ConfirmRequest request;
    request.set_lot(lot);
    request.set_ticket(ticket);
    request.set_outcome(outcome);
    v1::ConfirmResponse response;
    return stub->Confirm(Context().get(), request, answer == nullptr ? &response : answer);
  }
  std::unique_ptr<v1::RecordsService::Stub> Records(const std::string& as = kAuditor) {
    return v1::RecordsService::NewStub(office_.ChannelAs(as));
  }
  // The ledger's key, once there is a checkpoint.
  std::string Key() {
    while (Run("ledger checkpoint") != kOk) {
    }
    EXPECT_EQ(Run("ledger key"), kOk) << said_;
    Put("ledger.vkey", printed_);
    return Path("ledger.vkey");
  }
  std::vector<std::string> Lines(const std::string& text) {
    return absl::StrSplit(text, '\n', absl::SkipEmpty());
  }
};

}  // namespace assay::integration
