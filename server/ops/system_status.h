// The system's state in the contract's words.
#pragma once

#include <vector>

#include "assay/v1/system.pb.h"
#include "db/store.h"
#include "hsm/signer_pool.h"
#include "server/issue/pipeline.h"
#include "server/ledger/sequencer.h"
#include "server/ops/health.h"
#include "server/ops/metrics.h"
#include "server/ops/system_watch.h"
#include "server/rpc/tls.h"

namespace assay::ops {

void TellHealth(const Health& health, v1::SystemStatus& status);
void TellHsm(const hsm::SignerPoolCounters& counters, v1::SystemStatus& status);
void TellDatabase(const db::PoolCounters& counters, const SystemWatch& watch, int schema_known,
                  v1::SystemStatus& status);
void TellLedger(const ledger::SequencerState& state, v1::SystemStatus& status);
void TellPipeline(const issue::PipelineCounters& counters, v1::SystemStatus& status);
// TLS certificates, and from the figures taken at the last stock-taking the PAIs and the first
// revocation list.
void TellEndings(const rpc::TlsState& tls, const std::vector<FigureFamily>& figures, absl::Time now,
                 v1::SystemStatus& status);
void SetTime(absl::Time time, google::protobuf::Timestamp* out);

}  // namespace assay::ops
