#include "fsck/command.h"

#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/log.h"
#include "base/refusal.h"
#include "hsm/pkcs11/pkcs11_token.h"

namespace assay::fsck {
namespace {

using nlohmann::json;

constexpr int kClean = 0, kFound = 1, kNotChecked = 2;

int Fail(const absl::Status& status) {
  const auto refusal = RefusalOf(status);
  std::fprintf(stderr, "assay fsck: not checked: %s%s%s\n",
               refusal ? std::string(ReasonName(refusal->reason)).c_str() : "", refusal ? ": " : "",
               std::string(status.message()).c_str());
  return kNotChecked;
}

absl::StatusOr<tlog::NoteKey> ReadKey(const std::string& given) {
  std::string text = given;
  if (std::filesystem::exists(given)) {
    auto content = ReadWhole(given);
    if (!content.ok()) return content.status();
    text = content->substr(0, content->find('\n'));
  }
  auto key = tlog::NoteKey::Parse(text);
  if (!key.ok()) return Within("--ledger-key", key.status());
  return key;
}

absl::StatusOr<Settings> SettingsOf(const Command& command) {
  Settings settings;
  if (!command.config.empty()) {
    auto read = ReadSettings(command.config);
    if (!read.ok()) return read;
    settings = *std::move(read);
  } else if (command.dsn.empty()) {
    return RefuseField(Reason::FIELD_REQUIRED, "--config", "",
                       "name assayd's configuration, or a database with --dsn");
  }
  if (!command.dsn.empty()) {
    settings.database.dsn = command.dsn;
    settings.database.password_file = command.password_file;
  }
  if (command.no_token) settings.has_token = false;
  for (const std::string& file : command.image_certificates) {
    auto der = ReadCertificate(file);
    if (!der.ok()) return Within("--image-certificate", der.status());
    settings.image_certificates.push_back(*std::move(der));
  }
  return settings;
}

std::string Grouped(uint64_t number) {
  std::string digits = absl::StrCat(number);
  for (int at = static_cast<int>(digits.size()) - 3; at > 0; at -= 3) {
    digits.insert(static_cast<size_t>(at), 1, ' ');
  }
  return digits;
}

json JsonOf(const Report& report, const Findings& findings) {
  json found = json::array();
  for (const Finding& finding : findings.All()) {
    found.push_back({{"name", FaultName(finding.fault)},
                     {"subject", finding.subject},
                     {"what", finding.what},
                     {"cure", CureOf(finding.fault)}});
  }
  return {{"clean", findings.Count() == 0},
          {"findings_in_all", findings.Count()},
          {"findings", found},
          {"notes", findings.Notes()},
          {"devices", report.devices},
          {"certificates_verified", report.dacs},
          {"certificates_given", report.given},
          {"image_signatures_verified", report.images},
          {"ledger_entries", report.entries},
          {"ledger_entries_waiting", report.waiting},
          {"checkpoint_key_known", report.key_checked},
          {"token_checked", report.token_checked},
          {"sealed_opened", report.sealed.opened},
          {"images_rebuilt", report.sealed.images},
          {"verifiers_computed", report.sealed.verifiers},
          {"attempts_in_flight", report.records.open_attempts},
          {"attempts_dead", report.records.dead_attempts},
          {"attempts_voided", report.records.voided_attempts},
          {"seconds", report.seconds},
          {"devices_per_second_per_core", report.DevicesPerCore()}};
}

void PrintFindings(const Findings& findings) {
  Fault told{};
  bool first = true;
  for (const Finding& finding : findings.All()) {
    if (first || finding.fault != told) {
      std::printf("%s%s (%s)\n  cure: %s\n", first ? "" : "\n",
                  std::string(FaultName(finding.fault)).c_str(),
                  Grouped(findings.Count(finding.fault)).c_str(),
                  std::string(CureOf(finding.fault)).c_str());
      told = finding.fault;
      first = false;
    }
    std::printf("  %s: %s\n", finding.subject.c_str(), finding.what.c_str());
  }
  if (!first) std::printf("\n");
}

void PrintReport(const Report& report, const Findings& findings) {
  PrintFindings(findings);
  for (const std::string& note : findings.Notes()) std::printf("note: %s\n", note.c_str());
  if (report.records.voided_attempts + report.records.dead_attempts > 0) {
    std::printf(
        "note: %s attempts died and were voided, %s more wait to be; their serial numbers "
        "are never used again (report.attempts lists them)\n",
        Grouped(report.records.voided_attempts).c_str(),
        Grouped(report.records.dead_attempts).c_str());
  }
  if (!report.token_checked) {
    std::printf(
        "note: the token was not asked: keys, lot keys and sealed identities were left "
        "out\n");
  }
  if (!report.key_checked) {
    std::printf("note: the ledger's key is not known: checkpoints were compared, not verified\n");
  }
  std::printf("devices      %s, %s certificates and %s image signatures verified\n",
              Grouped(report.devices).c_str(), Grouped(report.dacs).c_str(),
              Grouped(report.images).c_str());
  std::printf("ledger       %s entries, %s waiting\n", Grouped(report.entries).c_str(),
              Grouped(report.waiting).c_str());
  std::printf("sealed       %s opened, %s images and %s verifiers compared\n",
              Grouped(report.sealed.opened).c_str(), Grouped(report.sealed.images).c_str(),
              Grouped(report.sealed.verifiers).c_str());
  std::printf("in flight    %s attempts\n", Grouped(report.records.open_attempts).c_str());
  std::printf("took         %.1f s, %s devices a second and core\n", report.seconds,
              Grouped(static_cast<uint64_t>(report.DevicesPerCore())).c_str());
  if (findings.Count() == 0) {
    std::printf("clean\n");
  } else {
    std::printf("%s findings\n", Grouped(findings.Count()).c_str());
  }
}

json JsonOf(const RecoveryReport& report) {
  return {{"database_size", report.database_size},
          {"copy_size", report.copy_size},
          {"entries_waiting_in_database", report.known_waiting},
          {"entries", report.entries},
          {"devices", report.devices},
          {"devices_from_folders", report.from_folders},
          {"confirmed", report.confirmed},
          {"revoked", report.revoked},
          {"entered_in_ledger_only", report.ledger_only},
          {"problems", report.problems},
          {"remarks", report.remarks},
          {"applied", report.applied}};
}

void PrintRecovery(const RecoveryReport& report) {
  std::printf("the database's ledger has %s entries, the copy %s\n",
              Grouped(report.database_size).c_str(), Grouped(report.copy_size).c_str());
  std::printf(
      "%s %s entries: %s devices (%s with certificate from a folder), %s confirmations, "
      "%s revocations\n",
      report.applied ? "entered" : "missing", Grouped(report.entries).c_str(),
      Grouped(report.devices).c_str(), Grouped(report.from_folders).c_str(),
      Grouped(report.confirmed).c_str(), Grouped(report.revoked).c_str());
  for (const auto& [kind, count] : report.ledger_only) {
    std::printf("only in the ledger: %s %s\n", Grouped(count).c_str(), kind.c_str());
  }
  for (const std::string& remark : report.remarks) std::printf("note: %s\n", remark.c_str());
  for (const std::string& problem : report.problems) {
    std::printf("in the way: %s\n", problem.c_str());
  }
  if (!report.applied && report.entries > 0 && report.problems.empty()) {
    std::printf("nothing was changed; stop every assayd and say --apply to enter them\n");
  }
}

// The key checkpoints are verified with: given, or the token's.
absl::StatusOr<tlog::NoteKey> LedgerKey(const Command& command, const Settings& settings,
                                        hsm::Token* token) {
  if (command.check.ledger_key) return *command.check.ledger_key;
  if (token == nullptr) {
    return RefuseField(Reason::FIELD_REQUIRED, "--ledger-key", "",
                       "the ledger's copy is trusted by its key only");
  }
  const auto found = token->FindKey(settings.keys.ledger);
  if (!found.ok()) return found.status();
  if (!found->public_point) {
    return RefuseField(Reason::HSM_KEY_UNFIT, "hsm.keys.ledger", settings.keys.ledger,
                       "must be a signing key");
  }
  const auto unnamed = tlog::NoteKey::OfP256("assay-ledger", *found->public_point);
  if (!unnamed.ok()) return unnamed.status();
  return tlog::NoteKey::OfP256(absl::StrCat("assay-ledger/", ToHex(unnamed->id())),
                               *found->public_point);
}

int RunReconcile(const Command& command, const Settings& settings, hsm::Token* token) {
  const auto key = LedgerKey(command, settings, token);
  if (!key.ok()) return Fail(key.status());
  const auto report = Reconcile(settings, token, *key, command.recovery);
  if (!report.ok()) return Fail(report.status());
  if (command.json) {
    std::printf("%s\n", JsonOf(*report).dump(2).c_str());
  } else {
    PrintRecovery(*report);
  }
  const bool whole = report->problems.empty() && (report->applied || report->entries == 0);
  return whole ? kClean : kFound;
}

}  // namespace

int RunCommand(Command& command) {
  SetLogLevel(LogLevel::kError);
  auto settings = SettingsOf(command);
  if (!settings.ok()) return Fail(settings.status());
  if (!command.ledger_key.empty()) {
    auto key = ReadKey(command.ledger_key);
    if (!key.ok()) return Fail(key.status());
    command.check.ledger_key = *std::move(key);
  }
  std::shared_ptr<hsm::Token> token;
  if (settings->has_token) {
    auto opened = pkcs11::OpenPkcs11Token(std::move(settings->token));
    if (!opened.ok()) return Fail(Within("hsm", opened.status()));
    token = *std::move(opened);
  }
  if (command.reconcile) return RunReconcile(command, *settings, token.get());
  command.check.progress = command.quiet || command.json ? nullptr : stderr;
  Findings findings;
  const auto report = CheckEverything(*settings, token.get(), command.check, findings);
  if (!report.ok()) return Fail(report.status());
  if (command.json) {
    std::printf("%s\n", JsonOf(*report, findings)
                            .dump(2, ' ', false, nlohmann::json::error_handler_t::replace)
                            .c_str());
  } else {
    PrintReport(*report, findings);
  }
  return findings.Count() == 0 ? kClean : kFound;
}

}  // namespace assay::fsck
