#include "tests/support/tcp_gate.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace assay::test_support {
namespace {

bool WriteAll(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return false;
    bytes.remove_prefix(static_cast<size_t>(sent));
  }
  return true;
}

}  // namespace

struct TcpGate::Link {
  int client = -1;
  int server = -1;
  bool swallow = false;  // the next answer is lost, and the connection with it
  bool stalled = false;
  void Cut() const {
    ::shutdown(client, SHUT_RDWR);
    ::shutdown(server, SHUT_RDWR);
  }
  ~Link() {
    ::close(client);
    ::close(server);
  }
};

TcpGate::TcpGate(std::string unix_socket) : unix_socket_(std::move(unix_socket)) {
  listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  if (listener_ < 0 || ::bind(listener_, reinterpret_cast<sockaddr*>(&address), size) != 0 ||
      ::listen(listener_, 64) != 0 ||
      ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    std::perror("TcpGate");
    std::abort();
  }
  port_ = ntohs(address.sin_port);
  acceptor_ = std::thread([this] { Accept(); });
}

TcpGate::~TcpGate() {
  ending_ = true;
  ::shutdown(listener_, SHUT_RDWR);
  acceptor_.join();
  Resume();
  CutAll();
  for (std::thread& thread : threads_) thread.join();
  ::close(listener_);
}

void TcpGate::When(const std::string& text, Act act) {
  const std::lock_guard lock(mutex_);
  awaited_ = text;
  act_ = act;
  happened_ = false;
}

bool TcpGate::Happened() const {
  const std::lock_guard lock(mutex_);
  return happened_;
}

void TcpGate::CutAll() {
  const std::lock_guard lock(mutex_);
  for (const auto& link : links_) link->Cut();
  links_.clear();
}

void TcpGate::Stall() {
  const std::lock_guard lock(mutex_);
  stalled_ = true;
}

void TcpGate::Resume() {
  {
    const std::lock_guard lock(mutex_);
    stalled_ = false;
    for (const auto& link : links_) link->stalled = false;
  }
  resumed_.notify_all();
}

void TcpGate::CutAfterBytes(int64_t bytes) {
  const std::lock_guard lock(mutex_);
  bytes_left_ = bytes;
  happened_ = false;
}

void TcpGate::Accept() {
  while (!ending_) {
    const int client = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (client < 0) continue;
    auto link = std::make_shared<Link>();
    link->client = client;
    link->server = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, unix_socket_.c_str(), sizeof address.sun_path - 1);
    // Where the server is down the link's end is the client's answer.
    if (::connect(link->server, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0)
      continue;
    const std::lock_guard lock(mutex_);
    links_.push_back(link);
    threads_.emplace_back([this, link] { Carry(link); });
  }
}

void TcpGate::Carry(const std::shared_ptr<Link>& link) {
  char buffer[65536];
  for (;;) {
    {
      std::unique_lock lock(mutex_);
      resumed_.wait(lock, [&] { return ending_ || (!stalled_ && !link->stalled); });
    }
    pollfd ends[] = {{link->client, POLLIN, 0}, {link->server, POLLIN, 0}};
    if (::poll(ends, 2, -1) <= 0) break;
    {
      // What arrived while the gate was stalled waits.
      const std::lock_guard lock(mutex_);
      if (!ending_ && (stalled_ || link->stalled)) continue;
    }
    if (ends[0].revents != 0) {
      const ssize_t size = ::recv(link->client, buffer, sizeof buffer, 0);
      if (size <= 0 || !PassToServer(*link, {buffer, static_cast<size_t>(size)})) break;
    }
    if (ends[1].revents != 0) {
      const ssize_t size = ::recv(link->server, buffer, sizeof buffer, 0);
      if (size <= 0 || link->swallow) break;
      if (!WriteAll(link->client, {buffer, static_cast<size_t>(size)})) break;
    }
  }
  link->Cut();
}

bool TcpGate::PassToServer(Link& link, std::string_view bytes) {
  Act act = Act::kCutBefore;
  bool now = false;
  {
    const std::lock_guard lock(mutex_);
    if (bytes_left_ >= 0) {
      const auto pass = static_cast<size_t>(bytes_left_);
      if (bytes.size() > pass) {
        bytes_left_ = -1;
        happened_ = true;
        (void)WriteAll(link.server, bytes.substr(0, pass));
        return false;
      }
      bytes_left_ -= static_cast<int64_t>(bytes.size());
    }
    if (!awaited_.empty() && bytes.find(awaited_) != std::string_view::npos) {
      awaited_.clear();
      act = act_;
      now = true;
      happened_ = true;
    }
  }
  if (now && act == Act::kCutBefore) return false;
  if (!WriteAll(link.server, bytes)) return false;
  if (!now) return true;
  if (act == Act::kCutAfter) return false;
  if (act == Act::kSwallowReply) link.swallow = true;
  if (act == Act::kStall) {
    const std::lock_guard lock(mutex_);
    link.stalled = true;
  }
  return true;
}

}  // namespace assay::test_support
