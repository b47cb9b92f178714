#include "tlog/cosign.h"

#include <gtest/gtest.h>

#include "base/refusal.h"
#include "tlog/checkpoint.h"

namespace assay::tlog {
namespace {

constexpr char kText[] = "log.example/one\n7\nn4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDwCgg=\n";

TEST(CosignTest, AWitnessesLineIsRightUnderItsVerifierKeyAndForThatTextOnly) {
  SystemRandom random;
  const auto key = WitnessKey::Make("witness.example/w1", random);
  ASSERT_TRUE(key.ok()) << key.status();
  const auto line = key->Cosign(kText, absl::FromUnixSeconds(1'700'000'000));
  ASSERT_TRUE(line.ok()) << line.status();
  EXPECT_TRUE(key->verifier().Verify(kText, line->signature));
  EXPECT_FALSE(key->verifier().Verify(std::string(kText) + "x\n", line->signature));
  Bytes later = line->signature;
  later[7] ^= 1;  // the time is signed too
  EXPECT_FALSE(key->verifier().Verify(kText, later));
}

TEST(CosignTest, AKeyIsReadAsItWasWritten) {
  SystemRandom random;
  const auto key = WitnessKey::Make("w", random);
  const auto again = WitnessKey::Parse(key->ToText());
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->verifier().ToText(), key->verifier().ToText());
  EXPECT_EQ(again->verifier().type(), 0x04);
}

TEST(CosignTest, WhatIsNoWitnessesKeyIsRefusedAndNotRepeated) {
  SystemRandom random;
  const std::string text = WitnessKey::Make("w", random)->ToText();
  for (const std::string& bad :
       {std::string(), std::string("PRIVATE+KEY+w"), text.substr(0, text.size() - 8), "x" + text,
        std::string("PRIVATE+KEY+w+00000000+") + text.substr(text.rfind('+') + 1)}) {
    const auto refused = WitnessKey::Parse(bad);
    EXPECT_TRUE(HasReason(refused.status(), Reason::FIELD_MALFORMED)) << bad;
    EXPECT_EQ(std::string(refused.status().message()).find("AAAA"), std::string::npos);
  }
  EXPECT_FALSE(WitnessKey::Make("two words", random).ok());
}

}  // namespace
}  // namespace assay::tlog
