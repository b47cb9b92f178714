#include <set>

#include "absl/strings/str_cat.h"
#include "assay/v1/catalog.grpc.pb.h"
#include "assay/v1/issuance.grpc.pb.h"
#include "base/refusal.h"
#include "client/files.h"
#include "client/mfg_tool/run.h"
#include "gtest/gtest.h"
#include "tests/unit/client/test_folder.h"

namespace assay::client {
namespace {

class FakeCatalog final : public v1::CatalogService::Service {
 public:
  grpc::Status GetServer(grpc::ServerContext*, const v1::GetServerRequest*,
                         v1::Server* server) override {
    server->set_mode(mode);
    server->add_roles("line");
    return grpc::Status::OK;
  }
  grpc::Status ApplyProduct(grpc::ServerContext*, const v1::ApplyProductRequest* request,
                            v1::Product* product) override {
    products.insert(request->name());
    spec = request->spec();
    *product->mutable_spec() = spec;
    return grpc::Status::OK;
  }
  grpc::Status OpenLot(grpc::ServerContext*, const v1::OpenLotRequest* request,
                       v1::Lot* lot) override {
    lots.insert(request->name());
    lot->set_name(request->name());
    *lot->mutable_spec() = spec;
    return grpc::Status::OK;
  }
  grpc::Status GetLot(grpc::ServerContext*, const v1::GetLotRequest* request,
                      v1::Lot* lot) override {
    lot->set_name(request->name());
    *lot->mutable_spec() = TestSpec();
    return grpc::Status::OK;
  }
  std::string mode = "sandbox";
  v1::ProductSpec spec;
  std::set<std::string> products, lots;
};

class FakeIssuer final : public v1::IssuanceService::Service {
 public:
  grpc::Status IssueStream(
      grpc::ServerContext*,
      grpc::ServerReaderWriter<v1::IssueStreamResponse, v1::IssueRequest>* stream) override {
    v1::IssueRequest request;
    while (stream->Read(&request)) {
      ++issued;
      v1::IssueStreamResponse response;
      response.set_ticket(request.ticket());
      *response.mutable_issued()->mutable_identity() =
          TestIdentity(TestSpec(), request.ticket(), request.values());
      stream->Write(response);
    }
    return grpc::Status::OK;
  }
  int issued = 0;
};

class MfgToolRunTest : public testing::Test {
 protected:
  void SetUp() override {
    grpc::ServerBuilder builder;
    int port = 0;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
    builder.RegisterService(&catalog_);
    builder.RegisterService(&issuer_);
    server_ = builder.BuildAndStart();
    tools_.connect =
        [this, port](const std::string& role) -> absl::StatusOr<std::shared_ptr<Connection>> {
      roles_.insert(role);
      return Connection::Over(grpc::CreateChannel(absl::StrCat("127.0.0.1:", port),
                                                  grpc::InsecureChannelCredentials()));
    };
    tools_.clock = &clock_;
    tools_.random = &random_;
    options_.outdir = folder_ / "out";
  }

  TestFolder folder_;
  SystemClock clock_;
  SystemRandom random_;
  FakeCatalog catalog_;
  FakeIssuer issuer_;
  std::unique_ptr<grpc::Server> server_;
  MfgToolTools tools_;
  MfgToolOptions options_;
  std::set<std::string> roles_;
};

TEST_F(MfgToolRunTest, ASandboxRegistersProductAndLotByItself) {
  options_.vendor_id = 0xFFF1;
  options_.product_id = 0x8000;
  options_.count = 3;
  const auto result = RunMfgTool(options_, tools_);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(catalog_.products.size(), 1u);
  EXPECT_EQ(catalog_.lots.size(), 1u);
  EXPECT_EQ(issuer_.issued, 3);
  ASSERT_TRUE(RunMfgTool(options_, tools_).ok());
  EXPECT_EQ(catalog_.products.size(), 1u) << "the same flags are the same product";
  EXPECT_EQ(catalog_.lots.size(), 2u);
}

TEST_F(MfgToolRunTest, ProductionNeedsALot) {
  catalog_.mode = "production";
  options_.vendor_id = 0x131B;
  options_.product_id = 0x1000;
  const auto result = RunMfgTool(options_, tools_);
  EXPECT_EQ(RefusalOf(result.status())->field, "--lot");
  EXPECT_EQ(issuer_.issued, 0);
  EXPECT_FALSE(roles_.contains("operator"));
}

TEST_F(MfgToolRunTest, ProductionRefusesToMakeAPaiUnderTheSandboxsPaa) {
  catalog_.mode = "production";
  options_.vendor_id = 0x131B;
  options_.product_id = 0x1000;
  options_.paa = true;
  const auto without = RefusalOf(RunMfgTool(options_, tools_).status());
  ASSERT_TRUE(without);
  EXPECT_EQ(without->reason, Reason::TEST_CREDENTIAL);
  EXPECT_EQ(without->field, "--paa");
  EXPECT_NE(without->rule.find("assay authority pai create"), std::string::npos);
  options_.lot = "L1";  // whose product says which PAI signs
  const auto with = RefusalOf(RunMfgTool(options_, tools_).status());
  ASSERT_TRUE(with);
  EXPECT_EQ(with->field, "--paa");
  EXPECT_EQ(issuer_.issued, 0);
  EXPECT_FALSE(roles_.contains("operator"));
}

TEST_F(MfgToolRunTest, ProductionRefusesAContradictingFlagByNameBeforeIssuing) {
  catalog_.mode = "production";
  options_.lot = "L1";
  options_.product_name = "heater";
  const auto result = RunMfgTool(options_, tools_);
  EXPECT_EQ(RefusalOf(result.status())->field, "--product-name");
  EXPECT_EQ(issuer_.issued, 0);
  options_.product_name = "light";
  EXPECT_TRUE(RunMfgTool(options_, tools_).ok());
  EXPECT_FALSE(roles_.contains("operator"));
}

TEST_F(MfgToolRunTest, AWrongFlagAsksNobody) {
  options_.vendor_id = 0xFFF1;
  options_.product_id = 0x8000;
  options_.discriminator = 4096;
  EXPECT_FALSE(RunMfgTool(options_, tools_).ok());
  EXPECT_TRUE(roles_.empty());
}

}  // namespace
}  // namespace assay::client
