#include "base/secret.h"

#include <gtest/gtest.h>

#include <type_traits>

namespace assay {
namespace {

TEST(SecretBytes, MovesAndNeverCopies) {
  static_assert(!std::is_copy_constructible_v<SecretBytes>);
  static_assert(!std::is_copy_assignable_v<SecretBytes>);
  SecretBytes a = SecretBytes::CopyOf(AsBytes("pin"));
  SecretBytes b = std::move(a);
  EXPECT_TRUE(a.empty());
  EXPECT_EQ(ToText(b.view()), "pin");
  b.Wipe();
  EXPECT_TRUE(b.empty());
}

}  // namespace
}  // namespace assay
