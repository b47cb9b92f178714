// How to reach PostgreSQL.
#pragma once

#include <chrono>
#include <memory>
#include <string>

namespace assay::pg {

class Pool;

struct PgOptions {
  // libpq's form, key=value or URI; several hosts are tried in order and the one that takes writes
  // is kept.
  std::string dsn;
  // File whose first line is the password; read at each connect, so that it can be changed while
  // running. Empty: the DSN, the environment (PGPASSWORD) or libpq's password file decide.
  std::string password_file;
  int pool_size = 8;  // connections at most; opened when needed
  // A host that does not answer is given up after this (libpq counts whole seconds, two at least).
  std::chrono::seconds connect_timeout{3};
  // The server gives up a statement after this, ...
  std::chrono::milliseconds statement_timeout{5000};
  // ... and a call gives up the connection after this, whatever the network does.
  std::chrono::milliseconds call_timeout{10000};
  // How long a call waits for a free connection.
  std::chrono::milliseconds pool_timeout{5000};
  // The connections, shared with other stores (SharePool); null: a pool of the store's own.
  std::shared_ptr<Pool> pool;
};

}  // namespace assay::pg
