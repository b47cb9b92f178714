// Requests that are no messages of the contract are refused by every method, and nothing is done.
#include <google/protobuf/descriptor.h>
#include <gtest/gtest.h>

#include "assay/v1/bundle.grpc.pb.h"
#include "db/pg/ledger_store.h"
#include "image/bundle_list.h"
#include "server/rpc/server.h"
#include "tests/integration/office.h"
#include "tests/support/raw_call.h"

namespace assay::integration {
namespace {

using test_support::RawCall;

constexpr char kSignBundle[] = "assay.v1.BundleService/SignBundle";
const std::string kUnreadable = "\x07";  // a wire type there is not

class UnreadableTest : public ::testing::Test {
 protected:
  grpc::Status Tell(const std::string& method, const char* caller) {
    RawCall call(office.ChannelAs(caller), method);
    call.Write(kUnreadable);
    call.WritesDone();
    return call.Finish();
  }

  static std::string Piece(const std::string& lot, const std::string& list) {
    v1::SignBundleRequest request;
    request.set_lot(lot);
    request.set_list(list);
    return request.SerializeAsString();
  }
  static std::string Member(const std::string& name) {
    return image::BundleListLine(Sha256(AsBytes(name)), name);
  }
  // The ledger's entries of bundles of the lot, once there is one.
  int BundlesInLedger(const std::string& lot) {
    pg::PgOptions options;
    options.dsn = office.dsn();
    const auto ledger = pg::OpenLedgerStore(options);
    int found = 0;
    while (found == 0) {
      const auto head = ledger->ReadHead();
      EXPECT_TRUE(head.ok());
      const auto leaves = ledger->ReadLeaves(0, static_cast<int>(head->size));
      EXPECT_TRUE(leaves.ok());
      for (const std::string& leaf : *leaves) {
        if (leaf.find("\"" + lot + "\"") != leaf.npos && leaf.find("lot.bundle") != leaf.npos) {
          ++found;
        }
      }
    }
    return found;
  }

  Office& office = Office::Shared();
};

TEST_F(UnreadableTest, EveryMethodRefusesIt) {
  const auto* pool = google::protobuf::DescriptorPool::generated_pool();
  int methods = 0;
  for (const std::string& name : rpc::ServiceNames()) {
    const auto* service = pool->FindServiceByName(name);
    ASSERT_NE(service, nullptr) << name;
    for (int i = 0; i < service->method_count(); ++i) {
      const std::string method = name + "/" + service->method(i)->name();
      grpc::Status status;
      for (const char* caller : {kOperator, kLine, kAuditor}) {
        status = Tell(method, caller);
        if (ReasonIn(status) != "ROLE_MISSING") break;
      }
      EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT) << method;
      EXPECT_EQ(ReasonIn(status), "REQUEST_MALFORMED") << method;
      EXPECT_EQ(MetadataIn(status, "field"), "request") << method;
      ++methods;
    }
  }
  EXPECT_GT(methods, 50);
}

TEST_F(UnreadableTest, WhoMayNotMakeTheCallLearnsThatFirst) {
  EXPECT_EQ(ReasonIn(Tell("assay.v1.CatalogService/OpenLot", kLine)), "ROLE_MISSING");
}

TEST_F(UnreadableTest, AListOfABundleThatDidNotComeWholeIsNotSigned) {
  office.OpenLot("cut", office.Light(), 1);
  const std::string begun = Piece("cut", image::BundleListHead("cut") + Member("a"));
  v1::SignBundleResponse response;
  {
    RawCall call(office.ChannelAs(kLine), kSignBundle);
    ASSERT_TRUE(call.Write(begun));
    call.Write(kUnreadable);
    call.WritesDone();
    EXPECT_FALSE(call.Read(&response));
    EXPECT_EQ(ReasonIn(call.Finish()), "REQUEST_MALFORMED");
  }
  {  // larger than the server takes
    RawCall call(office.ChannelAs(kLine), kSignBundle);
    ASSERT_TRUE(call.Write(begun));
    call.Write(Piece("", std::string(5 << 20, 'x')));
    call.WritesDone();
    EXPECT_FALSE(call.Read(&response));
    EXPECT_EQ(call.Finish().error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  }
  {
    RawCall call(office.ChannelAs(kLine), kSignBundle);
    ASSERT_TRUE(call.Write(begun));
    call.Cancel();
    EXPECT_EQ(call.Finish().error_code(), grpc::StatusCode::CANCELLED);
  }
  RawCall whole(office.ChannelAs(kLine), kSignBundle);
  ASSERT_TRUE(whole.Write(begun));
  ASSERT_TRUE(whole.Write(Piece("", Member("b"))));
  whole.WritesDone();
  ASSERT_TRUE(whole.Read(&response));
  EXPECT_TRUE(whole.Finish().ok());
  EXPECT_EQ(response.members(), 2u);
  EXPECT_EQ(BundlesInLedger("cut"), 1);
}

}  // namespace
}  // namespace assay::integration
