// PAIs: what AuthorityService does, free of gRPC.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "assay/v1/authority.pb.h"
#include "assay/v1/pai_key.pb.h"
#include "base/clock.h"
#include "base/random.h"
#include "ceremony/labels.h"
#include "db/store.h"
#include "hsm/token.h"
#include "server/access/caller.h"
#include "server/lot/guard.h"

namespace assay::authority {

// Labels in the token: what PrepareSandbox makes, and the configuration's defaults.
using ceremony::kImageKey;
using ceremony::kLedgerKey;
using ceremony::kPaiKeyPrefix;
using ceremony::kSandboxCdKey;
using ceremony::kSandboxPaaKey;
using ceremony::kWrappingKey;

struct AuthorityOptions {
  bool production = false;
  std::vector<Bytes> trusted_paas;  // DER: the trust list InstallPai asks
  lot::Guard guard;                 // of activating
  // Labels of keys that serve other purposes, and so are no PAI's; besides the sandbox's below.
  std::vector<std::string> other_keys;
  // Sandbox only, empty in production:
  std::string sandbox_paa_key;    // label in the token
  Bytes sandbox_paa_certificate;  // DER
  std::string sandbox_cd_key;     // label in the token
  Bytes sandbox_cd_certificate;   // DER; its SKID is the declaration's signer id
};

// The life of PAIs: pending, active, retired. Every change is an act in the store, named by
// (caller, request id): the same request again has no second effect. A crash between the token and
// the store leaves at most a key without a PAI, which the next CreatePai of that name takes up.
// Changes need the role operator; reading is the auditor's too. Thread-safe; calls block on the
// store and the token.
class Authority {
 public:
  // `random` and `clock` must outlive the object.
  Authority(std::shared_ptr<db::Store> store, std::shared_ptr<hsm::Token> token, Random& random,
            const Clock& clock, AuthorityOptions options);

  // Makes the key inside the token and its PKCS#10 request; the PAI is pending. PAI_CONFLICT when
  // the name is taken.
  absl::StatusOr<v1::Pai> CreatePai(const access::Caller& caller,
                                    const v1::CreatePaiRequest& request);
  // A PAI of a key that is in the token already: of a ceremony, or in a sandbox brought in from a
  // file.
  absl::StatusOr<v1::Pai> AdoptPai(const access::Caller& caller,
                                   const v1::AdoptPaiRequest& request);
  // Certificate and PAA as DER or PEM. Refuses, naming certificate or paa_certificate: another key
  // than the token's, PAI_INVALID (profile 1.3 of the Matter attestation PKI, vendor and product,
  // dates, chain), PAA_UNTRUSTED, and in production TEST_CREDENTIAL.
  absl::StatusOr<v1::Pai> InstallPai(const access::Caller& caller,
                                     const v1::InstallPaiRequest& request);
  // TEST_CREDENTIAL in production.
  absl::StatusOr<v1::Pai> SignSandboxPai(const access::Caller& caller,
                                         const v1::SignSandboxPaiRequest& request);
  // Checks the certificate and the key in the token once more, by a real signature. PAI_NOT_ACTIVE
  // without a certificate and for a retired PAI. Asks `guard`, or else the options', unless the PAI
  // is active already.
  absl::StatusOr<v1::Pai> ActivatePai(const access::Caller& caller,
                                      const v1::ActivatePaiRequest& request,
                                      const lot::Guard* guard = nullptr);
  // For ever: a retired PAI signs revocation lists only.
  absl::StatusOr<v1::Pai> RetirePai(const access::Caller& caller,
                                    const v1::RetirePaiRequest& request);
  absl::StatusOr<v1::Pai> GetPai(const access::Caller& caller, const v1::GetPaiRequest& request);
  absl::StatusOr<v1::ListPaisResponse> ListPais(const access::Caller& caller,
                                                const v1::ListPaisRequest& request);
  // A declaration of type 0 (development). TEST_CREDENTIAL in production. Changes nothing in the
  // store.
  absl::StatusOr<v1::SignSandboxDeclarationResponse> SignSandboxDeclaration(
      const access::Caller& caller, const v1::SignSandboxDeclarationRequest& request);

 private:
  absl::Status CheckPai(const db::Pai& pai, ByteView certificate, ByteView paa_certificate) const;
  absl::StatusOr<hsm::KeyDescription> FindOrMakeKey(const std::string& label);
  absl::Status CheckPaiKey(const hsm::KeyDescription& key) const;
  absl::Status CheckKeyFree(const std::string& name, const std::string& label) const;
  absl::StatusOr<db::Pai> AdoptedPai(const v1::AdoptPaiRequest& request);
  absl::StatusOr<Bytes> SignPaiBySandboxPaa(const db::Pai& pai);

  std::shared_ptr<db::Store> store_;
  std::shared_ptr<hsm::Token> token_;
  Random& random_;
  const Clock& clock_;
  AuthorityOptions options_;
  std::mutex creating_;  // one key at a time: two requests for one name must not make two keys
};

// The keys and certificates a sandbox needs, made where they are missing: sandbox PAA, CD signer,
// image key (self-signed certificate each), wrapping key and ledger key, under `labels`.
// `existing` holds the DER certificates there are, empty where there is none; one that belongs to
// another key than the token's, or to none, is FIELDS_CONTRADICT, and nothing is replaced or made.
// Running it again changes nothing.
struct SandboxLabels {
  std::string paa{kSandboxPaaKey}, cd{kSandboxCdKey}, image{kImageKey}, wrapping{kWrappingKey},
      ledger{kLedgerKey};
};
struct SandboxKeys {
  Bytes paa_certificate;
  Bytes cd_certificate;
  Bytes image_certificate;
  std::vector<std::string> made;  // labels of the keys that were not there
};
absl::StatusOr<SandboxKeys> PrepareSandbox(hsm::Token& token, Random& random, const Clock& clock,
                                           const SandboxKeys& existing,
                                           const SandboxLabels& labels = {});

}  // namespace assay::authority
