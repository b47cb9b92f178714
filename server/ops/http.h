// The plain HTTP side for machines that watch: /metrics, /livez, /readyz. Loopback unless
// configured otherwise.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"

namespace assay::ops {

struct HttpPages {
  std::function<std::string()> metrics;
  // Readiness and, for people, why not.
  std::function<bool(std::string& why)> ready;
};

// Holds no secret and changes nothing: GET only.
class HttpServer {
 public:
  // "host:port"; port 0 takes a free one. FIELD_NOT_ALLOWED where it cannot be listened on.
  static absl::StatusOr<std::unique_ptr<HttpServer>> Start(const std::string& listen,
                                                           HttpPages pages);
  ~HttpServer();
  int port() const;

 private:
  class Impl;
  explicit HttpServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace assay::ops
