#include "base/yaml/yaml_reader.h"

#include <algorithm>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace assay {
namespace {

std::string Line(const YAML::Node& node) {
  return node.IsDefined() && node.Mark().line >= 0
             ? absl::StrCat(" (line ", node.Mark().line + 1, ")")
             : "";
}

// How many letters apart; for "did you mean".
size_t Distance(const std::string& a, const std::string& b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t above = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, diagonal + (a[i - 1] == b[j - 1] ? 0 : 1)});
      diagonal = above;
    }
  }
  return row[b.size()];
}

std::string Quoted(const YAML::Node& node) {
  return node.IsScalar() ? absl::StrCat(" (got \"", node.Scalar().substr(0, 80), "\")") : "";
}

}  // namespace

std::optional<std::chrono::milliseconds> ReadDuration(std::string_view text) {
  const size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
  int64_t number = 0;
  if (digits == 0 || digits > 9 ||
      !absl::SimpleAtoi(absl::string_view(text.data(), digits), &number)) {
    return std::nullopt;
  }
  const std::string_view unit = text.substr(digits);
  if (unit == "ms") return std::chrono::milliseconds(number);
  if (unit == "s") return std::chrono::seconds(number);
  if (unit == "m") return std::chrono::minutes(number);
  if (unit == "h") return std::chrono::hours(number);
  return std::nullopt;
}

Section::Section(YAML::Node node, std::string path, Problems& problems,
                 std::set<std::string>* asked)
    : node_(std::move(node)), path_(std::move(path)), problems_(&problems), asked_(asked) {
  if (node_.IsDefined() && !node_.IsNull() && !node_.IsMap()) {
    problems_->push_back(
        absl::StrCat(path_.empty() ? "the document" : path_, ": must be a mapping", Line(node_)));
    node_ = YAML::Node();
  }
}

std::string Section::PathOf(const std::string& key) const {
  return path_.empty() ? key : absl::StrCat(path_, ".", key);
}

void Section::Complain(const std::string& key, const std::string& rule) {
  const YAML::Node node = node_.IsMap() ? Find(key) : YAML::Node();
  problems_->push_back(absl::StrCat(PathOf(key), ": ", rule, node.IsDefined() ? Line(node) : ""));
}

YAML::Node Section::Find(const std::string& key) {
  known_.insert(key);
  if (asked_ != nullptr) asked_->insert(PathOf(key));
  if (!node_.IsMap()) return YAML::Node(YAML::NodeType::Undefined);
  const YAML::Node& reading = node_;
  return reading[key];
}

bool Section::Has(const std::string& key) {
  const YAML::Node node = Find(key);
  return node.IsDefined() && !node.IsNull();
}

std::string Section::Text(const std::string& key, std::optional<std::string> fallback) {
  const YAML::Node node = Find(key);
  if (!node.IsDefined() || node.IsNull()) {
    if (!fallback) problems_->push_back(absl::StrCat(PathOf(key), ": is missing"));
    return fallback.value_or("");
  }
  if (!node.IsScalar()) {
    problems_->push_back(absl::StrCat(PathOf(key), ": must be a text", Line(node)));
    return fallback.value_or("");
  }
  if (node.Scalar().empty() && !fallback) {
    problems_->push_back(absl::StrCat(PathOf(key), ": must not be empty", Line(node)));
  }
  return node.Scalar();
}

int64_t Section::Integer(const std::string& key, int64_t fallback, int64_t least, int64_t most) {
  const YAML::Node node = Find(key);
  if (!node.IsDefined() || node.IsNull()) return fallback;
  int64_t number = 0;
  if (!node.IsScalar() || !absl::SimpleAtoi(node.Scalar(), &number)) {
    problems_->push_back(
        absl::StrCat(PathOf(key), ": must be a whole number", Quoted(node), Line(node)));
    return fallback;
  }
  if (number < least || number > most) {
    problems_->push_back(
        absl::StrCat(PathOf(key), ": must be ", least, " to ", most, Quoted(node), Line(node)));
    return fallback;
  }
  return number;
}

std::chrono::milliseconds Section::Duration(const std::string& key,
                                            std::chrono::milliseconds fallback,
                                            std::chrono::milliseconds least,
                                            std::chrono::milliseconds most) {
  const YAML::Node node = Find(key);
  if (!node.IsDefined() || node.IsNull()) return fallback;
  const auto duration = node.IsScalar() ? ReadDuration(node.Scalar()) : std::nullopt;
  if (!duration) {
    problems_->push_back(absl::StrCat(
        PathOf(key), ": must be a duration such as 250ms, 5s, 2m or 1h", Quoted(node), Line(node)));
    return fallback;
  }
  if (*duration < least || *duration > most) {
    problems_->push_back(absl::StrCat(PathOf(key), ": must be ", least.count(), "ms to ",
                                      most.count(), "ms", Quoted(node), Line(node)));
    return fallback;
  }
  return *duration;
}

std::vector<std::string> Section::Texts(const std::string& key) {
  const YAML::Node node = Find(key);
  if (!node.IsDefined() || node.IsNull()) return {};
  if (node.IsScalar()) return {node.Scalar()};
  std::vector<std::string> texts;
  bool good = node.IsSequence();
  if (good) {
    for (const YAML::Node& one : node) {
      good = good && one.IsScalar() && !one.Scalar().empty();
      if (one.IsScalar()) texts.push_back(one.Scalar());
    }
  }
  if (!good)
    problems_->push_back(absl::StrCat(PathOf(key), ": must be a list of texts", Line(node)));
  return texts;
}

Section Section::Sub(const std::string& key, bool required) {
  const YAML::Node node = Find(key);
  if (required && (!node.IsDefined() || node.IsNull())) {
    problems_->push_back(absl::StrCat(PathOf(key), ": is missing"));
  }
  return Section(node.IsDefined() ? node : YAML::Node(), PathOf(key), *problems_, asked_);
}

std::vector<Section> Section::List(const std::string& key) {
  std::vector<Section> sections;
  const YAML::Node node = Find(key);
  if (!node.IsDefined() || node.IsNull()) return sections;
  if (!node.IsSequence()) {
    problems_->push_back(absl::StrCat(PathOf(key), ": must be a list", Line(node)));
    return sections;
  }
  for (size_t i = 0; i < node.size(); ++i) {
    sections.emplace_back(node[i], absl::StrCat(PathOf(key), "[", i, "]"), *problems_, asked_);
  }
  return sections;
}

void Section::Finish() {
  if (!node_.IsMap()) return;
  std::set<std::string> seen;
  for (const auto& entry : node_) {
    const std::string key = entry.first.IsScalar() ? entry.first.Scalar() : "?";
    if (!seen.insert(key).second) {
      problems_->push_back(absl::StrCat(PathOf(key), ": is given twice", Line(entry.first)));
    }
    if (known_.contains(key)) continue;
    const auto nearest = std::min_element(
        known_.begin(), known_.end(),
        [&](const auto& a, const auto& b) { return Distance(key, a) < Distance(key, b); });
    const bool near = nearest != known_.end() && Distance(key, *nearest) <= 2;
    problems_->push_back(absl::StrCat(PathOf(key), ": is not a known key",
                                      near ? absl::StrCat("; did you mean ", *nearest, "?") : "",
                                      Line(entry.first)));
  }
}

}  // namespace assay
