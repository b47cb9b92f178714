// assayd's parts, put together. No decision is made here that another folder could make.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "base/clock.h"
#include "base/random.h"
#include "db/approval_store.h"
#include "db/lease_store.h"
#include "db/ledger_store.h"
#include "db/records_store.h"
#include "db/revocation_store.h"
#include "db/store.h"
#include "hsm/token.h"
#include "server/ops/config.h"

namespace assay::app {

// What tests may bring along; what is absent is opened from the configuration.
struct DaemonParts {
  std::shared_ptr<db::Store> store;
  std::shared_ptr<db::RevocationStore> revocations;
  std::shared_ptr<db::ApprovalStore> approvals;
  std::shared_ptr<db::LedgerStore> ledger;
  std::shared_ptr<db::LotLeaseStore> leases;
  std::shared_ptr<db::RecordsStore> records;
  std::shared_ptr<hsm::Token> token;
  const Clock* clock = nullptr;  // must outlive the daemon; nullptr: the system's
};

class Daemon {
 public:
  // Serves when it returns, though it may not be ready yet: a token or a database that is away
  // makes it not ready, and its return makes it ready. Refuses what waiting cannot heal: a module
  // that cannot be loaded, a schema that is not this program's (SCHEMA_MISMATCH), an address in
  // use.
  static absl::StatusOr<std::unique_ptr<Daemon>> Start(const ops::Config& config,
                                                       DaemonParts parts = {});
  // Drains first, with no grace, when Drain was not called.
  ~Daemon();

  int port() const;
  int http_port() const;  // 0 when off
  int crl_port() const;   // 0 when off
  bool Ready() const;
  std::string MetricsText() const;
  // Waits until Ready() is `ready`; false after `longest`.
  bool AwaitReady(bool ready, std::chrono::milliseconds longest);
  // The same for one part of its health: "store", "hsm", "clock", "ledger". False for a part that
  // is not checked.
  bool AwaitPart(const std::string& name, bool well, std::chrono::milliseconds longest);

  // Grants, call limits, log level and TLS files; the rest waits for a restart, which the log says.
  // TLS files that are bad keep the old ones and are the answer; grants are taken over all the
  // same.
  absl::Status Reload(const ops::Config& config);

  // Not ready at once; after the configured delay no new work; what is under way ends within the
  // configured time; then every connection is closed. Blocks until then.
  void Drain();

 private:
  class Impl;
  explicit Daemon(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace assay::app
