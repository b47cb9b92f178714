// What the files that build the tree of commands have in common.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>

#include "CLI/CLI.hpp"
#include "absl/status/status.h"
#include "client/command/context.h"
#include "client/numbers.h"

namespace assay::client {

// Told of the action of the command that was typed.
using ChooseAction = std::function<void(std::function<absl::Status(Context&)>)>;

// A command `name` under `parent` that runs `run` with `options`.
template <typename Options>
CLI::App* AddLeaf(CLI::App& parent, const ChooseAction& choose, const std::string& name,
                  const std::string& help, absl::Status (*run)(Context&, const Options&),
                  const std::shared_ptr<Options>& options) {
  CLI::App* const leaf = parent.add_subcommand(name, help);
  leaf->fallthrough();
  leaf->callback([choose, run, options] {
    choose([run, options](Context& context) { return run(context, *options); });
  });
  return leaf;
}

inline CLI::App* AddLeaf(CLI::App& parent, const ChooseAction& choose, const std::string& name,
                         const std::string& help, absl::Status (*run)(Context&)) {
  CLI::App* const leaf = parent.add_subcommand(name, help);
  leaf->fallthrough();
  leaf->callback([choose, run] { choose(run); });
  return leaf;
}

// A word that has commands under it.
inline CLI::App* AddGroup(CLI::App& parent, const std::string& name, const std::string& help) {
  CLI::App* const group = parent.add_subcommand(name, help);
  group->require_subcommand(1);
  group->fallthrough();
  return group;
}

// Numbers in any base; CLI11 itself knows decimal only.
template <typename Number>
CLI::Option* AddNumber(CLI::App* app, const std::string& names, Number& out,
                       const std::string& help) {
  return app->add_option_function<std::string>(
      names,
      [&out, names](const std::string& text) {
        const auto value = ParseSigned(text);
        constexpr bool kSigned = std::is_same_v<Number, std::optional<int64_t>>;
        if (!value || (!kSigned && *value < 0)) {
          throw CLI::ValidationError(names, "'" + text + "' is not a number");
        }
        if constexpr (kSigned) {
          out = *value;
        } else {
          out = static_cast<uint64_t>(*value);
        }
      },
      help);
}

// mfg-tool.
void AddMfgToolCommand(CLI::App& app, const ChooseAction& choose);
// authority, with all that is under it.
void AddAuthorityCommands(CLI::App& app, const ChooseAction& choose);

}  // namespace assay::client
