#include "server/lot/catalog.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/server/issue/workshop.h"

namespace assay::lot {
namespace {

using issue::Workshop;

class CatalogTest : public testing::Test {
 protected:
  absl::Status Apply(const v1::ProductSpec& spec) {
    v1::ApplyProductRequest request;
    request.set_request_id(shop.NextId());
    request.set_name("light");
    *request.mutable_spec() = spec;
    return shop.catalog->ApplyProduct(shop.operator_caller, request).status();
  }
  void ExpectRefused(const v1::ProductSpec& spec, Reason reason, const std::string& field) {
    const absl::Status status = Apply(spec);
    const auto refusal = RefusalOf(status);
    ASSERT_TRUE(refusal) << status;
    EXPECT_EQ(refusal->reason, reason) << status;
    EXPECT_THAT(refusal->field, testing::HasSubstr(field)) << status;
  }
  Workshop shop;
};

TEST_F(CatalogTest, EachValueOutOfItsRuleIsRefusedByItsField) {
  const auto with = [&](auto change) {
    v1::ProductSpec spec = shop.Light();
    change(spec);
    return spec;
  };
  ExpectRefused(with([](auto& s) { s.set_vendor_id(0); }), Reason::FIELD_OUT_OF_RANGE, "vendor_id");
  ExpectRefused(with([](auto& s) { s.set_product_id(0x10000); }), Reason::FIELD_OUT_OF_RANGE,
                "product_id");
  ExpectRefused(with([](auto& s) { s.set_spake2p_iterations(999); }), Reason::FIELD_OUT_OF_RANGE,
                "spake2p_iterations");
  ExpectRefused(with([](auto& s) { s.set_spake2p_salt_length(15); }), Reason::FIELD_OUT_OF_RANGE,
                "spake2p_salt_length");
  ExpectRefused(with([](auto& s) { s.set_product_color("mauve"); }), Reason::FIELD_OUT_OF_RANGE,
                "product_color");
  ExpectRefused(with([](auto& s) { s.add_calendar_types("Mayan"); }), Reason::FIELD_OUT_OF_RANGE,
                "calendar_types");
  ExpectRefused(with([](auto& s) { s.set_hardware_version(70000); }), Reason::FIELD_OUT_OF_RANGE,
                "hardware_version");
  ExpectRefused(with([](auto& s) { s.mutable_dac()->clear_attestation(); }), Reason::FIELD_REQUIRED,
                "dac.attestation");
  ExpectRefused(with([](auto& s) { s.mutable_dac()->set_lifetime_days(5); }),
                Reason::FIELDS_CONTRADICT, "lifetime_days");
  ExpectRefused(with([](auto& s) {
                  auto& key = *s.add_extra_keys();
                  key.set_key("discriminator");
                  key.set_type("data");
                  key.set_encoding("u32");
                }),
                Reason::FIELD_NOT_ALLOWED, "extra_keys");
  // A name of 32 characters in more than 32 bytes: the specification counts bytes.
  std::string umlauts;
  for (int i = 0; i < 20; ++i) umlauts += "\xC3\xBC";
  ExpectRefused(with([&](auto& s) { s.set_vendor_name(umlauts); }), Reason::FIELD_TOO_LONG,
                "vendor");
  EXPECT_TRUE(Apply(shop.Light()).ok());
}

TEST_F(CatalogTest, AnImageThatNoAnswerCouldCarryIsRefused) {
  v1::ProductSpec spec = shop.Light();
  spec.mutable_image()->set_size(16 << 20);
  EXPECT_TRUE(Apply(spec).ok()) << Apply(spec);
  spec.mutable_image()->set_size((16 << 20) + 4096);
  ExpectRefused(spec, Reason::FIELD_OUT_OF_RANGE, "spec.image.size");
  EXPECT_THAT(std::string(Apply(spec).message()), testing::HasSubstr("16 MiB"));
}

TEST_F(CatalogTest, ARefusalNamesTheFieldByItsPathInTheRequest) {
  const auto field_of = [&](auto change) {
    v1::ProductSpec spec = shop.Light();
    change(spec);
    const auto refusal = RefusalOf(Apply(spec));
    return refusal ? refusal->field : "accepted";
  };
  EXPECT_EQ(field_of([](auto& s) { s.set_vendor_name(std::string(33, 'x')); }), "spec.vendor_name");
  EXPECT_EQ(field_of([](auto& s) { s.add_locales("en_GB"); }), "spec.locales[0]");
  EXPECT_EQ(field_of([](auto& s) { s.set_manufacturing_date("2022-13-01"); }),
            "spec.manufacturing_date");
  EXPECT_EQ(field_of([](auto& s) { s.mutable_image()->set_size(4097); }), "spec.image.size");
  EXPECT_EQ(field_of([](auto& s) { s.add_fixed_labels()->set_label(std::string(17, 'x')); }),
            "spec.fixed_labels[0].label");
  EXPECT_EQ(field_of([](auto& s) {
              s.mutable_rotating_id()->set_enabled(true);
              s.mutable_rotating_id()->set_length(24);
            }),
            "spec.rotating_id.length");
  EXPECT_EQ(field_of([](auto& s) { s.mutable_image()->set_partition_label(std::string(17, 'x')); }),
            "spec.image.partition_label");
  EXPECT_EQ(
      field_of([](auto& s) { s.mutable_image()->mutable_secure_cert()->set_rotating_id(true); }),
      "spec.image.secure_cert");
  EXPECT_EQ(field_of([](auto& s) {
              for (int i = 0; i < 17; ++i) {
                auto& mode = *s.add_supported_modes();
                mode.set_endpoint(0xFFFE);
                mode.set_mode(i);
                mode.set_label("m");
              }
            }),
            "spec.supported_modes");
}

TEST_F(CatalogTest, EachSetOfTheDiscoveryBitsOfTheSpecificationIsTakenAndNoReservedBit) {
  v1::ProductSpec spec = shop.Light();
  for (const uint32_t bits : {1u, 2u, 7u, 63u}) {
    spec.set_discovery(bits);
    EXPECT_TRUE(Apply(spec).ok()) << bits;
  }
  spec.set_discovery(64);
  ExpectRefused(spec, Reason::FIELD_OUT_OF_RANGE, "spec.discovery");
}

TEST_F(CatalogTest, AnImageTooSmallForItsContentIsRefusedBeforeALotCanOpen) {
  v1::ProductSpec spec = shop.Light();
  spec.mutable_image()->set_size(0x1000);
  for (int i = 0; i < 40; ++i) {
    auto& label = *spec.add_fixed_labels();
    label.set_endpoint(1);
    label.set_label("label" + std::to_string(i));
    label.set_value("value");
  }
  const absl::Status status = Apply(spec);
  EXPECT_TRUE(HasReason(status, Reason::IMAGE_TOO_SMALL)) << status;
  EXPECT_EQ(RefusalOf(status)->field, "spec.image.size");
}

TEST_F(CatalogTest, TheSameRequestIdHasOneEffectAndOtherContentIsRefused) {
  v1::ApplyProductRequest request;
  request.set_request_id("once");
  request.set_name("light");
  *request.mutable_spec() = shop.Light();
  const auto first = shop.catalog->ApplyProduct(shop.operator_caller, request);
  const auto second = shop.catalog->ApplyProduct(shop.operator_caller, request);
  ASSERT_TRUE(first.ok() && second.ok()) << first.status() << second.status();
  EXPECT_EQ(first->revision(), second->revision());
  request.mutable_spec()->set_part_number("PN-2");
  EXPECT_TRUE(HasReason(shop.catalog->ApplyProduct(shop.operator_caller, request).status(),
                        Reason::REQUEST_CONFLICT));
}

// Its reply was lost, and since then the PAI was retired: what is done stays done.
TEST_F(CatalogTest, ARetryOfADoneActIsAnsweredAsDoneThoughItWouldBeRefusedNow) {
  ASSERT_TRUE(Apply(shop.Light()).ok());
  v1::OpenLotRequest request;
  request.set_request_id("once");
  request.set_name("lot-1");
  request.set_product("light");
  request.set_factory("sz1");
  request.set_count(5);
  const auto opened = shop.catalog->OpenLot(shop.operator_caller, request);
  ASSERT_TRUE(opened.ok()) << opened.status();
  const auto pais = shop.store->ListPais();
  for (db::Pai pai : *pais) {
    pai.state = db::PaiState::kRetired;
    db::Act act;
    act.actor = "test";
    act.request_id = "retire " + pai.name;
    ASSERT_TRUE(shop.store->UpdatePai(act, pai).ok());
  }
  const auto again = shop.catalog->OpenLot(shop.operator_caller, request);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->name(), "lot-1");
  request.set_request_id("another");
  request.set_name("lot-2");
  EXPECT_FALSE(shop.catalog->OpenLot(shop.operator_caller, request).ok());
}

TEST_F(CatalogTest, ALineSeesItsOwnLotsAndNoTraceOfOthers) {
  ASSERT_TRUE(shop.Open("a-mine", shop.Light(), 1).ok());
  ASSERT_TRUE(shop.Open("b-theirs", shop.Light(), 1).ok());
  ASSERT_TRUE(shop.Open("c-mine", shop.Light(), 1).ok());
  shop.line_caller.lots = {"a-mine", "c-mine"};
  v1::ListLotsRequest request;
  request.set_page_size(1);
  std::vector<std::string> seen;
  do {
    const auto page = shop.catalog->ListLots(shop.line_caller, request);
    ASSERT_TRUE(page.ok()) << page.status();
    for (const v1::Lot& lot : page->lots()) seen.push_back(lot.name());
    EXPECT_NE(page->next_page_token(), "b-theirs");
    request.set_page_token(page->next_page_token());
  } while (!request.page_token().empty());
  EXPECT_THAT(seen, testing::ElementsAre("a-mine", "c-mine"));
  v1::GetLotRequest theirs;
  theirs.set_name("b-theirs");
  EXPECT_TRUE(
      HasReason(shop.catalog->GetLot(shop.line_caller, theirs).status(), Reason::LOT_NOT_GRANTED));
}

TEST_F(CatalogTest, ALineCanNeitherApplyNorOpenNorRaise) {
  EXPECT_TRUE(
      HasReason(shop.catalog->ApplyProduct(shop.line_caller, {}).status(), Reason::ROLE_MISSING));
  EXPECT_TRUE(
      HasReason(shop.catalog->OpenLot(shop.line_caller, {}).status(), Reason::ROLE_MISSING));
  EXPECT_TRUE(
      HasReason(shop.catalog->RaiseLot(shop.line_caller, {}).status(), Reason::ROLE_MISSING));
}

}  // namespace
}  // namespace assay::lot
