#include "db/pg/session.h"

#include <sys/socket.h>

#include <fstream>

#include "absl/strings/str_cat.h"
#include "base/secret.h"

namespace assay::pg {
namespace {

const Statement kBegin = {"begin", "BEGIN"};

std::string FirstLine(const char* text) {
  const std::string_view all = text == nullptr ? "" : text;
  return std::string(all.substr(0, all.find('\n')));
}

std::string ReadPassword(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  if (!file || !std::getline(file, line)) {
    throw pqxx::broken_connection(absl::StrCat("the password file ", path, " cannot be read"));
  }
  if (!line.empty() && line.back() == '\r') line.pop_back();
  return line;
}

void NoteWarning(void* session, const PGresult* notice) {
  const char* severity = PQresultErrorField(notice, PG_DIAG_SEVERITY_NONLOCALIZED);
  if (severity != nullptr && std::string_view(severity) == "WARNING") {
    static_cast<Session*>(session)->warned = true;
  }
}

}  // namespace

Connector::Connector(const PgOptions& options) : connectionpolicy(""), options_(options) {}

Connector::handle Connector::do_startconnect(handle original) {
  if (original != nullptr) return original;
  const std::string connect_timeout = std::to_string(options_.connect_timeout.count());
  const std::string user_timeout = std::to_string(options_.call_timeout.count());
  std::string password;
  if (!options_.password_file.empty()) password = ReadPassword(options_.password_file);
  // What comes before dbname is a default the DSN may change; the password file has the last word.
  const char* const keys[] = {"connect_timeout",
                              "keepalives",
                              "keepalives_idle",
                              "keepalives_interval",
                              "keepalives_count",
                              "tcp_user_timeout",
                              "fallback_application_name",
                              "dbname",
                              "client_encoding",
                              password.empty() ? nullptr : "password",
                              nullptr};
  const char* const values[] = {connect_timeout.c_str(),
                                "1",
                                "10",
                                "5",
                                "3",
                                user_timeout.c_str(),
                                "assayd",
                                options_.dsn.c_str(),
                                "UTF8",
                                password.c_str(),
                                nullptr};
  raw_ = PQconnectdbParams(keys, values, /*expand_dbname=*/1);
  WipeText(password);
  if (raw_ == nullptr) throw std::bad_alloc();
  if (PQstatus(raw_) != CONNECTION_OK) {
    const std::string why = FirstLine(PQerrorMessage(raw_));
    PQfinish(raw_);
    raw_ = nullptr;
    throw pqxx::broken_connection(why);
  }
  return raw_;
}

Session::Session(const PgOptions& options) : connection_base(connector_), connector_(options) {
  try {
    init();
    Prepare(options);
  } catch (...) {
    // libpqxx closes in its destructor, which does not run for an object that was never made.
    close();
    throw;
  }
}

void Session::Prepare(const PgOptions& options) {
  // Repairs are ours: a connection libpqxx reopened by itself would have lost its settings and
  // statements.
  inhibit_reactivation(true);
  PQsetNoticeReceiver(connector_.raw(), &NoteWarning, this);
  const auto timeout = options.statement_timeout.count();
  // Every statement of the store reads or writes by index, in the index's order. The planner must
  // not choose otherwise by what it knew of tables that were all but empty when it last looked: at
  // a hundred thousand rows it would still scan, sort and join them whole. A weaker
  // synchronous_commit than "on" would break the promise that a sealed identity is durable.
  RunScript(absl::StrCat(
      "SET statement_timeout = ", timeout, "; SET lock_timeout = ", timeout,
      "; SET idle_in_transaction_session_timeout = ", options.call_timeout.count(),
      "; SET enable_seqscan = off; SET enable_bitmapscan = off; SET enable_hashjoin = off",
      "; SET enable_mergejoin = off; SET enable_material = off; SET enable_sort = off; SET jit = "
      "off",
      "; SELECT set_config('synchronous_commit', 'on', false) "
      "WHERE current_setting('synchronous_commit') IN ('off', 'local', 'remote_write')"));
}

Session::~Session() { close(); }

void Session::Check(PGresult* result) {
  const ExecStatusType status = PQresultStatus(result);
  if (status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK) return;
  // An error without a SQLSTATE is libpq's own: the server is gone, even where the status does not
  // say so yet.
  const char* state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
  if (state == nullptr || PQstatus(connector_.raw()) == CONNECTION_BAD) {
    throw pqxx::broken_connection(FirstLine(PQerrorMessage(connector_.raw())));
  }
  // The primary message only: the detail of a broken constraint quotes the row.
  const char* primary = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
  throw pqxx::sql_error(primary == nullptr ? FirstLine(PQresultErrorMessage(result)) : primary, "",
                        state);
}

void Session::PrepareOnce(const Statement& statement) {
  if (prepared_.contains(std::string_view(statement.name))) return;
  const Rows made(PQprepare(connector_.raw(), statement.name, statement.sql.c_str(), 0, nullptr));
  Check(made.raw());
  prepared_.insert(statement.name);
}

struct Session::Bound {
  const char* name;
  int count;
  const char* const* values;
  const int* lengths;
  const int* formats;
};

Rows Session::Run(const Statement& statement, const Params& params) {
  PrepareOnce(statement);
  const auto count = static_cast<size_t>(params.size());
  std::vector<const char*> values(count);
  std::vector<int> lengths(count);
  const std::vector<int> formats(count, 1);
  for (size_t i = 0; i < count; ++i) {
    values[i] = params.nulls()[i] ? nullptr : params.values()[i].data();
    lengths[i] = static_cast<int>(params.values()[i].size());
  }
  const Bound bound{statement.name, params.size(), values.data(), lengths.data(), formats.data()};
  if (begin_waits_) return RunFirst(bound);
  Rows rows(PQexecPrepared(connector_.raw(), bound.name, bound.count, bound.values, bound.lengths,
                           bound.formats, /*resultFormat=*/1));
  Check(rows.raw());
  return rows;
}

Rows Session::RunFirst(const Bound& bound) {
  PGconn* const raw = connector_.raw();
  PrepareOnce(kBegin);
  begin_waits_ = false;
  if (PQenterPipelineMode(raw) != 1 ||
      PQsendQueryPrepared(raw, kBegin.name, 0, nullptr, nullptr, nullptr, 0) != 1 ||
      PQsendQueryPrepared(raw, bound.name, bound.count, bound.values, bound.lengths, bound.formats,
                          /*resultFormat=*/1) != 1 ||
      PQpipelineSync(raw) != 1) {
    throw pqxx::broken_connection(FirstLine(PQerrorMessage(raw)));
  }
  // Each statement's result is followed by a null, the last by the mark of the message's end.
  std::vector<Rows> results;
  for (int nulls = 0; nulls < 2;) {
    Rows next(PQgetResult(raw));
    if (next.raw() == nullptr) {
      ++nulls;
      continue;
    }
    nulls = 0;
    if (PQresultStatus(next.raw()) == PGRES_PIPELINE_SYNC) break;
    results.push_back(std::move(next));
  }
  if (PQexitPipelineMode(raw) != 1) {
    throw pqxx::broken_connection(FirstLine(PQerrorMessage(raw)));
  }
  for (const Rows& result : results) Check(result.raw());
  if (results.size() != 2) throw pqxx::broken_connection("a reply of the database is missing");
  return std::move(results.back());
}

void Session::Commit() {
  if (begin_waits_) {
    begin_waits_ = false;
    return;
  }
  const Rows rows(PQexec(connector_.raw(), "COMMIT"));
  Check(rows.raw());
  if (std::string_view(PQcmdStatus(rows.raw())) != "COMMIT") {
    throw pqxx::sql_error("the transaction was rolled back", "COMMIT", "40000");
  }
}

void Session::Rollback() {
  begin_waits_ = false;
  PGconn* const raw = connector_.raw();
  const PGTransactionStatusType status = PQtransactionStatus(raw);
  if (status != PQTRANS_INTRANS && status != PQTRANS_INERROR) return;
  const Rows ignored(PQexec(raw, "ROLLBACK"));
}

void Session::RunScript(const std::string& sql) {
  const Rows rows(PQexec(connector_.raw(), sql.c_str()));
  Check(rows.raw());
}

bool Session::Usable() const {
  return !cut_ && PQstatus(connector_.raw()) == CONNECTION_OK &&
         PQpipelineStatus(connector_.raw()) == PQ_PIPELINE_OFF &&
         PQtransactionStatus(connector_.raw()) == PQTRANS_IDLE;
}

void Session::Cut() {
  cut_ = true;
  ::shutdown(PQsocket(connector_.raw()), SHUT_RDWR);
}

}  // namespace assay::pg
