#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "server/issue/prove.h"

namespace assay::issue {
namespace {

std::string EntryOf(const std::string& actor, const std::string& serial_number) {
  Work work;
  auto plan = std::make_shared<lot::LotPlan>();
  plan->lot.name = "lot-1";
  plan->lot.product = "light";
  plan->lot.factory = "shenzhen";
  work.plan = plan;
  work.caller.uri = actor;
  work.caller.line = "line-1";
  work.device_id = "00000000-0000-4000-8000-000000000000";
  work.request.set_ticket("t-1");
  work.serial_number = serial_number;
  db::ManifestRow row;
  row.pai = "pai-fff1";
  row.dac_serial = {0x01, 0xAB};
  return LedgerEntry(work, row, absl::FromUnixSeconds(1790000000));
}

TEST(LedgerEntryTest, IsTheSameTextThatAJsonLibraryWritesWithSortedKeys) {
  for (const std::string name :
       {"plain", "", "with \"quotes\" and \\", "tab\tand\nline", "\x7F", "Zürich", "漢字"}) {
    const std::string entry = EntryOf(name, name);
    const auto read = nlohmann::json::parse(entry);
    EXPECT_EQ(read.dump(), entry);
    EXPECT_EQ(read["actor"], name);
    EXPECT_EQ(read["serial_number"], name);
    EXPECT_EQ(read["dac_serial"], "01AB");
    EXPECT_EQ(read["at"], "2026-09-21T14:13:20Z");
    EXPECT_EQ(read["kind"], "issue");
    EXPECT_EQ(read.size(), 15u);
  }
}

TEST(LedgerEntryTest, BytesThatAreNotUtf8AreReplacedAndNeverWritten) {
  const std::string entry = EntryOf("a\xFFz", "1");
  EXPECT_EQ(nlohmann::json::parse(entry)["actor"], "a\xEF\xBF\xBDz");
}

}  // namespace
}  // namespace assay::issue
