// The small parts of the way in and out, without a network.
#include <gtest/gtest.h>

#include <atomic>
#include <latch>
#include <set>

#include "assay/v1/audit.pb.h"
#include "assay/v1/authority.pb.h"
#include "assay/v1/catalog.pb.h"
#include "assay/v1/pai_key.pb.h"
#include "assay/v1/reason.pb.h"
#include "base/refusal.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "server/rpc/authorize.h"
#include "server/rpc/blocking_pool.h"
#include "server/rpc/call_deadline.h"
#include "server/rpc/error_map.h"
#include "server/rpc/page_token.h"
#include "server/rpc/trace.h"

namespace assay::rpc {
namespace {

google::rpc::Status Rich(const grpc::Status& status) {
  google::rpc::Status rich;
  EXPECT_TRUE(rich.ParseFromString(status.error_details()));
  return rich;
}

TEST(ErrorMapTest, TheContractAndTheHouseListTheSameReasons) {
  const auto* descriptor = v1::Reason_descriptor();
  std::set<std::string> contract, house;
  for (int i = 0; i < descriptor->value_count(); ++i) contract.insert(descriptor->value(i)->name());
  for (const Reason reason : AllReasons())
    house.insert("REASON_" + std::string(ReasonName(reason)));
  house.insert("REASON_UNSPECIFIED");
  EXPECT_EQ(contract, house);
}

TEST(ErrorMapTest, AFieldsRefusalNamesFieldValueAndRule) {
  const grpc::Status status = ToGrpcStatus(
      RefuseField(Reason::FIELD_OUT_OF_RANGE, "values.discriminator", "4096", "must be 0 to 4095"));
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  const google::rpc::Status rich = Rich(status);
  EXPECT_EQ(rich.code(), 3);
  google::rpc::ErrorInfo info;
  google::rpc::BadRequest bad;
  ASSERT_EQ(rich.details_size(), 2);
  ASSERT_TRUE(rich.details(0).UnpackTo(&info));
  ASSERT_TRUE(rich.details(1).UnpackTo(&bad));
  EXPECT_EQ(info.reason(), "FIELD_OUT_OF_RANGE");
  EXPECT_EQ(info.domain(), "assay");
  EXPECT_EQ(info.metadata().at("field"), "values.discriminator");
  EXPECT_EQ(info.metadata().at("value"), "4096");
  EXPECT_EQ(info.metadata().at("rule"), "must be 0 to 4095");
  EXPECT_EQ(bad.field_violations(0).field(), "values.discriminator");
}

TEST(ErrorMapTest, WhatMaySucceedLaterSaysWhen) {
  const google::rpc::Status rich =
      Rich(ToGrpcStatus(Refuse(Reason::HSM_TIMEOUT, "the HSM did not answer")));
  google::rpc::RetryInfo retry;
  ASSERT_EQ(rich.details_size(), 2);
  ASSERT_TRUE(rich.details(1).UnpackTo(&retry));
  EXPECT_EQ(retry.retry_delay().seconds(), 1);
  EXPECT_EQ(ToStreamRefusal(Refuse(Reason::HSM_TIMEOUT, "")).retry_after_ms(), 1000);
}

TEST(ErrorMapTest, EveryReasonGoesThroughWithItsNameAndCode) {
  for (const Reason reason : AllReasons()) {
    const absl::Status refused = Refuse(reason, "why");
    const grpc::Status status = ToGrpcStatus(refused);
    EXPECT_EQ(static_cast<int>(status.error_code()), static_cast<int>(refused.code()));
    EXPECT_EQ(ToStreamRefusal(refused).reason(), ReasonName(reason));
    EXPECT_EQ(OutcomeName(refused), ReasonName(reason));
  }
}

TEST(ErrorMapTest, AStatusWithoutARefusalIsAFaultOfOurOwn) {
  EXPECT_EQ(ToGrpcStatus(absl::NotFoundError("x")).error_code(), grpc::StatusCode::INTERNAL);
  EXPECT_EQ(ToGrpcStatus(absl::CancelledError("x")).error_code(), grpc::StatusCode::CANCELLED);
  EXPECT_TRUE(ToGrpcStatus(absl::OkStatus()).ok());
}

TEST(ErrorMapTest, ACallersBytesAreMadePresentable) {
  const v1::Refusal refusal = ToStreamRefusal(
      RefuseField(Reason::FIELD_MALFORMED, "ticket", "\xff\x01" + std::string(2000, 'x'), "no"));
  EXPECT_LT(refusal.value().size(), 600u);
  EXPECT_EQ(refusal.value().substr(0, 3), "??x");
}

TEST(AuthorizeTest, EveryMethodOfTheContractHasItsRule) {
  for (const auto* file :
       {v1::IssueRequest::descriptor()->file(), v1::OpenLotRequest::descriptor()->file(),
        v1::CreatePaiRequest::descriptor()->file(), v1::AdoptPaiRequest::descriptor()->file(),
        v1::GetDeviceRequest::descriptor()->file()}) {
    for (int s = 0; s < file->service_count(); ++s) {
      for (int m = 0; m < file->service(s)->method_count(); ++m) {
        const std::string name =
            file->service(s)->full_name() + "/" + file->service(s)->method(m)->name();
        EXPECT_NE(RolesOf(name), nullptr) << name;
      }
    }
  }
}

TEST(AuthorizeTest, AMethodWithoutARuleIsRefusedToEverybody) {
  access::Caller caller;
  caller.roles = {access::Role::kOperator, access::Role::kLine, access::Role::kAuditor};
  EXPECT_TRUE(HasReason(Authorize(caller, "assay.v1.NewService/NewCall"), Reason::ROLE_MISSING));
}

TEST(AuthorizeTest, ALineIsNoOperator) {
  access::Caller caller;
  caller.roles = {access::Role::kLine};
  EXPECT_TRUE(Authorize(caller, "assay.v1.IssuanceService/Issue").ok());
  EXPECT_TRUE(
      HasReason(Authorize(caller, "assay.v1.CatalogService/OpenLot"), Reason::ROLE_MISSING));
}

TEST(CallDeadlineTest, ACallWithoutADeadlineGetsTheUsualOne) {
  const auto now = std::chrono::system_clock::now();
  const auto deadline = CallDeadline(std::chrono::system_clock::time_point::max(), now, {});
  ASSERT_TRUE(deadline.ok());
  EXPECT_GT(deadline->Left(), std::chrono::seconds(20));
  EXPECT_LE(deadline->Left(), std::chrono::seconds(30));
}

TEST(CallDeadlineTest, TooLittleTimeIsRefused) {
  const auto now = std::chrono::system_clock::now();
  EXPECT_TRUE(HasReason(CallDeadline(now + std::chrono::milliseconds(19), now, {}).status(),
                        Reason::DEADLINE_TOO_SHORT));
  EXPECT_TRUE(CallDeadline(now + std::chrono::milliseconds(20), now, {}).ok());
}

TEST(TraceTest, ATraceparentThenARequestIdThenAFreshOne) {
  SystemRandom random;
  EXPECT_EQ(TraceId("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "r-1", random),
            "4bf92f3577b34da6a3ce929d0e0e4736");
  EXPECT_EQ(TraceId("", "r-1", random), "r-1");
  EXPECT_EQ(TraceId("00-zz", "bad id\n", random).size(), 32u);
  EXPECT_EQ(TraceId("00-00000000000000000000000000000000-00f067aa0ba902b7-01", "r-2", random),
            "r-2");
}

TEST(PageTokenTest, ATokenIsBoundToItsQueryAndKey) {
  const PageTokens tokens(SecretBytes::CopyOf(AsBytes("0123456789abcdef")));
  const PageTokens others(SecretBytes::CopyOf(AsBytes("fedcba9876543210")));
  const std::string token = tokens.Make("query", 77);
  EXPECT_EQ(*tokens.Read("query", token), 77);
  EXPECT_EQ(*tokens.Read("query", ""), 0);
  for (const auto& read :
       {tokens.Read("other", token), others.Read("query", token), tokens.Read("query", "x"),
        tokens.Read("query", token + "A"), tokens.Read("query", std::string(500, 'A'))}) {
    EXPECT_TRUE(HasReason(read.status(), Reason::PAGE_TOKEN_INVALID));
  }
}

TEST(PageTokenTest, ATokenAfterANameIsBoundToItsQueryToo) {
  const PageTokens tokens(SecretBytes::CopyOf(AsBytes("0123456789abcdef")));
  const std::string name(64, 'n');
  const std::string token = tokens.MakeAfter("query", name);
  EXPECT_EQ(*tokens.ReadAfter("query", token), name);
  EXPECT_EQ(*tokens.ReadAfter("query", ""), "");
  for (const auto& read : {tokens.ReadAfter("other", token), tokens.ReadAfter("query", name),
                           tokens.ReadAfter("query", std::string(5000, 'A'))}) {
    EXPECT_TRUE(HasReason(read.status(), Reason::PAGE_TOKEN_INVALID));
  }
}

TEST(BlockingPoolTest, AFullQueueRefusesAndTheEndWaitsForWhatWasAccepted) {
  std::atomic<int> ran = 0;
  {
    std::latch busy(1), release(1);
    BlockingPool pool(1, 2);
    ASSERT_TRUE(pool.Run([&] {
      busy.count_down();
      release.wait();
    }));
    busy.wait();
    EXPECT_TRUE(pool.Run([&] { ++ran; }));
    EXPECT_TRUE(pool.Run([&] { ++ran; }));
    EXPECT_FALSE(pool.Run([&] { ++ran; }));
    EXPECT_EQ(pool.Waiting(), 2u);
    release.count_down();
  }
  EXPECT_EQ(ran, 2);
}

}  // namespace
}  // namespace assay::rpc
