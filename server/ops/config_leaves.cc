#include <cstdlib>
#include <filesystem>
#include <regex>

#include "absl/strings/str_cat.h"
#include "base/refusal.h"
#include "image/cms.h"
#include "server/ops/config_files.h"
#include "server/ops/config_reader.h"

namespace assay::ops {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// "password=x", "password = x", "sslpassword=x", or "//user:x@host".
bool HoldsPassword(const std::string& dsn) {
  static const std::regex forms("password\\s*=|://[^/?]*:[^/?@]*@");
  return std::regex_search(dsn, forms);
}

}  // namespace

std::string ConfigReader::FileName(Section& section, const std::string& key, bool required) {
  return Beside(path_, required ? section.Text(key) : section.Text(key, ""));
}

void ConfigReader::ReadTlsSection(Section section) {
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

void ConfigReader::ReadRevocation(Section section) {
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
void ConfigReader::ReadSecretSource(Section& section, const std::string& name, bool required,
                                    bool needed, std::string& file, std::string& variable) {
  file = FileName(section, name + "_file", false);
  variable = section.Text(name + "_env", "");
  if (!file.empty() && !variable.empty()) {
    section.Complain(name + "_env", absl::StrCat("give either ", name, "_file or ", name, "_env"));
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

Bytes ConfigReader::ReadCertificate(Section& section, const std::string& key,
                                    const std::string& file, bool needed) {
  if (!needed || file.empty()) return {};
  const auto certificate = ReadCertificateFile(file);
  if (!certificate.ok()) {
    section.Complain(key, absl::StrCat(RefusalOf(certificate.status())->rule, ": ", file));
    return {};
  }
  return ToBytes(certificate->der());
}

TokenPlace ConfigReader::ReadTokenPlace(Section& section, bool needed) {
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

void ConfigReader::ReadHsm(Section section) {
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
  const std::string signing = section.Text("image_signing", "hsm");
  hsm.delegate_images = signing == "delegated";
  if (signing != "hsm" && signing != "delegated") {
    section.Complain("image_signing", "must be hsm or delegated");
  } else if (hsm.delegate_images && !hsm.image_certificate.empty()) {
    const absl::Status fit = image::CheckMayDelegate(hsm.image_certificate);
    if (!fit.ok()) section.Complain("image_signing", std::string(fit.message()));
  }
  section.Finish();
}

void ConfigReader::ReadDatabase(Section section) {
  DatabaseConfig& database = config_.database;
  database.dsn = section.Text("dsn");
  if (HoldsPassword(database.dsn)) {
    section.Complain("dsn", "must not hold a password; use password_file or password_env");
  } else if (!database.dsn.empty() && probes_.dsn) {
    const absl::Status dsn = probes_.dsn(database.dsn);
    if (!dsn.ok()) section.Complain("dsn", std::string(dsn.message()));
  }
  ReadSecretSource(section, "password", false, use_ != ConfigUse::kSandbox, database.password_file,
                   database.password_env);
  database.pool = static_cast<int>(section.Integer("pool", database.pool, 2, 1000));
  database.connect_timeout =
      section.Duration("connect_timeout", database.connect_timeout, seconds(2), seconds(60));
  database.statement_timeout = section.Duration("statement_timeout", database.statement_timeout,
                                                milliseconds(100), seconds(600));
  database.call_timeout =
      section.Duration("call_timeout", database.call_timeout, milliseconds(100), seconds(600));
  database.pool_timeout =
      section.Duration("pool_timeout", database.pool_timeout, milliseconds(10), seconds(600));
  const std::string compact = section.Text("compact_identities", "false");
  database.compact_identities = compact == "true";
  if (compact != "true" && compact != "false") {
    section.Complain("compact_identities", "must be true or false");
  }
  section.Finish();
}

}  // namespace assay::ops
