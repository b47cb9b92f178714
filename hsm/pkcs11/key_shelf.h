// The keys a token has shown, so that each is looked for once an epoch and not for each signature.
#pragma once

#include <map>
#include <mutex>
#include <set>
#include <string>
#include <string_view>

#include "hsm/pkcs11/key_object.h"

namespace assay::pkcs11 {

// Thread-safe.
class KeyShelf {
 public:
  // The key, found once an epoch. HSM_KEY_UNFIT also for one that is not as it was when it was
  // first met.
  Step Lookup(const Session& session, std::string_view label, KeyObject& key);
  // The same, for a key of that purpose.
  Step Lookup(const Session& session, std::string_view label, KeyObject& key,
              hsm::KeyPurpose purpose);
  // The next lookup reads the attributes anew.
  void Forget(std::string_view label);
  // As if it had never been met: it is about to be destroyed.
  void Unlearn(std::string_view label);

 private:
  struct Kept {
    uint64_t epoch;
    KeyObject key;
  };

  std::mutex mutex_;
  std::map<std::string, Kept, std::less<>> kept_;
  std::set<std::string, std::less<>> known_;  // labels that were found at some time
  std::map<std::string, hsm::KeyDescription, std::less<>> first_met_;
};

}  // namespace assay::pkcs11
