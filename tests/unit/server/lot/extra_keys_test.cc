// Extra keys of a product: what can never be issued is refused when the product is applied.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/server/issue/workshop.h"

namespace assay::lot {
namespace {

using issue::Workshop;

class ExtraKeysTest : public testing::Test {
 protected:
  static v1::ExtraKey Key(const std::string& name, const std::string& type = "data",
                          const std::string& encoding = "u8") {
    v1::ExtraKey key;
    key.set_key(name);
    key.set_type(type);
    key.set_encoding(encoding);
    return key;
  }
  // Of a product that takes values from the line.
  absl::Status Apply(const std::vector<v1::ExtraKey>& keys, bool values_from_line = true) {
    v1::ApplyProductRequest request;
    request.set_request_id(shop.NextId());
    request.set_name("light");
    *request.mutable_spec() = shop.Light();
    request.mutable_spec()->set_values_from_line(values_from_line);
    for (const v1::ExtraKey& key : keys) *request.mutable_spec()->add_extra_keys() = key;
    return shop.catalog->ApplyProduct(shop.operator_caller, request).status();
  }
  void ExpectRefused(const absl::Status& status, Reason reason, const std::string& field) {
    const auto refusal = RefusalOf(status);
    ASSERT_TRUE(refusal) << status;
    EXPECT_EQ(refusal->reason, reason) << status;
    EXPECT_EQ(refusal->field, field) << status;
  }
  Workshop shop;
};

TEST_F(ExtraKeysTest, AKeyOfWrongFormIsRefusedThoughItHasNoValue) {
  ExpectRefused(Apply({v1::ExtraKey()}), Reason::FIELD_REQUIRED, "spec.extra_keys[0].key");
  ExpectRefused(Apply({Key("sixteen_bytes_xx")}), Reason::FIELD_TOO_LONG, "spec.extra_keys[0].key");
  ExpectRefused(Apply({Key("abc"), Key("def", "fil")}), Reason::FIELD_MALFORMED,
                "spec.extra_keys[1].type");
  ExpectRefused(Apply({Key("abc", "data", "u9")}), Reason::FIELD_MALFORMED,
                "spec.extra_keys[0].encoding");
  ExpectRefused(Apply({Key("abc", "file", "u8")}), Reason::FIELDS_CONTRADICT,
                "spec.extra_keys[0].encoding");
  v1::ExtraKey elsewhere = Key("abc");
  elsewhere.set_namespace_("sixteen_bytes_xx");
  ExpectRefused(Apply({elsewhere}), Reason::FIELD_TOO_LONG, "spec.extra_keys[0].namespace");
  // As a key the device knows, and would look for as a number of 32 bits.
  ExpectRefused(Apply({Key("hardware-ver", "data", "u8")}), Reason::FIELD_MALFORMED,
                "spec.extra_keys[0].encoding");
}

TEST_F(ExtraKeysTest, EveryEncodingIsTakenWithoutAValue) {
  std::vector<v1::ExtraKey> keys;
  for (const char* encoding : {"u8", "i8", "u16", "i16", "u32", "i32", "u64", "i64", "string",
                               "binary", "hex2bin", "base64"}) {
    keys.push_back(Key(absl::StrCat("a-", encoding), "data", encoding));
  }
  for (const char* encoding : {"string", "binary", "hex2bin", "base64"}) {
    keys.push_back(Key(absl::StrCat("f-", encoding), "file", encoding));
  }
  keys.push_back(Key("hardware-ver", "data", "u32"));
  EXPECT_TRUE(Apply(keys).ok()) << Apply(keys);
}

TEST_F(ExtraKeysTest, AKeyThatNobodyCanGiveAValueIsRefused) {
  ExpectRefused(Apply({Key("abc")}, false), Reason::FIELD_REQUIRED, "spec.extra_keys[0]");
  v1::ExtraKey valued = Key("abc");
  valued.set_value("165");
  EXPECT_TRUE(Apply({valued}, false).ok());
}

TEST_F(ExtraKeysTest, AKeyGivenTwiceIsRefusedAlsoWhereOneNamesTheUsualNamespace) {
  v1::ExtraKey again = Key("abc");
  again.set_namespace_("chip-factory");
  const absl::Status refused = Apply({Key("abc"), again});
  ExpectRefused(refused, Reason::FIELDS_CONTRADICT, "spec.extra_keys[1].key");
  EXPECT_EQ(RefusalOf(refused)->value, "abc");
  again.set_namespace_("mine");
  EXPECT_TRUE(Apply({Key("abc"), again}).ok());
}

TEST_F(ExtraKeysTest, AValueBesideContentIsRefused) {
  v1::ExtraKey both = Key("abc");
  both.set_value("165");
  both.set_content("zzz");
  ExpectRefused(Apply({both}), Reason::FIELD_NOT_ALLOWED, "spec.extra_keys[0]");
  v1::ExtraKey file = Key("abc", "file", "binary");
  file.set_value("x");
  file.set_content("zzz");
  ExpectRefused(Apply({file}), Reason::FIELD_NOT_ALLOWED, "spec.extra_keys[0]");
  file.clear_value();
  EXPECT_TRUE(Apply({file}).ok());
}

// A product's values may be secrets of the factory's.
TEST_F(ExtraKeysTest, AWrongValueIsNeverShown) {
  v1::ExtraKey key = Key("sec", "data", "hex2bin");
  key.set_value("SECRETTOPSECRETVALUE");
  absl::Status refused = Apply({key});
  ExpectRefused(refused, Reason::FIELD_MALFORMED, "spec.extra_keys[0]");
  EXPECT_EQ(RefusalOf(refused)->value, "20 bytes");
  EXPECT_THAT(std::string(refused.message()), testing::Not(testing::HasSubstr("SECRET")));
  // In the place of a key the device knows.
  key = Key("product-url", "data", "string");
  key.set_value("SECRET" + std::string(300, 'x'));
  refused = Apply({key});
  ExpectRefused(refused, Reason::FIELD_TOO_LONG, "spec.extra_keys");
  EXPECT_THAT(std::string(refused.message()), testing::HasSubstr("product_url"));
  EXPECT_THAT(std::string(refused.message()), testing::Not(testing::HasSubstr("SECRET")));
}

}  // namespace
}  // namespace assay::lot
