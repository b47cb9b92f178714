#include "image/qr.h"

#include <gtest/gtest.h>
#include <png.h>

#include <sstream>

#include "base/refusal.h"
#include "tests/unit/image/image_vectors.h"

namespace assay::image {
namespace {

std::string MatrixText(const QrMatrix& matrix) {
  std::string text;
  for (int row = 0; row < matrix.size(); ++row) {
    for (int column = 0; column < matrix.size(); ++column)
      text += matrix.Dark(column, row) ? '1' : '0';
    text += '\n';
  }
  return text;
}

struct Picture {
  png_uint_32 width = 0, height = 0;
  Bytes pixels;  // a byte a pixel
};
Picture Decoded(ByteView png) {
  png_image image = {};
  image.version = PNG_IMAGE_VERSION;
  EXPECT_TRUE(png_image_begin_read_from_memory(&image, png.data(), png.size()));
  image.format = PNG_FORMAT_GRAY;
  Picture picture{image.width, image.height, Bytes(PNG_IMAGE_SIZE(image))};
  EXPECT_TRUE(png_image_finish_read(&image, nullptr, picture.pixels.data(), 0, nullptr));
  return picture;
}

class QrVectors : public ::testing::TestWithParam<const char*> {};

TEST_P(QrVectors, HasTheReferenceToolsModulesAndPixels) {
  ASSAY_NEED_VECTORS();
  const std::string stem = std::string("onboarding/MT_") + GetParam();
  const auto matrix = EncodeQr(std::string("MT:") + GetParam());
  ASSERT_TRUE(matrix.ok()) << matrix.status();
  EXPECT_EQ(MatrixText(*matrix), ToText(*MfgVector(stem + ".matrix.txt")));
  const Bytes png = RenderQrPng(*matrix);
  const Picture mine = Decoded(png);
  const Picture theirs = Decoded(*MfgVector(stem + ".png"));
  EXPECT_EQ(mine.width, 198u);
  EXPECT_EQ(mine.height, 198u);
  EXPECT_EQ(png[24], 1) << "bits a pixel";
  EXPECT_EQ(mine.pixels, theirs.pixels);
}

INSTANTIATE_TEST_SUITE_P(Vectors, QrVectors,
                         ::testing::Values("634J042C00KA0648G00", "Y.K9042C00KA0648G00"));

TEST(Qr, IsVersionTwoForOnePayloadAndGrowsForMore) {
  EXPECT_EQ(EncodeQr("MT:Y.K9042C00KA0648G00")->size(), 25);
  EXPECT_GT(EncodeQr("MT:" + std::string(100, 'A'))->size(), 25);
}

TEST(Qr, RefusesOtherCharactersAndWhatNoCodeHolds) {
  EXPECT_TRUE(HasReason(EncodeQr("mt:lower").status(), Reason::FIELD_MALFORMED));
  EXPECT_TRUE(HasReason(EncodeQr("").status(), Reason::FIELD_MALFORMED));
  EXPECT_TRUE(HasReason(EncodeQr(std::string(5000, 'A')).status(), Reason::FIELD_TOO_LONG));
}

TEST(Qr, DrawsTheSameModulesAsTextAndSvg) {
  const auto matrix = EncodeQr("MT:Y.K9042C00KA0648G00");
  ASSERT_TRUE(matrix.ok());
  std::istringstream lines(RenderQrText(*matrix, 2));
  size_t count = 0;
  for (std::string line; std::getline(lines, line);) ++count;
  EXPECT_EQ(count, 15u) << "29 rows, two a line";
  const std::string svg = RenderQrSvg(*matrix);
  EXPECT_NE(svg.find("viewBox=\"0 0 33 33\""), std::string::npos);
  EXPECT_NE(svg.find("M4 4h7v1h-7z"), std::string::npos) << "the finder pattern's top edge";
}

}  // namespace
}  // namespace assay::image
