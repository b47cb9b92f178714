// The program assayd as a child process, its log and its metrics.
#pragma once

#include <sys/types.h>

#include <string>
#include <utility>
#include <vector>

namespace assay::chaos {

struct AssaydOptions {
  std::string name = "struck";  // of its configuration's file, for several in one folder
  std::string log_folder = {};  // empty: beside the configuration
  std::vector<std::pair<std::string, std::string>> environment = {};  // beside what is inherited
};

// Ends the child when it goes. Throws std::runtime_error where it does not serve.
class AssaydProcess {
 public:
  // `config`: the file's text, in which PORT and METRICS_PORT stand for free ports; written with
  // the log into `folder`.
  AssaydProcess(const std::string& program, const std::string& folder, std::string config,
                const AssaydOptions& options = {});
  ~AssaydProcess();
  AssaydProcess(const AssaydProcess&) = delete;
  AssaydProcess& operator=(const AssaydProcess&) = delete;

  int port() const { return port_; }
  pid_t pid() const { return child_; }
  // Still the process that was started.
  bool Alive() const;
  // The body of GET `path` on the metrics port; empty where it does not answer.
  std::string Get(const std::string& path) const;
  bool Ready() const { return Get("/readyz").find("200") != std::string::npos; }
  // The sum of the samples of the metric whose labels hold `label`; 0 where there is none.
  double Sum(const std::string& metric, const std::string& label = "") const;
  // Lines of the log that hold both.
  int LogLines(const std::string& first, const std::string& second) const;

 private:
  std::string log_;
  pid_t child_ = -1;
  int port_ = 0, metrics_port_ = 0;
};

}  // namespace assay::chaos
