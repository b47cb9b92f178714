// Certificate revocation lists: made from the store's entries, signed in the HSM, kept and served.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "base/random.h"
#include "db/revocation_store.h"
#include "db/store.h"
#include "hsm/signer_pool.h"
#include "hsm/token.h"
#include "matter/certificate.h"

namespace assay::revoke {

struct CrlOptions {
  // Lists are found at <base_url>/crl/<issuer>/<part>.crl. Empty: served here only, never divided
  // and never by a delegated signer, because both name their URL.
  std::string base_url;
  std::chrono::hours validity{24 * 7};  // thisUpdate to nextUpdate; signed anew after half of it
  uint64_t part_size = 10'000;          // entries, about 40 bytes each
  std::chrono::milliseconds sign_time{5000};
  // Sandbox only, empty in production: the PAA whose list is ours to sign.
  std::string sandbox_paa_key;    // label in the token
  Bytes sandbox_paa_certificate;  // DER
};

// "@" and the key id in hex: the name of a PAA's list.
std::string PaaIssuerName(const matter::Certificate& paa);

// Whose list it is.
struct Issuer {
  std::string name;  // a PAI's, or PaaIssuerName
  std::string key_label;
  matter::Certificate certificate;
  bool is_paa = false;
  uint16_t vendor_id = 0;
  std::optional<uint16_t> product_id;
};

// Entries stand for ever in the part they came into. Numbers grow with every list signed, are never
// below the time in microseconds, and so go on growing after a database was restored from a backup.
// No list leaves whose signature was not verified. Thread-safe; calls block on the store and the
// HSM.
class CrlPress {
 public:
  // `random` and `clock` must outlive the object.
  CrlPress(std::shared_ptr<db::Store> store, std::shared_ptr<db::RevocationStore> revocations,
           std::shared_ptr<hsm::Token> token, std::shared_ptr<hsm::SignerPool> signers,
           Random& random, const Clock& clock, CrlOptions options);

  // PAIs with a certificate, by name, and the sandbox's PAA.
  absl::StatusOr<std::vector<Issuer>> ListIssuers();
  // PAI_UNKNOWN; PAI_NOT_ACTIVE for a PAI without certificate.
  absl::StatusOr<Issuer> FindIssuer(const std::string& name);
  uint32_t PartsOf(uint64_t entries) const;
  std::string UrlOf(const std::string& issuer, uint32_t part) const;  // empty without base_url

  // Signs what is due of the issuer's list: parts that are missing, have new entries, or half of
  // whose time is over. `all` signs every part.
  absl::Status Publish(const Issuer& issuer, bool all);
  // The same for every issuer; the first failure is told after all were tried.
  absl::Status PublishDue();
  // The newest list as it is kept; signed first where there is none. CRL_UNKNOWN for a part that is
  // not there.
  absl::StatusOr<db::StoredCrl> Find(const std::string& issuer, uint32_t part);

  // For public HTTP: nothing is signed; the store is asked every few seconds at most for the lists
  // there are, and while it is away the list last seen is served until its nextUpdate.
  // CRL_UNKNOWN where there is no such list.
  absl::StatusOr<std::shared_ptr<const db::StoredCrl>> Serve(const std::string& issuer,
                                                             uint32_t part);

  // A key and certificate of its own for the issuer's lists: CA false, cRLSign only, certified by
  // the PAI until the PAI ends. FIELD_NOT_ALLOWED without base_url and for a PAA.
  absl::StatusOr<db::CrlSigner> MakeDelegate(const Issuer& issuer);

  // When the first of the lists signed or found by this process ends; nothing before the first.
  std::optional<absl::Time> EarliestEnd() const;

 private:
  absl::StatusOr<Issuer> IssuerOf(const db::Pai& pai) const;
  std::optional<Issuer> SandboxPaa() const;
  bool IsDue(const std::optional<db::StoredCrl>& stored, const Issuer& issuer,
             const db::CrlState& state, uint32_t part) const;
  absl::StatusOr<db::StoredCrl> Sign(const Issuer& issuer, uint32_t part);
  absl::StatusOr<hsm::KeyDescription> FindOrMakeKey(const std::string& label);
  void Remember(const db::StoredCrl& crl);

  const std::shared_ptr<db::Store> store_;
  const std::shared_ptr<db::RevocationStore> revocations_;
  const std::shared_ptr<hsm::Token> token_;
  const std::shared_ptr<hsm::SignerPool> signers_;
  Random& random_;
  const Clock& clock_;
  const CrlOptions options_;

  struct Shown {
    std::shared_ptr<const db::StoredCrl> crl;
    absl::Time looked_at;
  };
  mutable std::mutex mutex_;
  std::map<std::pair<std::string, uint32_t>, Shown> shown_;
};

}  // namespace assay::revoke
