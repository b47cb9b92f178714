#include "server/app/part_options.h"

#include <unistd.h>

#include <array>
#include <utility>

#include "base/bytes.h"
#include "base/refusal.h"
#include "matter/certificate.h"

namespace assay::app {

std::string InstanceId(Random& random) {
  std::array<char, 65> host{};
  if (gethostname(host.data(), host.size() - 1) != 0) host[0] = '?';
  return std::string(host.data()) + "/" + std::to_string(getpid()) + "/" + ToHex(random.Draw(4));
}

absl::StatusOr<matter::CdSignerSet> CdSigners(const ops::Config& config) {
  matter::CdSignerSet signers;
  const auto add = [&](const Bytes& der, bool sandbox) -> absl::Status {
    const auto certificate = matter::Certificate::Parse(der);
    if (!certificate.ok()) return Within("trust.cd_signers", certificate.status());
    return Within("trust.cd_signers", signers.Add(*certificate, sandbox));
  };
  for (const Bytes& der : config.trust.cd_signers) ASSAY_RETURN_IF_ERROR(add(der, false));
  if (!config.production) {
    ASSAY_RETURN_IF_ERROR(add(config.sandbox.cd_certificate, true));
    signers.AddSdkTestSigner();
  }
  return signers;
}

authority::AuthorityOptions AuthorityPart(const ops::Config& config, lot::Guard guard) {
  authority::AuthorityOptions options;
  options.guard = std::move(guard);
  options.other_keys = {config.hsm.image_key, config.hsm.wrapping_key, config.hsm.ledger_key};
  options.production = config.production;
  options.trusted_paas = config.trust.paas;
  if (!config.production) {
    // The authority itself trusts the sandbox's PAA.
    options.sandbox_paa_key = config.sandbox.paa_key;
    options.sandbox_paa_certificate = config.sandbox.paa_certificate;
    options.sandbox_cd_key = config.sandbox.cd_key;
    options.sandbox_cd_certificate = config.sandbox.cd_certificate;
  }
  return options;
}

issue::PipelineOptions PipelinePart(const ops::Config& config, const std::string& instance_id) {
  issue::PipelineOptions options;
  options.instance_id = instance_id;
  options.production = config.production;
  options.image_key = config.hsm.image_key;
  options.image_certificate = config.hsm.image_certificate;
  options.delegate_images = config.hsm.delegate_images;
  options.compact_identities = config.database.compact_identities;
  options.wrapping_key = config.hsm.wrapping_key;
  options.crypto_threads = config.limits.crypto_threads;
  options.store_threads = config.limits.store_threads;
  options.max_batch = config.limits.max_batch;
  options.max_in_flight = config.limits.max_in_flight;
  options.max_active = config.limits.max_active;
  options.reserve.size = config.limits.reserve;
  options.seal_rest = std::chrono::seconds(1);
  options.limits = config.limits.fair;
  options.least_deadline = config.limits.calls.deadline.least;
  return options;
}

SecretBytes PageTokenKey(const rpc::TlsState& tls) {
  const Sha256Digest digest = Sha256(AsBytes("assay page tokens\n" + tls.key));
  return SecretBytes::CopyOf(digest);
}

}  // namespace assay::app
