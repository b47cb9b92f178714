// The lists for the world: GET /crl/<issuer>/<part>.crl, DER, with what caches need to know.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "base/clock.h"
#include "server/revoke/crl_press.h"

namespace assay::ops {

// Public by nature: holds no secret, changes nothing, signs nothing; GET and HEAD only, two
// threads.
class CrlServer {
 public:
  // "host:port"; port 0 takes a free one. FIELD_NOT_ALLOWED where it cannot be listened on. `press`
  // and `clock` must outlive the object.
  static absl::StatusOr<std::unique_ptr<CrlServer>> Start(const std::string& listen,
                                                          revoke::CrlPress& press,
                                                          const Clock& clock);
  ~CrlServer();
  int port() const;

 private:
  class Impl;
  explicit CrlServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace assay::ops
