// What differs between two image files.
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "absl/strings/str_cat.h"
#include "base/refusal.h"
#include "image/inspect.h"
#include "image/text.h"

namespace assay::image {

absl::StatusOr<std::vector<ImageDifference>> DiffImages(ByteView left,
                                                        const InspectOptions& left_options,
                                                        ByteView right,
                                                        const InspectOptions& right_options) {
  const auto read = [](ByteView file, InspectOptions options) {
    options.show_secrets = true;  // to compare truly; masked again below
    return InspectImage(file, options);
  };
  const auto a = read(left, left_options);
  if (!a.ok()) return Within("left", a.status());
  const auto b = read(right, right_options);
  if (!b.ok()) return Within("right", b.status());
  if (a->kind != b->kind) {
    return RefuseField(Reason::FIELDS_CONTRADICT, "right", Text(InspectedKindName(b->kind)),
                       absl::StrCat("is compared with an image of another kind, ",
                                    Text(InspectedKindName(a->kind))));
  }
  const auto shown = [](const InspectedItem* item, bool show_secrets) {
    if (item == nullptr) return std::string("(absent)");
    return item->secret && !show_secrets ? std::string(kMaskedValue) : item->value;
  };
  // Unreadable entries have no name to compare by; their place stands for it.
  const auto name_of = [](const InspectedItem& item) {
    return item.sound ? item.name : absl::StrCat(item.name, " at ", item.where);
  };
  std::map<std::string, const InspectedItem*> others;
  for (const InspectedItem& item : b->items) others.emplace(name_of(item), &item);
  std::vector<ImageDifference> differences;
  std::set<std::string> seen;
  const auto add = [&](const std::string& name, const InspectedItem* mine,
                       const InspectedItem* theirs) {
    differences.push_back(
        {name, shown(mine, left_options.show_secrets), shown(theirs, right_options.show_secrets)});
  };
  for (const InspectedItem& item : a->items) {
    const std::string name = name_of(item);
    seen.insert(name);
    const auto found = others.find(name);
    if (found == others.end()) {
      add(name, &item, nullptr);
    } else if (item.value != found->second->value || item.type != found->second->type) {
      add(name, &item, found->second);
    }
  }
  for (const InspectedItem& item : b->items) {
    if (!seen.contains(name_of(item))) add(name_of(item), nullptr, &item);
  }
  if (a->faults != b->faults) {
    differences.push_back(
        {"(faults)", absl::StrCat(a->faults.size()), absl::StrCat(b->faults.size())});
  }
  // The same entries in another shape: another size, version or tail.
  if (differences.empty() && a->summary != b->summary)
    differences.push_back({"(shape)", a->summary, b->summary});
  return differences;
}

std::string DifferencesText(const std::vector<ImageDifference>& differences) {
  if (differences.empty()) return "no difference\n";
  std::string out;
  for (const ImageDifference& difference : differences) {
    absl::StrAppend(&out, difference.name, "\n  < ", difference.left, "\n  > ", difference.right,
                    "\n");
  }
  return out;
}

std::string DifferencesJson(const std::vector<ImageDifference>& differences) {
  nlohmann::ordered_json json = nlohmann::ordered_json::array();
  for (const ImageDifference& difference : differences) {
    json.push_back(
        {{"name", difference.name}, {"left", difference.left}, {"right", difference.right}});
  }
  return json.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

}  // namespace assay::image
