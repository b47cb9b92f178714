#include <algorithm>
#include <set>

#include "absl/strings/str_cat.h"
#include "fsck/records_check.h"
#include "matter/crl.h"

namespace assay::fsck {
namespace {

// Lists are signed within seconds of a revocation; one that is this late was forgotten.
constexpr absl::Duration kPublishGrace = absl::Minutes(15);

struct Issued {
  std::set<Bytes> revoked;  // serials of the rows
  std::set<Bytes> overdue;  // of those, older than the grace
  std::set<Bytes> listed;
  bool has_list = false;
  uint64_t number = 0, entries = 0;
};

const Statement kIssuers = {"fsck_issuers", "SELECT issuer, entries, number FROM crl_issuers"};
const Statement kRevoked = {"fsck_revoked",
                            "SELECT issuer, number, serial, revoked_at FROM revocations "
                            "ORDER BY issuer, number"};
const Statement kCrls = {"fsck_crls",
                         "SELECT issuer, part, number, entries, next_update, der, "
                         "signer_certificate FROM crls ORDER BY issuer, part"};

uint64_t NumberOf(ByteView big_endian) {
  uint64_t number = 0;
  for (const uint8_t byte : big_endian) number = number << 8 | byte;
  return number;
}

// Whether the list's signer is its PAI or somebody the PAI made for lists.
bool MaySign(const Facts& facts, const std::string& issuer, const matter::Certificate& signer) {
  const auto pai = facts.pais.find(issuer);
  if (pai == facts.pais.end() || !pai->second.certificate) return issuer.starts_with("@");
  return std::ranges::equal(signer.der(), pai->second.certificate->der()) ||
         matter::CheckDelegatedCrlSigner(signer, *pai->second.certificate).ok();
}

void CheckList(const Rows& rows, int i, const Facts& facts, Issued& issued, Findings& findings) {
  const std::string issuer = rows.Text(i, 0);
  const std::string subject = absl::StrCat("list ", issuer, "/", rows.Int(i, 1));
  issued.has_list = true;
  const auto crl = matter::ParseCrl(rows.Blob(i, 5));
  const auto signer = matter::Certificate::Parse(rows.Blob(i, 6));
  if (!crl.ok() || !signer.ok()) {
    findings.Add(Fault::CRL_SIGNATURE, subject, "the list or its signer cannot be read");
    return;
  }
  const absl::Status checked = matter::CheckCrlSigner(*crl, *signer);
  if (!checked.ok()) {
    findings.Add(Fault::CRL_SIGNATURE, subject, std::string(checked.message()));
  } else if (!MaySign(facts, issuer, *signer)) {
    findings.Add(Fault::CRL_SIGNATURE, subject, "its signer is neither the PAI nor made by it");
  }
  const uint64_t number = NumberOf(crl->fields.crl_number);
  if (number != static_cast<uint64_t>(rows.Int(i, 2)) || number > issued.number) {
    findings.Add(Fault::CRL_NUMBER, subject,
                 absl::StrCat("bears number ", number, ", its row says ", rows.Int(i, 2),
                              ", the highest given is ", issued.number));
  }
  if (crl->fields.entries.size() != static_cast<uint64_t>(rows.Int(i, 3))) {
    findings.Add(Fault::CRL_CONTENT, subject, "has another number of entries than its row says");
  }
  if (rows.Time(i, 4) < facts.now) {
    findings.Add(Fault::CRL_EXPIRED, subject,
                 absl::StrCat("ended at ", absl::FormatTime(rows.Time(i, 4), absl::UTCTimeZone())));
  }
  for (const matter::RevokedEntry& entry : crl->fields.entries) {
    issued.listed.insert(entry.serial);
    if (!issued.revoked.contains(entry.serial)) {
      findings.Add(Fault::CRL_CONTENT, subject,
                   absl::StrCat("lists serial ", ToUpperHex(entry.serial),
                                ", which is not among the revocations"));
    }
  }
}

void CheckRows(Session& session, const Facts& facts, std::map<std::string, Issued>& issuers,
               Findings& findings) {
  const Rows rows = session.Run(kRevoked);
  std::map<std::string, int64_t> next;
  for (int i = 0; i < rows.size(); ++i) {
    const std::string issuer = rows.Text(i, 0);
    int64_t& expected = next[issuer];
    if (rows.Int(i, 1) != expected) {
      findings.Add(Fault::REVOCATION_ROWS, absl::StrCat("issuer ", issuer),
                   absl::StrCat("entry ", expected, " is missing"));
    }
    expected = rows.Int(i, 1) + 1;
    Issued& issued = issuers[issuer];
    issued.revoked.insert(rows.Blob(i, 2));
    if (facts.now - rows.Time(i, 3) > kPublishGrace) issued.overdue.insert(rows.Blob(i, 2));
  }
  for (const auto& [issuer, issued] : issuers) {
    if (static_cast<uint64_t>(next[issuer]) == issued.entries) continue;
    findings.Add(Fault::REVOCATION_ROWS, absl::StrCat("issuer ", issuer),
                 absl::StrCat("has ", next[issuer], " entries, its counter says ", issued.entries));
  }
}

void CheckStates(Session& session, Findings& findings) {
  static const Statement kStates = {
      "fsck_states",
      "SELECT a.device_id, x.state = 4, v.serial IS NOT NULL FROM device_outcomes x "
      "JOIN devices d ON d.row = x.row JOIN attempts a ON a.id = d.attempt_id "
      "LEFT JOIN revocations v ON v.issuer = a.pai AND v.subject = a.device_id "
      "WHERE x.state = 4 AND v.serial IS NULL AND a.dac_serial IS NOT NULL AND a.pai <> '' "
      "AND a.module_attempt = 0 "
      "UNION ALL SELECT v.subject, false, true FROM revocations v "
      "LEFT JOIN attempts a ON a.device_id = v.subject "
      "LEFT JOIN devices d ON d.attempt_id = a.id LEFT JOIN device_outcomes x ON x.row = d.row "
      "WHERE left(v.issuer, 1) <> '@' GROUP BY v.subject "
      "HAVING count(*) FILTER (WHERE x.state = 4) = 0 LIMIT 51"};
  const Rows rows = session.Run(kStates);
  for (int i = 0; i < rows.size(); ++i) {
    findings.Add(Fault::REVOCATION_STATE, absl::StrCat("device ", rows.Text(i, 0)),
                 rows.Bool(i, 1) ? "its state is revoked, but its PAI's list has no entry of it"
                                 : "its PAI's list has an entry of it, but its state is another");
  }
}

}  // namespace

absl::Status CheckRevocations(Session& session, const Facts& facts, const LedgerReading& ledger,
                              Findings& findings) {
  std::map<std::string, Issued> issuers;
  const Rows kept = session.Run(kIssuers);
  for (int i = 0; i < kept.size(); ++i) {
    Issued& issued = issuers[kept.Text(i, 0)];
    issued.entries = static_cast<uint64_t>(kept.Int(i, 1));
    issued.number = static_cast<uint64_t>(kept.Int(i, 2));
  }
  CheckRows(session, facts, issuers, findings);
  const Rows lists = session.Run(kCrls);
  for (int i = 0; i < lists.size(); ++i) {
    CheckList(lists, i, facts, issuers[lists.Text(i, 0)], findings);
  }
  for (const auto& [issuer, issued] : issuers) {
    for (const Bytes& serial : issued.overdue) {
      if (issued.listed.contains(serial)) continue;
      findings.Add(Fault::CRL_CONTENT, absl::StrCat("issuer ", issuer),
                   absl::StrCat("serial ", ToUpperHex(serial),
                                " was revoked, but no list of the "
                                "issuer has it"));
    }
    const auto told = ledger.crl_numbers.find(issuer);
    if (told != ledger.crl_numbers.end() && told->second > issued.number) {
      findings.Add(Fault::CRL_NUMBER, absl::StrCat("issuer ", issuer),
                   absl::StrCat("list number ", told->second, " was signed, but the counter says ",
                                issued.number));
    }
  }
  CheckStates(session, findings);
  return absl::OkStatus();
}

}  // namespace assay::fsck
