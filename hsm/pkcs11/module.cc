#include "hsm/pkcs11/module.h"

#include <dlfcn.h>
#include <openssl/err.h>

#include <map>

#include "absl/strings/str_cat.h"
#include "base/log.h"
#include "base/refusal.h"
#include "hsm/pkcs11/ckr.h"

namespace assay::pkcs11 {
namespace {

std::string LibraryError() {
  const char* text = ::dlerror();
  return text != nullptr ? text : "unknown";
}

}  // namespace

std::string UnpadText(const unsigned char* text, size_t size) {
  while (size > 0 && (text[size - 1] == ' ' || text[size - 1] == 0)) --size;
  return {reinterpret_cast<const char*>(text), size};
}

absl::StatusOr<std::shared_ptr<Module>> Module::Share(const std::string& path) {
  static std::mutex mutex;
  static std::map<std::string, std::weak_ptr<Module>> modules;
  std::lock_guard lock(mutex);
  if (auto module = modules[path].lock()) return module;
  std::shared_ptr<Module> module(new Module(path));
  ASSAY_RETURN_IF_ERROR(module->Load());
  if (absl::Status status = module->Initialize(); !status.ok()) {
    LogWarning("hsm_initialize_failed",
               {{"module", path}, {"error", std::string(status.message())}});
  }
  modules[path] = module;
  return module;
}

// The shared object itself stays loaded: vendors' modules leave threads and exit handlers behind.
Module::~Module() {
  if (ck_ != nullptr) Finalize();
}

absl::Status Module::Load() {
  library_ = ::dlopen(path_.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library_ == nullptr) {
    return Refuse(Reason::HSM_UNAVAILABLE, absl::StrCat("module not loaded: ", LibraryError()));
  }
  const auto get_list =
      reinterpret_cast<CK_C_GetFunctionList>(::dlsym(library_, "C_GetFunctionList"));
  if (get_list == nullptr) {
    return Refuse(Reason::HSM_UNAVAILABLE, absl::StrCat("no PKCS#11 module: ", LibraryError()));
  }
  if (const CK_RV rv = get_list(&ck_); rv != CKR_OK) return RefuseCkr("C_GetFunctionList", rv);
  return absl::OkStatus();
}

absl::Status Module::Initialize() {
  // Ours comes first, because it tells the module that threads will call it; libp11 then finds it
  // initialized.
  CK_C_INITIALIZE_ARGS arguments{};
  arguments.flags = CKF_OS_LOCKING_OK;
  const CK_RV rv = ck_->C_Initialize(&arguments);
  if (rv != CKR_OK && rv != CKR_CRYPTOKI_ALREADY_INITIALIZED) return RefuseCkr("C_Initialize", rv);
  std::lock_guard lock(slots_mutex_);
  context_ = PKCS11_CTX_new();
  if (PKCS11_CTX_load(context_, path_.c_str()) != 0) {
    ERR_clear_error();
    PKCS11_CTX_free(context_);
    context_ = nullptr;
    ck_->C_Finalize(nullptr);
    return Refuse(Reason::HSM_UNAVAILABLE, "libp11 did not load the module");
  }
  generation_ = ++initializes_;
  return absl::OkStatus();
}

void Module::Finalize() {
  std::lock_guard lock(slots_mutex_);
  generation_ = 0;
  if (context_ == nullptr) return;
  for (const auto& listing : slots_) {
    PKCS11_release_all_slots(context_, listing.data(), static_cast<unsigned int>(listing.size()));
  }
  slots_.clear();
  PKCS11_CTX_unload(context_);
  PKCS11_CTX_free(context_);
  context_ = nullptr;
  ERR_clear_error();
}

absl::Status Module::Reinitialize(uint64_t seen, std::chrono::milliseconds drain_wait,
                                  std::chrono::milliseconds interval) {
  std::lock_guard lock(reinitialize_mutex_);
  if (generation_ != seen) return absl::OkStatus();
  const auto now = std::chrono::steady_clock::now();
  if (last_attempt_.time_since_epoch().count() != 0 && now - last_attempt_ < interval) {
    return Refuse(Reason::HSM_UNAVAILABLE, "the module was initialized anew a moment ago");
  }
  last_attempt_ = now;
  if (!gate_.ShutAndDrain(drain_wait)) {
    return Refuse(Reason::HSM_UNAVAILABLE,
                  "a call hangs in the module, so it cannot be initialized anew");
  }
  Finalize();
  absl::Status status = Initialize();
  gate_.Open();
  LogWarning("hsm_reinitialized",
             {{"module", path_}, {"outcome", status.ok() ? "ok" : std::string(status.message())}});
  return status;
}

CK_RV Module::FindToken(const std::string& label, const std::string& serial, Found& found) {
  if (generation_ == 0) return CKR_CRYPTOKI_NOT_INITIALIZED;
  std::lock_guard lock(slots_mutex_);
  if (!slots_.empty() && Match(label, serial, found) == CKR_OK) return CKR_OK;
  // Listings are kept until Finalize: releasing a slot makes libp11 close all sessions on it, ours
  // too, and PKCS11_update_slots of libp11 0.4.12 crashes on its second call.
  PKCS11_SLOT* slots = nullptr;
  unsigned int count = 0;
  if (PKCS11_enumerate_slots(context_, &slots, &count) != 0) {
    ERR_clear_error();
    return CKR_DEVICE_REMOVED;
  }
  slots_.emplace_back(slots, count);
  return Match(label, serial, found);
}

// Looks through the newest listing, but asks the module itself what is in a slot now.
CK_RV Module::Match(const std::string& label, const std::string& serial, Found& found) {
  CK_RV answer = CKR_TOKEN_NOT_PRESENT;
  for (PKCS11_SLOT& listed : slots_.back()) {
    const CK_SLOT_ID slot = PKCS11_get_slotid_from_slot(&listed);
    CK_TOKEN_INFO info{};
    const CK_RV rv = ck_->C_GetTokenInfo(slot, &info);
    if (rv == CKR_TOKEN_NOT_PRESENT) continue;
    if (rv != CKR_OK) {
      answer = rv;
      continue;
    }
    if ((info.flags & CKF_TOKEN_INITIALIZED) == 0) continue;
    if (!label.empty() && UnpadText(info.label, sizeof info.label) != label) continue;
    if (!serial.empty() && UnpadText(info.serialNumber, sizeof info.serialNumber) != serial) {
      continue;
    }
    found.slot = slot;
    found.token = info;
    return CKR_OK;
  }
  return answer;
}

}  // namespace assay::pkcs11
