#include "client/fault.h"

#include "base/refusal.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "gtest/gtest.h"

namespace assay::client {
namespace {

grpc::Status Told(grpc::StatusCode code, const std::string& reason, const std::string& field,
                  int retry_seconds) {
  google::rpc::Status details;
  google::rpc::ErrorInfo info;
  info.set_reason(reason);
  info.set_domain("assay");
  if (!field.empty()) {
    (*info.mutable_metadata())["field"] = field;
    (*info.mutable_metadata())["value"] = "L7";
    (*info.mutable_metadata())["rule"] = "no such lot";
  }
  details.add_details()->PackFrom(info);
  if (retry_seconds > 0) {
    google::rpc::RetryInfo retry;
    retry.mutable_retry_delay()->set_seconds(retry_seconds);
    details.add_details()->PackFrom(retry);
  }
  return {code, "no such lot", details.SerializeAsString()};
}

TEST(FaultTest, ARefusalComesBackWithReasonFieldValueAndRule) {
  const auto status = FromGrpc(Told(grpc::NOT_FOUND, "LOT_UNKNOWN", "lot", 0));
  const auto refusal = RefusalOf(status);
  ASSERT_TRUE(refusal);
  EXPECT_EQ(refusal->reason, Reason::LOT_UNKNOWN);
  EXPECT_EQ(refusal->field, "lot");
  EXPECT_EQ(refusal->value, "L7");
  EXPECT_EQ(FaultLine(status),
            "lot: no such lot (got L7) [LOT_UNKNOWN: no such lot; do not retry unchanged]");
  EXPECT_EQ(ExitCodeOf(status), ExitCode::kRefused);
}

TEST(FaultTest, TheServersDelayIsKept) {
  const auto status = FromGrpc(Told(grpc::UNAVAILABLE, "OVERLOADED", "", 7));
  EXPECT_EQ(RetryAfter(status), std::chrono::seconds(7));
  EXPECT_EQ(ExitCodeOf(status), ExitCode::kRefused);
}

TEST(FaultTest, AReasonOfANewerServerKeepsItsNameInTheLine) {
  const auto status = FromGrpc(Told(grpc::FAILED_PRECONDITION, "MOON_PHASE", "", 0));
  EXPECT_FALSE(RefusalOf(status));
  EXPECT_NE(FaultLine(status).find("MOON_PHASE"), std::string::npos);
  EXPECT_FALSE(RetryAfter(status));
}

TEST(FaultTest, AnUnreachableServerHasItsOwnExitCode) {
  const auto status = FromGrpc({grpc::UNAVAILABLE, "connection refused"});
  EXPECT_EQ(ExitCodeOf(status), ExitCode::kUnreachable);
  EXPECT_TRUE(RetryAfter(status));
}

TEST(FaultTest, ARefusalInAStreamIsTheSameAsOneOfACall) {
  v1::Refusal refusal;
  refusal.set_code(8);
  refusal.set_message("the lot's count is used up");
  refusal.set_reason("QUOTA_EXCEEDED");
  EXPECT_TRUE(HasReason(FromRefusal(refusal), Reason::QUOTA_EXCEEDED));
  EXPECT_FALSE(RetryAfter(FromRefusal(refusal)));
}

}  // namespace
}  // namespace assay::client
