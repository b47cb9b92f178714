#include "tests/support/postgres_fixture.h"

#include <fcntl.h>
#include <libpq-fe.h>
#include <pwd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <mutex>

#include "absl/strings/str_cat.h"

namespace assay::test_support {
namespace {

namespace fs = std::filesystem;

// Debian keeps the server's programs out of PATH, one folder a version.
std::string FindPrograms() {
  if (const char* given = std::getenv("ASSAY_PG_BINDIR")) return given;
  std::vector<std::string> found;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator("/usr/lib/postgresql", error)) {
    const fs::path bin = entry.path() / "bin";
    if (fs::exists(bin / "initdb", error)) found.push_back(bin);
  }
  std::sort(found.begin(), found.end());
  return found.empty() ? "" : found.back();
}

// Others must be able to pass through every parent when the server runs as another user.
bool Searchable(const fs::path& folder) {
  for (fs::path at = folder; !at.empty(); at = at.parent_path()) {
    struct stat facts {};
    if (stat(at.c_str(), &facts) != 0 || (facts.st_mode & S_IXOTH) == 0) return false;
    if (at == at.root_path()) break;
  }
  return true;
}

std::string LastLines(const std::string& path) {
  std::ifstream file(path);
  const std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  return text.size() > 2000 ? text.substr(text.size() - 2000) : text;
}

struct ResultDeleter {
  void operator()(PGresult* result) const { PQclear(result); }
};
struct ConnectionDeleter {
  void operator()(PGconn* connection) const { PQfinish(connection); }
};

}  // namespace

absl::StatusOr<std::unique_ptr<PostgresCluster>> PostgresCluster::Start(const Options& options) {
  std::unique_ptr<PostgresCluster> cluster(new PostgresCluster());
  if (absl::Status made = cluster->Make(options); !made.ok()) return made;
  return cluster;
}

PostgresCluster& PostgresCluster::Shared() {
  // A static object, so that it is stopped when the program exits.
  static std::unique_ptr<PostgresCluster> shared = [] {
    auto started = Start();
    if (!started.ok()) {
      std::fprintf(stderr, "PostgreSQL for tests: %s\n",
                   std::string(started.status().message()).c_str());
      std::exit(1);
    }
    return *std::move(started);
  }();
  return *shared;
}

absl::Status PostgresCluster::MakeFolder(const std::string& wanted_parent) {
  bin_ = FindPrograms();
  if (bin_.empty()) return absl::NotFoundError("no PostgreSQL server is installed");
  const char* wanted = std::getenv("TMPDIR");
  std::string parent = !wanted_parent.empty() ? wanted_parent : wanted != nullptr ? wanted : "/tmp";
  // A socket's path has room for 107 bytes.
  if (parent.size() > 60 || !Searchable(parent)) parent = "/tmp";
  folder_ = parent + "/assay-pg-XXXXXX";
  if (mkdtemp(folder_.data()) == nullptr) {
    folder_.clear();
    return absl::InternalError(absl::StrCat("cannot make a folder under ", parent));
  }
  if (geteuid() == 0) {
    const passwd* user = getpwnam("postgres");
    if (user == nullptr) user = getpwnam("nobody");
    if (user == nullptr || chown(folder_.c_str(), user->pw_uid, user->pw_gid) != 0) {
      return absl::InternalError("no user to run PostgreSQL as");
    }
    prefix_ = absl::StrCat("setpriv --reuid=", user->pw_uid, " --regid=", user->pw_gid,
                           " --clear-groups ");
  }
  return StartGuard();
}

absl::Status PostgresCluster::Make(const Options& options) {
  if (absl::Status made = MakeFolder(options.parent); !made.ok()) return made;
  if (absl::Status made =
          Run(absl::StrCat(bin_, "/initdb --no-sync --no-locale -E UTF8 -A trust -U ", kUser,
                           " -D ", folder_, "/data"));
      !made.ok()) {
    return made;
  }
  std::ofstream config(folder_ + "/data/postgresql.conf", std::ios::app);
  config << "listen_addresses=''\nport=5432\nunix_socket_directories='" << folder_ << "'\n"
         << "fsync=" << (options.durable ? "on" : "off")
         << "\nfull_page_writes=" << (options.durable ? "on" : "off")
         << "\nshared_buffers=64MB\nmax_connections=100\n"
         << "max_wal_size=1GB\nlog_min_messages=warning\n";
  for (const std::string& setting : options.settings) config << setting << "\n";
  config.close();
  std::ofstream access(folder_ + "/data/pg_hba.conf");
  access << "local all " << kPasswordUser << " scram-sha-256\nlocal all,replication all trust\n";
  access.close();
  if (!config || !access) return absl::InternalError("cannot write PostgreSQL's configuration");
  return StartAgain();
}

// A shell that waits for the end of a pipe only this program holds, and then clears up: it works
// after a crash and after kill -9 too.
absl::Status PostgresCluster::StartGuard() {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return absl::InternalError("pipe2 failed");
  const std::string script = absl::StrCat("cat >/dev/null; ", prefix_, bin_, "/pg_ctl -D ", folder_,
                                          "/data -m immediate stop; rm -rf ", folder_);
  const pid_t child = fork();
  if (child < 0) return absl::InternalError("fork failed");
  if (child == 0) {
    // Twice, so that nobody has to wait for it.
    if (fork() != 0) _exit(0);
    setsid();
    const int nowhere = open("/dev/null", O_RDWR);
    dup2(ends[0], 0);
    dup2(nowhere, 1);
    dup2(nowhere, 2);
    for (int fd = 3; fd < 256; ++fd) close(fd);
    execl("/bin/sh", "sh", "-c", script.c_str(), static_cast<char*>(nullptr));
    _exit(127);
  }
  waitpid(child, nullptr, 0);
  close(ends[0]);
  guard_pipe_ = ends[1];
  return absl::OkStatus();
}

PostgresCluster::~PostgresCluster() {
  if (folder_.empty()) return;
  if (running_) (void)Stop(true);
  std::error_code ignored;
  fs::remove_all(folder_, ignored);
  if (guard_pipe_ >= 0) close(guard_pipe_);
}

absl::Status PostgresCluster::Run(const std::string& command) const {
  const std::string log = folder_ + "/run.log";
  // The folder as working directory: the server's user may not be allowed into the caller's.
  const std::string line =
      absl::StrCat("cd ", folder_, " && ", prefix_, command, " >", log, " 2>&1 </dev/null");
  if (std::system(line.c_str()) == 0) return absl::OkStatus();
  return absl::InternalError(
      absl::StrCat(command, ": ", LastLines(log), LastLines(folder_ + "/server.log")));
}

absl::Status PostgresCluster::StartAgain() {
  absl::Status started = Run(absl::StrCat(bin_, "/pg_ctl -s -w -t 60 -D ", folder_, "/data -l ",
                                          folder_, "/server.log start"));
  running_ = started.ok();
  return started;
}

absl::Status PostgresCluster::Stop(bool immediate) {
  running_ = false;
  return Run(absl::StrCat(bin_, "/pg_ctl -s -w -t 60 -D ", folder_, "/data -m ",
                          immediate ? "immediate" : "fast", " stop"));
}

absl::Status PostgresCluster::Restart(bool immediate) {
  if (absl::Status stopped = Stop(immediate); !stopped.ok()) return stopped;
  return StartAgain();
}

std::string PostgresCluster::Dsn(const std::string& database) const {
  return absl::StrCat("host=", folder_, " port=5432 user=", kUser, " dbname=", database);
}

std::string PostgresCluster::NewDatabase() {
  // One at a time: CREATE DATABASE refuses when another copies the template.
  static std::mutex mutex;
  static int last = 0;
  const std::lock_guard lock(mutex);
  const std::string name = absl::StrCat("test_", ++last);
  if (auto made = Execute(Dsn(), absl::StrCat("CREATE DATABASE ", name)); !made.ok()) {
    std::fprintf(stderr, "CREATE DATABASE: %s\n", std::string(made.status().message()).c_str());
    std::abort();
  }
  return Dsn(name);
}

absl::StatusOr<std::unique_ptr<PostgresCluster>> PostgresCluster::StartStandby(
    PostgresCluster& primary) {
  std::unique_ptr<PostgresCluster> standby(new PostgresCluster());
  if (absl::Status made = standby->MakeFolder(""); !made.ok()) return made;
  if (absl::Status copied = standby->Run(
          absl::StrCat(standby->bin_, "/pg_basebackup -R -c fast -X stream -h ", primary.folder_,
                       " -U ", kUser, " -D ", standby->folder_, "/data"));
      !copied.ok()) {
    return copied;
  }
  std::ofstream config(standby->folder_ + "/data/postgresql.conf", std::ios::app);
  config << "unix_socket_directories='" << standby->folder_ << "'\n";
  config.close();
  if (absl::Status started = standby->StartAgain(); !started.ok()) return started;
  return standby;
}

bool PostgresCluster::Running() const {
  return Run(absl::StrCat(bin_, "/pg_ctl -D ", folder_, "/data status")).ok();
}

absl::Status PostgresCluster::Promote() {
  return Run(absl::StrCat(bin_, "/pg_ctl -s -w -t 60 -D ", folder_, "/data promote"));
}

absl::StatusOr<std::string> PostgresCluster::Execute(const std::string& dsn,
                                                     const std::string& sql) {
  std::unique_ptr<PGconn, ConnectionDeleter> connection(PQconnectdb(dsn.c_str()));
  if (PQstatus(connection.get()) != CONNECTION_OK) {
    return absl::UnavailableError(PQerrorMessage(connection.get()));
  }
  std::unique_ptr<PGresult, ResultDeleter> result(PQexec(connection.get(), sql.c_str()));
  const ExecStatusType status = PQresultStatus(result.get());
  if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK) {
    return absl::InternalError(PQresultErrorMessage(result.get()));
  }
  if (PQntuples(result.get()) == 0 || PQnfields(result.get()) == 0) return std::string();
  return std::string(PQgetvalue(result.get(), 0, 0));
}

}  // namespace assay::test_support
