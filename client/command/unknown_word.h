// A command that is not there, told in one line.
#pragma once

#include <string>
#include <vector>

#include "CLI/App.hpp"

namespace assay::client {

// Where `arguments` name a command that `app` does not have: which one, what is near it, and what
// there is instead. Empty where every word that should be a command is one.
std::string UnknownCommand(const CLI::App& app, const std::vector<std::string>& arguments);

}  // namespace assay::client
