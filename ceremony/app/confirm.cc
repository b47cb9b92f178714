#include "ceremony/app/confirm.h"

#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <iostream>

#include "absl/strings/ascii.h"
#include "base/refusal.h"

namespace assay::ceremony {
namespace {

absl::Status NotConfirmed(const std::string& name) {
  return RefuseField(Reason::SECOND_PERSON_REQUIRED, "operators", name,
                     "every operator must confirm: type the name at a terminal, or give --yes and "
                     "--operator for each");
}

// No echo while it lives.
class Silence {
 public:
  Silence() {
    good_ = tcgetattr(STDIN_FILENO, &before_) == 0;
    termios silent = before_;
    silent.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    if (good_) tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent);
  }
  ~Silence() {
    if (good_) tcsetattr(STDIN_FILENO, TCSAFLUSH, &before_);
  }
  Silence(const Silence&) = delete;
  Silence& operator=(const Silence&) = delete;

 private:
  termios before_{};
  bool good_ = false;
};

}  // namespace

absl::StatusOr<std::vector<Confirmation>> AskOperators(const Plan& plan, bool yes,
                                                       const std::vector<std::string>& named,
                                                       const Clock& clock) {
  std::vector<Confirmation> confirmed;
  if (yes) {
    for (const std::string& name : named) confirmed.push_back({name, "by --yes", clock.Now()});
    return confirmed;
  }
  const bool terminal = isatty(STDIN_FILENO) != 0;
  for (const std::string& name : plan.operators) {
    if (!terminal) return NotConfirmed(name);
    std::cerr << name << ", type your name to confirm that you have read the file and are here: "
              << std::flush;
    std::string typed;
    if (!std::getline(std::cin, typed) || absl::StripAsciiWhitespace(typed) != name) {
      return NotConfirmed(name);
    }
    confirmed.push_back({name, "at the terminal", clock.Now()});
  }
  return confirmed;
}

absl::StatusOr<SecretBytes> AskPin(const std::string& token) {
  if (isatty(STDIN_FILENO) == 0) {
    return RefuseField(Reason::FIELD_REQUIRED, "token.pin_file", "",
                       "the file names no PIN, and there is no terminal to ask at");
  }
  std::cerr << "PIN of token " << token << ": " << std::flush;
  Bytes typed;
  typed.reserve(512);  // grown, it would leave copies behind
  {
    const Silence silence;
    char letter = 0;
    while (typed.size() < 512 && read(STDIN_FILENO, &letter, 1) == 1 && letter != '\n') {
      typed.push_back(static_cast<uint8_t>(letter));
    }
  }
  std::cerr << "\n";
  if (typed.empty()) {
    return RefuseField(Reason::FIELD_REQUIRED, "pin", "", "no PIN was typed");
  }
  return SecretBytes(std::move(typed));
}

}  // namespace assay::ceremony
