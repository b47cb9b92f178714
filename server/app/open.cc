#include "server/app/open.h"

#include <cstdlib>
#include <utility>

namespace assay::app {

absl::StatusOr<std::shared_ptr<hsm::Token>> OpenToken(const ops::HsmConfig& config,
                                                      OnFault on_fault) {
  pkcs11::Pkcs11Options options;
  options.module_path = config.module;
  options.token_label = config.token_label;
  options.token_serial = config.token_serial;
  options.pin_file = config.pin_file;
  options.sessions = config.sessions;
  options.on_fault = std::move(on_fault);
  if (!config.pin_env.empty()) {
    const char* pin = std::getenv(config.pin_env.c_str());
    if (pin != nullptr) options.pin = SecretBytes::CopyOf(AsBytes(pin));
  }
  return pkcs11::OpenPkcs11Token(std::move(options));
}

pg::PgOptions StoreOptions(const ops::DatabaseConfig& config) {
  pg::PgOptions options;
  options.dsn = config.dsn;
  options.password_file = config.password_file;
  options.pool_size = config.pool;
  options.connect_timeout = std::chrono::ceil<std::chrono::seconds>(config.connect_timeout);
  options.statement_timeout = config.statement_timeout;
  options.call_timeout = config.call_timeout;
  options.pool_timeout = config.pool_timeout;
  if (!config.password_env.empty()) {
    const char* password = std::getenv(config.password_env.c_str());
    if (password != nullptr) setenv("PGPASSWORD", password, 1);
  }
  return options;
}

}  // namespace assay::app
