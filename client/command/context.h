// What every command is given: where to write, whom to call, and as whom.
#pragma once

#include <chrono>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "base/clock.h"
#include "base/random.h"
#include "client/connection.h"
#include "google/protobuf/message.h"

namespace assay::client {

struct GlobalOptions {
  std::string profile;  // empty: searched for
  std::string role;     // --as; empty: the command's own
  bool json = false;
  bool quiet = false;
  std::optional<uint64_t> patience_seconds;  // absent: the command's own
};

class Context {
 public:
  Context(GlobalOptions options, std::FILE* out, std::FILE* err)
      : options_(std::move(options)), out_(out), err_(err) {}

  const GlobalOptions& options() const { return options_; }
  bool json() const { return options_.json; }
  // Progress and remarks; null when quiet.
  std::FILE* remarks() const { return options_.quiet ? nullptr : err_; }
  Random& random() { return random_; }
  const Clock& clock() const { return clock_; }

  void Print(const std::string& text);   // results, standard output
  void Remark(const std::string& text);  // a line for people, standard error
  // As JSON or as indented text.
  void PrintMessage(const google::protobuf::Message& message);

  absl::StatusOr<Profile> LoadProfile() const;
  // As --as says, or as `role`.
  absl::StatusOr<std::shared_ptr<Connection>> Connect(const std::string& role,
                                                      CallPatience patience = {}) const;

 private:
  GlobalOptions options_;
  std::FILE* out_;
  std::FILE* err_;
  SystemRandom random_;
  SystemClock clock_;
};

}  // namespace assay::client
