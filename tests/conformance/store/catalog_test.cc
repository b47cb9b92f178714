#include "tests/conformance/store/store_suite.h"

namespace assay::test_support {
namespace {

using StoreCatalog = StoreTest;
INSTANTIATE_TEST_SUITE_P(Stores, StoreCatalog, testing::Values("postgres", "memory"));

TEST_P(StoreCatalog, IsHealthy) {
  EXPECT_TRUE(store_->CheckHealth().ok()) << store_->CheckHealth();
}

TEST_P(StoreCatalog, AProductIsFoundAsItWasApplied) {
  const auto applied = store_->ApplyProduct(SampleAct("product.apply", "lamp"), SampleProduct());
  ASSERT_TRUE(applied.ok()) << applied.status();
  EXPECT_EQ(applied->revision, 1u);
  const auto found = store_->FindProduct("lamp");
  ASSERT_TRUE(found.ok()) << found.status();
  EXPECT_EQ(found->vendor_id, 0xFFF1);
  EXPECT_EQ(found->spec, SampleProduct().spec);
  EXPECT_EQ(found->spec_json, SampleProduct().spec_json);
  EXPECT_REFUSED(store_->FindProduct("kettle").status(), PRODUCT_UNKNOWN);
}

TEST_P(StoreCatalog, OnlyAChangedProductGetsANewRevision) {
  db::Product product = SampleProduct();
  ASSERT_TRUE(store_->ApplyProduct(SampleAct("product.apply", "lamp"), product).ok());
  EXPECT_EQ(store_->ApplyProduct(SampleAct("product.apply", "lamp"), product)->revision, 1u);
  product.spec = {9};
  EXPECT_EQ(store_->ApplyProduct(SampleAct("product.apply", "lamp"), product)->revision, 2u);
}

TEST_P(StoreCatalog, AnOpenLotFixesItsProductsIds) {
  OpenSampleLot(*store_, "lot-1", 1);
  db::Product other = SampleProduct();
  other.product_id = 0x8002;
  other.spec = {4};
  EXPECT_REFUSED(store_->ApplyProduct(SampleAct("product.apply", "lamp"), other).status(),
                 PRODUCT_CONFLICT);
  EXPECT_EQ(store_->FindProduct("lamp")->product_id, 0x8001);
  ASSERT_TRUE(store_->CloseLot(SampleAct("lot.close", "lot-1"), "lot-1").ok());
  EXPECT_TRUE(store_->ApplyProduct(SampleAct("product.apply", "lamp"), other).ok());
}

TEST_P(StoreCatalog, TheSameActTwiceHasOneEffect) {
  OpenSampleLot(*store_, "lot-1", 5);
  const db::Act act = SampleAct("lot.raise", "lot-1");
  ASSERT_TRUE(store_->RaiseLot(act, "lot-1", 7).ok());
  ASSERT_TRUE(store_->RaiseLot(SampleAct("lot.raise", "lot-1"), "lot-1", 9).ok());
  const auto again = store_->RaiseLot(act, "lot-1", 7);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->count, 9u);
}

TEST_P(StoreCatalog, WhetherAnActWasDoneIsKnown) {
  const db::Act act = SampleAct("product.apply", "lamp");
  EXPECT_FALSE(*store_->WasDone(act));
  ASSERT_TRUE(store_->ApplyProduct(act, SampleProduct("lamp")).ok());
  EXPECT_TRUE(*store_->WasDone(act));
  db::Act other = act;
  other.subject = "kettle";
  EXPECT_REFUSED(store_->WasDone(other).status(), REQUEST_CONFLICT);
  db::Act unnamed = act;
  unnamed.request_id.clear();
  EXPECT_FALSE(*store_->WasDone(unnamed));
}

TEST_P(StoreCatalog, ARequestIdWithOtherContentIsAConflict) {
  OpenSampleLot(*store_, "lot-1", 5);
  db::Act act = SampleAct("lot.raise", "lot-1");
  ASSERT_TRUE(store_->RaiseLot(act, "lot-1", 7).ok());
  act.digest[0] ^= 1;
  EXPECT_REFUSED(store_->RaiseLot(act, "lot-1", 8).status(), REQUEST_CONFLICT);
  EXPECT_EQ(LotNamed("lot-1").count, 7u);
}

TEST_P(StoreCatalog, ARefusedActMayBeTriedAgainWithItsId) {
  const db::Act act = SampleAct("lot.open", "lot-1");
  EXPECT_REFUSED(store_->OpenLot(act, SampleLot("lot-1", 1)).status(), PRODUCT_UNKNOWN);
  ASSERT_TRUE(store_->ApplyProduct(SampleAct("product.apply", "lamp"), SampleProduct()).ok());
  EXPECT_TRUE(store_->OpenLot(act, SampleLot("lot-1", 1)).ok());
}

TEST_P(StoreCatalog, ALotIsFoundAsItWasOpened) {
  OpenSampleLot(*store_, "lot-1", 250);
  const db::Lot lot = LotNamed("lot-1");
  EXPECT_GT(lot.id, 0);
  EXPECT_EQ(lot.product, "lamp");
  EXPECT_EQ(lot.factory, "shenzhen-1");
  EXPECT_EQ(lot.count, 250u);
  EXPECT_EQ(lot.retention, std::chrono::hours(24));
  EXPECT_EQ(lot.state, db::LotState::kOpen);
  EXPECT_EQ(lot.wrapped_key, Bytes(40, 0x5A));
  EXPECT_EQ(lot.claimed + lot.sealed + lot.confirmed + lot.scrapped, 0u);
  EXPECT_REFUSED(store_->FindLot("lot-2").status(), LOT_UNKNOWN);
}

TEST_P(StoreCatalog, ALotsNameIsTakenOnce) {
  OpenSampleLot(*store_, "lot-1", 5);
  db::Lot same = SampleLot("lot-1", 5);
  same.wrapped_key = Bytes(40, 1);
  const auto again = store_->OpenLot(SampleAct("lot.open", "lot-1"), same);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->wrapped_key, Bytes(40, 0x5A));
  EXPECT_REFUSED(store_->OpenLot(SampleAct("lot.open", "lot-1"), SampleLot("lot-1", 6)).status(),
                 LOT_CONFLICT);
}

TEST_P(StoreCatalog, ALotIsOnlyRaisedAndNotOnceClosed) {
  OpenSampleLot(*store_, "lot-1", 5);
  EXPECT_REFUSED(store_->RaiseLot(SampleAct("lot.raise", "lot-1"), "lot-1", 4).status(),
                 FIELD_OUT_OF_RANGE);
  EXPECT_REFUSED(store_->RaiseLot(SampleAct("lot.raise", "lot-2"), "lot-2", 4).status(),
                 LOT_UNKNOWN);
  ASSERT_TRUE(store_->CloseLot(SampleAct("lot.close", "lot-1"), "lot-1").ok());
  EXPECT_EQ(store_->CloseLot(SampleAct("lot.close", "lot-1"), "lot-1")->state,
            db::LotState::kClosed);
  EXPECT_REFUSED(store_->RaiseLot(SampleAct("lot.raise", "lot-1"), "lot-1", 9).status(),
                 LOT_NOT_OPEN);
}

TEST_P(StoreCatalog, ListsArePagedByNameAndFiltered) {
  for (const char* name : {"lot-c", "lot-a", "lot-b"}) OpenSampleLot(*store_, name, 1);
  const auto first = store_->ListLots("", "", "", 2);
  ASSERT_TRUE(first.ok()) << first.status();
  ASSERT_EQ(first->size(), 2u);
  EXPECT_EQ((*first)[0].name, "lot-a");
  const auto rest = store_->ListLots("", "", (*first)[1].name, 2);
  ASSERT_EQ(rest->size(), 1u);
  EXPECT_EQ((*rest)[0].name, "lot-c");
  EXPECT_EQ(store_->ListLots("lamp", "shenzhen-1", "", 9)->size(), 3u);
  EXPECT_EQ(store_->ListLots("kettle", "", "", 9)->size(), 0u);
  EXPECT_EQ(store_->ListLots("", "gdansk-2", "", 9)->size(), 0u);
  EXPECT_EQ(store_->ListProducts("", 9)->size(), 1u);
}

TEST_P(StoreCatalog, APaiIsCreatedOnceAndUpdated) {
  db::Pai pai;
  pai.name = "pai-fff1";
  pai.vendor_id = 0xFFF1;
  pai.key_label = "pai-fff1-key";
  pai.public_key = Bytes(65, 4);
  pai.csr = {1};
  ASSERT_TRUE(store_->CreatePai(SampleAct("pai.create", pai.name), pai).ok());
  EXPECT_TRUE(store_->CreatePai(SampleAct("pai.create", pai.name), pai).ok());
  db::Pai other = pai;
  other.public_key = Bytes(65, 5);
  EXPECT_REFUSED(store_->CreatePai(SampleAct("pai.create", pai.name), other).status(),
                 PAI_CONFLICT);
  other.name = "pai-second";
  EXPECT_REFUSED(store_->CreatePai(SampleAct("pai.create", other.name), other).status(),
                 PAI_CONFLICT);
  pai.state = db::PaiState::kActive;
  pai.certificate = {7};
  pai.paa_certificate = {8};
  ASSERT_TRUE(store_->UpdatePai(SampleAct("pai.activate", pai.name), pai).ok());
  const auto found = store_->FindPai("pai-fff1");
  ASSERT_TRUE(found.ok()) << found.status();
  EXPECT_EQ(found->state, db::PaiState::kActive);
  EXPECT_EQ(found->certificate, Bytes{7});
  EXPECT_FALSE(found->product_id.has_value());
  EXPECT_EQ(store_->ListPais()->size(), 1u);
  EXPECT_REFUSED(store_->FindPai("none").status(), PAI_UNKNOWN);
  EXPECT_REFUSED(store_->UpdatePai(SampleAct("pai.activate", "none"), db::Pai{}).status(),
                 PAI_UNKNOWN);
}

}  // namespace
}  // namespace assay::test_support
