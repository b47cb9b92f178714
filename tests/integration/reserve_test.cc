// A reserve (limits.reserve) in the whole service, over real TLS, SoftHSM and PostgreSQL.
#include <gtest/gtest.h>

#include <chrono>
#include <set>
#include <thread>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "image/factory_keys.h"
#include "image/nvs.h"
#include "matter/certificate.h"
#include "matter/onboarding.h"
#include "matter/spake2p.h"
#include "tests/integration/office.h"

namespace assay::integration {
namespace {

constexpr int kReserve = 4;

class ReserveInService : public ::testing::Test {
 protected:
  void SetUp() override {
    office.Stop();
    ops::Config config = office.config();
    config.limits.reserve = kReserve;
    const absl::Status started = office.StartAgain(config);
    ASSERT_TRUE(started.ok()) << started;
    office.AwaitReady();
  }
  void TearDown() override {
    office.Stop();
    const absl::Status started = office.StartAgain();
    ASSERT_TRUE(started.ok()) << started;
    office.AwaitReady();
  }

  // A figure of the reserve, as its metric tells it.
  int64_t Told(const std::string& figure, const std::string& what) {
    const std::string text = office.daemon().MetricsText();
    const std::string name = absl::StrCat("\nassay_reserve_", figure, "{what=\"", what, "\"} ");
    const size_t at = text.find(name);
    if (at == std::string::npos) return -1;
    const size_t from = at + name.size();
    int64_t value = -1;
    EXPECT_TRUE(absl::SimpleAtoi(text.substr(from, text.find('\n', from) - from), &value));
    return value;
  }
  bool AwaitReserve(const std::string& what) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::minutes(2);
    while (Told("ready", what) < kReserve && std::chrono::steady_clock::now() < end) {
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    return Told("ready", what) == kReserve;
  }
  v1::Identity IssueOne(const std::string& lot, const std::string& ticket) {
    v1::IssueResponse response;
    const grpc::Status status = office.Issue(Office::Request(lot, ticket), &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response.identity();
  }

  Office& office = Office::Shared();
};

TEST_F(ReserveInService, ABurstTakesWhatWasMadeInIdleTimeAndEveryIdentityIsRight) {
  office.OpenLot("burst", office.Light(), 20);
  IssueOne("burst", "asked-first");  // from now on its kind is made ahead
  ASSERT_TRUE(AwaitReserve("verifier"));
  ASSERT_TRUE(AwaitReserve("key"));
  EXPECT_EQ(Told("taken_total", "verifier"), 0);

  std::set<std::string> salts, keys;
  constexpr int kBurst = 2 * kReserve;
  for (int i = 0; i < kBurst; ++i) {
    const v1::Identity identity = IssueOne("burst", absl::StrCat("unit-", i));
    const auto entries = image::ParseNvs(AsBytes(identity.images(0).content()));
    ASSERT_TRUE(entries.ok()) << entries.status();
    const auto flashed = image::FromNvsEntries(*entries);
    ASSERT_TRUE(flashed.ok()) << flashed.status();
    const auto label = matter::ParseQr(identity.codes().qr_code());
    ASSERT_TRUE(label.ok()) << label.status();
    EXPECT_TRUE(matter::CheckVerifier(flashed->verifier, label->passcode,
                                      {*flashed->iteration_count, flashed->salt})
                    .ok());
    salts.insert(ToText(flashed->salt));
    const auto dac = matter::Certificate::Parse(AsBytes(identity.dac()));
    ASSERT_TRUE(dac.ok()) << dac.status();
    keys.insert(ToText(dac->public_key()));
  }
  EXPECT_EQ(salts.size(), kBurst);
  EXPECT_EQ(keys.size(), kBurst);
  for (const char* what : {"verifier", "key"}) {
    EXPECT_GE(Told("taken_total", what), kReserve) << what;
    EXPECT_EQ(Told("taken_total", what) + Told("missed_total", what), 1 + kBurst) << what;
  }
}

TEST_F(ReserveInService, IsFilledAgainOnceTheServiceIsIdle) {
  office.OpenLot("refilled", office.Light(), 20);
  IssueOne("refilled", "first");
  ASSERT_TRUE(AwaitReserve("verifier"));
  IssueOne("refilled", "takes-one");
  EXPECT_TRUE(AwaitReserve("verifier"));
  EXPECT_EQ(Told("taken_total", "verifier"), 1);
}

}  // namespace
}  // namespace assay::integration
