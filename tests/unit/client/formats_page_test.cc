// docs/formats.md says how Assay stands beside mfg_tool, option by option and key by key. This test
// holds the page against the client itself, so that it cannot grow untrue.
#include <functional>
#include <map>
#include <regex>
#include <set>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_split.h"
#include "base/refusal.h"
#include "client/command/parse.h"
#include "client/files.h"
#include "client/mfg_tool/plan.h"
#include "gtest/gtest.h"
#include "image/factory_keys.h"
#include "tests/unit/image/factory_fixture.h"

namespace assay::client {
namespace {

// Every option of esp-matter-mfg-tool 1.0.23 by its long name.
const std::set<std::string>& OriginalOptions() {
  static const auto* const kOptions =
      new std::set<std::string>{"--count",
                                "--target",
                                "--size",
                                "--encrypt",
                                "--log-level",
                                "--outdir",
                                "--no-bin",
                                "--no-secure-cert-bin",
                                "--passcode",
                                "--discriminator",
                                "--commissioning-flow",
                                "--discovery-mode",
                                "--enable-dynamic-passcode",
                                "--salt",
                                "--verifier",
                                "--iteration-count",
                                "--commissionable-data-in-secure-cert",
                                "--dac-in-secure-cert",
                                "--rd-id-uid-in-secure-cert",
                                "--lifetime",
                                "--valid-from",
                                "--cn-prefix",
                                "--cert",
                                "--key",
                                "--cert-dclrn",
                                "--dac-cert",
                                "--dac-key",
                                "--ds-peripheral",
                                "--efuse-key-id",
                                "--port",
                                "--password",
                                "--paa",
                                "--pai",
                                "--vendor-id",
                                "--product-id",
                                "--vendor-name",
                                "--product-name",
                                "--hw-ver",
                                "--hw-ver-str",
                                "--mfg-date",
                                "--serial-num",
                                "--enable-rotating-device-id",
                                "--rd-id-uid",
                                "--product-finish",
                                "--product-color",
                                "--part-number",
                                "--calendar-types",
                                "--locales",
                                "--fixed-labels",
                                "--supported-modes",
                                "--product-label",
                                "--product-url",
                                "--csv",
                                "--mcsv"};
  return *kOptions;
}

// The long options that `assay mfg-tool --help` offers.
std::set<std::string> OfferedOptions() {
  std::set<std::string> offered;
  const std::regex long_name("(--[a-z][a-z-]*)");
  for (const auto& line : absl::StrSplit(ParseCommand({"mfg-tool", "--help"}).text, '\n')) {
    // "  -n,--count UINT  devices": names stand before the first blank after them.
    const std::string text(line);
    const size_t begin = text.find_first_not_of(' ');
    if (begin == std::string::npos || text[begin] != '-') continue;
    const std::string names = text.substr(begin, text.find(' ', begin) - begin);
    for (std::sregex_iterator at(names.begin(), names.end(), long_name), end; at != end; ++at)
      offered.insert((*at)[1]);
  }
  offered.erase("--help");
  offered.erase("--pwd");  // the other name of --password
  return offered;
}

// Cells of the page's rows that begin with a cell in backquotes.
std::vector<std::vector<std::string>> Rows(const std::string& heading) {
  const std::string page =
      ReadTextFile(std::string(ASSAY_SOURCE_DIR) + "/docs/formats.md").value_or("");
  const size_t begin = page.find(heading);
  EXPECT_NE(begin, std::string::npos) << heading;
  const std::string section = page.substr(begin, page.find("\n## ", begin + 1) - begin);
  std::vector<std::vector<std::string>> rows;
  for (const auto& line : absl::StrSplit(section, '\n')) {
    if (!absl::StartsWith(line, "| `") && !absl::StartsWith(line, "| | | `")) continue;
    std::vector<std::string> cells;
    for (absl::string_view cell : absl::StrSplit(line, '|'))
      cells.emplace_back(absl::StripAsciiWhitespace(cell));
    rows.push_back(std::move(cells));
  }
  return rows;
}
constexpr char kHeading[] = "## Beside mfg_tool, option by option";

// Option to verdict.
std::map<std::string, std::string> PageOptions() {
  std::map<std::string, std::string> options;
  for (const auto& cells : Rows(kHeading)) {
    if (cells.size() < 4 || !absl::StartsWith(cells[1], "`--")) continue;
    const std::string name = cells[1].substr(1, cells[1].find('`', 1) - 1);
    EXPECT_TRUE(options.emplace(name, cells[2]).second) << name << " stands twice";
  }
  return options;
}

TEST(FormatsPageTest, ItsTableHasEveryOptionOfMfgToolAndOfTheClientAndNoOther) {
  const auto page = PageOptions();
  std::set<std::string> named, original;
  for (const auto& [name, verdict] : page) {
    named.insert(name);
    if (verdict != "own") original.insert(name);
    EXPECT_TRUE(verdict == "same" || verdict == "better" || verdict == "refused" ||
                verdict == "own")
        << name << ": " << verdict;
  }
  EXPECT_EQ(original, OriginalOptions());
  EXPECT_EQ(named, OfferedOptions());
}

TEST(FormatsPageTest, WhatItCallsRefusedIsRefusedByNameAndNothingElseIs) {
  const std::map<std::string, std::function<void(MfgToolOptions&)>> set = {
      {"--key", [](auto& o) { o.key = "k.pem"; }},
      {"--port", [](auto& o) { o.port = "/dev/ttyUSB0"; }},
      {"--password", [](auto& o) { o.password = "x"; }}};
  for (const auto& [name, verdict] : PageOptions()) {
    EXPECT_EQ(verdict == "refused", set.contains(name)) << name;
    if (!set.contains(name)) continue;
    MfgToolOptions options;
    options.vendor_id = 0xFFF1;
    options.product_id = 0x8000;
    options.pai = true;
    set.at(name)(options);
    const auto refusal = RefusalOf(PlanMfgTool(options).status());
    ASSERT_TRUE(refusal) << name;
    EXPECT_EQ(refusal->field, name);
    EXPECT_EQ(refusal->reason, Reason::FIELD_NOT_ALLOWED) << name;
    EXPECT_GT(refusal->rule.size(), 20u) << name << " should tell the way to go instead";
  }
}

// "fl-k/1/0" as the page says it: "fl-k/<e>/<i>".
std::string General(const std::string& key) {
  static const std::map<std::string, std::string>* const kForms =
      new std::map<std::string, std::string>{{"locale", "/<i>"},       {"fl-sz", "/<e>"},
                                             {"fl-k", "/<e>/<i>"},     {"fl-v", "/<e>/<i>"},
                                             {"sm-sz", "/<e>"},        {"sm-label", "/<e>/<i>"},
                                             {"sm-mode", "/<e>/<i>"},  {"sm-st-sz", "/<e>/<i>"},
                                             {"st-v", "/<e>/<i>/<j>"}, {"st-mfg", "/<e>/<i>/<j>"}};
  const std::string stem = key.substr(0, key.find('/'));
  return stem == key ? key : stem + kForms->at(stem);
}

TEST(FormatsPageTest, ItsTableHasEveryKeyThatIsWrittenWithItsType) {
  std::map<std::string, std::string> page;
  for (const auto& cells : Rows(kHeading)) {
    if (absl::StartsWith(cells[1], "`--")) continue;
    for (size_t i = 1; i + 1 < cells.size(); i += 2) {
      if (cells[i].size() > 2) page.emplace(cells[i].substr(1, cells[i].size() - 2), cells[i + 1]);
    }
  }
  std::map<std::string, std::string> written;
  for (const image::NvsEntry& entry : image::ToNvsEntries(image::FullContent()))
    written.emplace(General(entry.key), image::NvsTypeName(entry.value));
  EXPECT_EQ(page, written);
}

TEST(FormatsPageTest, EveryDefectTestItNamesIsThere) {
  // Names as "`WrongDevice.CsvOverride...`": every family must be found among the tests' sources.
  std::string sources;
  for (const char* path :
       {"tests/unit/client/mfg_tool_defect_test.cc", "tests/unit/image/mfg_tool_defect_test.cc",
        "tests/unit/server/issue/mfg_tool_defect_test.cc"}) {
    sources += ReadTextFile(std::string(ASSAY_SOURCE_DIR) + "/" + path).value_or("");
  }
  const std::string page =
      ReadTextFile(std::string(ASSAY_SOURCE_DIR) + "/docs/formats.md").value_or("");
  const std::regex quoted("`(?:WrongDevice\\.|Checks\\.|…)([A-Za-z]{6,})…?`");
  size_t named = 0;
  for (std::sregex_iterator at(page.begin(), page.end(), quoted), end; at != end; ++at, ++named)
    EXPECT_NE(sources.find(", " + (*at)[1].str()), std::string::npos) << (*at)[1];
  EXPECT_GE(named, 25u);
}

}  // namespace
}  // namespace assay::client
