// The health service answers for every service of the contract by its name.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <regex>
#include <set>

#include "server/rpc/server.h"

namespace assay::rpc {
namespace {

TEST(ServiceNamesTest, EveryServiceOfTheContractHasItsHealth) {
  std::set<std::string> contract;
  const std::regex service("^service (\\w+) \\{.*");
  for (const auto& file :
       std::filesystem::directory_iterator(std::string(ASSAY_SOURCE_DIR) + "/proto/assay/v1")) {
    std::ifstream text(file.path());
    std::smatch found;
    for (std::string line; std::getline(text, line);) {
      if (std::regex_match(line, found, service)) contract.insert("assay.v1." + found[1].str());
    }
  }
  EXPECT_GE(contract.size(), 12u);
  EXPECT_EQ(std::set<std::string>(ServiceNames().begin(), ServiceNames().end()), contract);
}

}  // namespace
}  // namespace assay::rpc
