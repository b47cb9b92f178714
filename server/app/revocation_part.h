// Revocation and the check at the end of the line, put together for the daemon.
#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "base/clock.h"
#include "base/random.h"
#include "db/revocation_store.h"
#include "db/store.h"
#include "hsm/signer_pool.h"
#include "hsm/token.h"
#include "matter/certification_declaration.h"
#include "server/ops/config.h"
#include "server/ops/crl_http.h"
#include "server/ops/metrics.h"
#include "server/ops/periodic.h"
#include "server/revoke/revocation.h"
#include "server/revoke/verification.h"

namespace assay::app {

class RevocationPart {
 public:
  // `random` and `clock` must outlive the object.
  static absl::StatusOr<std::unique_ptr<RevocationPart>> Make(
      const ops::Config& config, std::shared_ptr<db::Store> store,
      std::shared_ptr<db::RevocationStore> revocations, std::shared_ptr<hsm::Token> token,
      std::shared_ptr<hsm::SignerPool> signers, const matter::CdSignerSet& cd_signers,
      Random& random, const Clock& clock, lot::Guard guard);

  revoke::Revocation& revocation() { return *revocation_; }
  revoke::Verification& verification() { return *verification_; }
  int port() const { return http_ == nullptr ? 0 : http_->port(); }  // 0 when off

  // The rounds and the lists' HTTP begin; until Stop or the end.
  absl::Status Start();
  void Stop();
  // Seconds until the first list ends.
  std::vector<ops::FigureFamily> Figures() const;

 private:
  RevocationPart(const ops::Config& config, const Clock& clock);

  const ops::RevocationConfig config_;
  const Clock& clock_;
  std::unique_ptr<revoke::CrlPress> press_;
  std::unique_ptr<revoke::Revocation> revocation_;
  std::unique_ptr<revoke::Verification> verification_;
  std::unique_ptr<ops::Periodic> rounds_;
  std::unique_ptr<ops::CrlServer> http_;
};

}  // namespace assay::app
