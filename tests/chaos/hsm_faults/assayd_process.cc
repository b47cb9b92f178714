#include "tests/chaos/hsm_faults/assayd_process.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <thread>

namespace assay::chaos {
namespace {

sockaddr_in Loopback(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

// One nobody listens on now.
int FreePort() {
  const int link = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address = Loopback(0);
  socklen_t size = sizeof address;
  if (bind(link, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 ||
      getsockname(link, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    throw std::runtime_error("no free port");
  }
  close(link);
  return ntohs(address.sin_port);
}

void Replace(std::string& text, const std::string& from, const std::string& to) {
  for (size_t at; (at = text.find(from)) != std::string::npos;) text.replace(at, from.size(), to);
}

}  // namespace

AssaydProcess::AssaydProcess(const std::string& program, const std::string& folder,
                             std::string config, const AssaydOptions& options)
    : log_((options.log_folder.empty() ? folder : options.log_folder) + "/" + options.name +
           ".log"),
      port_(FreePort()),
      metrics_port_(FreePort()) {
  Replace(config, "METRICS_PORT", std::to_string(metrics_port_));
  Replace(config, "PORT", std::to_string(port_));
  const std::string path = folder + "/" + options.name + ".yaml";
  std::ofstream(path) << config;
  child_ = fork();
  if (child_ == 0) {
    const int log = open(log_.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    dup2(log, STDERR_FILENO);
    for (const auto& [name, value] : options.environment) setenv(name.c_str(), value.c_str(), 1);
    execl(program.c_str(), program.c_str(), "--config", path.c_str(), nullptr);
    _exit(127);
  }
  while (!Ready()) {
    if (!Alive()) throw std::runtime_error("assayd ended; its log is " + log_);
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
}

AssaydProcess::~AssaydProcess() {
  kill(child_, SIGTERM);
  waitpid(child_, nullptr, 0);
}

bool AssaydProcess::Alive() const {
  siginfo_t ended{};
  return waitid(P_PID, static_cast<id_t>(child_), &ended, WEXITED | WNOHANG | WNOWAIT) == 0 &&
         ended.si_pid == 0;
}

std::string AssaydProcess::Get(const std::string& path) const {
  const int link = socket(AF_INET, SOCK_STREAM, 0);
  const sockaddr_in address = Loopback(metrics_port_);
  std::string answer;
  if (connect(link, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) {
    const std::string request = "GET " + path + " HTTP/1.0\r\n\r\n";
    if (write(link, request.data(), request.size()) == static_cast<ssize_t>(request.size())) {
      char buffer[8192];
      for (ssize_t n; (n = read(link, buffer, sizeof buffer)) > 0;) {
        answer.append(buffer, static_cast<size_t>(n));
      }
    }
  }
  close(link);
  return answer;
}

double AssaydProcess::Sum(const std::string& metric, const std::string& label) const {
  std::istringstream text(Get("/metrics"));
  std::string line;
  double sum = 0;
  while (std::getline(text, line)) {
    const bool named = line.starts_with(metric + "{") || line.starts_with(metric + " ");
    if (!named || line.find(label) == std::string::npos) continue;
    sum += std::strtod(line.substr(line.rfind(' ') + 1).c_str(), nullptr);
  }
  return sum;
}

int AssaydProcess::LogLines(const std::string& first, const std::string& second) const {
  std::ifstream text(log_);
  std::string line;
  int lines = 0;
  while (std::getline(text, line)) {
    if (line.find(first) != std::string::npos && line.find(second) != std::string::npos) ++lines;
  }
  return lines;
}

}  // namespace assay::chaos
