#include "server/app/revocation_part.h"

#include <utility>

#include "server/ops/figures.h"
#include "server/ops/housekeeping.h"

namespace assay::app {
namespace {

constexpr std::chrono::minutes kRound{1};

}  // namespace

RevocationPart::RevocationPart(const ops::Config& config, const Clock& clock)
    : config_(config.revocation), clock_(clock) {}

absl::StatusOr<std::unique_ptr<RevocationPart>> RevocationPart::Make(
    const ops::Config& config, std::shared_ptr<db::Store> store,
    std::shared_ptr<db::RevocationStore> revocations, std::shared_ptr<hsm::Token> token,
    std::shared_ptr<hsm::SignerPool> signers, const matter::CdSignerSet& cd_signers, Random& random,
    const Clock& clock, lot::Guard guard) {
  std::unique_ptr<RevocationPart> part(new RevocationPart(config, clock));
  revoke::CrlOptions lists;
  lists.base_url = config.revocation.base_url;
  lists.validity = std::chrono::hours(24 * config.revocation.next_update_days);
  revoke::VerificationOptions checks;
  checks.production = config.production;
  checks.trusted_paas = config.trust.paas;
  checks.cd_signers = cd_signers;
  if (!config.production) {
    lists.sandbox_paa_key = config.sandbox.paa_key;
    lists.sandbox_paa_certificate = config.sandbox.paa_certificate;
    checks.trusted_paas.push_back(config.sandbox.paa_certificate);
  }
  part->press_ = std::make_unique<revoke::CrlPress>(store, revocations, std::move(token),
                                                    std::move(signers), random, clock, lists);
  part->revocation_ = std::make_unique<revoke::Revocation>(store, revocations, *part->press_, clock,
                                                           std::move(guard));
  auto verification = revoke::Verification::Make(std::move(store), std::move(revocations), random,
                                                 clock, std::move(checks));
  if (!verification.ok()) return verification.status();
  part->verification_ = *std::move(verification);
  return part;
}

absl::Status RevocationPart::Start() {
  rounds_ = std::make_unique<ops::Periodic>(
      kRound, ops::Told("revocation", [this] { return revocation_->Round(); }));
  if (config_.listen == "off") return absl::OkStatus();
  auto http = ops::CrlServer::Start(config_.listen, *press_, clock_);
  if (!http.ok()) return http.status();
  http_ = *std::move(http);
  return absl::OkStatus();
}

void RevocationPart::Stop() {
  http_.reset();
  rounds_.reset();
}

std::vector<ops::FigureFamily> RevocationPart::Figures() const {
  const auto end = press_->EarliestEnd();
  if (!end) return {};
  return ops::CrlFigures(*end - clock_.Now());
}

}  // namespace assay::app
