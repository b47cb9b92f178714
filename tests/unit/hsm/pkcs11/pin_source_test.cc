#include "hsm/pkcs11/pin_source.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "base/refusal.h"

namespace assay::pkcs11 {
namespace {

class PinSourceTest : public testing::Test {
 protected:
  PinSourceTest() {
    std::string name = (std::filesystem::temp_directory_path() / "assay-pin-XXXXXX").string();
    folder_ = ::mkdtemp(name.data());
  }
  ~PinSourceTest() override { std::filesystem::remove_all(folder_); }
  std::string file() const { return (folder_ / "pin").string(); }
  void Write(const std::string& text, mode_t mode = 0600) {
    std::filesystem::remove(file());
    std::ofstream(file()) << text;
    ::chmod(file().c_str(), mode);
  }
  static std::string Taken(PinSource& source) {
    const auto pin = source.Take();
    return pin.ok() ? ToText(pin->view()) : std::string(pin.status().message());
  }

  std::filesystem::path folder_;
};

TEST_F(PinSourceTest, ReadsOneLineWithoutItsEnd) {
  PinSource source(file(), {});
  for (const char* text : {"123456", "123456\n", "123456\r\n"}) {
    Write(text);
    EXPECT_EQ(Taken(source), "123456");
  }
  Write(" 12 34 \n");
  EXPECT_EQ(Taken(source), " 12 34 ");
}

TEST_F(PinSourceTest, RefusesAFileThatOthersMayRead) {
  for (const mode_t mode : {0644, 0640, 0604, 0620}) {
    Write("123456", mode);
    const auto pin = PinSource(file(), {}).Take();
    EXPECT_TRUE(HasReason(pin.status(), Reason::FIELD_NOT_ALLOWED)) << pin.status();
    EXPECT_EQ(pin.status().message().find("123456"), std::string::npos);
  }
  Write("123456", 0400);
  EXPECT_TRUE(PinSource(file(), {}).Check().ok());
}

TEST_F(PinSourceTest, RefusesAFileThatIsMissingEmptyOrTooLong) {
  EXPECT_TRUE(HasReason(PinSource(file(), {}).Check(), Reason::FIELD_REQUIRED));
  Write("\n");
  EXPECT_TRUE(HasReason(PinSource(file(), {}).Check(), Reason::FIELD_REQUIRED));
  Write(std::string(257, '1'));
  EXPECT_TRUE(HasReason(PinSource(file(), {}).Check(), Reason::FIELD_TOO_LONG));
  EXPECT_TRUE(HasReason(PinSource("", {}).Check(), Reason::FIELD_REQUIRED));
}

TEST_F(PinSourceTest, NeverGivesARefusedPinAgain) {
  Write("000000");
  PinSource source(file(), {});
  const auto wrong = source.Take();
  ASSERT_TRUE(wrong.ok());
  source.Hold(*wrong, false);
  EXPECT_TRUE(HasReason(source.Take().status(), Reason::HSM_PIN_REJECTED));
  // Written again with the same content, it is the same PIN.
  Write("000000\n");
  EXPECT_TRUE(HasReason(source.Take().status(), Reason::HSM_PIN_REJECTED));
  Write("123456");
  EXPECT_EQ(Taken(source), "123456");
  Write("000000");
  EXPECT_TRUE(HasReason(source.Take().status(), Reason::HSM_PIN_REJECTED));
}

TEST_F(PinSourceTest, CallsAnOfferUnfairToAModuleThatHasSeenAnotherPin) {
  PinSource source(file(), {});
  const SecretBytes first = SecretBytes::CopyOf(AsBytes("111111"));
  const SecretBytes second = SecretBytes::CopyOf(AsBytes("222222"));
  EXPECT_TRUE(source.IsFair(first, 1));
  EXPECT_TRUE(source.IsFair(first, 1));
  EXPECT_FALSE(source.IsFair(second, 1));
  EXPECT_FALSE(source.IsFair(second, 1));
  EXPECT_TRUE(source.IsFair(second, 2));
  EXPECT_TRUE(source.IsFair(second, 2));
  EXPECT_FALSE(source.IsFair(first, 2));
}

TEST_F(PinSourceTest, TellsALockedPinFromAWrongOne) {
  PinSource source("", SecretBytes::CopyOf(AsBytes("123456")));
  const auto pin = source.Take();
  ASSERT_TRUE(pin.ok());
  source.Hold(*pin, true);
  EXPECT_TRUE(HasReason(source.Take().status(), Reason::HSM_PIN_LOCKED));
}

}  // namespace
}  // namespace assay::pkcs11
