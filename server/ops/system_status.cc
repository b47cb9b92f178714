#include "server/ops/system_status.h"

#include <algorithm>

namespace assay::ops {
namespace {

void SetDuration(absl::Duration duration, google::protobuf::Duration* out) {
  const int64_t milliseconds = absl::ToInt64Milliseconds(duration);
  out->set_seconds(milliseconds / 1000);
  out->set_nanos(static_cast<int32_t>(milliseconds % 1000) * 1'000'000);
}

void AddEnding(std::string what, absl::Time at, v1::SystemStatus& status) {
  v1::Ending* const ending = status.add_endings();
  ending->set_what(std::move(what));
  SetTime(at, ending->mutable_at());
}

}  // namespace

void SetTime(absl::Time time, google::protobuf::Timestamp* out) {
  const int64_t milliseconds = absl::ToUnixMillis(time);
  out->set_seconds(milliseconds / 1000);
  out->set_nanos(static_cast<int32_t>(milliseconds % 1000) * 1'000'000);
}

void TellHealth(const Health& health, v1::SystemStatus& status) {
  status.set_ready(health.Ready());
  for (const Health::Part& part : health.Parts()) {
    v1::SystemPart* const told = status.add_parts();
    told->set_name(part.name);
    told->set_well(part.status.ok());
    told->set_message(std::string(part.status.message()));
  }
}

void TellHsm(const hsm::SignerPoolCounters& counters, v1::SystemStatus& status) {
  v1::HsmState& hsm = *status.mutable_hsm();
  hsm.set_signers_busy(static_cast<uint32_t>(counters.busy));
  hsm.set_signers_stuck(static_cast<uint32_t>(counters.stuck));
  hsm.set_queued(static_cast<uint32_t>(counters.queued));
  hsm.set_resting(counters.breaker_open);
  hsm.set_signatures(counters.signed_total);
}

void TellDatabase(const db::PoolCounters& counters, const SystemWatch& watch, int schema_known,
                  v1::SystemStatus& status) {
  v1::DatabaseState& database = *status.mutable_database();
  database.set_connections(static_cast<uint32_t>(counters.connections));
  database.set_busy(static_cast<uint32_t>(counters.busy));
  database.set_waiting(static_cast<uint32_t>(counters.waiting));
  database.set_schema_known(static_cast<uint32_t>(schema_known));
  if (const auto offset = watch.offset()) {
    SetDuration(*offset, database.mutable_clock_offset());
  }
  const auto facts = watch.facts();
  if (!facts) return;
  database.set_schema(static_cast<uint32_t>(facts->schema));
  for (const db::ReplicaLease& lease : facts->replicas) {
    v1::Replica* const replica = status.add_replicas();
    replica->set_instance(lease.instance_id);
    SetDuration(lease.left, replica->mutable_lease_left());
  }
}

void TellLedger(const ledger::SequencerState& state, v1::SystemStatus& status) {
  v1::LedgerState& ledger = *status.mutable_ledger();
  ledger.set_leading(state.leading);
  ledger.set_entries(state.size);
  ledger.set_signed_entries(state.signed_size);
  SetDuration(state.lag, ledger.mutable_lag());
  ledger.set_forked(!state.fork.ok());
}

void TellPipeline(const issue::PipelineCounters& counters, v1::SystemStatus& status) {
  status.set_tickets_in_flight(static_cast<uint32_t>(counters.in_flight));
  status.set_crypto_queue(static_cast<uint32_t>(counters.crypto_queued));
}

void TellEndings(const rpc::TlsState& tls, const std::vector<FigureFamily>& figures, absl::Time now,
                 v1::SystemStatus& status) {
  AddEnding("server certificate", tls.not_after, status);
  AddEnding("client CA", tls.client_ca_not_after, status);
  for (const FigureFamily& family : figures) {
    for (const Figure& figure : family.figures) {
      if (family.name == "assay_pai_not_after_seconds") {
        AddEnding("PAI " + figure.labels.at("pai"), absl::UnixEpoch() + absl::Seconds(figure.value),
                  status);
      } else if (family.name == "assay_crl_seconds_left") {
        AddEnding("first revocation list", now + absl::Seconds(figure.value), status);
      }
    }
  }
  std::sort(
      status.mutable_endings()->begin(), status.mutable_endings()->end(),
      [](const v1::Ending& a, const v1::Ending& b) { return a.at().seconds() < b.at().seconds(); });
}

}  // namespace assay::ops
