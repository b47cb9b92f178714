// The line's values of the product's extra keys.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "image/nvs.h"
#include "server/lot/lot_key.h"
#include "tests/support/refused.h"
#include "tests/unit/server/issue/workshop.h"

namespace assay::issue {
namespace {

using testing::HasSubstr;
using testing::Not;

class ExtraValuesTest : public testing::Test {
 protected:
  void SetUp() override {
    spec = shop.Light();
    spec.set_values_from_line(true);
    AddKey("abc", "data", "u8");
    AddKey("sec", "data", "hex2bin").set_value("00");
    AddKey("cert", "file", "binary").set_content("product's");
    ASSERT_TRUE(shop.Open("lot", spec, 5).ok());
  }
  v1::ExtraKey& AddKey(const std::string& key, const std::string& type,
                       const std::string& encoding) {
    v1::ExtraKey& made = *spec.add_extra_keys();
    made.set_key(key);
    made.set_type(type);
    made.set_encoding(encoding);
    return made;
  }
  static v1::ExtraValue Value(const std::string& key, const std::string& value,
                              const std::string& content = "") {
    v1::ExtraValue made;
    made.set_key(key);
    made.set_value(value);
    made.set_content(content);
    return made;
  }
  Outcome Issue(const std::vector<v1::ExtraValue>& values, const std::string& lot = "lot") {
    v1::IssueRequest request = Workshop::Request(lot, shop.NextId());
    for (const v1::ExtraValue& value : values) *request.mutable_values()->add_extra() = value;
    return shop.Issue(request);
  }
  void ExpectRefused(const Outcome& outcome, Reason reason, const std::string& field) {
    const auto refusal = RefusalOf(outcome.status());
    ASSERT_TRUE(refusal) << outcome.status();
    EXPECT_EQ(refusal->reason, reason) << outcome.status();
    EXPECT_EQ(refusal->field, field) << outcome.status();
    EXPECT_EQ(shop.LotNow("lot").claimed(), 0u);
  }

  Workshop shop;
  v1::ProductSpec spec;
};

TEST_F(ExtraValuesTest, AWrongValueIsToldByItsKeyItsRuleAndItsLengthAlone) {
  const Outcome hex = Issue({Value("abc", "165"), Value("sec", "SECRETTOPSECRETVALUE")});
  ExpectRefused(hex, Reason::FIELD_MALFORMED, "values.extra.sec");
  EXPECT_EQ(hex.status().message(),
            "values.extra.sec: an even number of hex digits (got 20 bytes)");
  const Outcome number = Issue({Value("abc", "987654")});
  ExpectRefused(number, Reason::FIELD_OUT_OF_RANGE, "values.extra.abc");
  EXPECT_THAT(std::string(number.status().message()), Not(HasSubstr("987654")));
}

TEST_F(ExtraValuesTest, AKeyGivenTwiceIsRefusedBeItWithTheSameValue) {
  ExpectRefused(Issue({Value("abc", "165"), Value("abc", "90")}), Reason::FIELDS_CONTRADICT,
                "values.extra.abc");
  ExpectRefused(Issue(std::vector<v1::ExtraValue>(2000, Value("abc", "165"))),
                Reason::FIELDS_CONTRADICT, "values.extra.abc");
  v1::ExtraValue named = Value("abc", "90");
  named.set_namespace_("chip-factory");
  ExpectRefused(Issue({Value("abc", "165"), named}), Reason::FIELDS_CONTRADICT, "values.extra.abc");
}

TEST_F(ExtraValuesTest, AValueBesideContentIsRefusedAndSoIsTheOneInPlaceOfTheOther) {
  ExpectRefused(Issue({Value("abc", "165", "zzz")}), Reason::FIELD_NOT_ALLOWED, "values.extra.abc");
  ExpectRefused(Issue({Value("abc", "165"), Value("cert", "x")}), Reason::FIELD_NOT_ALLOWED,
                "values.extra.cert");
}

// Releases before 0.2 took a value beside content, and one in place of the other.
TEST_F(ExtraValuesTest, AnOpenLotOfAnOlderReleaseIssuesOnWhateverItsProductGives) {
  db::Lot older = *shop.store->FindLot("lot");
  v1::ProductSpec taken;
  ASSERT_TRUE(taken.ParseFromArray(older.spec.data(), static_cast<int>(older.spec.size())));
  taken.mutable_extra_keys(1)->set_content("beside the value");
  taken.mutable_extra_keys(2)->set_value("path/of/the/file");
  v1::ExtraKey& empty = *taken.add_extra_keys();
  empty = taken.extra_keys(2);
  empty.set_key("note");
  empty.clear_content();
  older.name = "older";
  const std::string spec_bytes = taken.SerializeAsString();
  older.spec = ToBytes(AsBytes(spec_bytes));
  lot::LotKeys keys(shop.token, shop.pipeline_options.wrapping_key);
  older.wrapped_key = *keys.MakeWrapped(older.name, shop.random);
  db::Act act;
  act.request_id = "older";
  act.actor = "operator";
  ASSERT_TRUE(shop.store->OpenLot(act, older).ok());
  const Outcome issued = Issue({Value("abc", "165")}, "older");
  ASSERT_TRUE(issued.ok()) << issued.status();
  const auto entries = image::ParseNvs(AsBytes(issued->identity().images(0).content()));
  ASSERT_TRUE(entries.ok()) << entries.status();
  const std::string content = "product's";
  EXPECT_THAT(*entries, testing::Contains(
                            image::NvsEntry("chip-factory", "cert", ToBytes(AsBytes(content)))));
}

TEST_F(ExtraValuesTest, TheUsualNamespaceIsTheSameWhetherItIsNamedOrNot) {
  v1::ExtraValue named = Value("abc", "165");
  named.set_namespace_("chip-factory");
  const Outcome issued = Issue({named});
  ASSERT_TRUE(issued.ok()) << issued.status();
  const auto entries = image::ParseNvs(AsBytes(issued->identity().images(0).content()));
  ASSERT_TRUE(entries.ok()) << entries.status();
  EXPECT_THAT(*entries, testing::Contains(image::NvsEntry("chip-factory", "abc", uint8_t{165})));
  named.set_namespace_("other");
  const Outcome refused = Issue({named});
  EXPECT_REFUSED(refused.status(), FIELD_NOT_ALLOWED);
  EXPECT_EQ(RefusalOf(refused.status())->value, "other/abc");
}

TEST_F(ExtraValuesTest, WhatDoesNotFitTheImageIsToldByTheRequestsOwnFields) {
  ExpectRefused(Issue({Value("abc", "165"), Value("cert", "", std::string(30000, 'S'))}),
                Reason::IMAGE_TOO_SMALL, "values.extra");
  AddKey("product-url", "data", "string");
  ASSERT_TRUE(shop.Open("urls", spec, 5).ok());
  const Outcome refused =
      Issue({Value("abc", "165"), Value("product-url", "SECRET" + std::string(300, 'x'))}, "urls");
  ExpectRefused(refused, Reason::FIELD_TOO_LONG, "values.extra");
  EXPECT_THAT(std::string(refused.status().message()), HasSubstr("product_url"));
  EXPECT_THAT(std::string(refused.status().message()), Not(HasSubstr("SECRET")));
  EXPECT_EQ(shop.LotNow("urls").claimed(), 0u);
}

TEST_F(ExtraValuesTest, ARotatingIdOfAnotherLengthIsRefusedByItsFieldBeforeAnythingIsSigned) {
  spec.mutable_rotating_id()->set_enabled(true);
  ASSERT_TRUE(shop.Open("rotating", spec, 5).ok());
  v1::IssueRequest request = Workshop::Request("rotating", "t-1");
  *request.mutable_values()->add_extra() = Value("abc", "165");
  request.mutable_values()->set_rotating_id("0123456789abcdef0123");
  const Outcome refused = shop.Issue(request);
  EXPECT_REFUSED(refused.status(), FIELD_OUT_OF_RANGE);
  EXPECT_EQ(RefusalOf(refused.status())->field, "values.rotating_id");
  EXPECT_EQ(shop.observer.Count(Step::kSign), 0);
}

}  // namespace
}  // namespace assay::issue
