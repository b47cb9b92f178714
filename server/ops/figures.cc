#include "server/ops/figures.h"

#include <algorithm>

#include "matter/certificate.h"

namespace assay::ops {
namespace {

constexpr int kLotsARead = 1000;

FigureFamily Gauge(std::string name, std::string sentence, double value) {
  return {std::move(name), std::move(sentence), FigureType::kGauge, {{{}, value}}};
}

double UnixSeconds(absl::Time time) { return absl::ToDoubleSeconds(time - absl::UnixEpoch()); }

FigureFamily LotFigures(std::vector<db::Lot> lots) {
  const auto left = [](const db::Lot& lot) { return lot.count - std::min(lot.count, lot.claimed); };
  std::sort(lots.begin(), lots.end(),
            [&](const db::Lot& a, const db::Lot& b) { return left(a) < left(b); });
  if (lots.size() > StockTaking::kMaxLots) lots.resize(StockTaking::kMaxLots);
  FigureFamily family{
      "assay_lot_left", "Identities an open lot can still give", FigureType::kGauge, {}};
  for (const db::Lot& lot : lots) {
    family.figures.push_back(
        {{{"lot", lot.name}, {"factory", lot.factory}, {"product", lot.product}},
         static_cast<double>(left(lot))});
  }
  return family;
}

FigureFamily PaiFigures(const std::vector<db::Pai>& pais) {
  FigureFamily family{"assay_pai_not_after_seconds",
                      "When an active PAI's certificate ends, as Unix time",
                      FigureType::kGauge,
                      {},
                      {"pai"}};
  for (const db::Pai& pai : pais) {
    if (pai.state != db::PaiState::kActive) continue;
    const auto certificate = matter::Certificate::Parse(pai.certificate);
    if (!certificate.ok()) continue;
    family.figures.push_back({{{"pai", pai.name}}, UnixSeconds(certificate->validity().not_after)});
  }
  return family;
}

}  // namespace

std::vector<FigureFamily> HsmFigures(const hsm::SignerPoolCounters& counters) {
  return {
      {"assay_hsm_signatures_total",
       "Signatures asked of the HSM, by outcome",
       FigureType::kCounter,
       {{{{"outcome", "signed"}}, static_cast<double>(counters.signed_total)},
        {{{"outcome", "failed"}}, static_cast<double>(counters.failed_total)},
        {{{"outcome", "timed_out"}}, static_cast<double>(counters.timed_out_total)},
        {{{"outcome", "refused"}}, static_cast<double>(counters.refused_total)}}},
      {"assay_hsm_signers",
       "Signer threads, by what they do",
       FigureType::kGauge,
       {{{{"state", "busy"}}, static_cast<double>(counters.busy)},
        {{{"state", "stuck"}}, static_cast<double>(counters.stuck)}}},
      Gauge("assay_hsm_queue", "Signatures waiting for a signer thread", counters.queued),
      Gauge("assay_hsm_breaker_open", "1 while the HSM is given a rest after failures",
            counters.breaker_open ? 1 : 0),
  };
}

std::vector<FigureFamily> FailoverFigures(size_t serving) {
  return {Gauge("assay_hsm_serving_token", "Which token signs; 0 is the first of the configuration",
                static_cast<double>(serving))};
}

std::vector<FigureFamily> StoreFigures(const db::PoolCounters& counters) {
  return {
      {"assay_store_connections",
       "Connections to the database, by state",
       FigureType::kGauge,
       {{{{"state", "busy"}}, static_cast<double>(counters.busy)},
        {{{"state", "idle"}}, static_cast<double>(counters.connections - counters.busy)}}},
      Gauge("assay_store_waiting", "Calls waiting for a connection", counters.waiting),
  };
}

std::vector<FigureFamily> PipelineFigures(const issue::PipelineCounters& counters) {
  const auto of_both = [&](std::string name, std::string sentence, FigureType type,
                           int64_t issue::ReserveTally::*member) {
    return FigureFamily{
        std::move(name),
        std::move(sentence),
        type,
        {{{{"what", "verifier"}}, static_cast<double>(counters.reserve.verifiers.*member)},
         {{{"what", "key"}}, static_cast<double>(counters.reserve.keys.*member)}}};
  };
  using Tally = issue::ReserveTally;
  return {
      Gauge("assay_issue_in_flight", "Tickets being worked on", counters.in_flight),
      Gauge("assay_crypto_queue", "Work waiting for a crypto thread", counters.crypto_queued),
      of_both("assay_reserve_ready", "Verifiers and keys made ahead that wait for a ticket",
              FigureType::kGauge, &Tally::ready),
      of_both("assay_reserve_made_total", "Verifiers and keys made ahead", FigureType::kCounter,
              &Tally::made),
      of_both("assay_reserve_taken_total", "Verifiers and keys that tickets had from the reserve",
              FigureType::kCounter, &Tally::taken),
      of_both("assay_reserve_missed_total",
              "Verifiers and keys that tickets wanted while the reserve had none",
              FigureType::kCounter, &Tally::missed)};
}

std::vector<FigureFamily> HealthFigures(const Health& health) {
  FigureFamily parts{
      "assay_health", "1 for a part whose last check was good", FigureType::kGauge, {}};
  for (const Health::Part& part : health.Parts()) {
    parts.figures.push_back({{{"part", part.name}}, part.status.ok() ? 1.0 : 0.0});
  }
  return {Gauge("assay_ready", "1 while this replica takes calls", health.Ready() ? 1 : 0),
          std::move(parts)};
}

std::vector<FigureFamily> LedgerFigures(const ledger::SequencerState& state) {
  return {
      Gauge("assay_ledger_leading", "1 where this replica sequences the ledger", state.leading),
      Gauge("assay_ledger_entries", "Entries that have their place",
            static_cast<double>(state.size)),
      Gauge("assay_ledger_signed_entries", "Entries under a signed checkpoint",
            static_cast<double>(state.signed_size)),
      Gauge("assay_ledger_lag_seconds", "Age of the oldest entry without a checkpoint",
            absl::ToDoubleSeconds(state.lag)),
      Gauge("assay_ledger_checkpoint_seconds",
            "When the newest checkpoint was signed, as Unix time", UnixSeconds(state.published_at)),
      Gauge("assay_ledger_forked", "1 where the ledger contradicts what was signed",
            state.fork.ok() ? 0 : 1),
      {"assay_ledger_rounds_failed_total",
       "Rounds of the sequencer that did not succeed",
       FigureType::kCounter,
       {{{}, static_cast<double>(state.failures)}}},
  };
}

std::vector<FigureFamily> ClockFigures(const Clock& clock) {
  return {
      Gauge("assay_time_seconds", "This replica's clock, as Unix time", UnixSeconds(clock.Now()))};
}

std::vector<FigureFamily> TlsFigures(const rpc::TlsState& state) {
  return {{"assay_tls_not_after_seconds",
           "When a TLS certificate ends, as Unix time",
           FigureType::kGauge,
           {{{{"certificate", "server"}}, UnixSeconds(state.not_after)},
            {{{"certificate", "client_ca"}}, UnixSeconds(state.client_ca_not_after)}}}};
}

FigureFamily KeyFigures(const std::vector<std::string>& unfit) {
  FigureFamily family{"assay_hsm_key_unfit",
                      "1 for each key that is refused because its attributes broke the policy",
                      FigureType::kGauge,
                      {},
                      {"key"}};
  for (const std::string& label : unfit) family.figures.push_back({{{"key", label}}, 1});
  return family;
}

std::vector<FigureFamily> CrlFigures(std::optional<absl::Duration> left) {
  if (!left) return {};
  return {Gauge("assay_crl_seconds_left",
                "Until the first revocation list ends; lists are signed anew long before.",
                absl::ToDoubleSeconds(*left))};
}

std::vector<FigureFamily> LeaseFigures(std::chrono::milliseconds left) {
  const double seconds = std::chrono::duration<double>(left).count();
  return {
      Gauge("assay_lease_seconds_left",
            "Until this replica's lease runs out; renewed at least three times before", seconds),
      Gauge("assay_fenced",
            "1 where the lease has run out: others may void what this replica began",
            seconds > 0 ? 0 : 1)};
}

std::vector<FigureFamily> StockFigures(std::vector<db::Lot> open,
                                       const std::vector<db::Pai>& pais) {
  FigureFamily lots_open =
      Gauge("assay_lots_open", "Lots that are open", static_cast<double>(open.size()));
  return {std::move(lots_open), LotFigures(std::move(open)), PaiFigures(pais)};
}

absl::Status StockTaking::Take() {
  std::vector<db::Lot> open;
  std::string after;
  while (true) {
    auto lots = store_->ListLots("", "", after, kLotsARead);
    if (!lots.ok()) return lots.status();
    if (lots->empty()) break;
    after = lots->back().name;
    const bool last = lots->size() < kLotsARead;
    for (db::Lot& lot : *lots) {
      if (lot.state != db::LotState::kOpen) continue;
      lot.spec.clear();
      open.push_back(std::move(lot));
    }
    if (last) break;
  }
  const auto pais = store_->ListPais();
  if (!pais.ok()) return pais.status();
  std::vector<FigureFamily> figures = StockFigures(std::move(open), *pais);
  const std::lock_guard lock(mutex_);
  figures_ = std::move(figures);
  return absl::OkStatus();
}

std::vector<FigureFamily> StockTaking::Figures() const {
  const std::lock_guard lock(mutex_);
  return figures_;
}

}  // namespace assay::ops
