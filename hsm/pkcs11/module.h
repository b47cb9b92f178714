// A loaded PKCS#11 module: one a path and process, shared by all tokens behind it.
#pragma once

#include <libp11.h>
#include <p11-kit/pkcs11.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "hsm/pkcs11/call_gate.h"

namespace assay::pkcs11 {

// Thread-safe. libp11 loads the module and lists its slots; the calls libp11 0.4.12 lacks go
// through the function list. A second PKCS11_CTX on the same module voids the first one's sessions,
// hence Share().
class Module {
 public:
  // The module at `path`, loaded now or before; it stays while somebody holds it. HSM_UNAVAILABLE
  // when the shared object cannot be loaded. That its Initialize fails is no error here: the token
  // may be away.
  static absl::StatusOr<std::shared_ptr<Module>> Share(const std::string& path);
  ~Module();
  Module(const Module&) = delete;
  Module& operator=(const Module&) = delete;

  CK_FUNCTION_LIST& ck() { return *ck_; }
  // Every call is made while holding CallGate::Pass on it.
  CallGate& gate() { return gate_; }
  // Counts Initializes; 0 while none has succeeded. What was opened in another generation is void.
  uint64_t generation() const { return generation_; }
  const std::string& path() const { return path_; }

  // Finalizes and initializes anew, unless that was done since `seen`. Without a Pass.
  // HSM_UNAVAILABLE when a call hangs inside, when the last attempt is younger than `interval`, or
  // when Initialize fails.
  absl::Status Reinitialize(uint64_t seen, std::chrono::milliseconds drain_wait,
                            std::chrono::milliseconds interval);

  struct Found {
    CK_SLOT_ID slot = 0;
    CK_TOKEN_INFO token{};
  };
  // The initialized token of that label and/or serial (empty fits any). With a Pass. The refusal's
  // CKR class decides whether a Reinitialize may help.
  CK_RV FindToken(const std::string& label, const std::string& serial, Found& found);

 private:
  explicit Module(std::string path) : path_(std::move(path)) {}
  absl::Status Load();
  CK_RV Match(const std::string& label, const std::string& serial, Found& found);
  absl::Status Initialize();
  void Finalize();

  const std::string path_;
  void* library_ = nullptr;
  CK_FUNCTION_LIST* ck_ = nullptr;
  CallGate gate_;
  std::atomic<uint64_t> generation_{0};
  uint64_t initializes_ = 0;

  std::mutex reinitialize_mutex_;
  std::chrono::steady_clock::time_point last_attempt_{};

  std::timed_mutex slots_mutex_;
  PKCS11_CTX* context_ = nullptr;
  // Every listing of this generation, the newest last.
  std::vector<std::span<PKCS11_SLOT>> slots_;
};

// Cryptoki's texts are padded with blanks and not terminated.
std::string UnpadText(const unsigned char* text, size_t size);

}  // namespace assay::pkcs11
