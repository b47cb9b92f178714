// assayd's configuration: one YAML file, checked whole.
#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/bytes.h"
#include "base/log.h"
#include "server/access/grants.h"
#include "server/issue/fair_gate.h"
#include "server/rpc/front_desk.h"
#include "server/rpc/tls.h"

namespace assay::ops {

// A token and how to open it.
struct TokenPlace {
  std::string module;
  std::string token_label, token_serial;  // at least one
  std::string pin_file, pin_env;          // exactly one
};

struct HsmConfig {
  std::string module;
  std::string token_label, token_serial;  // at least one
  std::string pin_file, pin_env;          // exactly one
  std::vector<TokenPlace> failover;       // further tokens with the same keys, in order
  int signer_threads = 1;
  int sessions = 16;
  std::string image_key = "assay-image";
  std::string wrapping_key = "assay-wrapping";
  std::string ledger_key = "assay-ledger";
  std::string image_certificate_file;
  Bytes image_certificate;       // DER
  bool delegate_images = false;  // image_signing: delegated
};

struct DatabaseConfig {
  std::string dsn;                          // without a password
  std::string password_file, password_env;  // at most one
  int pool = 8;
  std::chrono::milliseconds connect_timeout{3000};
  std::chrono::milliseconds statement_timeout{5000};
  std::chrono::milliseconds call_timeout{10000};
  std::chrono::milliseconds pool_timeout{5000};
  bool compact_identities = false;
};

struct TrustConfig {
  std::vector<Bytes> paas;        // DER
  std::vector<Bytes> cd_signers;  // DER
};

struct SandboxConfig {
  std::string paa_key = "assay-sandbox-paa";
  std::string paa_certificate_file;
  Bytes paa_certificate;  // DER
  std::string cd_key = "assay-sandbox-cd";
  std::string cd_certificate_file;
  Bytes cd_certificate;  // DER
};

struct RevocationConfig {
  // Where the world finds <base_url>/crl/<issuer>/<part>.crl; empty: the lists name no URL.
  std::string base_url;
  std::string listen = "off";  // where this replica serves them, over plain HTTP
  int next_update_days = 7;    // signed anew after half of it
};

// Acts that need a second person.
struct ApprovalConfig {
  bool required = false;
  std::chrono::milliseconds lifetime{std::chrono::hours(24)};  // of a proposal
};

struct LimitsConfig {
  int max_in_flight = 1024;
  int crypto_threads = 2;
  int store_threads = 2;
  int max_batch = 64;
  int call_threads = 4;  // for calls that are not issuing
  int call_queue = 256;
  int max_active = 256;    // of max_in_flight, worked on at a time
  issue::FairLimits fair;  // line_rate, line_burst, line_in_flight, lot_in_flight
  int reserve = 0;         // verifiers, and as many keys, made ahead; 0 for none
  rpc::CallLimits calls;   // default_deadline, least_deadline, stream_in_flight
  std::chrono::milliseconds lease{30'000};
  std::chrono::milliseconds drain{20'000};  // SIGTERM to the end, at most
  std::chrono::milliseconds drain_delay{
      0};  // not ready, but still serving, for balancers to notice
  std::chrono::milliseconds health_interval{5000};
};

struct Config {
  bool production = false;
  std::string listen;
  rpc::TlsFiles tls;
  std::string metrics_listen = "127.0.0.1:9464";  // "off" for none
  HsmConfig hsm;
  DatabaseConfig database;
  std::vector<access::Grant> grants;
  TrustConfig trust;
  SandboxConfig sandbox;  // used in sandbox mode only
  RevocationConfig revocation;
  ApprovalConfig approval;
  LimitsConfig limits;
  LogLevel log_level = LogLevel::kInfo;
  // The parts that only a restart changes, as text, for Reload to compare.
  std::string fixed_parts;
};

// What the file is read for: files and certificates not needed for it may be missing.
enum class ConfigUse {
  kServe,    // everything
  kSandbox,  // the token; the sandbox's own certificates may be missing
  kMigrate,  // the database
};

// What only the leaves know, asked of a value that is otherwise good; the answer's message is the
// problem. Absent ones are not asked.
struct ConfigProbes {
  std::function<absl::Status(const std::string& path)> module;
  std::function<absl::Status(const std::string& dsn)> dsn;
};

// Every problem at once, one a line, each beginning with the key's path ("tls.key: ...");
// FIELD_MALFORMED. File names are relative to the folder of the configuration file. `now` judges
// certificates' dates.
absl::StatusOr<Config> LoadConfig(const std::string& path, ConfigUse use, absl::Time now,
                                  const ConfigProbes& probes = {});

// The path of every key there is, in order: "database.pool", "grants[].identity".
std::vector<std::string> ConfigKeys();

// A PIN or password out of a file only its owner (and group, reading) may touch, or out of the
// environment.
absl::Status CheckSecretFile(const std::string& path);

}  // namespace assay::ops
