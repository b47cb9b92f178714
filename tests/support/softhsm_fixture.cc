#include "tests/support/softhsm_fixture.h"

#include <sys/stat.h>

#include <cstdlib>
#include <fstream>
#include <stdexcept>
#include <vector>

namespace assay::test_support {
namespace fs = std::filesystem;
namespace {

void Run(const std::string& command) {
  if (std::system((command + " >/dev/null 2>&1").c_str()) != 0) {
    throw std::runtime_error("failed: " + command);
  }
}

}  // namespace

std::string SoftHsm::ModulePath() {
  if (const char* given = std::getenv("ASSAY_SOFTHSM_MODULE")) return given;
  const std::vector<std::string> places = {
      "/usr/lib/softhsm/libsofthsm2.so", "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
      "/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so", "/usr/local/lib/softhsm/libsofthsm2.so"};
  for (const std::string& place : places) {
    if (fs::exists(place)) return place;
  }
  return places.front();
}

bool SoftHsm::Installed() { return fs::exists(ModulePath()); }

SoftHsm::SoftHsm(SoftHsmOptions options) : options_(std::move(options)) {
  if (!Installed()) throw std::runtime_error("SoftHSM2 is not installed: " + ModulePath());
  std::string name = (fs::temp_directory_path() / "assay-softhsm-XXXXXX").string();
  if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("cannot make " + name);
  folder_ = name;
  fs::create_directory(folder_ / "tokens");
  std::ofstream(conf_path()) << "directories.tokendir = " << (folder_ / "tokens").string()
                             << "\nobjectstore.backend = file\nlog.level = ERROR\n"
                             << "slots.removable = false\n";
  ::setenv("SOFTHSM2_CONF", conf_path().c_str(), 1);
  WritePin(options_.pin);
  InitToken(options_.label);
}

SoftHsm::~SoftHsm() {
  std::error_code ignored;
  fs::remove_all(folder_, ignored);
}

void SoftHsm::WritePin(const std::string& pin) {
  const std::string next = pin_file() + ".next";
  std::ofstream(next) << pin << "\n";
  ::chmod(next.c_str(), 0600);
  fs::rename(next, pin_file());
}

void SoftHsm::AddToken(const std::string& label) { InitToken(label); }

void SoftHsm::TakeStoreAway() { fs::rename(folder_ / "tokens", folder_ / "tokens.away"); }

void SoftHsm::GiveStoreBack() {
  fs::remove_all(folder_ / "tokens");
  fs::rename(folder_ / "tokens.away", folder_ / "tokens");
}

pkcs11::Pkcs11Options SoftHsm::Options() const {
  pkcs11::Pkcs11Options options;
  options.module_path = ModulePath();
  options.token_label = options_.label;
  options.pin_file = pin_file();
  return options;
}

void SoftHsm::InitToken(const std::string& label) {
  Run("SOFTHSM2_CONF='" + conf_path() + "' softhsm2-util --init-token --free --label '" + label +
      "' --pin '" + options_.pin + "' --so-pin '" + options_.so_pin + "'");
}

}  // namespace assay::test_support
