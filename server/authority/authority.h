// PAIs: what AuthorityService does, free of gRPC.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "assay/v1/authority.pb.h"
#include "base/clock.h"
#include "base/random.h"
#include "db/store.h"
#include "hsm/token.h"
#include "server/access/caller.h"

namespace assay::authority {

struct AuthorityOptions {
  bool production = false;
  std::vector<Bytes> trusted_paas;  // DER: the trust list InstallPai asks
  // Sandbox only, empty in production:
  std::string sandbox_paa_key;      // label in the token
  Bytes sandbox_paa_certificate;    // DER
  std::string sandbox_cd_key;       // label in the token
  Bytes sandbox_cd_certificate;     // DER; its SKID is the declaration's signer id
};

// Thread-safe; calls block on the store and the token.
class Authority {
 public:
  Authority(std::shared_ptr<db::Store> store, std::shared_ptr<hsm::Token> token, Random& random,
            const Clock& clock, AuthorityOptions options);

  absl::StatusOr<v1::Pai> CreatePai(const access::Caller& caller, const v1::CreatePaiRequest& request);
  absl::StatusOr<v1::Pai> InstallPai(const access::Caller& caller, const v1::InstallPaiRequest& request);
  absl::StatusOr<v1::Pai> SignSandboxPai(const access::Caller& caller, const v1::SignSandboxPaiRequest& request);
  absl::StatusOr<v1::Pai> ActivatePai(const access::Caller& caller, const v1::ActivatePaiRequest& request);
  absl::StatusOr<v1::Pai> RetirePai(const access::Caller& caller, const v1::RetirePaiRequest& request);
  absl::StatusOr<v1::Pai> GetPai(const access::Caller& caller, const v1::GetPaiRequest& request);
  absl::StatusOr<v1::ListPaisResponse> ListPais(const access::Caller& caller, const v1::ListPaisRequest& request);
  absl::StatusOr<v1::SignSandboxDeclarationResponse> SignSandboxDeclaration(
      const access::Caller& caller, const v1::SignSandboxDeclarationRequest& request);

 private:
  std::shared_ptr<db::Store> store_;
  std::shared_ptr<hsm::Token> token_;
  Random& random_;
  const Clock& clock_;
  AuthorityOptions options_;
};

// The keys and certificates a sandbox needs, made where they are missing: sandbox PAA, CD signer, image key
// (self-signed certificate each), wrapping key and ledger key. Labels as in AuthorityOptions and the
// configuration's defaults. Answers the DER certificates; running it again changes nothing.
struct SandboxKeys {
  Bytes paa_certificate;
  Bytes cd_certificate;
  Bytes image_certificate;
};
absl::StatusOr<SandboxKeys> PrepareSandbox(hsm::Token& token, Random& random, const Clock& clock,
                                           const SandboxKeys& existing);

}  // namespace assay::authority
