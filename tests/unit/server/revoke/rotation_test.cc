// A vendor's PAI is replaced by a new one while lots are open.
#include <gmock/gmock.h>

#include "matter/crl.h"
#include "tests/unit/server/revoke/office.h"

namespace assay::revoke {
namespace {

class RotationTest : public testing::Test {
 protected:
  // The plans of lots are kept for seconds; a new pipeline reads them anew.
  std::string PaiOf(const std::string& ticket, const std::string& lot = "server") {
    office.shop.pipeline.reset();
    const auto issued = office.shop.Issue(issue::Workshop::Request(lot, ticket));
    EXPECT_TRUE(issued.ok()) << issued.status();
    if (!issued.ok()) return "";
    const auto pais = office.shop.store->ListPais();
    for (const auto& pai : *pais) {
      if (issued->identity().pai() == ToText(pai.certificate)) return pai.name;
    }
    return "unknown";
  }
  void Retire(const std::string& name) {
    v1::RetirePaiRequest retire;
    retire.set_request_id(office.shop.NextId());
    retire.set_name(name);
    const auto retired = office.shop.authority->RetirePai(office.shop.operator_caller, retire);
    ASSERT_TRUE(retired.ok()) << retired.status();
  }
  Office office;
};

TEST_F(RotationTest, WithTwoActivePaisOfAVendorLotsGoOnWithTheNewAndTheOldStillSignsItsList) {
  issue::Workshop& shop = office.shop;
  ASSERT_TRUE(shop.Open("server", shop.Light(), 10).ok());
  v1::ProductSpec fixed = shop.Light();
  fixed.mutable_dac()->set_pai("pai-fff1");
  ASSERT_TRUE(shop.Open("fixed", fixed, 10).ok());
  const Unit old_unit = office.Issue("before");
  EXPECT_EQ(PaiOf("t-1"), "pai-fff1");

  // Overlap: both are active. A lot that picks takes the newer one, a fixed lot keeps its own.
  shop.MakePai("pai-fff1-2027", 0xFFF1);
  EXPECT_EQ(PaiOf("t-2"), "pai-fff1-2027");
  EXPECT_EQ(PaiOf("t-1", "fixed"), "pai-fff1");

  Retire("pai-fff1");
  EXPECT_EQ(PaiOf("t-3"), "pai-fff1-2027");
  shop.pipeline.reset();
  const auto refused = shop.Issue(issue::Workshop::Request("fixed", "t-2"));
  EXPECT_TRUE(HasReason(refused.status(), Reason::PAI_NOT_ACTIVE)) << refused.status();

  // A device of the retired one is revoked: its list is signed by the retired one's key.
  EXPECT_TRUE(office.Revoke(old_unit).published());
  const auto list = office.List("pai-fff1");
  ASSERT_TRUE(list.ok()) << list.status();
  EXPECT_EQ(list->entries(), 1u);
  const auto old = matter::Certificate::Parse(shop.store->FindPai("pai-fff1")->certificate);
  const auto crl = matter::ParseCrl(AsBytes(list->der()));
  ASSERT_TRUE(old.ok() && crl.ok());
  EXPECT_TRUE(matter::CheckCrlSigner(*crl, *old).ok());
}

TEST_F(RotationTest, ANewPaiThatIsNotActiveYetSignsNothing) {
  issue::Workshop& shop = office.shop;
  ASSERT_TRUE(shop.Open("server", shop.Light(), 10).ok());
  v1::CreatePaiRequest create;
  create.set_request_id(shop.NextId());
  create.set_name("pending");
  create.set_vendor_id(0xFFF1);
  ASSERT_TRUE(shop.authority->CreatePai(shop.operator_caller, create).ok());
  EXPECT_EQ(PaiOf("t-1"), "pai-fff1");
}

}  // namespace
}  // namespace assay::revoke
