// Units made in two lots: a module issued in one, completed in another.
#include "tests/conformance/store/store_suite.h"

namespace assay::test_support {
namespace {

using StoreModules = StoreTest;
INSTANTIATE_TEST_SUITE_P(Stores, StoreModules, testing::Values("postgres", "memory"));

class Unit {
 public:
  Unit(db::Store& store, const db::Intent& module) {
    const auto row = store.FindDevice(module.device_id);
    EXPECT_TRUE(row.ok()) << row.status();
    if (row.ok()) row_ = *row;
  }
  const db::ManifestRow& module() const { return row_; }
  size_t stages() const { return row_.stages.size(); }
  const db::ManifestRow& completion() const { return row_.stages.at(0); }

 private:
  db::ManifestRow row_;
};

// An attempt without a certificate of its own that completes `module`.
db::Intent Completing(int64_t lot, const std::string& ticket, const db::ManifestRow& module) {
  db::Intent intent = SampleIntent(lot, ticket);
  intent.dac_serial.clear();
  intent.public_key_sha256 = {};
  intent.tbs_sha256 = {};
  intent.pai.clear();
  intent.module_attempt = module.attempt_id;
  return intent;
}

db::Seal CompletionSeal(int64_t attempt, const db::Intent& intent) {
  db::Seal seal = SampleSeal(attempt, intent);
  seal.row.dac.clear();
  seal.row.dac_sha256 = {};
  return seal;
}

TEST_P(StoreModules, BothRowsBearTheModulesIdAndCertificate) {
  const int64_t first = OpenSampleLot(*store_, "modules", 5);
  const int64_t second = OpenSampleLot(*store_, "products", 5);
  const db::Intent module = Issue(first, "m1");
  const db::Intent completing = Completing(second, "p1", Unit(*store_, module).module());
  const auto attempt = Claim(completing);
  ASSERT_TRUE(attempt.ok()) << attempt.status();
  ASSERT_TRUE(Seal(CompletionSeal(*attempt, completing)).ok());

  const Unit unit(*store_, module);
  ASSERT_EQ(unit.stages(), 1u);
  EXPECT_EQ(unit.module().lot, "modules");
  EXPECT_FALSE(unit.module().completes_module);
  EXPECT_EQ(unit.completion().lot, "products");
  EXPECT_EQ(unit.completion().ticket, "p1");
  EXPECT_TRUE(unit.completion().completes_module);
  EXPECT_EQ(unit.completion().device_id, module.device_id);
  EXPECT_EQ(unit.completion().dac_serial, module.dac_serial);
  EXPECT_EQ(unit.completion().dac, unit.module().dac);
  EXPECT_EQ(unit.completion().dac_sha256, unit.module().dac_sha256);
  EXPECT_EQ(unit.completion().public_key_sha256, module.public_key_sha256);
  EXPECT_EQ(unit.completion().pai, module.pai);
  EXPECT_NE(unit.completion().image_sha256, unit.module().image_sha256);
  const auto by_serial = store_->FindDeviceByDacSerial(module.dac_serial);
  ASSERT_TRUE(by_serial.ok()) << by_serial.status();
  EXPECT_EQ(by_serial->stages.size(), 1u);
  EXPECT_EQ(Look(second, "p1").device_id, module.device_id);
  EXPECT_REFUSED(store_->FindDevice(completing.device_id).status(), DEVICE_UNKNOWN);
  db::DeviceFilter filter;
  filter.lot = "products";
  const auto listed = store_->ListDevices(filter, 0, 10);
  ASSERT_TRUE(listed.ok() && listed->size() == 1) << listed.status();
  EXPECT_EQ(listed->front().device_id, module.device_id);
}

TEST_P(StoreModules, AModuleIsCompletedOnceAndAVoidedAttemptFreesIt) {
  const int64_t first = OpenSampleLot(*store_, "modules", 5);
  const int64_t second = OpenSampleLot(*store_, "products", 5);
  const db::ManifestRow module = Unit(*store_, Issue(first, "m1")).module();
  const auto attempt = Claim(Completing(second, "p1", module));
  ASSERT_TRUE(attempt.ok()) << attempt.status();
  EXPECT_REFUSED(Claim(Completing(second, "p2", module)).status(), MODULE_COMPLETED);
  ASSERT_TRUE(Void(*attempt).ok());
  const db::Intent again = Completing(second, "p3", module);
  const auto later = Claim(again);
  ASSERT_TRUE(later.ok()) << later.status();
  ASSERT_TRUE(Seal(CompletionSeal(*later, again)).ok());
  EXPECT_REFUSED(Claim(Completing(second, "p4", module)).status(), MODULE_COMPLETED);
  EXPECT_EQ(LotNamed("products").claimed, 1u);
}

TEST_P(StoreModules, ScrappingWhatCompletesItScrapsTheModule) {
  const int64_t first = OpenSampleLot(*store_, "modules", 5);
  const int64_t second = OpenSampleLot(*store_, "products", 5);
  const db::Intent module = Issue(first, "m1");
  ASSERT_TRUE(Confirm(first, "m1").ok());
  const db::Intent completing = Completing(second, "p1", Unit(*store_, module).module());
  const auto attempt = Claim(completing);
  ASSERT_TRUE(attempt.ok()) << attempt.status();
  ASSERT_TRUE(Seal(CompletionSeal(*attempt, completing)).ok());
  const auto scrapped = Confirm(second, "p1", db::DeviceState::kScrapped);
  ASSERT_TRUE(scrapped.ok()) << scrapped.status();
  EXPECT_EQ(scrapped->device_id, module.device_id);
  const Unit unit(*store_, module);
  EXPECT_EQ(unit.module().state, static_cast<int>(db::DeviceState::kScrapped));
  EXPECT_EQ(unit.completion().state, static_cast<int>(db::DeviceState::kScrapped));
  EXPECT_EQ(LotNamed("modules").confirmed, 0u);
  EXPECT_EQ(LotNamed("modules").scrapped, 1u);
  EXPECT_EQ(LotNamed("products").scrapped, 1u);
}

TEST_P(StoreModules, ScrappingTheModuleScrapsWhatCompletesIt) {
  const int64_t first = OpenSampleLot(*store_, "modules", 5);
  const int64_t second = OpenSampleLot(*store_, "products", 5);
  const db::Intent module = Issue(first, "m1");
  const db::Intent completing = Completing(second, "p1", Unit(*store_, module).module());
  const auto attempt = Claim(completing);
  ASSERT_TRUE(attempt.ok()) << attempt.status();
  ASSERT_TRUE(Seal(CompletionSeal(*attempt, completing)).ok());
  ASSERT_TRUE(Confirm(first, "m1", db::DeviceState::kScrapped).ok());
  const Unit unit(*store_, module);
  EXPECT_EQ(unit.completion().state, static_cast<int>(db::DeviceState::kScrapped));
  EXPECT_EQ(Look(second, "p1").state, db::TicketView::State::kWiped);
  EXPECT_REFUSED(Confirm(second, "p1").status(), CONFIRM_CONFLICT);
}

}  // namespace
}  // namespace assay::test_support
