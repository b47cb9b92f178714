// The commands of assay-ceremony, each answering the program's exit code: 0 done, 1 refused.
#pragma once

#include <string>
#include <vector>

namespace assay::ceremony {

struct RunArguments {
  std::string file;
  bool dry_run = false;
  bool yes = false;
  std::vector<std::string> operators;  // with --yes
  bool json = false;
};
int RunCommand(const RunArguments& arguments);

struct VerifyArguments {
  std::string transcript;
  std::vector<std::string> files;  // certificates and requests whose keys it must tell of
  bool json = false;
};
int VerifyCommand(const VerifyArguments& arguments);

struct ImportArguments {
  std::string config;  // assayd's
  std::string label;
  std::string key_file;
  std::string certificate_file;
  bool json = false;
};
int ImportCommand(const ImportArguments& arguments);

}  // namespace assay::ceremony
