// What the parts are told, out of the configuration.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "base/random.h"
#include "base/secret.h"
#include "matter/certification_declaration.h"
#include "server/authority/authority.h"
#include "server/issue/pipeline.h"
#include "server/ops/config.h"
#include "server/rpc/tls.h"

namespace assay::app {

// host/process/random: no two runs of the daemon have the same.
std::string InstanceId(Random& random);

// Whose certification declarations are accepted: those of the configuration; in a sandbox its own
// and the SDK's test signer too.
absl::StatusOr<matter::CdSignerSet> CdSigners(const ops::Config& config);

authority::AuthorityOptions AuthorityPart(const ops::Config& config, lot::Guard guard);

issue::PipelineOptions PipelinePart(const ops::Config& config, const std::string& instance_id);

// Page tokens of replicas that share a TLS key are interchangeable; a new key ends running listings
// only.
SecretBytes PageTokenKey(const rpc::TlsState& tls);

}  // namespace assay::app
