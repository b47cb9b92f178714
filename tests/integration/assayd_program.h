// assayd as a program of its own, with what it prints.
#pragma once

#include <sys/types.h>

#include <cstdio>
#include <optional>
#include <string>

namespace assay::integration {

struct Ended {
  int code = -1;
  std::string output;
};

// Runs it to its end; `arguments` as a shell takes them.
Ended RunAssayd(const std::string& arguments);

// Serving, until destroyed.
class RunningAssayd {
 public:
  explicit RunningAssayd(const std::string& config);
  // Ends it in order: SoftHSM writes into its token at a login, and a kill in the middle of it
  // costs the token.
  ~RunningAssayd();
  RunningAssayd(const RunningAssayd&) = delete;
  RunningAssayd& operator=(const RunningAssayd&) = delete;

  void Send(int signal) const;
  // The first line of the log from here on that holds `text`; all that came instead where it ended
  // before.
  std::string Logged(const std::string& text);
  bool LoggedEvent(const std::string& event);
  // Its exit code, once it ends; nothing where a signal ended it.
  std::optional<int> ExitCode();

 private:
  pid_t child_ = -1;  // -1: has ended and was waited for
  FILE* log_ = nullptr;
};

}  // namespace assay::integration
