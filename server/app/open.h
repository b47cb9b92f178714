// From configuration to the leaves' own options.
#pragma once

#include <functional>
#include <memory>

#include "db/pg/pg_options.h"
#include "hsm/failover_token.h"
#include "hsm/pkcs11/pkcs11_token.h"
#include "server/ops/config.h"

namespace assay::app {

using OnFault = std::function<void(const pkcs11::Pkcs11Fault&)>;

// The configured token, and the same as what switches between several; null where there is one.
struct OpenedToken {
  std::shared_ptr<hsm::Token> token;
  std::shared_ptr<hsm::FailoverToken> failover;
};
absl::StatusOr<OpenedToken> OpenTokens(const ops::HsmConfig& config, const OnFault& on_fault = {});

absl::StatusOr<std::shared_ptr<hsm::Token>> OpenToken(const ops::HsmConfig& config,
                                                      OnFault on_fault = {});

// A password from the environment is handed to libpq as PGPASSWORD: call it before threads are
// started.
pg::PgOptions StoreOptions(const ops::DatabaseConfig& config);

}  // namespace assay::app
