#include "tests/support/fault_list.h"

#include <cstdlib>
#include <fstream>

#include "tests/support/softhsm_fixture.h"

namespace assay::test_support {

FaultList::FaultList(const std::filesystem::path& folder)
    : list_(folder / "faults"), counts_(folder / "fault_counts") {
  ::setenv("ASSAY_FAULT_TARGET", SoftHsm::ModulePath().c_str(), 1);
  ::setenv("ASSAY_FAULT_LIST", list_.c_str(), 1);
  ::setenv("ASSAY_FAULT_COUNTS", counts_.c_str(), 1);
  Clear();
}

// Threads that hang in the module are let go.
FaultList::~FaultList() { Clear(); }

void FaultList::Use(const std::string& lines) {
  const std::string next = list_.string() + ".next";
  // The number makes each list another file to the module, even where the clock is coarse.
  std::ofstream(next) << "# " << std::string(static_cast<size_t>(++version_), '.') << "\n"
                      << lines << "\n";
  std::filesystem::rename(next, list_);
  std::filesystem::remove(counts_);
}

unsigned long FaultList::Calls(const std::string& function) const {
  std::ifstream text(counts_);
  std::string name;
  unsigned long count;
  while (text >> name >> count) {
    if (name == function) return count;
  }
  return 0;
}

}  // namespace assay::test_support
