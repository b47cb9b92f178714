#include "client/module_list.h"

#include <gmock/gmock.h>

#include "base/refusal.h"

namespace assay::client {
namespace {

TEST(ModuleListTest, TakesTheManifestOfTheLotThatIssuedTheModules) {
  const auto modules = ReadModulesText(
      "ticket,device_id,serial_number,dac_serial\nt1,unit-1,S1,01AB\nt2,unit-2,S2,01AC\n", "m.csv");
  ASSERT_TRUE(modules.ok()) << modules.status();
  ASSERT_EQ(modules->size(), 2u);
  EXPECT_EQ((*modules)[0].ticket, "unit-1");
  EXPECT_EQ((*modules)[0].module->common_name(), "unit-1");
}

TEST(ModuleListTest, TakesSerialNumbersInHexAndNamesOfCertificates) {
  const auto by_serial = ReadModulesText("dac_serial\n01ab\n\n02CD\n", "m.csv");
  ASSERT_TRUE(by_serial.ok()) << by_serial.status();
  EXPECT_EQ((*by_serial)[1].module->dac_serial(), "\x02\xCD");
  const auto by_name = ReadModulesText("CN,certs\nabc,\"-----BEGIN\nx\"\n", "m.csv");
  ASSERT_TRUE(by_name.ok()) << by_name.status();
  EXPECT_EQ((*by_name)[0].module->common_name(), "abc");
}

TEST(ModuleListTest, EveryRefusalNamesLineAndColumn) {
  const auto fault = [](const char* text) {
    return std::string(ReadModulesText(text, "m.csv").status().message());
  };
  EXPECT_THAT(fault("serial\n1\n"), testing::HasSubstr("m.csv line 1"));
  EXPECT_THAT(fault("a,dac_serial\n1,01\n2,xyz\n"),
              testing::HasSubstr("m.csv line 3 column 2 (dac_serial)"));
  EXPECT_THAT(fault("dac_serial\n01\n01\n"), testing::HasSubstr("the same module as line 2"));
  EXPECT_THAT(fault("a,cn\nx,\n"), testing::HasSubstr("m.csv line 2 column 2 (cn)"));
  EXPECT_THAT(fault("cn\nModule 7\n"), testing::HasSubstr("column dac_serial"));
  EXPECT_THAT(fault("cn\n"), testing::HasSubstr("a row for each module"));
}

}  // namespace
}  // namespace assay::client
