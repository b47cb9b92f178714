// A private PostgreSQL cluster for one test program: made in a temporary folder, reached over a
// unix socket, never run as root, gone when the program is (however it ends).
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace assay::test_support {

class PostgresCluster {
 public:
  struct Options {
    // False: fsync off, for speed; commits stay synchronous in every other way. Benchmarks ask for
    // true.
    bool durable = false;
    std::vector<std::string> settings;  // "max_connections=12"
    std::string parent = {};            // the folder to make its own in; empty: the temporary one
  };

  static absl::StatusOr<std::unique_ptr<PostgresCluster>> Start(const Options& options);
  static absl::StatusOr<std::unique_ptr<PostgresCluster>> Start() { return Start(Options{}); }
  // A hot standby that follows `primary`, which must outlive it; read only until Promote.
  static absl::StatusOr<std::unique_ptr<PostgresCluster>> StartStandby(PostgresCluster& primary);
  // The program's own cluster, started at the first call (about 0.6 s) and stopped at exit. Ends
  // the program with a message when PostgreSQL is not installed or does not start. Thread-safe.
  static PostgresCluster& Shared();

  ~PostgresCluster();
  PostgresCluster(const PostgresCluster&) = delete;
  PostgresCluster& operator=(const PostgresCluster&) = delete;

  // libpq's key=value form; the user is the cluster's superuser and needs no password. The role of
  // Dsn's user `kPasswordUser` must give a password (make it with CREATE ROLE).
  std::string Dsn(const std::string& database = "postgres") const;
  // Creates an empty database of a name of its own and returns its DSN. Thread-safe.
  std::string NewDatabase();
  // Runs one or more statements; the first column of the last one's first row, or empty.
  static absl::StatusOr<std::string> Execute(const std::string& dsn, const std::string& sql);

  static constexpr const char* kUser = "assay";
  static constexpr const char* kPasswordUser = "assay_password";

  const std::string& socket_folder() const { return folder_; }
  // Where the server listens, for a gate to forward to.
  std::string socket_path() const { return folder_ + "/.s.PGSQL.5432"; }

  // Immediate: as a crash does it; otherwise connections are cut and the server shuts down in
  // order.
  absl::Status Stop(bool immediate);
  // Starts a stopped cluster again, with its data.
  absl::Status StartAgain();
  absl::Status Restart(bool immediate);
  // Whether the server's process lives; it may have ended by itself.
  bool Running() const;
  // A standby becomes a primary.
  absl::Status Promote();

 private:
  PostgresCluster() = default;
  absl::Status MakeFolder(const std::string& parent);
  absl::Status Make(const Options& options);
  absl::Status StartGuard();
  absl::Status Run(const std::string& command) const;

  std::string folder_;
  std::string bin_;
  std::string prefix_;  // drops root's rights
  int guard_pipe_ = -1;
  bool running_ = false;
};

}  // namespace assay::test_support
