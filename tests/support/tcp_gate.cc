#include "tests/support/tcp_gate.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
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

// Of a unix socket's path, or of ":port"; -1 where nobody listens.
int Connect(const std::string& target) {
  const bool tcp = target.starts_with(':');
  const int fd = ::socket(tcp ? AF_INET : AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un path{};
  path.sun_family = AF_UNIX;
  std::strncpy(path.sun_path, target.c_str(), sizeof path.sun_path - 1);
  sockaddr_in port{};
  port.sin_family = AF_INET;
  port.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  port.sin_port = htons(static_cast<uint16_t>(tcp ? std::atoi(target.c_str() + 1) : 0));
  const int connected = tcp ? ::connect(fd, reinterpret_cast<sockaddr*>(&port), sizeof port)
                            : ::connect(fd, reinterpret_cast<sockaddr*>(&path), sizeof path);
  if (connected == 0) return fd;
  ::close(fd);
  return -1;
}

}  // namespace

struct TcpGate::Link {
  int client = -1;
  int server = -1;
  bool swallow = false;  // the next answer is lost, and the connection with it
  bool stalled = false;
  std::atomic<bool> ended{false};
  void Cut() const {
    ::shutdown(client, SHUT_RDWR);
    ::shutdown(server, SHUT_RDWR);
  }
  ~Link() {
    ::close(client);
    ::close(server);
  }
};

TcpGate::TcpGate(std::string target) : target_(std::move(target)) {
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
    // Slices would wait for one another.
    const int at_once = 1;
    ::setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &at_once, sizeof at_once);
    auto link = std::make_shared<Link>();
    link->client = client;
    std::string target;
    {
      const std::lock_guard lock(mutex_);
      target = target_;
    }
    link->server = Connect(target);
    // Where the server is down the link's end is the client's answer.
    if (link->server < 0) continue;
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
      if (!Write(link->client, {buffer, static_cast<size_t>(size)})) break;
    }
  }
  link->ended = true;
  link->Cut();
}

void TcpGate::Shape(size_t slice, std::chrono::microseconds pause) {
  const std::lock_guard lock(mutex_);
  slice_ = slice;
  pause_ = pause;
}

void TcpGate::LeadTo(std::string target) {
  const std::lock_guard lock(mutex_);
  target_ = std::move(target);
}

size_t TcpGate::Open() const {
  const std::lock_guard lock(mutex_);
  size_t open = 0;
  for (const auto& link : links_) open += link->ended ? 0 : 1;
  return open;
}

bool TcpGate::Write(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    size_t slice = 0;
    std::chrono::microseconds pause{0};
    {
      const std::lock_guard lock(mutex_);
      slice = slice_ == 0 ? bytes.size() : std::min(slice_, bytes.size());
      pause = pause_;
    }
    if (ending_) return false;
    if (pause.count() > 0) std::this_thread::sleep_for(pause);
    if (!WriteAll(fd, bytes.substr(0, slice))) return false;
    bytes.remove_prefix(slice);
  }
  return true;
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
  if (!Write(link.server, bytes)) return false;
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
