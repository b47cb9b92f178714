#include "fsck/settings.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "absl/strings/str_join.h"
#include "base/refusal.h"
#include "base/yaml/yaml_reader.h"
#include "matter/certificate.h"

namespace assay::fsck {
namespace {

namespace fs = std::filesystem;

std::string Beside(const std::string& config, const std::string& name) {
  if (name.empty() || fs::path(name).is_absolute()) return name;
  return (fs::path(config).parent_path() / name).string();
}

void ReadDatabase(Section section, const std::string& path, Settings& settings) {
  settings.database.dsn = section.Text("dsn");
  settings.database.password_file = Beside(path, section.Text("password_file", ""));
  const std::string variable = section.Text("password_env", "");
  const char* const password = variable.empty() ? nullptr : std::getenv(variable.c_str());
  if (password != nullptr) setenv("PGPASSWORD", password, 1);
}

void ReadToken(Section section, const std::string& path, Settings& settings) {
  settings.has_token = true;
  settings.token.module_path = section.Text("module");
  settings.token.token_label = section.Text("token_label", "");
  settings.token.token_serial = section.Text("token_serial", "");
  settings.token.pin_file = Beside(path, section.Text("pin_file", ""));
  settings.token.sessions = 4;
  const std::string variable = section.Text("pin_env", "");
  const char* const pin = variable.empty() ? nullptr : std::getenv(variable.c_str());
  if (pin != nullptr) settings.token.pin = SecretBytes::CopyOf(AsBytes(pin));
  Section keys = section.Sub("keys", false);
  settings.keys.image = keys.Text("image", settings.keys.image);
  settings.keys.wrapping = keys.Text("wrapping", settings.keys.wrapping);
  settings.keys.ledger = keys.Text("ledger", settings.keys.ledger);
  const std::string certificate = Beside(path, section.Text("image_certificate", ""));
  if (certificate.empty()) return;
  auto der = ReadCertificate(certificate);
  if (der.ok()) {
    settings.image_certificates.push_back(*std::move(der));
  } else {
    section.Complain("image_certificate", std::string(der.status().message()));
  }
}

}  // namespace

absl::StatusOr<std::string> ReadWhole(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream content;
  if (!file || !(content << file.rdbuf())) {
    return RefuseField(Reason::FIELD_NOT_ALLOWED, "file", path, "the file cannot be read");
  }
  return content.str();
}

absl::StatusOr<Bytes> ReadCertificate(const std::string& path) {
  const auto content = ReadWhole(path);
  if (!content.ok()) return content.status();
  const auto certificate = content->starts_with("-----")
                               ? matter::Certificate::ParsePem(*content)
                               : matter::Certificate::Parse(AsBytes(*content));
  if (!certificate.ok()) return Within(path, certificate.status());
  return ToBytes(certificate->der());
}

absl::StatusOr<Settings> ReadSettings(const std::string& path) {
  YAML::Node document;
  try {
    document = YAML::LoadFile(path);
  } catch (const YAML::Exception& thrown) {
    return RefuseField(Reason::FIELD_MALFORMED, "--config", path, thrown.what());
  }
  Problems problems;
  Settings settings;
  Section top(document, "", problems);
  ReadDatabase(top.Sub("database", true), path, settings);
  if (top.Has("hsm")) ReadToken(top.Sub("hsm", false), path, settings);
  if (!problems.empty()) {
    return Refuse(Reason::FIELD_MALFORMED, absl::StrJoin(problems, "\n"));
  }
  return settings;
}

}  // namespace assay::fsck
