// Drives the fault-injecting PKCS#11 module (tests/fault_module) from a test.
#pragma once

#include <filesystem>
#include <string>

namespace assay::test_support {

// Sets the module's environment for this process and what it starts: it forwards to SoftHSM and
// follows a list under `folder`. `Use` replaces the list (lines as told in fault_module.cc); counts
// start anew with it.
class FaultList {
 public:
  // `module` is the built assay_fault_module.so: FaultList::ModulePath(ASSAY_BINARY_DIR).
  explicit FaultList(const std::filesystem::path& folder);
  ~FaultList();
  FaultList(const FaultList&) = delete;
  FaultList& operator=(const FaultList&) = delete;

  static std::string ModulePath(const std::string& binary_dir) {
    return binary_dir + "/bin/assay_fault_module.so";
  }
  void Use(const std::string& lines);
  void Clear() { Use(""); }
  // Calls of that Cryptoki function since the last Use or Clear.
  unsigned long Calls(const std::string& function) const;

 private:
  std::filesystem::path list_, counts_;
  int version_ = 0;
};

}  // namespace assay::test_support
