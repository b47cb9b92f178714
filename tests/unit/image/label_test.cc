#include "image/label.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/refusal.h"

namespace assay::image {
namespace {

using ::testing::HasSubstr;

std::vector<LabelUnit> Units(size_t count) {
  return std::vector<LabelUnit>(count,
                                {"Lamp & <Co>", "SN-1", "MT:Y.K9042C00KA0648G00", "3497-011-2332"});
}

TEST(LabelSheet, FillsPagesWithLabels) {
  const auto pages = RenderLabelSvgPages(Units(25), {});
  ASSERT_TRUE(pages.ok()) << pages.status();
  ASSERT_EQ(pages->size(), 2u);
  EXPECT_THAT((*pages)[0], HasSubstr("Lamp &amp; &lt;Co&gt;"));
  EXPECT_THAT((*pages)[1], HasSubstr("3497-011-2332"));
  EXPECT_THAT((*pages)[1], HasSubstr("S/N SN-1"));
}

TEST(LabelSheet, IsAPdfWhoseTableFindsEveryObject) {
  const auto pdf = RenderLabelPdf(Units(30), {});
  ASSERT_TRUE(pdf.ok()) << pdf.status();
  const std::string text = ToText(*pdf);
  EXPECT_TRUE(text.starts_with("%PDF-1.4"));
  EXPECT_THAT(text, HasSubstr("/Count 2"));
  const size_t table = std::stoul(text.substr(text.rfind("startxref\n") + 10));
  ASSERT_EQ(text.substr(table, 4), "xref");
  const size_t first_row = text.find("0000000000 65535 f \n", table) + 20;
  for (size_t object = 1; object <= 8; ++object) {
    const size_t offset = std::stoul(text.substr(first_row + (object - 1) * 20, 10));
    EXPECT_EQ(text.substr(offset, 7), std::to_string(object) + " 0 obj") << object;
  }
}

TEST(LabelSheet, ALongCodeGetsTwoLinesOfTheUsualSize) {
  std::vector<LabelUnit> units = Units(1);
  units[0].manual_code = "7497-011-2332-06521-32784";
  const auto pages = RenderLabelSvgPages(units, {});
  ASSERT_TRUE(pages.ok()) << pages.status();
  EXPECT_THAT((*pages)[0], HasSubstr("font-size=\"4.200\">7497-011-2332<"));
  EXPECT_THAT((*pages)[0], HasSubstr("font-size=\"4.200\">06521-32784<"));
}

TEST(LabelSheet, RefusesGridsThatLeaveThePage) {
  LabelSheet sheet;
  sheet.columns = 4;
  EXPECT_TRUE(HasReason(RenderLabelPdf(Units(1), sheet).status(), Reason::FIELD_OUT_OF_RANGE));
  sheet = {};
  sheet.qr_side = 40;
  EXPECT_TRUE(HasReason(RenderLabelPdf(Units(1), sheet).status(), Reason::FIELD_OUT_OF_RANGE));
}

TEST(LabelSheet, RefusesTextsItCannotPrint) {
  std::vector<LabelUnit> units = Units(2);
  units[1].product_name = "\xE7\x81\xAF";
  EXPECT_TRUE(HasReason(RenderLabelPdf(units, {}).status(), Reason::FIELD_MALFORMED));
  EXPECT_TRUE(RenderLabelSvgPages(units, {}).ok());
  units[1].qr_text = "no qr text";
  const auto refusal = RefusalOf(RenderLabelSvgPages(units, {}).status());
  ASSERT_TRUE(refusal);
  EXPECT_EQ(refusal->field, "units[1].qr");
}

}  // namespace
}  // namespace assay::image
