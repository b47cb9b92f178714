#include "hsm/pkcs11/module_check.h"

#include <dlfcn.h>

#include "absl/strings/str_cat.h"
#include "base/refusal.h"

namespace assay::pkcs11 {

absl::Status CheckModule(const std::string& path) {
  void* const library = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library != nullptr && ::dlsym(library, "C_GetFunctionList") != nullptr) {
    return absl::OkStatus();
  }
  const char* const said = ::dlerror();
  return Refuse(Reason::FIELD_MALFORMED,
                absl::StrCat("is no PKCS#11 module: ", said == nullptr ? path.c_str() : said));
}

}  // namespace assay::pkcs11
