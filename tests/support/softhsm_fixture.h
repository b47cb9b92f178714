// A SoftHSM2 token of one's own: a fresh store under a temporary folder, gone when the object goes.
#pragma once

#include <filesystem>
#include <string>

#include "hsm/pkcs11/pkcs11_token.h"

namespace assay::test_support {

struct SoftHsmOptions {
  std::string label = "assay";
  std::string pin = "123456";
  std::string so_pin = "87654321";
};

// Sets SOFTHSM2_CONF for this process and what it starts, so one object lives at a time in a
// process; a child started with another environment needs SOFTHSM2_CONF=conf_path(). Throws
// std::runtime_error where SoftHSM is not installed or refuses. Make the object before the Token
// that uses it, drop it after.
class SoftHsm {
 public:
  explicit SoftHsm(SoftHsmOptions options = {});
  ~SoftHsm();
  SoftHsm(const SoftHsm&) = delete;
  SoftHsm& operator=(const SoftHsm&) = delete;

  // libsofthsm2.so, or ASSAY_SOFTHSM_MODULE.
  static std::string ModulePath();
  static bool Installed();

  const std::filesystem::path& folder() const { return folder_; }
  std::string conf_path() const { return (folder_ / "softhsm2.conf").string(); }
  // Holds the user PIN, mode 0600.
  std::string pin_file() const { return (folder_ / "pin").string(); }
  const std::string& label() const { return options_.label; }
  const std::string& pin() const { return options_.pin; }
  const std::string& so_pin() const { return options_.so_pin; }

  // Replaces the content of pin_file(), mode 0600.
  void WritePin(const std::string& pin);
  // A second token in the same store, with the same PINs.
  void AddToken(const std::string& label);
  // The token is taken away and given back, as when a card is pulled or a disk is lost.
  void TakeStoreAway();
  void GiveStoreBack();

  // Module, label, pin file; the caller changes what it likes.
  pkcs11::Pkcs11Options Options() const;

 private:
  void InitToken(const std::string& label);

  SoftHsmOptions options_;
  std::filesystem::path folder_;
};

}  // namespace assay::test_support
