// Two stations at two replicas fight for the last of a lot's quota.
#include <gtest/gtest.h>

#include <iostream>

#include "absl/strings/str_cat.h"
#include "tests/chaos/strikes/site.h"

namespace assay::chaos {
namespace {

TEST(LastQuota, TwoStationsAtTwoReplicasNeverGetOneMore) {
  Site site({.count = 1});
  std::vector<std::unique_ptr<Shift>> shifts;
  std::vector<Shift*> all;
  site.StopAll();
  const int lots = 8 * Rounds();
  // The office opens the lots; then both replicas serve.
  ASSERT_TRUE(site.office().StartAgain().ok());
  site.office().AwaitReady();
  for (int i = 0; i < lots; ++i) {
    site.office().OpenLot(absl::StrCat("few-", i), site.office().Light(),
                          static_cast<uint64_t>(1 + i % 5));
  }
  site.office().Stop();
  const int first_port = site.AddReplica().port();
  const int second_port = site.AddReplica().port();
  uint64_t wanted = 0;
  for (int i = 0; i < lots; ++i) {
    wanted += static_cast<uint64_t>(1 + i % 5);
    for (const auto& [name, port] :
         {std::pair("north", first_port), std::pair("south", second_port)}) {
      shifts.push_back(
          std::make_unique<Shift>(std::vector{site.ChannelTo(port, integration::kLine)},
                                  ShiftOptions{absl::StrCat("few-", i), 2, name, true}));
      all.push_back(shifts.back().get());
    }
    site.CountFault();
  }
  for (const auto& shift : shifts) shift->AwaitEnd();
  uint64_t given = 0;
  for (const auto& shift : shifts) given += shift->Count();
  EXPECT_EQ(given, wanted) << "every lot is used up, and no more";
  site.Judge("LastQuota", all);
}

}  // namespace
}  // namespace assay::chaos
