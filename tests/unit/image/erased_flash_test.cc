#include "image/erased_flash.h"

#include <gtest/gtest.h>

namespace assay::image {
namespace {

std::string Erased(size_t size) { return std::string(size, '\xFF'); }

TEST(ErasedFlash, IsWhatAnImageEndsWithAndNothingBefore) {
  for (const size_t written : {0u, 1u, 7u, 8u, 9u, 31u, 4096u}) {
    for (const size_t erased : {0u, 1u, 7u, 8u, 9u, 20480u}) {
      std::string image(written, '\xFF');
      if (written > 0) image.back() = '\x00';
      image += Erased(erased);
      EXPECT_EQ(SizeWithoutErasedFlash(AsBytes(image)), written) << written << "+" << erased;
    }
  }
}

TEST(ErasedFlash, IsPutBackToTheWholeSize) {
  std::string content = "written";
  ASSERT_TRUE(RestoreErasedFlash(content, 20));
  EXPECT_EQ(content, "written" + Erased(13));
}

TEST(ErasedFlash, OfAWholeImageNothingIsMissing) {
  std::string content = "written" + Erased(3);
  const std::string before = content;
  ASSERT_TRUE(RestoreErasedFlash(content, 10));
  ASSERT_TRUE(RestoreErasedFlash(content, 0));  // a service that tells no sizes
  EXPECT_EQ(content, before);
}

TEST(ErasedFlash, IsNotPutBackForASizeNoFlashHas) {
  std::string content = "written";
  EXPECT_FALSE(RestoreErasedFlash(content, uint64_t{1} << 40));
  EXPECT_EQ(content, "written");
}

}  // namespace
}  // namespace assay::image
