#include "server/ops/config.h"

#include <cstdlib>
#include <filesystem>
#include <map>
#include <regex>
#include <thread>

#include "absl/algorithm/container.h"
#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/refusal.h"
#include "base/yaml/yaml_reader.h"
#include "server/ops/config_files.h"

namespace assay::ops {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;

// "password=x", "password = x", "sslpassword=x", or "//user:x@host".
bool HoldsPassword(const std::string& dsn) {
  static const std::regex forms("password\\s*=|://[^/?]*:[^/?@]*@");
  return std::regex_search(dsn, forms);
}

// Empty where `text` is host:port (0: any free one).
std::string AddressProblem(const std::string& text) {
  const size_t colon = text.rfind(':');
  if (colon == std::string::npos) return "must be host:port";
  int port = 0;
  const std::string digits = text.substr(colon + 1);
  const bool number = absl::c_all_of(digits, absl::ascii_isdigit);
  if (!number || !absl::SimpleAtoi(digits, &port) || port > 65535) {
    return absl::StrCat("the port must be a number of 0 to 65535 (got \"", digits, "\")");
  }
  return "";
}

// Reads one file's worth of sections; each Read... notes its problems and goes on.
class ConfigFile {
 public:
  ConfigFile(const std::string& path, ConfigUse use, absl::Time now, const ConfigProbes& probes,
             Problems& problems)
      : path_(path), use_(use), now_(now), probes_(probes), problems_(problems) {}

  Config Read(const YAML::Node& document) {
    Section top(document, "", problems_);
    ReadMode(top);
    config_.listen = top.Text("listen");
    if (!config_.listen.empty()) CheckAddress(top, config_.listen);
    ReadTlsSection(top.Sub("tls", true));
    ReadMetrics(top.Sub("metrics", false));
    ReadHsm(top.Sub("hsm", true));
    ReadDatabase(top.Sub("database", true));
    ReadGrants(top);
    ReadTrust(top.Sub("trust", false));
    ReadSandbox(top);
    ReadRevocation(top.Sub("revocation", false));
    ReadApproval(top.Sub("approval", false));
    ReadLimits(top.Sub("limits", false));
    ReadLog(top.Sub("log", false));
    top.Finish();
    return std::move(config_);
  }

 private:
  bool Serving() const { return use_ == ConfigUse::kServe; }

  static void CheckAddress(Section& section, const std::string& address) {
    if (const std::string problem = AddressProblem(address); !problem.empty()) {
      section.Complain("listen", problem);
    }
  }

  void ReadMode(Section& top) {
    const std::string mode = top.Text("mode");
    config_.production = mode == "production";
    if (!mode.empty() && mode != "production" && mode != "sandbox") {
      top.Complain("mode", "must be sandbox or production");
    }
  }

  std::string FileName(Section& section, const std::string& key, bool required) {
    return Beside(path_, required ? section.Text(key) : section.Text(key, ""));
  }

  void ReadTlsSection(Section section) {
    config_.tls = {FileName(section, "certificate", true), FileName(section, "key", true),
                   FileName(section, "client_ca", true)};
    section.Finish();
    if (!Serving() || config_.tls.certificate.empty() || config_.tls.key.empty() ||
        config_.tls.client_ca.empty()) {
      return;
    }
    const auto state = rpc::ReadTls(config_.tls, now_);
    if (!state.ok()) problems_.push_back(absl::StrCat("tls.", state.status().message()));
  }

  void ReadMetrics(Section section) {
    config_.metrics_listen = section.Text("listen", config_.metrics_listen);
    if (config_.metrics_listen != "off") CheckAddress(section, config_.metrics_listen);
    section.Finish();
  }

  void ReadRevocation(Section section) {
    RevocationConfig& revocation = config_.revocation;
    revocation.base_url = section.Text("base_url", "");
    while (revocation.base_url.ends_with('/')) revocation.base_url.pop_back();
    if (!revocation.base_url.empty() && !revocation.base_url.starts_with("http://") &&
        !revocation.base_url.starts_with("https://")) {
      section.Complain("base_url", "must begin with http:// or https://");
    }
    if (revocation.base_url.size() > 180) {
      section.Complain("base_url", "must leave room in the ledger's 256 bytes: 180 at most");
    }
    revocation.listen = section.Text("listen", revocation.listen);
    if (revocation.listen != "off") CheckAddress(section, revocation.listen);
    revocation.next_update_days =
        static_cast<int>(section.Integer("next_update_days", revocation.next_update_days, 1, 90));
    section.Finish();
  }

  // A secret comes from a file or from a variable of the environment, never from this file.
  void ReadSecretSource(Section& section, const std::string& name, bool required, bool needed,
                        std::string& file, std::string& variable) {
    file = FileName(section, name + "_file", false);
    variable = section.Text(name + "_env", "");
    if (!file.empty() && !variable.empty()) {
      section.Complain(name + "_env",
                       absl::StrCat("give either ", name, "_file or ", name, "_env"));
    }
    if (file.empty() && variable.empty() && required) {
      section.Complain(name + "_file", absl::StrCat("is missing; give it or ", name, "_env"));
    }
    if (!needed) return;
    if (!file.empty()) {
      if (const absl::Status status = CheckSecretFile(file); !status.ok()) {
        section.Complain(name + "_file", absl::StrCat(RefusalOf(status)->rule, ": ", file));
      }
    }
    if (!variable.empty() && std::getenv(variable.c_str()) == nullptr) {
      section.Complain(name + "_env", absl::StrCat("the variable ", variable, " is not set"));
    }
  }

  Bytes ReadCertificate(Section& section, const std::string& key, const std::string& file,
                        bool needed) {
    if (!needed || file.empty()) return {};
    const auto certificate = ReadCertificateFile(file);
    if (!certificate.ok()) {
      section.Complain(key, absl::StrCat(RefusalOf(certificate.status())->rule, ": ", file));
      return {};
    }
    return ToBytes(certificate->der());
  }

  TokenPlace ReadTokenPlace(Section& section, bool needed) {
    TokenPlace place;
    place.module = section.Text("module");
    if (place.module.find('/') != std::string::npos) place.module = Beside(path_, place.module);
    std::error_code unreachable;
    if (needed && place.module.find('/') != std::string::npos &&
        !std::filesystem::exists(place.module, unreachable)) {
      section.Complain("module", absl::StrCat("the file cannot be read: ", place.module));
    } else if (needed && !place.module.empty() && probes_.module) {
      const absl::Status module = probes_.module(place.module);
      if (!module.ok()) section.Complain("module", std::string(module.message()));
    }
    place.token_label = section.Text("token_label", "");
    place.token_serial = section.Text("token_serial", "");
    if (place.token_label.empty() && place.token_serial.empty()) {
      section.Complain("token_label", "is missing; give it or token_serial");
    }
    ReadSecretSource(section, "pin", true, needed, place.pin_file, place.pin_env);
    return place;
  }

  void ReadHsm(Section section) {
    HsmConfig& hsm = config_.hsm;
    const bool needed = use_ != ConfigUse::kMigrate;
    TokenPlace place = ReadTokenPlace(section, needed);
    hsm.module = std::move(place.module);
    hsm.token_label = std::move(place.token_label);
    hsm.token_serial = std::move(place.token_serial);
    hsm.pin_file = std::move(place.pin_file);
    hsm.pin_env = std::move(place.pin_env);
    for (Section& further : section.List("failover")) {
      hsm.failover.push_back(ReadTokenPlace(further, needed));
      further.Finish();
    }
    hsm.signer_threads =
        static_cast<int>(section.Integer("signer_threads", hsm.signer_threads, 1, 256));
    hsm.sessions = static_cast<int>(section.Integer("sessions", hsm.sessions, 1, 1024));
    Section keys = section.Sub("keys", false);
    hsm.image_key = keys.Text("image", hsm.image_key);
    hsm.wrapping_key = keys.Text("wrapping", hsm.wrapping_key);
    hsm.ledger_key = keys.Text("ledger", hsm.ledger_key);
    keys.Finish();
    hsm.image_certificate_file = FileName(section, "image_certificate", true);
    hsm.image_certificate =
        ReadCertificate(section, "image_certificate", hsm.image_certificate_file, Serving());
    section.Finish();
  }

  void ReadDatabase(Section section) {
    DatabaseConfig& database = config_.database;
    database.dsn = section.Text("dsn");
    if (HoldsPassword(database.dsn)) {
      section.Complain("dsn", "must not hold a password; use password_file or password_env");
    } else if (!database.dsn.empty() && probes_.dsn) {
      const absl::Status dsn = probes_.dsn(database.dsn);
      if (!dsn.ok()) section.Complain("dsn", std::string(dsn.message()));
    }
    ReadSecretSource(section, "password", false, use_ != ConfigUse::kSandbox,
                     database.password_file, database.password_env);
    database.pool = static_cast<int>(section.Integer("pool", database.pool, 2, 1000));
    database.connect_timeout =
        section.Duration("connect_timeout", database.connect_timeout, seconds(2), seconds(60));
    database.statement_timeout = section.Duration("statement_timeout", database.statement_timeout,
                                                  milliseconds(100), seconds(600));
    database.call_timeout =
        section.Duration("call_timeout", database.call_timeout, milliseconds(100), seconds(600));
    database.pool_timeout =
        section.Duration("pool_timeout", database.pool_timeout, milliseconds(10), seconds(600));
    section.Finish();
  }

  void ReadGrants(Section& top) {
    std::vector<Section> sections = top.List("grants");
    if (sections.empty() && Serving()) top.Complain("grants", "nobody is granted anything");
    std::set<std::string> identities;
    int operators = 0;
    for (Section& section : sections) {
      access::Grant grant = ReadGrant(section);
      if (!identities.insert(grant.identity).second) {
        section.Complain("identity", "another grant names the same identity");
      }
      if (grant.roles.contains(access::Role::kOperator)) ++operators;
      config_.grants.push_back(std::move(grant));
    }
    if (config_.production && Serving() && operators < 2) {
      top.Complain("grants",
                   "production needs two operators at least, for acts that need a second person");
    }
  }

  access::Grant ReadGrant(Section& section) {
    access::Grant grant;
    grant.identity = section.Text("identity");
    if (grant.identity.find(':') == std::string::npos && grant.identity != "*") {
      section.Complain("identity", "must be a URI, exact or with * as its last character");
    }
    const size_t star = grant.identity.find('*');
    if (star != std::string::npos && star + 1 != grant.identity.size()) {
      section.Complain("identity", "may have * as its last character only");
    }
    for (const std::string& name : section.Texts("roles")) {
      const auto role = access::RoleOf(name);
      if (role) {
        grant.roles.insert(*role);
      } else {
        section.Complain(
            "roles",
            absl::StrCat("\"", name, "\" is none of line, operator, auditor, codes, keys"));
      }
    }
    if (grant.roles.empty()) section.Complain("roles", "is missing");
    grant.line = section.Text("line", "");
    grant.factories = section.Texts("factories");
    grant.lots = section.Texts("lots");
    if (grant.factories.empty()) {
      if (grant.roles.contains(access::Role::kLine))
        section.Complain("factories", "is missing for a line");
      grant.factories = {"*"};
    }
    if (grant.lots.empty()) grant.lots = {"*"};
    section.Finish();
    return grant;
  }

  void ReadTrust(Section section) {
    for (auto [key, certificates] : {std::pair{"paas", &config_.trust.paas},
                                     std::pair{"cd_signers", &config_.trust.cd_signers}}) {
      for (const std::string& name : section.Texts(key)) {
        Bytes der = ReadCertificate(section, key, Beside(path_, name), Serving());
        if (!der.empty()) certificates->push_back(std::move(der));
      }
    }
    section.Finish();
    if (config_.production && Serving()) {
      if (config_.trust.paas.empty())
        section.Complain("paas", "production needs the PAAs it trusts");
      if (config_.trust.cd_signers.empty()) {
        section.Complain("cd_signers",
                         "production needs the signers of certification declarations");
      }
    }
  }

  void ReadSandbox(Section& top) {
    if (config_.production && top.Has("sandbox")) {
      top.Complain("sandbox", "is not allowed in production");
    }
    Section section = top.Sub("sandbox", !config_.production);
    SandboxConfig& sandbox = config_.sandbox;
    sandbox.paa_key = section.Text("paa_key", sandbox.paa_key);
    sandbox.cd_key = section.Text("cd_key", sandbox.cd_key);
    sandbox.paa_certificate_file = FileName(section, "paa_certificate", !config_.production);
    sandbox.cd_certificate_file = FileName(section, "cd_certificate", !config_.production);
    sandbox.paa_certificate =
        ReadCertificate(section, "paa_certificate", sandbox.paa_certificate_file, Serving());
    sandbox.cd_certificate =
        ReadCertificate(section, "cd_certificate", sandbox.cd_certificate_file, Serving());
    section.Finish();
  }

  void ReadApproval(Section section) {
    ApprovalConfig& approval = config_.approval;
    const std::string required = section.Text("required", config_.production ? "true" : "false");
    approval.required = required == "true";
    if (required != "true" && required != "false") {
      section.Complain("required", "must be true or false");
    } else if (config_.production && !approval.required) {
      section.Complain("required", "cannot be false in production");
    }
    approval.lifetime =
        section.Duration("lifetime", approval.lifetime, seconds(60), hours(24 * 30));
    section.Finish();
  }

  void ReadLimits(Section section) {
    LimitsConfig& limits = config_.limits;
    const int cores = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
    const auto number = [&](const char* key, int& value, int least, int most) {
      value = static_cast<int>(section.Integer(key, value, least, most));
    };
    limits.crypto_threads = cores;
    number("max_in_flight", limits.max_in_flight, 1, 100'000);
    number("max_active", limits.max_active, 1, 100'000);
    int line_rate = 0;
    number("line_rate", line_rate, 0, 1'000'000);
    limits.fair.line_rate = line_rate;
    number("line_burst", limits.fair.line_burst, 0, 1'000'000);
    number("line_in_flight", limits.fair.line_in_flight, 0, 100'000);
    number("lot_in_flight", limits.fair.lot_in_flight, 0, 100'000);
    number("crypto_threads", limits.crypto_threads, 1, 1024);
    number("store_threads", limits.store_threads, 1, 256);
    number("max_batch", limits.max_batch, 1, 1024);
    number("call_threads", limits.call_threads, 1, 256);
    number("call_queue", limits.call_queue, 1, 100'000);
    number("stream_in_flight", limits.calls.stream_in_flight, 1, 10'000);
    limits.calls.deadline.usual = section.Duration("default_deadline", limits.calls.deadline.usual,
                                                   milliseconds(100), hours(1));
    limits.calls.deadline.least = section.Duration("least_deadline", limits.calls.deadline.least,
                                                   milliseconds(0), seconds(60));
    limits.lease = section.Duration("lease", limits.lease, seconds(2), hours(1));
    limits.drain = section.Duration("drain", limits.drain, milliseconds(0), hours(1));
    limits.drain_delay =
        section.Duration("drain_delay", limits.drain_delay, milliseconds(0), seconds(300));
    limits.health_interval =
        section.Duration("health_interval", limits.health_interval, milliseconds(50), seconds(300));
    section.Finish();
  }

  void ReadLog(Section section) {
    static const std::map<std::string, LogLevel> levels = {{"debug", LogLevel::kDebug},
                                                           {"info", LogLevel::kInfo},
                                                           {"warning", LogLevel::kWarning},
                                                           {"error", LogLevel::kError}};
    const auto level = levels.find(section.Text("level", "info"));
    if (level == levels.end()) {
      section.Complain("level", "must be debug, info, warning or error");
    } else {
      config_.log_level = level->second;
    }
    section.Finish();
  }

  const std::string path_;
  const ConfigUse use_;
  const absl::Time now_;
  const ConfigProbes& probes_;
  Problems& problems_;
  Config config_;
};

// What Reload cannot change: all but grants, limits of calls, log level and the content of the TLS
// files.
std::string FixedParts(const YAML::Node& document) {
  std::string text;
  for (const auto& entry : document) {
    const std::string key = entry.first.Scalar();
    if (key == "limits" && entry.second.IsMap()) {
      for (const auto& limit : entry.second) {
        const std::string name = limit.first.Scalar();
        if (name == "default_deadline" || name == "least_deadline" || name == "stream_in_flight" ||
            name == "line_rate" || name == "line_burst" || name == "line_in_flight" ||
            name == "lot_in_flight")
          continue;
        text += absl::StrCat("limits.", name, ": ", YAML::Dump(limit.second), "\n");
      }
    } else if (key != "grants" && key != "log") {
      text += absl::StrCat(key, ": ", YAML::Dump(entry.second), "\n");
    }
  }
  return text;
}

}  // namespace

absl::StatusOr<Config> LoadConfig(const std::string& path, ConfigUse use, absl::Time now,
                                  const ConfigProbes& probes) {
  Problems problems;
  try {
    const YAML::Node document = YAML::LoadFile(path);
    Config config = ConfigFile(path, use, now, probes, problems).Read(document);
    if (document.IsMap()) config.fixed_parts = FixedParts(document);
    if (problems.empty()) return config;
  } catch (const YAML::BadFile&) {
    problems = {absl::StrCat(path, ": the file cannot be read")};
  } catch (const YAML::Exception& error) {
    problems = {absl::StrCat(path, ": line ", error.mark.line + 1, ": ", error.msg)};
  }
  return Refuse(Reason::FIELD_MALFORMED, absl::StrJoin(problems, "\n"));
}

}  // namespace assay::ops
