#include "server/app/open.h"

#include <cstdlib>
#include <map>
#include <mutex>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/refusal.h"
#include "db/pg/pg_store.h"

namespace assay::app {

namespace {

absl::StatusOr<std::shared_ptr<hsm::Token>> OpenPlace(const ops::TokenPlace& place, int sessions,
                                                      OnFault on_fault) {
  pkcs11::Pkcs11Options options;
  options.module_path = place.module;
  options.token_label = place.token_label;
  options.token_serial = place.token_serial;
  options.pin_file = place.pin_file;
  options.sessions = sessions;
  options.on_fault = std::move(on_fault);
  if (!place.pin_env.empty()) {
    const char* pin = std::getenv(place.pin_env.c_str());
    if (pin != nullptr) options.pin = SecretBytes::CopyOf(AsBytes(pin));
  }
  return pkcs11::OpenPkcs11Token(std::move(options));
}

}  // namespace

absl::StatusOr<OpenedToken> OpenTokens(const ops::HsmConfig& config, const OnFault& on_fault) {
  const ops::TokenPlace first{config.module, config.token_label, config.token_serial,
                              config.pin_file, config.pin_env};
  auto token = OpenPlace(first, config.sessions, on_fault);
  if (!token.ok()) return token.status();
  if (config.failover.empty()) return OpenedToken{*std::move(token), nullptr};
  std::vector<std::shared_ptr<hsm::Token>> members = {*std::move(token)};
  for (size_t i = 0; i < config.failover.size(); ++i) {
    auto further = OpenPlace(config.failover[i], config.sessions, on_fault);
    if (!further.ok()) return Within(absl::StrCat("failover[", i, "]"), further.status());
    members.push_back(*std::move(further));
  }
  auto all = std::make_shared<hsm::FailoverToken>(std::move(members));
  return OpenedToken{all, all};
}

absl::StatusOr<std::shared_ptr<hsm::Token>> OpenToken(const ops::HsmConfig& config,
                                                      OnFault on_fault) {
  auto opened = OpenTokens(config, on_fault);
  if (!opened.ok()) return opened.status();
  return std::move(opened->token);
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
  // All stores of a process share its connections. These go with the last store, so that a daemon
  // that is begun anew begins with new ones.
  static std::mutex mutex;
  static std::map<std::string, std::weak_ptr<pg::Pool>> pools;
  const std::lock_guard lock(mutex);
  std::weak_ptr<pg::Pool>& shared =
      pools[absl::StrCat(options.dsn, "\n", options.password_file, "\n", options.pool_size)];
  options.pool = shared.lock();
  if (options.pool == nullptr) {
    options = pg::SharePool(std::move(options));
    shared = options.pool;
  }
  return options;
}

}  // namespace assay::app
