// Reads the includes of the tree: a folder includes only what stands to its left
// (docs/architecture.md).
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <string>
#include <vector>

namespace assay {
namespace {

namespace fs = std::filesystem;

// Whom each folder may include, besides itself. Written out rather than ranked: neighbours of one
// rank do not include each other unless it says so.
const std::map<std::string, std::set<std::string>>& Allowed() {
  static const std::set<std::string> below_issue = {
      "base", "tlog",  "matter",        "image",         "hsm",
      "db",   "proto", "server/access", "server/ledger", "server/lot"};
  static const auto with = [](std::set<std::string> set, const std::set<std::string>& more) {
    set.insert(more.begin(), more.end());
    return set;
  };
  static const std::set<std::string> below_rpc =
      with(below_issue, {"server/authority", "server/issue", "server/revoke", "server/approve"});
  static const std::map<std::string, std::set<std::string>> allowed = {
      {"base", {}},
      {"matter", {"base"}},
      {"image", {"base", "matter"}},
      {"tlog", {"base", "matter"}},
      {"hsm", {"base"}},
      {"hsm/pkcs11", {"base", "hsm"}},
      {"ceremony", {"base", "matter", "image", "hsm"}},
      {"ceremony/app", {"base", "matter", "image", "hsm", "hsm/pkcs11", "ceremony"}},
      {"db", {"base"}},
      {"db/pg", {"base", "db"}},
      {"server/access", {"base", "db"}},
      {"server/ledger", {"base", "matter", "tlog", "hsm", "db"}},
      {"server/lot",
       {"base", "matter", "image", "hsm", "db", "proto", "server/access", "server/ledger"}},
      {"server/authority", with(below_issue, {"ceremony"})},
      {"server/issue", below_issue},
      {"server/revoke", with(below_issue, {"server/authority"})},
      {"server/approve", with(below_issue, {"server/authority", "server/revoke"})},
      {"server/rpc", below_rpc},
      {"server/ops", with(below_rpc, {"server/rpc"})},
      {"server/app", with(below_rpc, {"server/rpc", "server/ops", "hsm/pkcs11", "db/pg"})},
      {"fsck",
       {"base", "base/yaml", "matter", "image", "tlog", "proto", "hsm", "hsm/pkcs11", "db",
        "db/pg"}},
      {"client", {"base", "matter", "image", "tlog", "proto"}},
  };
  return allowed;
}

// Headers of a library that only the named folders may see.
struct Leaf {
  std::regex header;
  std::set<std::string> folders;
};
const std::vector<Leaf>& Leaves() {
  static const std::vector<Leaf> leaves = {
      {std::regex("^(pqxx/.*|libpq-fe\\.h|postgresql/.*)$"), {"db/pg"}},
      {std::regex("^(libp11\\.h|p11-kit/.*|pkcs11\\.h)$"), {"hsm/pkcs11"}},
      {std::regex("^CLI/.*$"), {"server/app", "ceremony/app", "fsck", "client"}},
      {std::regex("^(prometheus/.*|CivetServer\\.h|civetweb\\.h)$"), {"server/ops"}},
      {std::regex("^yaml-cpp/.*$"), {"base", "client"}},
      {std::regex("^spdlog/.*$"), {"base"}},
      {std::regex("^zstd\\.h$"), {"base"}},
      {std::regex("^(grpcpp|grpc)/.*$"), {"server/rpc", "client"}},
  };
  return leaves;
}

// The innermost folder of the table a path lies in; empty for what is not ours.
std::string FolderOf(const std::string& path) {
  if (path.starts_with("assay/v1/") || path.starts_with("google/rpc/")) return "proto";
  std::string best;
  for (const auto& [folder, unused] : Allowed()) {
    if (path.starts_with(folder + "/") && folder.size() > best.size()) best = folder;
  }
  return best;
}

struct Include {
  std::string file, header;
};

std::vector<Include> Includes() {
  static const std::regex line_pattern(R"(^\s*#\s*include\s*[<"]([^>"]+)[>"])");
  std::vector<Include> includes;
  const fs::path root = ASSAY_SOURCE_DIR;
  for (const char* top :
       {"base", "matter", "image", "tlog", "hsm", "ceremony", "db", "server", "client", "fsck"}) {
    for (const auto& entry : fs::recursive_directory_iterator(root / top)) {
      const std::string extension = entry.path().extension().string();
      if (extension != ".h" && extension != ".cc") continue;
      std::ifstream file(entry.path());
      std::string line;
      while (std::getline(file, line)) {
        std::smatch match;
        if (std::regex_search(line, match, line_pattern)) {
          includes.push_back({fs::relative(entry.path(), root).string(), match[1]});
        }
      }
    }
  }
  return includes;
}

TEST(ArchitectureTest, FoldersIncludeOnlyWhatStandsToTheirLeft) {
  const std::vector<Include> includes = Includes();
  EXPECT_GT(includes.size(), 100u);
  for (const Include& include : includes) {
    const std::string from = FolderOf(include.file), to = FolderOf(include.header);
    if (from.empty() || to.empty() || from == to) continue;
    EXPECT_TRUE(Allowed().at(from).contains(to)) << include.file << " includes " << include.header;
  }
}

TEST(ArchitectureTest, EveryFolderIsInTheTable) {
  for (const Include& include : Includes()) EXPECT_NE(FolderOf(include.file), "") << include.file;
}

TEST(ArchitectureTest, TheLibrariesOfALeafAreSeenNowhereElse) {
  for (const Include& include : Includes()) {
    for (const Leaf& leaf : Leaves()) {
      if (!std::regex_match(include.header, leaf.header)) continue;
      EXPECT_TRUE(leaf.folders.contains(FolderOf(include.file)))
          << include.file << " includes " << include.header;
    }
  }
}

TEST(ArchitectureTest, TestsAndLoadToolsAreSeenByNothingThatShips) {
  for (const Include& include : Includes()) {
    EXPECT_FALSE(include.header.starts_with("tests/"))
        << include.file << " includes " << include.header;
  }
}

}  // namespace
}  // namespace assay
