// Health, chores, metrics and the HTTP pages.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <latch>

#include "base/refusal.h"
#include "server/ops/figures.h"
#include "server/ops/health.h"
#include "server/ops/housekeeping.h"
#include "server/ops/hsm_faults.h"
#include "server/ops/http.h"
#include "server/ops/metrics.h"

namespace assay::ops {
namespace {

using ::testing::HasSubstr;

constexpr std::chrono::milliseconds kLong = std::chrono::minutes(1);

TEST(HealthTest, IsReadyWhenEveryCheckIsGoodAndHealsByItself) {
  std::atomic<bool> well = false;
  std::atomic<int> told = 0;
  Health health(
      {{"a", [] { return absl::OkStatus(); }},
       {"b", [&] { return well ? absl::OkStatus() : Refuse(Reason::HSM_UNAVAILABLE, "away"); }}},
      std::chrono::seconds(60), [&](bool) { ++told; });
  EXPECT_FALSE(health.Ready());
  well = true;
  EXPECT_TRUE(health.Await(true, kLong));
  well = false;
  EXPECT_TRUE(health.Await(false, kLong));
  EXPECT_EQ(health.Parts()[1].status.message(), "away");
  health.Stop();
  EXPECT_FALSE(health.Ready());
}

TEST(HealthTest, ACheckThatHangsMakesItNotReady) {
  std::latch release(1);
  std::atomic<int> runs = 0;
  Health health({{"hangs",
                  [&] {
                    if (++runs > 1) release.wait();
                    return absl::OkStatus();
                  }}},
                std::chrono::milliseconds(1), [](bool) {});
  EXPECT_TRUE(health.Await(true, kLong));
  EXPECT_TRUE(health.Await(false, kLong));
  EXPECT_THAT(std::string(health.Parts()[0].status.message()), HasSubstr("does not return"));
  release.count_down();
  EXPECT_TRUE(health.Await(true, kLong));
}

TEST(HealthTest, StopMakesItNotReadyForGood) {
  std::atomic<bool> last = false;
  Health health({{"a", [] { return absl::OkStatus(); }}}, std::chrono::seconds(60),
                [&](bool ready) { last = ready; });
  EXPECT_TRUE(health.Await(true, kLong));
  health.Stop();
  EXPECT_FALSE(health.Ready());
  EXPECT_FALSE(last);
}

TEST(ToldTest, AChoreRunsOnAfterAFailure) {
  int runs = 0;
  const auto chore = Told("chore", [&]() -> absl::Status {
    return ++runs < 3 ? Refuse(Reason::STORE_UNAVAILABLE, "away") : absl::OkStatus();
  });
  for (int i = 0; i < 4; ++i) chore();
  EXPECT_EQ(runs, 4);
}

TEST(MetricsTest, StepsAndOutcomesAreCounted) {
  Metrics metrics("1.2.3");
  metrics.StepEnded(issue::Step::kSign, std::chrono::milliseconds(3));
  metrics.Finished(absl::OkStatus(), false, std::chrono::milliseconds(9));
  metrics.Finished(Refuse(Reason::QUOTA_EXCEEDED, ""), false, std::chrono::milliseconds(1));
  metrics.CallEnded("assay.v1.IssuanceService/Issue", "OK", std::chrono::milliseconds(1));
  metrics.CountHsmFault("device", "C_Sign", "CKR_DEVICE_REMOVED");
  metrics.AddSource([] {
    issue::PipelineCounters counters{.in_flight = 3, .crypto_queued = 1};
    counters.reserve.verifiers = {.ready = 7, .made = 12, .taken = 5, .missed = 2};
    counters.reserve.keys.ready = 8;
    return PipelineFigures(counters);
  });
  metrics.AddSource([] { return HsmFigures({.signed_total = 5, .breaker_open = true}); });
  const std::string text = metrics.Text();
  for (const char* line :
       {"assay_issue_step_seconds_count{step=\"sign\"} 1", "assay_issue_total{reason=\"OK\"} 1",
        "assay_issue_total{reason=\"QUOTA_EXCEEDED\"} 1",
        "assay_issue_seconds_count{outcome=\"refused\"} 1",
        "assay_calls_total{method=\"assay.v1.IssuanceService/Issue\",reason=\"OK\"} 1",
        "assay_hsm_faults_total{call=\"C_Sign\",ckr=\"CKR_DEVICE_REMOVED\",class=\"device\"} 1",
        "assay_issue_in_flight 3", "assay_hsm_breaker_open 1",
        "assay_reserve_ready{what=\"verifier\"} 7", "assay_reserve_ready{what=\"key\"} 8",
        "assay_reserve_made_total{what=\"verifier\"} 12",
        "assay_reserve_taken_total{what=\"verifier\"} 5",
        "assay_reserve_missed_total{what=\"verifier\"} 2",
        "assay_hsm_signatures_total{outcome=\"signed\"} 5",
        "assay_build_info{version=\"1.2.3\"} 1"}) {
    EXPECT_THAT(text, HasSubstr(line));
  }
}

std::string Get(int port, const std::string& path) {
  const int socket_fd = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  EXPECT_EQ(connect(socket_fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
  const std::string request = "GET " + path + " HTTP/1.0\r\n\r\n";
  EXPECT_EQ(write(socket_fd, request.data(), request.size()), static_cast<ssize_t>(request.size()));
  std::string answer;
  char buffer[4096];
  ssize_t size = 0;
  while ((size = read(socket_fd, buffer, sizeof(buffer))) > 0)
    answer.append(buffer, static_cast<size_t>(size));
  close(socket_fd);
  return answer;
}

TEST(HttpTest, LiveReadyAndMetricsAnswer) {
  std::atomic<bool> ready = false;
  auto server = HttpServer::Start("127.0.0.1:0", {[] { return std::string("figures 1\n"); },
                                                  [&](std::string& why) {
                                                    why = "hsm: away";
                                                    return ready.load();
                                                  }});
  ASSERT_TRUE(server.ok()) << server.status();
  const int port = (*server)->port();
  EXPECT_THAT(Get(port, "/livez"), HasSubstr("200 OK"));
  EXPECT_THAT(Get(port, "/readyz"), HasSubstr("503 Service Unavailable"));
  EXPECT_THAT(Get(port, "/readyz"), HasSubstr("hsm: away"));
  ready = true;
  EXPECT_THAT(Get(port, "/readyz"), HasSubstr("200 OK"));
  EXPECT_THAT(Get(port, "/metrics"), HasSubstr("figures 1"));
  EXPECT_THAT(Get(port, "/"), HasSubstr("404"));
  EXPECT_FALSE(HttpServer::Start("127.0.0.1:" + std::to_string(port), {}).ok());
}

TEST(HsmFaultsTest, EachFaultIsCountedAndEachClassToldOnce) {
  Metrics metrics("1");
  HsmFaults faults(metrics);
  testing::internal::CaptureStderr();
  for (int i = 0; i < 3; ++i) faults.Reported("device", "C_Sign", "CKR_DEVICE_REMOVED");
  faults.Met(Refuse(Reason::HSM_KEY_MISSING, "no key is labelled 'x'"));
  faults.Met(Refuse(Reason::HSM_UNAVAILABLE, "reported already"));
  faults.Met(absl::OkStatus());
  faults.Finished(Refuse(Reason::HSM_BAD_SIGNATURE, "wrong"), false, std::chrono::milliseconds(1));
  faults.Finished(Refuse(Reason::QUOTA_EXCEEDED, ""), false, std::chrono::milliseconds(1));
  const std::string log = testing::internal::GetCapturedStderr();
  const std::string text = metrics.Text();
  EXPECT_THAT(text, HasSubstr("{call=\"C_Sign\",ckr=\"CKR_DEVICE_REMOVED\",class=\"device\"} 3"));
  EXPECT_THAT(text, HasSubstr("{call=\"C_Sign\",ckr=\"none\",class=\"key_missing\"} 1"));
  EXPECT_THAT(text, HasSubstr("{call=\"C_Sign\",ckr=\"none\",class=\"wrong_signature\"} 1"));
  size_t lines = 0;
  for (size_t at = 0; (at = log.find("hsm_fault", at)) != std::string::npos; ++at) ++lines;
  EXPECT_EQ(lines, 3u) << log;
}

}  // namespace
}  // namespace assay::ops
