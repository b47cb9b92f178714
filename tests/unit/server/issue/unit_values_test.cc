// Labels and rotating ids that come again: defect 6.1.7 of mfg_tool over tickets, runs and lots.
#include <gtest/gtest.h>

#include <set>

#include "tests/support/refused.h"
#include "tests/unit/server/issue/workshop.h"

namespace assay::issue {
namespace {

constexpr char kRotatingId[] = "0123456789abcdef";

class DefectWrongDeviceDuplicates : public testing::Test {
 protected:
  // Two products of the same vendor and product id, each with its lot.
  void SetUp() override {
    spec = shop.Light();
    spec.set_values_from_line(true);
    spec.mutable_rotating_id()->set_enabled(true);
    ASSERT_TRUE(shop.Open("first", spec, 50).ok());
    spec.set_product_label("another revision");
    ASSERT_TRUE(shop.Open("second", spec, 50).ok());
  }

  static v1::IssueRequest Labelled(const std::string& lot, const std::string& ticket,
                                   uint32_t passcode, uint32_t discriminator) {
    v1::IssueRequest request = Workshop::Request(lot, ticket);
    request.mutable_values()->set_passcode(passcode);
    request.mutable_values()->set_discriminator(discriminator);
    return request;
  }
  void ExpectTaken(const absl::Status& status, const std::string& field) {
    EXPECT_REFUSED(status, VALUE_TAKEN);
    const auto refusal = RefusalOf(status);
    ASSERT_TRUE(refusal);
    EXPECT_EQ(refusal->field, field);
    EXPECT_EQ(refusal->value, "");
    EXPECT_EQ(status.message().find("34970112"), std::string::npos) << status;
  }

  Workshop shop;
  v1::ProductSpec spec;
};

TEST_F(DefectWrongDeviceDuplicates, PasscodeWithDiscriminatorIsRefusedAcrossTicketsLotsAndRuns) {
  ASSERT_TRUE(shop.Issue(Labelled("first", "t-1", 34970112, 7)).ok());
  ExpectTaken(shop.Issue(Labelled("first", "t-2", 34970112, 7)).status(), "values.passcode");
  shop.pipeline.reset();  // another run, another process
  ExpectTaken(shop.Issue(Labelled("second", "t-1", 34970112, 7)).status(), "values.passcode");
  EXPECT_EQ(shop.LotNow("first").claimed(), 1u);
  EXPECT_EQ(shop.LotNow("second").claimed(), 0u);
  EXPECT_TRUE(shop.Issue(Labelled("second", "t-1", 34970112, 8)).ok());
  // A retry is the same unit.
  EXPECT_TRUE(shop.Issue(Labelled("first", "t-1", 34970112, 7)).ok());
}

TEST_F(DefectWrongDeviceDuplicates, RotatingIdIsRefusedAcrossLots) {
  auto first = Workshop::Request("first", "t-1");
  first.mutable_values()->set_rotating_id(kRotatingId);
  ASSERT_TRUE(shop.Issue(first).ok());
  auto second = Workshop::Request("second", "t-1");
  second.mutable_values()->set_rotating_id(kRotatingId);
  ExpectTaken(shop.Issue(second).status(), "values.rotating_id");
}

TEST_F(DefectWrongDeviceDuplicates, DuplicatesAmongTicketsAtOnceAreOneUnit) {
  shop.Start(2);
  std::vector<v1::IssueRequest> requests;
  for (int i = 0; i < 20; ++i) {
    requests.push_back(
        Labelled(i % 2 == 0 ? "first" : "second", "t-" + std::to_string(i), 34970112, 7));
  }
  int made = 0;
  for (const Outcome& outcome : shop.IssueAll(requests)) {
    if (outcome.ok()) {
      ++made;
    } else {
      ExpectTaken(outcome.status(), "values.passcode");
    }
  }
  EXPECT_EQ(made, 1);
  EXPECT_EQ(shop.LotNow("first").claimed() + shop.LotNow("second").claimed(), 1u);
}

TEST_F(DefectWrongDeviceDuplicates, OfADrawnValueIsDrawnAgainAndNobodyHearsOfIt) {
  // One passcode for all: the discriminators, which are drawn, must all differ. Of 4096, 45 drawn
  // without looking hit an earlier one about every fifth time; the store counts the looks.
  std::vector<v1::IssueRequest> requests;
  for (int i = 0; i < 45; ++i) {
    requests.push_back(Workshop::Request("first", "t-" + std::to_string(i)));
    requests.back().mutable_values()->set_passcode(34970112);
  }
  std::set<uint32_t> discriminators;
  for (const Outcome& outcome : shop.IssueAll(requests)) {
    ASSERT_TRUE(outcome.ok()) << outcome.status();
    discriminators.insert(outcome->identity().codes().discriminator());
  }
  EXPECT_EQ(discriminators.size(), 45u);
}

TEST_F(DefectWrongDeviceDuplicates, InASandboxIsTheSameUnitUnderItsSerialNumberOrATestDevice) {
  const auto unit = [](const std::string& lot) {
    auto request = Labelled(lot, "t-1", 19861989, 601);
    request.mutable_values()->set_serial_number("esp32c_dev3");
    request.mutable_values()->set_rotating_id(kRotatingId);
    return request;
  };
  ASSERT_TRUE(shop.Issue(unit("first")).ok());
  EXPECT_TRUE(shop.Issue(unit("second")).ok());
  EXPECT_TRUE(shop.Issue(Labelled("first", "sdk-1", 20202021, 3840)).ok());
  EXPECT_TRUE(shop.Issue(Labelled("first", "sdk-2", 20202021, 3840)).ok());
}

TEST_F(DefectWrongDeviceDuplicates, UnderTheSameSerialNumberInProductionNeedsTheFirstScrapped) {
  shop.MakePai("pai-131b", 0x131B);
  spec.set_vendor_id(0x131B);
  spec.set_certification_declaration(shop.Declaration(0x131B, 0x8000));
  ASSERT_TRUE(shop.Open("third", spec, 50).ok());
  spec.set_product_label("yet another");
  ASSERT_TRUE(shop.Open("fourth", spec, 50).ok());
  shop.pipeline_options.production = true;
  const auto unit = [](const std::string& lot) {
    auto request = Labelled(lot, "t-1", 34970112, 601);
    request.mutable_values()->set_serial_number("SN-1");
    return request;
  };
  const auto issued = shop.Issue(unit("third"));
  ASSERT_TRUE(issued.ok()) << issued.status();
  ExpectTaken(shop.Issue(unit("fourth")).status(), "values.passcode");
}

// Of a database that was a sandbox's before.
TEST_F(DefectWrongDeviceDuplicates, ALotOfATestVendorIssuesNothingInProduction) {
  shop.pipeline_options.production = true;
  EXPECT_REFUSED(shop.Issue(Labelled("first", "t-1", 34970112, 601)).status(), TEST_CREDENTIAL);
  EXPECT_EQ(shop.LotNow("first").claimed(), 0u);
}

}  // namespace
}  // namespace assay::issue
