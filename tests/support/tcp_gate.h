// A gate on the way to a server: passes bytes, or cuts, stalls and swallows them at a wanted
// moment.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace assay::test_support {

// Listens on a loopback port of its own and forwards to a unix socket, or to a loopback port
// (":4711"). Thread-safe. Ends the program when it cannot listen.
class TcpGate {
 public:
  explicit TcpGate(std::string target);
  ~TcpGate();
  TcpGate(const TcpGate&) = delete;
  TcpGate& operator=(const TcpGate&) = delete;

  int port() const { return port_; }

  enum class Act {
    kCutBefore,     // the bytes never reach the server
    kCutAfter,      // the bytes reach the server, the connection is cut at once
    kSwallowReply,  // the server answers, then the connection is cut: the answer is lost
    kStall,         // the bytes reach the server, nothing passes any more; the connection stays
  };
  // Once, when a client sends something that holds `text`.
  void When(const std::string& text, Act act);
  // True when the awaited moment has come.
  bool Happened() const;

  // Every connection there is.
  void CutAll();
  // Nothing passes on any connection, old or new, until Resume.
  void Stall();
  void Resume();
  // From now on bytes pass in pieces of `slice` at most (0: as they come), each after `pause`.
  void Shape(size_t slice, std::chrono::microseconds pause);
  // New connections go there; those that are stay.
  void LeadTo(std::string target);
  // Connections that are open.
  size_t Open() const;
  // The connection that sends the most is cut after that many more bytes from its client; once.
  void CutAfterBytes(int64_t bytes);

 private:
  struct Link;
  void Accept();
  void Carry(const std::shared_ptr<Link>& link);
  // What is to be done with the bytes a client sent.
  bool PassToServer(Link& link, std::string_view bytes);
  bool Write(int fd, std::string_view bytes);

  std::string target_;
  size_t slice_ = 0;
  std::chrono::microseconds pause_{0};
  int listener_ = -1;
  int port_ = 0;
  std::atomic<bool> ending_{false};
  mutable std::mutex mutex_;
  std::condition_variable resumed_;
  bool stalled_ = false;
  std::string awaited_;
  Act act_ = Act::kCutBefore;
  bool happened_ = false;
  int64_t bytes_left_ = -1;
  std::vector<std::shared_ptr<Link>> links_;
  std::vector<std::thread> threads_;
  std::thread acceptor_;
};

}  // namespace assay::test_support
