// The issuing service over real TLS with a pipeline of the test's own.
#include <google/rpc/error_details.pb.h>
#include <google/rpc/status.pb.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <mutex>
#include <set>
#include <sstream>
#include <thread>

#include "base/refusal.h"
#include "server/issue/together.h"
#include "server/rpc/issuance_service.h"
#include "server/rpc/server.h"
#include "server/rpc/tls.h"
#include "tests/support/raw_call.h"
#include "tests/support/test_pki.h"

namespace assay::rpc {
namespace {

constexpr char kUri[] = "spiffe://assay.test/line/1";

constexpr char kIssue[] = "assay.v1.IssuanceService/Issue";
constexpr char kIssueStream[] = "assay.v1.IssuanceService/IssueStream";
const std::string kLatin1 = "\x0a\x02\x61\xff";  // a ticket that is not UTF-8

std::string ReasonIn(const grpc::Status& status) {
  google::rpc::Status rich;
  google::rpc::ErrorInfo info;
  const bool told = rich.ParseFromString(status.error_details()) && rich.details_size() > 0 &&
                    rich.details(0).UnpackTo(&info);
  return told ? info.reason() : "";
}

class SilentObserver final : public CallObserver {
 public:
  void CallEnded(std::string_view, std::string_view, std::chrono::nanoseconds) override {}
};

// Holds every ticket until the test lets it go.
class HeldPipeline {
 public:
  size_t image_bytes = 0;  // of each identity
  bool at_once = false;    // instead: answers as soon as it has taken a ticket

  void Take(v1::IssueRequest request, issue::Pipeline::Done done) {
    {
      const std::lock_guard lock(mutex_);
      held_.emplace_back(std::move(request), std::move(done));
      ++taken_;
      changed_.notify_all();
    }
    if (at_once) AnswerOne();
  }
  void AwaitTaken(size_t count) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return taken_ >= count; });
  }
  size_t Taken() {
    const std::lock_guard lock(mutex_);
    return taken_;
  }
  // As the pipeline answers a batch.
  void AnswerTogether(int count) {
    issue::Together batch;
    for (int i = 0; i < count; ++i) AnswerOne();
  }
  // Answers the ticket held longest.
  void AnswerOne() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return !held_.empty(); });
    auto [request, done] = std::move(held_.front());
    held_.pop_front();
    lock.unlock();
    if (request.ticket() == "refuse") {
      done(RefuseField(Reason::FIELD_MALFORMED, "ticket", request.ticket(), "as asked"));
      return;
    }
    v1::IssueResponse response;
    response.mutable_identity()->set_ticket(request.ticket());
    if (image_bytes > 0) {
      response.mutable_identity()->add_images()->set_content(std::string(image_bytes, 'i'));
    }
    done(std::move(response));
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::pair<v1::IssueRequest, issue::Pipeline::Done>> held_;
  size_t taken_ = 0;
};

class StreamTest : public ::testing::Test {
 protected:
  StreamTest() {
    char pattern[] = "/tmp/assay-stream-XXXXXX";
    folder_ = mkdtemp(pattern);
    const test_support::TlsIdentity server = pki_.Server();
    test_support::WritePrivateFile(folder_ + "/cert", server.certificate);
    test_support::WritePrivateFile(folder_ + "/key", server.key);
    test_support::WritePrivateFile(folder_ + "/ca", pki_.ca());
    tls_ = *ServerTls::Load({folder_ + "/cert", folder_ + "/key", folder_ + "/ca"}, clock_);
    ServerOptions options;
    options.listen = "localhost:0";
    options.credentials = tls_->Credentials();
    server_ = *RpcServer::Start(options, {&service_});
    grpc::SslCredentialsOptions client;
    const test_support::TlsIdentity identity = pki_.Client(kUri);
    client.pem_root_certs = pki_.ca();
    client.pem_private_key = identity.key;
    client.pem_cert_chain = identity.certificate;
    client_ = grpc::SslCredentials(client);
    stub_ = NewStub({});
  }
  ~StreamTest() override {
    server_.reset();
    std::filesystem::remove_all(folder_);
  }

  std::shared_ptr<grpc::Channel> Channel(const grpc::ChannelArguments& arguments = {}) {
    return grpc::CreateCustomChannel("localhost:" + std::to_string(server_->port()), client_,
                                     arguments);
  }
  std::unique_ptr<v1::IssuanceService::Stub> NewStub(const grpc::ChannelArguments& arguments) {
    return v1::IssuanceService::NewStub(Channel(arguments));
  }

  static v1::IssueRequest Ticket(const std::string& ticket) {
    v1::IssueRequest request;
    request.set_ticket(ticket);
    return request;
  }

  using Stream = grpc::ClientReaderWriter<v1::IssueRequest, v1::IssueStreamResponse>;

  // What is held back somewhere ends with the deadline, before a keepalive's ping sends it along.
  std::unique_ptr<Stream> Open(grpc::ClientContext& context) {
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(40));
    return stub_->IssueStream(&context);
  }
  // Tickets "0" to `count` less one; returns once the pipeline has taken `taken` in all.
  void Ask(Stream& stream, int count, size_t taken) {
    for (int i = 0; i < count; ++i) ASSERT_TRUE(stream.Write(Ticket(std::to_string(i))));
    pipeline_.AwaitTaken(taken);
  }
  // The tickets of the next `most` answers, or of those that come before the stream ends.
  static std::set<std::string> Answered(Stream& stream, size_t most) {
    std::set<std::string> tickets;
    v1::IssueStreamResponse answer;
    for (size_t i = 0; i < most && stream.Read(&answer); ++i) tickets.insert(answer.ticket());
    return tickets;
  }

  test_support::TestPki pki_;
  std::string folder_;
  SystemClock clock_;
  SystemRandom random_;
  SilentObserver observer_;
  HeldPipeline pipeline_;
  access::Grants grants_{access::GrantList({{kUri, "", {access::Role::kLine}, {"*"}, {"*"}}})};
  FrontDesk desk_{grants_, random_, observer_, CallLimits{.deadline = {}, .stream_in_flight = 4}};
  IssuanceService service_{
      desk_,
      {[this](const access::Caller&, v1::IssueRequest request, Deadline,
              issue::Pipeline::Done done) { pipeline_.Take(std::move(request), done); },
       {},
       {}}};
  std::shared_ptr<ServerTls> tls_;
  std::unique_ptr<RpcServer> server_;
  std::shared_ptr<grpc::ChannelCredentials> client_;
  std::unique_ptr<v1::IssuanceService::Stub> stub_;
};

TEST_F(StreamTest, NoMoreItemsAreUnderWayThanTheLimitSays) {
  grpc::ClientContext context;
  const auto stream = Open(context);
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(stream->Write(Ticket(std::to_string(i))));
  stream->WritesDone();
  pipeline_.AwaitTaken(4);
  v1::IssueStreamResponse answer;
  std::set<std::string> answered;
  for (size_t i = 0; i < 20; ++i) {
    EXPECT_LE(pipeline_.Taken(), i + 4);
    pipeline_.AnswerOne();
    ASSERT_TRUE(stream->Read(&answer));
    answered.insert(answer.ticket());
  }
  EXPECT_EQ(answered.size(), 20u);
  EXPECT_FALSE(stream->Read(&answer));
  EXPECT_TRUE(stream->Finish().ok());
}

TEST_F(StreamTest, ARefusedItemDoesNotEndTheStream) {
  grpc::ClientContext context;
  const auto stream = Open(context);
  for (const char* ticket : {"a", "refuse", "b"}) ASSERT_TRUE(stream->Write(Ticket(ticket)));
  stream->WritesDone();
  v1::IssueStreamResponse answer;
  for (int i = 0; i < 3; ++i) {
    pipeline_.AnswerOne();
    ASSERT_TRUE(stream->Read(&answer));
    EXPECT_EQ(answer.has_refused(), answer.ticket() == "refuse");
  }
  EXPECT_TRUE(stream->Finish().ok());
}

// All but the last that waits are written with a hint that more follow; the last one must leave
// too.
TEST_F(StreamTest, AnswersThatWaitedTogetherAllArrive) {
  grpc::ClientContext context;
  const auto stream = Open(context);
  for (size_t round = 1; round <= 5; ++round) {
    Ask(*stream, 4, 4 * round);
    for (int i = 0; i < 4; ++i) pipeline_.AnswerOne();
    EXPECT_EQ(Answered(*stream, 4).size(), 4u);
  }
  stream->WritesDone();
  EXPECT_TRUE(stream->Finish().ok());
}

// The first of a stream among them, which takes its headers along. The stream has nothing else to
// wait for, and ends only after the last.
TEST_F(StreamTest, AnswersOfOneBatchAllArriveBeforeTheStreamEnds) {
  grpc::ClientContext context;
  const auto stream = Open(context);
  Ask(*stream, 4, 4);
  stream->WritesDone();
  pipeline_.AnswerTogether(4);
  EXPECT_EQ(Answered(*stream, 5).size(), 4u);
  EXPECT_TRUE(stream->Finish().ok());
}

TEST_F(StreamTest, AStreamDrainedWhileABatchIsAnsweredBringsItsAnswersFirst) {
  grpc::ClientContext context;
  const auto stream = Open(context);
  Ask(*stream, 2, 2);
  {
    issue::Together batch;
    pipeline_.AnswerOne();
    service_.Drain();
    pipeline_.AnswerOne();
  }
  EXPECT_EQ(Answered(*stream, 3).size(), 2u);
  EXPECT_EQ(ReasonIn(stream->Finish()), "DRAINING");
}

TEST_F(StreamTest, BatchesOfTwoThreadsAnswerOneStream) {
  grpc::ClientContext context;
  const auto stream = Open(context);
  for (size_t round = 1; round <= 20; ++round) {
    Ask(*stream, 4, 4 * round);
    std::thread other([&] { pipeline_.AnswerTogether(2); });
    pipeline_.AnswerTogether(2);
    other.join();
    EXPECT_EQ(Answered(*stream, 4).size(), 4u);
  }
  stream->WritesDone();
  EXPECT_TRUE(stream->Finish().ok());
}

TEST_F(StreamTest, ACallerWhoGoesWhileABatchIsAnsweredLeavesNothingBehind) {
  grpc::ClientContext context;
  const auto stream = Open(context);
  Ask(*stream, 4, 4);
  {
    issue::Together batch;
    pipeline_.AnswerOne();
    context.TryCancel();
    EXPECT_FALSE(stream->Finish().ok());
    for (int i = 0; i < 3; ++i) pipeline_.AnswerOne();
  }
  // The destructor's Shutdown waits until the stream's reactor is gone.
}

TEST_F(StreamTest, NoMoreAnswersWaitForALineThatReadsSlowlyThanTheLimitSays) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_HTTP2_BDP_PROBE, 0);  // a window that does not grow, of 64 KiB
  const auto stub = NewStub(arguments);
  grpc::ClientContext context;
  const auto stream = stub->IssueStream(&context);
  pipeline_.image_bytes = 2 << 20;
  pipeline_.at_once = true;
  constexpr size_t kTickets = 40, kInGrpcsBuffers = 3;
  for (size_t i = 0; i < kTickets; ++i) ASSERT_TRUE(stream->Write(Ticket(std::to_string(i))));
  stream->WritesDone();
  pipeline_.AwaitTaken(4);
  v1::IssueStreamResponse answer;
  for (size_t i = 0; i < kTickets; ++i) {
    EXPECT_LE(pipeline_.Taken(), i + 4 + kInGrpcsBuffers);
    ASSERT_TRUE(stream->Read(&answer));
    EXPECT_EQ(answer.issued().identity().images(0).content().size(), pipeline_.image_bytes);
  }
  EXPECT_FALSE(stream->Read(&answer));
  EXPECT_TRUE(stream->Finish().ok());
}

TEST_F(StreamTest, ACallerWhoGoesLeavesNothingBehind) {
  {
    grpc::ClientContext context;
    const auto stream = Open(context);
    Ask(*stream, 4, 4);
    context.TryCancel();
    EXPECT_FALSE(stream->Finish().ok());
  }
  for (int i = 0; i < 4; ++i) pipeline_.AnswerOne();
  // The destructor's Shutdown waits until the stream's reactor is gone.
}

TEST_F(StreamTest, DrainAnswersWhatWasReadAndEndsWithAHint) {
  grpc::ClientContext context;
  const auto stream = Open(context);
  ASSERT_TRUE(stream->Write(Ticket("a")));
  pipeline_.AwaitTaken(1);
  service_.Drain();
  pipeline_.AnswerOne();
  v1::IssueStreamResponse answer;
  ASSERT_TRUE(stream->Read(&answer));
  EXPECT_EQ(answer.issued().identity().ticket(), "a");
  EXPECT_FALSE(stream->Read(&answer));
  const grpc::Status status = stream->Finish();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(ReasonIn(status), "DRAINING");
}

// The read under way when the drain begins cannot be taken back: what it brings is answered too.
TEST_F(StreamTest, AnItemThatComesAsTheStreamDrainsIsAnsweredAndNotLost) {
  grpc::ClientContext context;
  const auto stream = Open(context);
  ASSERT_TRUE(stream->Write(Ticket("a")));
  pipeline_.AwaitTaken(1);
  service_.Drain();
  ASSERT_TRUE(stream->Write(Ticket("late")));
  v1::IssueStreamResponse answer;
  ASSERT_TRUE(stream->Read(&answer));
  EXPECT_EQ(answer.ticket(), "late");
  EXPECT_EQ(answer.refused().reason(), "DRAINING");
  EXPECT_GT(answer.refused().retry_after_ms(), 0);
  pipeline_.AnswerOne();
  ASSERT_TRUE(stream->Read(&answer));
  EXPECT_EQ(answer.issued().identity().ticket(), "a");
  EXPECT_FALSE(stream->Read(&answer));
  EXPECT_EQ(pipeline_.Taken(), 1u);
}

TEST_F(StreamTest, AnItemThatCannotBeReadEndsTheStreamOnceThoseBeforeItAreAnswered) {
  test_support::RawCall stream(Channel(), kIssueStream);
  ASSERT_TRUE(stream.Write(Ticket("a").SerializeAsString()));
  ASSERT_TRUE(stream.Write(Ticket("b").SerializeAsString()));
  ASSERT_TRUE(stream.Write(kLatin1));
  ASSERT_TRUE(stream.Write(Ticket("c").SerializeAsString()));
  pipeline_.AwaitTaken(2);
  v1::IssueStreamResponse answer;
  for (const char* ticket : {"a", "b"}) {
    pipeline_.AnswerOne();
    ASSERT_TRUE(stream.Read(&answer));
    EXPECT_EQ(answer.issued().identity().ticket(), ticket);
  }
  EXPECT_FALSE(stream.Read(&answer));
  const grpc::Status status = stream.Finish();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(ReasonIn(status), "REQUEST_MALFORMED");
  EXPECT_EQ(pipeline_.Taken(), 2u);
}

TEST_F(StreamTest, AnItemLargerThanTheServerTakesDoesNotEndTheStreamWell) {
  test_support::RawCall stream(Channel(), kIssueStream);
  stream.Write(Ticket(std::string(5 << 20, 'x')).SerializeAsString());
  stream.WritesDone();
  v1::IssueStreamResponse answer;
  EXPECT_FALSE(stream.Read(&answer));
  EXPECT_EQ(stream.Finish().error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
}

TEST_F(StreamTest, ARequestThatCannotBeReadIsRefusedAndLoggedLikeAnyOther) {
  ::testing::internal::CaptureStderr();
  for (const std::string& bytes : {kLatin1, std::string("\x0a\x7f"), std::string("\x07")}) {
    test_support::RawCall call(Channel(), kIssue);
    ASSERT_TRUE(call.Write(bytes));
    call.WritesDone();
    v1::IssueResponse response;
    EXPECT_FALSE(call.Read(&response));
    const grpc::Status status = call.Finish();
    EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
    EXPECT_EQ(ReasonIn(status), "REQUEST_MALFORMED");
  }
  std::istringstream log(::testing::internal::GetCapturedStderr());
  int refusals = 0;
  for (std::string line; std::getline(log, line);) {
    // Also what protobuf says by itself.
    EXPECT_EQ(line.substr(0, 9), "{\"time\":\"") << line;
    if (line.find("\"outcome\":\"REQUEST_MALFORMED\"") != std::string::npos) ++refusals;
  }
  EXPECT_EQ(refusals, 3);
  EXPECT_EQ(pipeline_.Taken(), 0u);
}

TEST_F(StreamTest, AUnaryCallIsAnsweredFromAnyThread) {
  std::thread answering([&] { pipeline_.AnswerOne(); });
  grpc::ClientContext context;
  v1::IssueResponse response;
  EXPECT_TRUE(stub_->Issue(&context, Ticket("a"), &response).ok());
  EXPECT_EQ(response.identity().ticket(), "a");
  answering.join();
}

}  // namespace
}  // namespace assay::rpc
