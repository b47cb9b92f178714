// A token of another make: tpm2-pkcs11 on a software TPM. Slow, serial, and it truly locks its PIN.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <string>

#include "hsm/pkcs11/pkcs11_token.h"

namespace assay::test_support {

// Starts swtpm on loopback ports and initializes a token on it; sets TPM2_PKCS11_STORE and
// TPM2_PKCS11_TCTI for this process and what it starts, so one object lives at a time. Throws
// std::runtime_error where a tool refuses. Keep it until the module is no longer held: tpm2-pkcs11
// talks to the TPM when it is finalized.
class Tpm {
 public:
  Tpm();
  ~Tpm();
  Tpm(const Tpm&) = delete;
  Tpm& operator=(const Tpm&) = delete;

  // libtpm2_pkcs11.so, or ASSAY_TPM_MODULE.
  static std::string ModulePath();
  // The module, swtpm and pkcs11-tool are all there.
  static bool Installed();

  std::string pin() const { return "123456"; }
  std::string pin_file() const { return (folder_ / "pin").string(); }
  void WritePin(const std::string& pin);
  pkcs11::Pkcs11Options Options() const;

 private:
  void Start();
  void InitToken();

  std::filesystem::path folder_;
  pid_t server_ = -1;
};

}  // namespace assay::test_support
