#include "client/issue_stream.h"

#include <atomic>
#include <map>
#include <mutex>
#include <set>

#include "absl/strings/str_cat.h"
#include "assay/v1/issuance.grpc.pb.h"
#include "base/refusal.h"
#include "grpcpp/grpcpp.h"
#include "gtest/gtest.h"
#include "image/erased_flash.h"

namespace assay::client {
namespace {

// Answers each ticket as told; `cut_after` answers the stream breaks once.
class FakeIssuer final : public v1::IssuanceService::Service {
 public:
  grpc::Status IssueStream(
      grpc::ServerContext* context,
      grpc::ServerReaderWriter<v1::IssueStreamResponse, v1::IssueRequest>* stream) override {
    v1::IssueRequest request;
    int answered = 0;
    short_images = context->client_metadata().count(image::kShortImagesHeader) > 0;
    if (denied) return {grpc::StatusCode::PERMISSION_DENIED, "no"};
    while (stream->Read(&request)) {
      if (cut_after >= 0 && answered == cut_after && !cut.exchange(true)) {
        return {grpc::StatusCode::UNAVAILABLE, "cut"};
      }
      stream->Write(Answer(request));
      ++answered;
    }
    return grpc::Status::OK;
  }

  v1::IssueStreamResponse Answer(const v1::IssueRequest& request) {
    std::lock_guard lock(mutex);
    v1::IssueStreamResponse response;
    response.set_ticket(request.ticket());
    const int asked = ++times[request.ticket()];
    if (const auto found = refuse.find(request.ticket()); found != refuse.end()) {
      if (found->second != "OVERLOADED" || asked == 1) {
        response.mutable_refused()->set_reason(found->second);
        response.mutable_refused()->set_code(14);
        if (found->second == "OVERLOADED") response.mutable_refused()->set_retry_after_ms(1);
        return response;
      }
    }
    response.mutable_issued()->mutable_identity()->set_ticket(request.ticket());
    response.mutable_issued()->set_sealed_before(asked > 1);
    v1::ImageFile& image = *response.mutable_issued()->mutable_identity()->add_images();
    image.set_content(short_images ? "nvs" : "nvs\xFF");
    image.set_size(4);
    return response;
  }

  std::atomic<bool> denied{false};
  std::atomic<bool> short_images{false};
  int cut_after = -1;
  std::atomic<bool> cut{false};
  std::mutex mutex;
  std::map<std::string, int> times;
  std::map<std::string, std::string> refuse;
};

class IssueStreamTest : public testing::Test {
 protected:
  void SetUp() override {
    grpc::ServerBuilder builder;
    int port = 0;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
    builder.RegisterService(&issuer_);
    server_ = builder.BuildAndStart();
    CallPatience patience;
    patience.first_wait = std::chrono::milliseconds(1);
    connection_ = Connection::Over(
        grpc::CreateChannel(absl::StrCat("127.0.0.1:", port), grpc::InsecureChannelCredentials()),
        patience);
  }

  absl::Status Run(int count, int window = 4) {
    int at = 0;
    IssueStreamOptions options;
    options.window = window;
    return IssueMany(
        *connection_, options,
        [&]() -> std::optional<v1::IssueRequest> {
          if (at == count) return std::nullopt;
          v1::IssueRequest request;
          request.set_ticket(absl::StrCat("T", ++at));
          return request;
        },
        [&](const std::string& ticket, absl::StatusOr<v1::IssueResponse> outcome) {
          if (outcome.ok()) {
            EXPECT_TRUE(issued_.insert(ticket).second) << ticket << " came twice";
            EXPECT_EQ(outcome->identity().images(0).content(), "nvs\xFF");
          } else {
            refused_[ticket] = outcome.status();
          }
          return go_on_;
        },
        [] { return false; });
  }

  FakeIssuer issuer_;
  std::unique_ptr<grpc::Server> server_;
  std::shared_ptr<Connection> connection_;
  std::set<std::string> issued_;
  std::map<std::string, absl::Status> refused_;
  bool go_on_ = true;
};

TEST_F(IssueStreamTest, EveryTicketIsAnsweredOnce) {
  EXPECT_TRUE(Run(200, 16).ok());
  EXPECT_EQ(issued_.size(), 200u);
}

TEST_F(IssueStreamTest, ImagesTravelWithoutErasedFlashAndComeWhole) {
  EXPECT_TRUE(Run(1).ok());
  EXPECT_EQ(issued_.size(), 1u);
  EXPECT_TRUE(issuer_.short_images);
}

TEST_F(IssueStreamTest, AStreamThatIsCutIsTakenUpAgainWithTheSameTickets) {
  issuer_.cut_after = 5;
  const auto status = Run(50);
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_EQ(issued_.size(), 50u);
}

TEST_F(IssueStreamTest, TryLaterIsTriedLater) {
  issuer_.refuse["T3"] = "OVERLOADED";
  EXPECT_TRUE(Run(5).ok());
  EXPECT_EQ(issued_.size(), 5u);
  EXPECT_EQ(issuer_.times["T3"], 2);
}

TEST_F(IssueStreamTest, ARefusalThatNoRetryMendsIsTheTicketsEnd) {
  issuer_.refuse["T2"] = "TICKET_CONFLICT";
  EXPECT_TRUE(Run(5).ok());
  EXPECT_EQ(issued_.size(), 4u);
  EXPECT_TRUE(HasReason(refused_["T2"], Reason::TICKET_CONFLICT));
  EXPECT_EQ(issuer_.times["T2"], 1);
}

TEST_F(IssueStreamTest, NothingMoreIsSentAfterTheTakerSaysStop) {
  go_on_ = false;
  EXPECT_TRUE(Run(1000, 1).ok());
  EXPECT_LT(issued_.size(), 5u);
}

TEST_F(IssueStreamTest, AServerThatRefusesTheCallerIsNotAskedAgain) {
  issuer_.denied = true;
  const auto status = Run(3);
  EXPECT_TRUE(absl::IsPermissionDenied(status)) << status;
}

}  // namespace
}  // namespace assay::client
