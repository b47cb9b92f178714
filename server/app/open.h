// From configuration to the leaves' own options.
#pragma once

#include <functional>

#include "db/pg/pg_options.h"
#include "hsm/pkcs11/pkcs11_token.h"
#include "server/ops/config.h"

namespace assay::app {

using OnFault = std::function<void(const pkcs11::Pkcs11Fault&)>;

absl::StatusOr<std::shared_ptr<hsm::Token>> OpenToken(const ops::HsmConfig& config,
                                                      OnFault on_fault = {});

// A password from the environment is handed to libpq as PGPASSWORD: call it before threads are
// started.
pg::PgOptions StoreOptions(const ops::DatabaseConfig& config);

}  // namespace assay::app
