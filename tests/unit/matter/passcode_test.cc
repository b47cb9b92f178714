#include "matter/passcode.h"

#include <gtest/gtest.h>

#include <set>
#include <vector>

#include "base/refusal.h"

namespace assay::matter {
namespace {

// Deals the given bytes, then counts on from there.
class DealtRandom final : public Random {
 public:
  explicit DealtRandom(Bytes bytes) : bytes_(std::move(bytes)) {}
  void Fill(std::span<uint8_t> out) override {
    for (uint8_t& byte : out) byte = next_ < bytes_.size() ? bytes_[next_++] : 0x01;
  }

 private:
  Bytes bytes_;
  size_t next_ = 0;
};

Bytes Le32(uint32_t value) {
  Bytes bytes;
  AppendLe32(bytes, value);
  return bytes;
}

TEST(Passcode, TheTwelveAndOnlyTheyAreForbiddenByName) {
  const std::set<uint32_t> forbidden = {0,        11111111, 22222222, 33333333, 44444444, 55555555,
                                        66666666, 77777777, 88888888, 99999999, 12345678, 87654321};
  for (uint32_t passcode : forbidden) {
    EXPECT_TRUE(IsForbiddenPasscode(passcode)) << passcode;
    EXPECT_TRUE(HasReason(CheckPasscode(passcode), Reason::PASSCODE_FORBIDDEN)) << passcode;
  }
  for (uint32_t passcode : {1u, 20202021u, 12345679u, 11111112u, 99999998u}) {
    EXPECT_FALSE(IsForbiddenPasscode(passcode)) << passcode;
    EXPECT_TRUE(CheckPasscode(passcode).ok()) << passcode;
  }
}

TEST(Passcode, NothingAboveItsRangeIsAccepted) {
  for (uint32_t passcode : {99999999u, 100000000u, 134217727u, 0xFFFFFFFFu}) {
    EXPECT_TRUE(HasReason(CheckPasscode(passcode), Reason::PASSCODE_FORBIDDEN)) << passcode;
  }
}

TEST(Passcode, ARefusalNamesTheFieldButNeverThePasscode) {
  const absl::Status status = CheckPasscode(12345678, "claim.passcode");
  EXPECT_EQ(RefusalOf(status)->field, "claim.passcode");
  EXPECT_EQ(status.ToString().find("12345678"), std::string::npos);
}

TEST(Passcode, TheSdkDefaultsAreRefusedWhereExcluded) {
  EXPECT_TRUE(CheckPasscode(kDefaultPasscode).ok());
  EXPECT_FALSE(CheckPasscode(kDefaultPasscode, "p", SdkDefaults::kExcluded).ok());
  EXPECT_TRUE(CheckDiscriminator(kDefaultDiscriminator).ok());
  EXPECT_TRUE(HasReason(CheckDiscriminator(kDefaultDiscriminator, "d", SdkDefaults::kExcluded),
                        Reason::FIELD_NOT_ALLOWED));
}

TEST(Passcode, ADrawSkipsWhatIsOutOfRangeOrForbidden) {
  Bytes dealt;
  for (uint32_t value : {0u, 12345678u, 99999999u, 134217727u, kDefaultPasscode, 7654321u}) {
    Append(dealt, Le32(value));
  }
  DealtRandom random(dealt);
  EXPECT_EQ(DrawPasscode(random), 7654321u);
  DealtRandom again(Le32(kDefaultPasscode));
  EXPECT_EQ(DrawPasscode(again, SdkDefaults::kAllowed), kDefaultPasscode);
}

TEST(Passcode, DrawsUseAllBitsOfTheRange) {
  SystemRandom random;
  uint32_t lowest = 0xFFFFFFFF, highest = 0;
  for (int i = 0; i < 2000; ++i) {
    const uint32_t passcode = DrawPasscode(random);
    ASSERT_TRUE(CheckPasscode(passcode, "p", SdkDefaults::kExcluded).ok());
    lowest = std::min(lowest, passcode);
    highest = std::max(highest, passcode);
  }
  EXPECT_LT(lowest, 10'000'000u);
  EXPECT_GT(highest, 90'000'000u);
}

TEST(Discriminator, IsTwelveBitsAndDrawnOverAllOfThem) {
  EXPECT_TRUE(CheckDiscriminator(4095).ok());
  EXPECT_TRUE(HasReason(CheckDiscriminator(4096), Reason::FIELD_OUT_OF_RANGE));
  DealtRandom random({0x00, 0xFF, 0xFF, 0xFF});  // 0xF00 is the default and is drawn again
  EXPECT_EQ(DrawDiscriminator(random), 0xFFF);
  DealtRandom again({0x00, 0x0F});
  EXPECT_EQ(DrawDiscriminator(again, SdkDefaults::kAllowed), kDefaultDiscriminator);
}

}  // namespace
}  // namespace assay::matter
