#include "server/app/commands.h"

#include <filesystem>
#include <fstream>
#include <iostream>

#include "base/log.h"
#include "base/refusal.h"
#include "db/pg/dsn_check.h"
#include "db/pg/migrate.h"
#include "hsm/pkcs11/module_check.h"
#include "matter/certificate.h"
#include "server/app/daemon.h"
#include "server/app/open.h"
#include "server/app/signal_post.h"
#include "server/authority/authority.h"
#include "server/ops/config_files.h"

namespace assay::app {
namespace {

using ops::ConfigUse;

int Fail(const absl::Status& status) {
  std::cerr << "assayd: " << status.message() << "\n";
  return 1;
}

absl::StatusOr<ops::Config> Load(const std::string& path, ConfigUse use) {
  return ops::LoadConfig(path, use, absl::Now(), {&pkcs11::CheckModule, &pg::CheckDsn});
}

void ReloadFrom(const std::string& path, Daemon& daemon) {
  const auto config = Load(path, ConfigUse::kServe);
  const absl::Status status = config.ok() ? daemon.Reload(*config) : config.status();
  if (!status.ok()) {
    LogError("reload_refused",
             {{"message", std::string(status.message())}, {"kept", "the former settings"}});
  }
}

// Empty where there is no file yet.
absl::StatusOr<Bytes> ExistingCertificate(const std::string& path) {
  if (!std::filesystem::exists(path)) return Bytes{};
  const auto certificate = ops::ReadCertificateFile(path);
  if (!certificate.ok()) return certificate.status();
  return ToBytes(certificate->der());
}

absl::Status WriteCertificate(const std::string& path, const Bytes& der) {
  if (std::filesystem::exists(path)) {
    std::cout << "kept     " << path << "\n";
    return absl::OkStatus();
  }
  std::error_code ignored;
  std::filesystem::create_directories(std::filesystem::path(path).parent_path(), ignored);
  // Written aside and renamed: a half-written certificate must not look like an existing one.
  const std::string aside = path + ".new";
  {
    std::ofstream file(aside);
    file << matter::ToPem("CERTIFICATE", der);
    if (!file.flush())
      return RefuseField(Reason::FIELD_NOT_ALLOWED, "", path, "the file cannot be written");
  }
  std::error_code failed;
  std::filesystem::rename(aside, path, failed);
  if (failed) return RefuseField(Reason::FIELD_NOT_ALLOWED, "", path, "the file cannot be written");
  std::cout << "written  " << path << "\n";
  return absl::OkStatus();
}

void PrintMigrations(const std::vector<pg::Migration>& migrations, const char* what) {
  if (migrations.empty()) {
    std::cout << "the schema is up to date (version " << pg::SchemaVersion() << ")\n";
  }
  for (const pg::Migration& migration : migrations)
    std::cout << what << " " << migration.name << "\n";
}

}  // namespace

int Serve(const std::string& config_path) {
  SignalPost& signals = SignalPost::Open();
  const auto config = Load(config_path, ConfigUse::kServe);
  if (!config.ok()) return Fail(config.status());
  auto daemon = Daemon::Start(*config);
  if (!daemon.ok()) return Fail(daemon.status());
  LogInfo("serving", {{"listen", config->listen},
                      {"port", (*daemon)->port()},
                      {"metrics_port", (*daemon)->http_port()},
                      {"mode", config->production ? "production" : "sandbox"}});
  while (signals.Next() == SignalPost::Letter::kReload) ReloadFrom(config_path, **daemon);
  LogInfo("draining");
  (*daemon)->Drain();
  daemon->reset();
  LogInfo("ended");
  return 0;
}

int CheckConfig(const std::string& config_path) {
  const auto config = Load(config_path, ConfigUse::kServe);
  if (!config.ok()) {
    std::cerr << config.status().message() << "\n";
    return 1;
  }
  std::cout << config_path << " is good: " << (config->production ? "production" : "sandbox")
            << ", " << config->grants.size() << " grants\n";
  return 0;
}

int Migrate(const std::string& config_path, bool dry_run) {
  const auto config = Load(config_path, ConfigUse::kMigrate);
  if (!config.ok()) return Fail(config.status());
  pg::Migrator migrator(StoreOptions(config->database));
  const auto migrations = dry_run ? migrator.Pending() : migrator.Apply();
  if (!migrations.ok()) return Fail(migrations.status());
  PrintMigrations(*migrations, dry_run ? "would apply" : "applied");
  return 0;
}

int PrepareSandbox(const std::string& config_path) {
  const auto config = Load(config_path, ConfigUse::kSandbox);
  if (!config.ok()) return Fail(config.status());
  if (config->production) {
    return Fail(RefuseField(Reason::FIELDS_CONTRADICT, "mode", "production",
                            "a sandbox is for mode sandbox"));
  }
  const auto token = OpenToken(config->hsm);
  if (!token.ok()) return Fail(token.status());
  authority::SandboxKeys existing;
  const std::string files[] = {config->sandbox.paa_certificate_file,
                               config->sandbox.cd_certificate_file,
                               config->hsm.image_certificate_file};
  Bytes* const certificates[] = {&existing.paa_certificate, &existing.cd_certificate,
                                 &existing.image_certificate};
  for (size_t i = 0; i < std::size(files); ++i) {
    auto certificate = ExistingCertificate(files[i]);
    if (!certificate.ok()) return Fail(certificate.status());
    *certificates[i] = *std::move(certificate);
  }
  SystemRandom random;
  const SystemClock clock;
  const authority::SandboxLabels labels{config->sandbox.paa_key, config->sandbox.cd_key,
                                        config->hsm.image_key, config->hsm.wrapping_key,
                                        config->hsm.ledger_key};
  const auto keys = authority::PrepareSandbox(**token, random, clock, existing, labels);
  if (!keys.ok()) return Fail(keys.status());
  for (const std::string& label : keys->made) std::cout << "made     key " << label << "\n";
  const Bytes* const made[] = {&keys->paa_certificate, &keys->cd_certificate,
                               &keys->image_certificate};
  for (size_t i = 0; i < std::size(files); ++i) {
    if (const absl::Status status = WriteCertificate(files[i], *made[i]); !status.ok())
      return Fail(status);
  }
  return 0;
}

}  // namespace assay::app
