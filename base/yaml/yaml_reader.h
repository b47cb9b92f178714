// Reads a YAML document key by key and keeps every complaint, each with the key's path and line.
#pragma once

#include <yaml-cpp/yaml.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace assay {

// "grants[2].roles: must be a list (line 31)"
using Problems = std::vector<std::string>;

// One mapping of the document. What is asked for is known; what is left over is a problem, as is a
// key given twice. Asking never throws: a missing or wrong value is noted and the fallback
// answered.
class Section {
 public:
  // `asked`, where given, gathers the path of every key that is asked for; it must outlive the
  // section and those below it.
  Section(YAML::Node node, std::string path, Problems& problems,
          std::set<std::string>* asked = nullptr);

  bool Has(const std::string& key);
  std::string PathOf(const std::string& key) const;

  // Without a fallback the key is required.
  std::string Text(const std::string& key, std::optional<std::string> fallback = std::nullopt);
  int64_t Integer(const std::string& key, int64_t fallback, int64_t least, int64_t most);
  // "250ms", "5s", "2m", "1h".
  std::chrono::milliseconds Duration(const std::string& key, std::chrono::milliseconds fallback,
                                     std::chrono::milliseconds least,
                                     std::chrono::milliseconds most);
  // A list of texts; a single text counts as a list of one.
  std::vector<std::string> Texts(const std::string& key);
  // A mapping; an absent one reads as empty, and is a problem when required.
  Section Sub(const std::string& key, bool required);
  std::vector<Section> List(const std::string& key);

  void Complain(const std::string& key, const std::string& rule);
  // Names the keys nobody asked for.
  void Finish();

 private:
  YAML::Node Find(const std::string& key);

  YAML::Node node_;
  std::string path_;
  Problems* problems_;
  std::set<std::string>* asked_;
  std::set<std::string> known_;
};

// Nothing for what is no duration.
std::optional<std::chrono::milliseconds> ReadDuration(std::string_view text);

}  // namespace assay
