// One connection: libpqxx opens it and brackets its transactions, libpq carries its statements in
// binary.
#pragma once

#include <atomic>
#include <chrono>
#include <pqxx/pqxx>
#include <set>
#include <string>

#include "db/pg/binary.h"
#include "db/pg/pg_options.h"

namespace assay::pg {

// A statement, prepared by each connection at its first use of the name.
struct Statement {
  const char* name;
  std::string sql;
};

// Hands libpq's connection to libpqxx and keeps sight of it.
class Connector final : public pqxx::connectionpolicy {
 public:
  explicit Connector(const PgOptions& options);
  handle do_startconnect(handle original) override;
  PGconn* raw() const { return raw_; }

 private:
  const PgOptions& options_;
  PGconn* raw_ = nullptr;
};

// Not thread-safe but for Cut. Throws libpqxx's exceptions.
class Session final : public pqxx::connection_base {
 public:
  using Steady = std::chrono::steady_clock;

  // Connects: blocks for the connect timeout of each host at most. `options` outlives the session.
  explicit Session(const PgOptions& options);
  ~Session();

  Rows Run(const Statement& statement, const Params& params = Params());

  // A transaction. BEGIN waits for the first statement and travels with it; without one there is
  // nothing to commit. Commit throws where the server rolled back instead.
  void Begin() { begin_waits_ = true; }
  void Commit();
  // Whatever state the transaction and the connection are in; throws nothing.
  void Rollback();

  // Simple protocol, several statements, results dropped.
  void RunScript(const std::string& sql);

  PGconn* raw() const { return connector_.raw(); }
  // Alive and outside of a transaction.
  bool Usable() const;
  // Ends the connection under whoever waits on it. From any thread, while the session exists and is
  // in use.
  void Cut();
  bool was_cut() const { return cut_; }

  Steady::time_point opened_at() const { return opened_at_; }
  bool used_before = false;
  // The server warned: a COMMIT that warns was not replicated as it should be.
  bool warned = false;

 private:
  // Gives a new connection the settings every call relies on.
  void Prepare(const PgOptions& options);
  void Check(PGresult* result);
  void PrepareOnce(const Statement& statement);
  // BEGIN and the statement in one message, with what Run found out for libpq.
  struct Bound;
  Rows RunFirst(const Bound& bound);

  Connector connector_;
  std::set<std::string, std::less<>> prepared_;
  bool begin_waits_ = false;
  std::atomic<bool> cut_{false};
  Steady::time_point opened_at_ = Steady::now();
};

}  // namespace assay::pg
