#include "image/csv.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "base/refusal.h"
#include "tests/unit/image/image_vectors.h"

namespace assay::image {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

absl::StatusOr<Bytes> NoFile(std::string_view) { return absl::NotFoundError("no such file"); }

std::string RefusalText(const absl::Status& status) { return std::string(status.message()); }

absl::StatusOr<std::vector<CsvUnit>> Units(std::string_view schema_text, std::string_view values) {
  auto schema = ReadCsvSchema(schema_text, "mfg.csv");
  if (!schema.ok()) return schema.status();
  return ReadCsvUnits(*schema, values, "mfg_m.csv", NoFile);
}

TEST(Csv, ReadsTheVendorsExample) {
  ASSAY_NEED_VECTORS();
  const auto units = Units(*test::LoadVector("mfg_tool/mcsv_run/mfg.csv"),
                           *test::LoadVector("mfg_tool/mcsv_run/mfg_m.csv"));
  ASSERT_TRUE(units.ok()) << units.status();
  ASSERT_EQ(units->size(), 5u);
  for (size_t i = 0; i < 5; ++i) {
    const auto& entries = (*units)[i].entries;
    EXPECT_EQ(entries[0],
              NvsEntry("chip-factory", "serial-num", "esp32c_dev" + std::to_string(3 + i)));
    EXPECT_EQ(std::get<Bytes>(entries[1].value).size(), 16u);
    EXPECT_EQ(entries[2],
              NvsEntry("chip-factory", "discriminator", static_cast<uint32_t>(1234 + i)));
  }
}

TEST(Csv, ReadsQuotedCellsOverSeveralLinesAndLeavesBlankLinesOut) {
  const auto records = ReadCsv(
      "\xEF\xBB\xBF"
      "a,\"b \"\"q\"\"\"\r\n\r\n\n\"x\n\ny\",2\r\n   \n",
      "f.csv");
  ASSERT_TRUE(records.ok()) << records.status();
  ASSERT_EQ(records->size(), 2u);
  EXPECT_EQ((*records)[0].cells[1].text, "b \"q\"");
  EXPECT_EQ((*records)[1].cells[0].text, "x\n\ny");
  EXPECT_EQ((*records)[1].line, 4u);
}

TEST(Csv, QuotesSoThatItReadsBack) {
  for (const char* text : {"plain", "a,b", "say \"hi\"", "two\nlines", ""}) {
    const auto records = ReadCsv("x," + CsvQuote(text) + "\n", "f.csv");
    ASSERT_TRUE(records.ok());
    EXPECT_EQ((*records)[0].cells[1].text, text);
  }
}

TEST(CsvSchema, KnowsNamespacesEncodingsAndRepeat) {
  const auto keys =
      ReadCsvSchema("a,data,i16\n\nmine,namespace,\nb,file,binary\nc,data,u8,REPEAT\n", "mfg.csv");
  ASSERT_TRUE(keys.ok()) << keys.status();
  ASSERT_EQ(keys->size(), 3u);
  EXPECT_EQ((*keys)[0].name_space, "chip-factory");
  EXPECT_EQ((*keys)[0].encoding, CsvEncoding::kI16);
  EXPECT_EQ((*keys)[1].name_space, "mine");
  EXPECT_EQ((*keys)[1].source, CsvSource::kFile);
  EXPECT_TRUE((*keys)[2].repeat);
}

TEST(CsvSchema, NamesLineAndColumnOfEveryFault) {
  const auto text = [](std::string_view schema) {
    return RefusalText(ReadCsvSchema(schema, "mfg.csv").status());
  };
  EXPECT_THAT(text("a,data,u8\nb,data,u9\n"),
              AllOf(HasSubstr("mfg.csv line 2 column 3"), HasSubstr("u9")));
  EXPECT_THAT(text("a,blob,u8\n"), HasSubstr("mfg.csv line 1 column 2"));
  EXPECT_THAT(text("a,file,u8\n"), HasSubstr("cannot come from a file"));
  EXPECT_THAT(text("sixteen_bytes_xx,data,u8\n"), HasSubstr("line 1 column 1"));
  EXPECT_THAT(text("a,data,u8\na,data,u8\n"), HasSubstr("line 2"));
  EXPECT_THAT(text("a,data,u8,REPETE\n"), HasSubstr("column 4"));
  EXPECT_THAT(text("a\n"), HasSubstr("line 1 column 1"));
  EXPECT_THAT(text("\n\n"), HasSubstr("names no key"));
}

TEST(CsvUnits, NameFileLineColumnAndRuleOfEveryFault) {
  const std::string schema = "n,data,u8\ns,data,string\nh,data,hex2bin\n";
  const auto text = [&](std::string_view values) {
    return RefusalText(Units(schema, values).status());
  };
  EXPECT_THAT(text("n,s,h\n1,a,00\n\n256,b,00\n"),
              AllOf(HasSubstr("mfg_m.csv line 4 column 1 (n)"), HasSubstr("fits u8"),
                    HasSubstr("3 bytes")));
  EXPECT_THAT(text("n,s,h\n1,a,0\n"), HasSubstr("line 2 column 3 (h)"));
  EXPECT_THAT(text("n,s\n1,a\n"), HasSubstr("lacks this column"));
  EXPECT_THAT(text("n,s,h,n\n1,a,00,1\n"), HasSubstr("twice"));
  EXPECT_THAT(text("n,s,h\n1,a\n"), HasSubstr("line 2"));
  EXPECT_THAT(text("n,s,h\n1,\"a,00\n"), HasSubstr("never closed"));
  EXPECT_THAT(text("n,s,h\n1,\"a\"b,00\n"), HasSubstr("follows the closing quote"));
  EXPECT_THAT(text("n,s,h\n,a,00\n"), HasSubstr("fits u8"));
  EXPECT_THAT(text("n,s,h\n"), HasSubstr("a row a unit"));
  EXPECT_THAT(text("n,s,h\n1,\xFF,00\n"), HasSubstr("UTF-8"));
}

TEST(CsvUnits, IgnoreForeignColumnsAndTakeAnyOrder) {
  const auto units =
      Units("b,data,i64\na,data,u64\n", "x,a,b\nq,18446744073709551615,-9223372036854775808\n");
  ASSERT_TRUE(units.ok()) << units.status();
  EXPECT_EQ((*units)[0].entries[0].value, NvsValue(std::numeric_limits<int64_t>::min()));
  EXPECT_EQ((*units)[0].entries[1].value, NvsValue(std::numeric_limits<uint64_t>::max()));
}

TEST(CsvUnits, RepeatTheFirstRowsValue) {
  const auto units = Units("a,data,string,REPEAT\nb,data,u8\n", "a,b\nfirst,1\n,2\nown,3\n");
  ASSERT_TRUE(units.ok()) << units.status();
  EXPECT_EQ((*units)[1].entries[0].value, NvsValue(std::string("first")));
  EXPECT_EQ((*units)[2].entries[0].value, NvsValue(std::string("own")));
  EXPECT_THAT(RefusalText(Units("a,data,string,REPEAT\n", "a,x\n,1\n").status()),
              HasSubstr("no value to repeat"));
}

TEST(CsvUnits, RefuseTwoUnitsWithOneSerialNumber) {
  const auto status = Units("serial-num,data,string\n", "serial-num\nA\nB\nA\n").status();
  EXPECT_TRUE(HasReason(status, Reason::FIELDS_CONTRADICT));
  EXPECT_THAT(RefusalText(status), AllOf(HasSubstr("line 4"), HasSubstr("line 2")));
}

TEST(CsvUnits, SayWhichFileIsMissingAndKeepSecretsOut) {
  EXPECT_THAT(RefusalText(Units("dac-cert,file,binary\n", "dac-cert\nno.der\n").status()),
              AllOf(HasSubstr("line 2 column 1 (dac-cert)"), HasSubstr("no.der"),
                    HasSubstr("no such file")));
  EXPECT_THAT(RefusalText(Units("dac-key,data,hex2bin\n", "dac-key\n00112\n").status()),
              ::testing::Not(HasSubstr("00112")));
}

// Keys of the maker's own are where a factory puts secrets of its own.
TEST(CsvUnits, TellHowLongAWrongValueIsAndNeverWhatItIs) {
  for (const char* encoding : {"u8", "i64", "hex2bin", "base64"}) {
    const std::string schema = absl::StrCat("sec,data,", encoding, "\n");
    const std::string text = RefusalText(Units(schema, "sec\nSECRET VALUE\n").status());
    EXPECT_THAT(text, AllOf(HasSubstr("(sec)"), HasSubstr("12 bytes"))) << encoding;
    EXPECT_THAT(text, ::testing::Not(HasSubstr("SECRET"))) << encoding;
  }
  const std::string long_value = "SECRET" + std::string(kNvsMaxString, 'x');
  EXPECT_THAT(RefusalText(Units("sec,data,string\n", "sec\n" + long_value + "\n").status()),
              ::testing::Not(HasSubstr("SECRET")));
}

TEST(Csv, SurvivesRandomText) {
  RepeatableRandom random(11);
  constexpr std::string_view kAlphabet = "a,\"\n\r0u8data namespace#";
  for (int round = 0; round < 5000; ++round) {
    std::string text;
    for (size_t i = random.Below(60); i > 0; --i) text += kAlphabet[random.Below(kAlphabet.size())];
    (void)ReadCsvSchema(text, "f").status();
    (void)Units("a,data,string\n", text).status();
  }
}

}  // namespace
}  // namespace assay::image
