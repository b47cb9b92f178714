// What is wrong, by name, and what to do about it.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace assay::fsck {

// Stable names: programs branch on them, docs/audit.md lists them. X(ENUM, "name", "cure").
#define ASSAY_FAULTS(X)                                                                           \
  X(SCHEMA, "schema", "run assayd migrate of this version, then check again")                     \
  X(SCHEMA_INDEX, "schema.index",                                                                 \
    "create the unique index again as its migration has it; what it finds twice is damage")       \
  X(TOKEN_KEY, "token.key",                                                                       \
    "bring back the token or backup that holds the key; nothing signed by it is lost")            \
  X(TOKEN_POLICY, "token.policy", "make a new key by the key policy and retire this one")         \
  X(TOKEN_LOT_KEY, "token.lot-key",                                                               \
    "restore lots.wrapped_key from a backup: without it the lot's sealed identities are lost")    \
  X(PAI_CERTIFICATE, "pai.certificate",                                                           \
    "restore the PAI's row from a backup, or install its certificate again")                      \
  X(LOT_COUNTS, "lot.counts",                                                                     \
    "find who changed the counters; set them to what is counted, with all replicas stopped")      \
  X(LOT_QUOTA, "lot.quota", "more was issued than allowed: report it, and revoke the surplus")    \
  X(ATTEMPT_LOST, "attempt.lost",                                                                 \
    "a live attempt has neither a device nor an open intent: restore its rows from a backup")     \
  X(ATTEMPT_ORPHAN, "attempt.orphan",                                                             \
    "an open intent without its attempt: restore it, or delete"                                   \
    " the intent with all replicas stopped")                                                      \
  X(DEVICE_ATTEMPT, "device.attempt", "restore the attempt's row from a backup")                  \
  X(DEVICE_LOT, "device.lot", "restore the lot's row from a backup")                              \
  X(DEVICE_ROWS, "device.rows",                                                                   \
    "rows of the lot are missing: run assay fsck --reconcile with a copy of the ledger")          \
  X(DEVICE_WAITING, "device.waiting",                                                             \
    "the list of undecided devices differs from the outcomes: empty devices_waiting and fill it"  \
    " as migration 0012 does, in one transaction")                                                \
  X(DEVICE_SERIAL, "device.serial",                                                               \
    "two units or certificates bear one serial number: revoke"                                    \
    " the later one and issue it anew")                                                           \
  X(DAC_DIGEST, "dac.digest",                                                                     \
    "the certificate's row was changed: restore it from a backup or"                              \
    " from the line's folder")                                                                    \
  X(DAC_PARSE, "dac.parse", "restore the certificate from a backup or from the line's folder")    \
  X(DAC_INTENT, "dac.intent",                                                                     \
    "what was signed is not what was recorded before: treat the PAI's"                            \
    " key as misused, revoke the certificate, and find out who signed")                           \
  X(DAC_FIELDS, "dac.fields",                                                                     \
    "the certificate belongs to another row: restore both rows from a"                            \
    " backup")                                                                                    \
  X(DAC_PROFILE, "dac.profile", "commissioners may refuse the device: revoke it and issue anew")  \
  X(DAC_ISSUER, "dac.issuer", "restore the PAI's row, or the device's, from a backup")            \
  X(DAC_SIGNATURE, "dac.signature",                                                               \
    "the certificate is forged or damaged: restore it from the"                                   \
    " line's folder; if that one is wrong too, revoke the device")                                \
  X(IMAGE_SIGNATURE, "image.signature", "restore the row from a backup; do not flash this image") \
  X(IMAGE_SIGNER, "image.signer",                                                                 \
    "name the former image certificate with --image-certificate,"                                 \
    " or treat the images as not ours")                                                           \
  X(SEAL_MISSING, "seal.missing",                                                                 \
    "a sealed identity is gone before confirmation and retention:"                                \
    " restore it from a backup, or scrap the unit and issue another")                             \
  X(SEAL_LEFT, "seal.left",                                                                       \
    "an identity was not wiped when it should be: start assayd, whose"                            \
    " housekeeping wipes; if it stays, delete the row")                                           \
  X(SEAL_ORPHAN, "seal.orphan", "a sealed identity belongs to no device: delete the row")         \
  X(SEAL_OPEN, "seal.open",                                                                       \
    "the sealed identity does not open under its lot's key: restore the"                          \
    " row from a backup, or scrap the unit and issue another")                                    \
  X(SEAL_CONTENT, "seal.content",                                                                 \
    "the sealed identity is not the one in the records: scrap the"                                \
    " unit and issue another, and find out who wrote the row")                                    \
  X(OUTCOME_ORPHAN, "outcome.orphan", "an outcome belongs to no device: restore the device")      \
  X(LEDGER_FORK, "ledger.fork",                                                                   \
    "keep the database as it is; compare it with the last backup and"                             \
    " with an auditor's copy of the ledger")                                                      \
  X(LEDGER_CHECKPOINT, "ledger.checkpoint",                                                       \
    "keep the database as it is; restore the checkpoint"                                          \
    " from an auditor's copy")                                                                    \
  X(LEDGER_LATE, "ledger.late",                                                                   \
    "entries wait for their place: see whether a replica leads, and"                              \
    " whether the HSM answers")                                                                   \
  X(LEDGER_ENTRY, "ledger.entry", "the entry cannot be read: compare it with an auditor's copy")  \
  X(LEDGER_NO_ISSUE, "ledger.no-issue",                                                           \
    "a device is not in the ledger: it was written around"                                        \
    " Assay, or entries were taken away; compare with an auditor's copy")                         \
  X(LEDGER_NO_DEVICE, "ledger.no-device",                                                         \
    "the ledger tells of a device the database does not"                                          \
    " have: run assay fsck --reconcile, or restore the row from a backup")                        \
  X(LEDGER_DIFFERS, "ledger.differs",                                                             \
    "the database was changed after the ledger's entry: restore"                                  \
    " the device's rows to what the entry says")                                                  \
  X(LEDGER_OUTCOME, "ledger.outcome",                                                             \
    "confirmations of database and ledger differ: restore"                                        \
    " device_outcomes to what the entries say")                                                   \
  X(LEDGER_ACT, "ledger.act",                                                                     \
    "an operator's act has no entry: the act was written around Assay,"                           \
    " or its entry was taken away")                                                               \
  X(REVOCATION_STATE, "revocation.state",                                                         \
    "state and revocations of the device differ: revoke it"                                       \
    " again, which adds what is missing")                                                         \
  X(REVOCATION_ROWS, "revocation.rows",                                                           \
    "entries of the issuer's list are missing: restore them"                                      \
    " from a backup; a list must never lose one")                                                 \
  X(CRL_SIGNATURE, "crl.signature", "publish the list again: assay crl publish")                  \
  X(CRL_CONTENT, "crl.content", "publish the list again: assay crl publish")                      \
  X(CRL_NUMBER, "crl.number",                                                                     \
    "a list's number went back: set crl_issuers.number to the highest"                            \
    " that was ever published")                                                                   \
  X(CRL_EXPIRED, "crl.expired", "see whether assayd runs and the HSM answers, then publish again")

enum class Fault {
#define ASSAY_FAULT_ENUM(id, name, cure) id,
  ASSAY_FAULTS(ASSAY_FAULT_ENUM)
#undef ASSAY_FAULT_ENUM
};
std::string_view FaultName(Fault fault);
std::string_view CureOf(Fault fault);

struct Finding {
  Fault fault = Fault::SCHEMA;
  std::string subject;  // "device a81f...", "lot 2026-47", "entry 17"
  std::string what;     // a sentence; holds no secret
};

// Thread-safe. Keeps the first kMost of each fault and counts the rest.
class Findings {
 public:
  static constexpr size_t kMost = 50;

  void Add(Fault fault, std::string subject, std::string what);
  // Something a person wants to know that is not wrong.
  void Note(std::string text);

  uint64_t Count() const;
  uint64_t Count(Fault fault) const;
  std::vector<Finding> All() const;  // by fault, in the order they came
  std::vector<std::string> Notes() const;

 private:
  mutable std::mutex mutex_;
  std::map<Fault, std::vector<Finding>> kept_;
  std::map<Fault, uint64_t> counts_;
  std::vector<std::string> notes_;
};

}  // namespace assay::fsck
