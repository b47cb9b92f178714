#include "client/command/unknown_word.h"

#include <algorithm>
#include <numeric>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace assay::client {
namespace {

// Letters to change, add or leave out.
size_t Distance(const std::string& a, const std::string& b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), 0u);
  for (size_t i = 0; i < a.size(); ++i) {
    size_t corner = row[0]++;
    for (size_t k = 0; k < b.size(); ++k) {
      const size_t changed = corner + (a[i] == b[k] ? 0 : 1);
      corner = row[k + 1];
      row[k + 1] = std::min({changed, row[k] + 1, corner + 1});
    }
  }
  return row.back();
}

std::vector<std::string> CommandsOf(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* one : app.get_subcommands([](const CLI::App*) { return true; })) {
    if (!one->get_name().empty()) names.push_back(one->get_name());
  }
  return names;
}

// Whether a word that is no command may be one of the group's own ("lot lease 2026-47").
bool TakesWords(const CLI::App& app) {
  const auto options = app.get_options();
  return std::any_of(options.begin(), options.end(),
                     [](const CLI::Option* option) { return option->get_positional(); });
}

// Whether the option `argument` takes the argument after it.
bool TakesNext(const CLI::App& app, const CLI::App& top, const std::string& argument) {
  if (argument.find('=') != std::string::npos) return false;
  for (const CLI::App* one : {&app, &top}) {
    if (const CLI::Option* option = one->get_option_no_throw(argument)) {
      return option->get_expected_max() > 0;
    }
  }
  return false;
}

}  // namespace

std::string UnknownCommand(const CLI::App& app, const std::vector<std::string>& arguments) {
  const CLI::App* at = &app;
  for (size_t i = 0; i < arguments.size(); ++i) {
    const std::string& word = arguments[i];
    if (word.starts_with('-')) {
      if (TakesNext(*at, app, word)) ++i;
      continue;
    }
    const std::vector<std::string> names = CommandsOf(*at);
    if (names.empty()) return "";
    if (std::find(names.begin(), names.end(), word) != names.end()) {
      at = at->get_subcommand(word);
      continue;
    }
    if (TakesWords(*at)) return "";
    const auto nearest = std::min_element(names.begin(), names.end(), [&](auto& a, auto& b) {
      return Distance(word, a) < Distance(word, b);
    });
    const std::string group = at == &app ? "assay" : absl::StrCat("assay ", at->get_name());
    return absl::StrCat("assay: there is no command '", word, "'",
                        Distance(word, *nearest) <= 2
                            ? absl::StrCat("; did you mean '", *nearest, "'?")
                            : absl::StrCat("; ", group, " has ", absl::StrJoin(names, ", ")),
                        "\nRun '", group, " --help' for what each does.\n");
  }
  return "";
}

}  // namespace assay::client
