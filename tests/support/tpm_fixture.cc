#include "tests/support/tpm_fixture.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <fstream>
#include <stdexcept>
#include <thread>
#include <vector>

extern char** environ;

namespace assay::test_support {
namespace fs = std::filesystem;
namespace {

sockaddr_in Loopback(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

bool Binds(int port) {
  const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const sockaddr_in address = Loopback(port);
  const bool bound =
      ::bind(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  ::close(socket);
  return bound;
}

bool Answers(int port) {
  const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const sockaddr_in address = Loopback(port);
  const bool connected =
      ::connect(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  ::close(socket);
  return connected;
}

// The TPM's port and, one above it, its control port: where the swtpm TCTI looks for it.
int FreePorts() {
  // Two ports a process, so that programs started beside each other do not take each other's.
  for (int port = 20000 + 2 * (::getpid() % 20000); port < 60000; port += 2) {
    if (Binds(port) && Binds(port + 1)) return port;
  }
  throw std::runtime_error("no free ports");
}

bool OnPath(const std::string& program) {
  return std::system(("command -v " + program + " >/dev/null 2>&1").c_str()) == 0;
}

void Run(const std::string& command) {
  if (std::system((command + " >/dev/null 2>&1").c_str()) != 0) {
    throw std::runtime_error("failed: " + command);
  }
}

pid_t Spawn(std::vector<std::string> words) {
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
  ::posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
  pid_t child = -1;
  const int failed =
      ::posix_spawnp(&child, arguments[0], &actions, nullptr, arguments.data(), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  if (failed != 0) throw std::runtime_error("cannot start " + words[0]);
  return child;
}

}  // namespace

std::string Tpm::ModulePath() {
  if (const char* given = std::getenv("ASSAY_TPM_MODULE")) return given;
  for (const char* place : {"/usr/lib/x86_64-linux-gnu/pkcs11/libtpm2_pkcs11.so",
                            "/usr/lib/aarch64-linux-gnu/pkcs11/libtpm2_pkcs11.so"}) {
    if (fs::exists(place)) return place;
  }
  return "libtpm2_pkcs11.so";
}

bool Tpm::Installed() {
  return fs::exists(ModulePath()) && OnPath("swtpm") && OnPath("pkcs11-tool");
}

Tpm::Tpm() {
  std::string name = (fs::temp_directory_path() / "assay-tpm-XXXXXX").string();
  if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("cannot make " + name);
  folder_ = name;
  fs::create_directory(folder_ / "state");
  fs::create_directory(folder_ / "store");
  WritePin(pin());
  ::setenv("TPM2_PKCS11_STORE", (folder_ / "store").c_str(), 1);
  ::setenv("TPM2_PKCS11_BACKEND", "esysdb", 1);
  ::setenv("TPM2_PKCS11_LOG_LEVEL", "0", 1);
  ::setenv("TSS2_LOG", "all+NONE", 1);
  Start();
  InitToken();
}

Tpm::~Tpm() {
  if (server_ > 0) {
    ::kill(server_, SIGTERM);
    ::waitpid(server_, nullptr, 0);
  }
  std::error_code ignored;
  fs::remove_all(folder_, ignored);
}

void Tpm::WritePin(const std::string& pin) {
  const std::string next = pin_file() + ".next";
  std::ofstream(next) << pin << "\n";
  ::chmod(next.c_str(), 0600);
  fs::rename(next, pin_file());
}

void Tpm::Start() {
  const int port = FreePorts();
  const std::string bind = ",bindaddr=127.0.0.1";
  server_ = Spawn({"swtpm", "socket", "--tpm2", "--tpmstate", "dir=" + (folder_ / "state").string(),
                   "--server", "type=tcp,port=" + std::to_string(port) + bind, "--ctrl",
                   "type=tcp,port=" + std::to_string(port + 1) + bind, "--flags",
                   "not-need-init,startup-clear"});
  ::setenv("TPM2_PKCS11_TCTI", ("swtpm:host=127.0.0.1,port=" + std::to_string(port)).c_str(), 1);
  // Only the control port is knocked at: a connection to the other one would be taken for the TPM's
  // user.
  while (!Answers(port + 1)) {
    if (::waitpid(server_, nullptr, WNOHANG) == server_) {
      server_ = -1;
      throw std::runtime_error("swtpm ended at once");
    }
    std::this_thread::yield();
  }
}

void Tpm::InitToken() {
  const std::string tool = "pkcs11-tool --module " + ModulePath();
  Run(tool + " --slot-index 0 --init-token --label assay --so-pin 87654321");
  Run(tool + " --token-label assay --login --login-type so --so-pin 87654321 --init-pin --pin " +
      pin());
}

pkcs11::Pkcs11Options Tpm::Options() const {
  pkcs11::Pkcs11Options options;
  options.module_path = ModulePath();
  options.token_label = "assay";
  options.pin_file = pin_file();
  options.sessions = 1;
  return options;
}

}  // namespace assay::test_support
