#include "base/refusal.h"

#include <gtest/gtest.h>

#include <fstream>

#include "absl/strings/str_cat.h"

namespace assay {
namespace {

TEST(Refusal, CarriesReasonFieldValueAndRule) {
  const absl::Status status =
      RefuseField(Reason::FIELD_OUT_OF_RANGE, "values.discriminator", "4096", "must be 0 to 4095");
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(status.message(), "values.discriminator: must be 0 to 4095 (got 4096)");
  const auto refusal = RefusalOf(status);
  ASSERT_TRUE(refusal);
  EXPECT_EQ(refusal->reason, Reason::FIELD_OUT_OF_RANGE);
  EXPECT_EQ(refusal->field, "values.discriminator");
  EXPECT_EQ(refusal->value, "4096");
  EXPECT_FALSE(refusal->retry_after);
}

TEST(Refusal, TellsALongValueByItsBeginning) {
  std::string value = std::string(63, 'x') + "\xC3\xBC";  // the cut falls into a character
  value += std::string(4000, 'y');
  const auto refusal = RefusalOf(RefuseField(Reason::FIELD_TOO_LONG, "name", value, "too long"));
  ASSERT_TRUE(refusal);
  EXPECT_EQ(refusal->value, std::string(63, 'x') + "... of 4065 bytes");
}

TEST(Refusal, OfAFieldMaySayWhenToComeBackBetterThanItsReasonDoes) {
  const auto refusal = RefusalOf(RefuseField(Reason::RATE_LIMITED, "line", "a", "may bring ten",
                                             std::chrono::milliseconds(100)));
  ASSERT_TRUE(refusal);
  EXPECT_EQ(refusal->field, "line");
  EXPECT_EQ(refusal->retry_after, std::chrono::milliseconds(100));
}

TEST(Refusal, SaysWhenToComeBackWhereARetryMakesSense) {
  const auto refusal = RefusalOf(Refuse(Reason::HSM_UNAVAILABLE, "the token is gone"));
  ASSERT_TRUE(refusal && refusal->retry_after);
  EXPECT_EQ(*refusal->retry_after, std::chrono::seconds(30));
}

TEST(Refusal, KeepsItsReasonWithinAPrefix) {
  const absl::Status status =
      Within("lot", RefuseField(Reason::FIELD_REQUIRED, "count", "", "is required"));
  EXPECT_EQ(status.message(), "lot: count: is required");
  EXPECT_EQ(RefusalOf(status)->field, "lot.count");
  EXPECT_TRUE(HasReason(status, Reason::FIELD_REQUIRED));
}

TEST(Refusal, BlamedOnAnotherFieldTellsWhatItSaidAsTheRule) {
  const absl::Status status = Blame(
      "product", "light", RefuseField(Reason::PAI_UNKNOWN, "spec.dac.pai", "p-1", "no such PAI"));
  const auto refusal = RefusalOf(status);
  ASSERT_TRUE(refusal);
  EXPECT_EQ(refusal->reason, Reason::PAI_UNKNOWN);
  EXPECT_EQ(refusal->field, "product");
  EXPECT_EQ(refusal->value, "light");
  EXPECT_EQ(refusal->rule, "spec.dac.pai: no such PAI (got p-1)");
  const absl::Status fieldless = Refuse(Reason::STORE_UNAVAILABLE, "the database is away");
  EXPECT_EQ(Blame("product", "light", fieldless), fieldless);
  EXPECT_TRUE(Blame("product", "light", absl::OkStatus()).ok());
}

// docs/calling.md lists the reasons between its two marks, for those who write clients.
std::string ReasonsAsTheProgramHasThem() {
  std::string rows;
  const auto add = [&rows](Reason reason, absl::StatusCode code) {
    const auto told = RefusalOf(Refuse(reason, ""));
    const auto wait = told->retry_after.value_or(std::chrono::milliseconds(0));
    const std::string again = !told->retry_after                ? "no"
                              : wait < std::chrono::seconds(10) ? "soon"
                                                                : "later";
    absl::StrAppend(&rows, "| `", std::string(ReasonName(reason)), "` | ",
                    absl::StatusCodeToString(code), " | ", again, " | ",
                    std::string(ReasonText(reason)), " |\n");
  };
#define ASSAY_ADD_REASON(name, code, retry, text) add(Reason::name, absl::StatusCode::code);
  ASSAY_REASONS(ASSAY_ADD_REASON)
#undef ASSAY_ADD_REASON
  return rows;
}

TEST(Refusal, IsListedByReasonInTheCallersPage) {
  std::ifstream file(std::string(ASSAY_SOURCE_DIR) + "/docs/calling.md");
  const std::string page{std::istreambuf_iterator<char>(file), {}};
  const std::string head = "| reason | status | asked again | |\n|---|---|---|---|\n";
  const size_t begin = page.find(head);
  const size_t end = page.find("\n<!-- end of reasons -->");
  ASSERT_TRUE(begin != std::string::npos && end != std::string::npos);
  EXPECT_EQ(page.substr(begin + head.size(), end - begin - head.size()),
            ReasonsAsTheProgramHasThem());
}

TEST(Refusal, IsAbsentFromAForeignStatus) {
  EXPECT_FALSE(RefusalOf(absl::InternalError("elsewhere")));
  EXPECT_FALSE(RefusalOf(absl::OkStatus()));
}

}  // namespace
}  // namespace assay
