// Callers that stop reading, and callers that vanish without a word.
#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <filesystem>
#include <iostream>
#include <iterator>

#include "absl/strings/str_cat.h"
#include "assay/v1/records.grpc.pb.h"
#include "tests/chaos/strikes/site.h"

namespace assay::chaos {
namespace {

using integration::Context;

// A line that sends all its tickets and reads no answer until it is told to.
class SlowLine {
 public:
  SlowLine(std::shared_ptr<grpc::Channel> channel, std::string name, int tickets)
      : stub_(v1::IssuanceService::NewStub(std::move(channel))),
        name_(std::move(name)),
        stream_(stub_->IssueStream(&context_)) {
    sender_ = std::thread([this, tickets] {
      for (int i = 0; i < tickets; ++i) {
        if (!stream_->Write(integration::Office::Request(kLot, absl::StrCat(name_, "-", i))))
          return;
      }
      stream_->WritesDone();
    });
  }
  ~SlowLine() {
    context_.TryCancel();
    if (sender_.joinable()) sender_.join();
  }
  SlowLine(const SlowLine&) = delete;
  SlowLine& operator=(const SlowLine&) = delete;

  // Every answer there is, by ticket; then the stream's end.
  std::map<std::string, v1::Identity> ReadAll() {
    std::map<std::string, v1::Identity> identities;
    v1::IssueStreamResponse answer;
    while (stream_->Read(&answer)) {
      EXPECT_TRUE(answer.has_issued()) << answer.refused().message();
      identities[answer.ticket()] = answer.issued().identity();
    }
    sender_.join();
    const grpc::Status end = stream_->Finish();
    EXPECT_TRUE(end.ok()) << end.error_message();
    return identities;
  }

 private:
  grpc::ClientContext context_;
  std::unique_ptr<v1::IssuanceService::Stub> stub_;
  const std::string name_;
  std::unique_ptr<grpc::ClientReaderWriter<v1::IssueRequest, v1::IssueStreamResponse>> stream_;
  std::thread sender_;
};

int SealedOf(const Site& site, const std::string& name) {
  return std::atoi(site.Sql(absl::StrCat("SELECT count(*) FROM devices d JOIN attempts a ON a.id = "
                                         "d.attempt_id WHERE a.ticket LIKE '",
                                         name, "-%'"))
                       .c_str());
}

TEST(SlowCallers, WhoDoesNotReadItsAnswersGetsNoMoreOfThemAndHoldsUpNobody) {
  constexpr int kTickets = 600;
  Site site({.limits = {"stream_in_flight: 16"}});
  Shift shift({site.Channel()}, {.lot = kLot});
  ASSERT_TRUE(shift.AwaitEachLine());
  SlowLine slow(site.Channel(), "slow", kTickets);
  site.CountFault();
  // Until nothing more is made for it, while the others go on.
  int before = -1, sealed = 0;
  while (sealed != before || sealed == 0) {
    before = sealed;
    ASSERT_TRUE(shift.AwaitEachLine());
    ASSERT_TRUE(shift.AwaitEachLine());
    sealed = SealedOf(site, "slow");
  }
  std::cout << "sealed for a line that reads nothing: " << sealed << " of " << kTickets << "\n";
  EXPECT_LT(sealed, kTickets / 2);
  const auto identities = slow.ReadAll();
  EXPECT_EQ(identities.size(), static_cast<size_t>(kTickets));
  EXPECT_EQ(SealedOf(site, "slow"), kTickets);
  site.Judge("SlowCallers", {&shift});
}

TEST(SlowCallers, ExportsNobodyReadsHoldUpNobody) {
  Site site;
  Shift shift({site.Channel()}, {.lot = kLot});
  AwaitThat([&] { return shift.Count() > 300; }, "some rows");
  const auto stub = v1::RecordsService::NewStub(site.Channel(integration::kAuditor));
  std::vector<std::unique_ptr<grpc::ClientContext>> contexts;
  std::vector<std::unique_ptr<grpc::ClientReader<v1::ExportPart>>> unread;
  for (int i = 0; i < 12; ++i) {
    contexts.push_back(std::make_unique<grpc::ClientContext>());
    v1::ExportRequest request;
    request.mutable_filter()->set_lot(kLot);
    unread.push_back(stub->Export(contexts.back().get(), request));
    site.CountFault();
  }
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(shift.AwaitEachLine());
  for (const auto& context : contexts) context->TryCancel();
  for (const auto& export_ : unread) {
    v1::ExportPart part;
    while (export_->Read(&part)) {
    }
    (void)export_->Finish();
  }
  ASSERT_TRUE(shift.AwaitEachLine());
  site.Judge("SlowCallers, exports", {&shift});
}

// Connected, and never a byte.
class SilentPeers {
 public:
  SilentPeers(int port, int count) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    for (int i = 0; i < count; ++i) {
      links_.push_back(socket(AF_INET, SOCK_STREAM, 0));
      EXPECT_EQ(connect(links_.back(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    }
  }
  ~SilentPeers() {
    for (const int link : links_) close(link);
  }
  SilentPeers(const SilentPeers&) = delete;
  SilentPeers& operator=(const SilentPeers&) = delete;

 private:
  std::vector<int> links_;
};

long OpenFiles(const AssaydProcess& assayd) {
  const std::filesystem::directory_iterator files(absl::StrCat("/proc/", assayd.pid(), "/fd"));
  return std::distance(begin(files), end(files));
}

TEST(SlowCallers, WhoVanishesWithoutAWordIsHeldForNobodyAndForgottenAtLast) {
  Site site;
  Shift shift({site.Channel()}, {.lot = kLot});
  ASSERT_TRUE(shift.AwaitEachLine());
  const long before = OpenFiles(site.assayd());
  test_support::TcpGate road(absl::StrCat(":", site.assayd().port()));
  const SilentPeers silent(site.assayd().port(), 100);
  // Streams in the middle of their tickets when the road ends: nothing passes, nothing is closed.
  std::vector<std::unique_ptr<SlowLine>> lost;
  for (int i = 0; i < 8; ++i) {
    lost.push_back(std::make_unique<SlowLine>(site.ChannelTo(road.port(), integration::kLine),
                                              absl::StrCat("lost", i), 40));
    AwaitThat([&] { return SealedOf(site, absl::StrCat("lost", i)) > 0; }, "a ticket's seal");
    site.CountFault();
  }
  road.Stall();
  site.CountFault();
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(shift.AwaitEachLine());
  // The lines come back on another road and ask for their tickets: the same units, or new ones.
  Shift again({site.Channel()}, {.lot = kLot, .lines = 8, .name = "again"});
  ASSERT_TRUE(again.AwaitEachLine());
  const auto stub = v1::IssuanceService::NewStub(site.Channel());
  for (int i = 0; i < 8; ++i) {
    const auto request = integration::Office::Request(kLot, absl::StrCat("lost", i, "-0"));
    v1::IssueResponse first, second;
    EXPECT_TRUE(stub->Issue(Context().get(), request, &first).ok());
    EXPECT_TRUE(stub->Issue(Context().get(), request, &second).ok());
    EXPECT_EQ(first.SerializeAsString(), second.SerializeAsString());
  }
  if (Rounds() > 1) {
    AwaitThat([&] { return OpenFiles(site.assayd()) <= before + 20; },
              "vanished callers' connections closed");
    std::cout << "files open before " << before << ", now " << OpenFiles(site.assayd()) << "\n";
  }
  site.Judge("SlowCallers, vanished", {&shift, &again});
  road.Resume();
}

}  // namespace
}  // namespace assay::chaos
