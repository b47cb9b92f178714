#include "fsck/ledger_check.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/refusal.h"
#include "tlog/growing_tree.h"
#include "tlog/log_check.h"

namespace assay::fsck {
namespace {

using nlohmann::json;

constexpr uint64_t kAhead = 16;  // bundles a query
constexpr absl::Duration kLate = absl::Minutes(5);

const Statement kHead = {"fsck_head",
                         "SELECT size, root, (SELECT count(*) FROM ledger_entries WHERE seq IS NOT "
                         "NULL), (SELECT coalesce(max(seq), -1) + 1 FROM ledger_entries) "
                         "FROM ledger_head"};
const Statement kCheckpoints = {"fsck_checkpoints",
                                "SELECT size, root, note FROM ledger_checkpoints ORDER BY size"};
const Statement kTile = {
    "fsck_tile", "SELECT hashes FROM ledger_tiles WHERE level = $1::bigint AND idx = $2::bigint"};
const Statement kEntries = {
    "fsck_entries",
    "SELECT seq, body, created_at FROM ledger_entries WHERE seq >= $1::bigint AND "
    "seq < $1::bigint + $2::bigint ORDER BY seq"};
const Statement kWaiting = {
    "fsck_waiting",
    "SELECT body, created_at, id FROM ledger_entries WHERE seq IS NULL ORDER BY id"};
const Statement kCosigned = {"fsck_cosigned",
                             "SELECT w.size, w.name, w.verifier_key, w.line, c.note FROM "
                             "ledger_cosignatures w LEFT JOIN ledger_checkpoints c USING (size)"};

std::string TextIn(const json& entry, const char* name) {
  const auto found = entry.find(name);
  return found != entry.end() && found->is_string() ? found->get<std::string>() : "";
}

void ReadIssueOf(const json& entry, IssueRecord& record) {
  for (size_t i = 0; i < kIssueFields.size(); ++i) {
    record[i] = TextIn(entry, kIssueFields[i].data());
  }
}

// Adds up what one entry tells.
void Take(const json& entry, LedgerReading& reading) {
  const std::string kind = TextIn(entry, "kind"), device = TextIn(entry, "device");
  ++reading.kinds[kind];
  if (kind == "issue") {
    IssueRecord record;
    ReadIssueOf(entry, record);
    reading.issued.Add(device, DigestOf(record));
    return;
  }
  if (kind == "device.confirm") reading.confirmed.Add(device, Sha256(AsBytes(device)));
  if (kind == "device.revoke" && !device.empty()) {
    reading.revoked.Add(device, Sha256(AsBytes(device)));
  }
  if (kind == "crl.sign" && entry.contains("number") && entry["number"].is_number_unsigned()) {
    uint64_t& highest = reading.crl_numbers[TextIn(entry, "issuer")];
    highest = std::max(highest, entry["number"].get<uint64_t>());
  }
  const std::string request = TextIn(entry, "request_sha256");
  if (!request.empty()) ++reading.requests[request];
}

void TakeLeaf(std::string_view leaf, const std::string& subject, Findings& findings,
              LedgerReading& reading) {
  const json parsed = json::parse(leaf, nullptr, false);
  if (!parsed.is_object() || !parsed.contains("at")) {
    findings.Add(Fault::LEDGER_ENTRY, subject, "is no JSON object with its time");
    return;
  }
  const auto entry = parsed.find("entry");
  if (entry != parsed.end() && entry->is_object()) Take(*entry, reading);
}

// Every checkpoint's signature; the newest becomes the one the tree is held against.
absl::Status CheckCheckpoints(Session& session, const Facts& facts, uint64_t size,
                              Findings& findings, std::vector<tlog::Checkpoint>& opened) {
  const Rows rows = session.Run(kCheckpoints);
  for (int i = 0; i < rows.size(); ++i) {
    const std::string subject = absl::StrCat("checkpoint ", rows.Int(i, 0));
    absl::StatusOr<tlog::Checkpoint> checkpoint = absl::UnknownError("");
    if (facts.ledger_key) {
      checkpoint = tlog::OpenCheckpoint(rows.Text(i, 2), *facts.ledger_key);
    } else {
      const auto note = tlog::ParseNote(rows.Text(i, 2));
      checkpoint = note.ok() ? tlog::ParseCheckpoint(note->text) : note.status();
    }
    if (!checkpoint.ok()) {
      findings.Add(Fault::LEDGER_CHECKPOINT, subject, std::string(checkpoint.status().message()));
      continue;
    }
    if (checkpoint->size != static_cast<uint64_t>(rows.Int(i, 0)) ||
        checkpoint->root != rows.Digest(i, 1)) {
      findings.Add(Fault::LEDGER_CHECKPOINT, subject,
                   "its row says otherwise than its signed text");
    }
    if (checkpoint->size > size) {
      findings.Add(Fault::LEDGER_FORK, subject,
                   absl::StrCat("the ledger has ", size, " entries, but ", checkpoint->size,
                                " were signed: it was cut back"));
      continue;
    }
    opened.push_back(*std::move(checkpoint));
  }
  return absl::OkStatus();
}

void CheckCosignatures(Session& session, Findings& findings) {
  const Rows rows = session.Run(kCosigned);
  for (int i = 0; i < rows.size(); ++i) {
    const auto key = tlog::NoteKey::Parse(rows.Text(i, 2));
    const auto note = tlog::ParseNote(rows.Text(i, 4));
    bool right = false;
    if (key.ok() && note.ok()) {
      const auto line = tlog::ParseNote(absl::StrCat(note->text, "\n", rows.Text(i, 3), "\n"));
      right = line.ok() && key->Verify(note->text, line->signatures[0].signature);
    }
    if (!right) {
      findings.Add(Fault::LEDGER_CHECKPOINT, absl::StrCat("checkpoint ", rows.Int(i, 0)),
                   absl::StrCat("the cosignature by ", rows.Text(i, 1), " is wrong"));
    }
  }
}

void CheckWaiting(Session& session, const Facts& facts, Findings& findings,
                  LedgerReading& reading) {
  const Rows rows = session.Run(kWaiting);
  reading.waiting = static_cast<uint64_t>(rows.size());
  for (int i = 0; i < rows.size(); ++i) {
    TakeLeaf(LeafOf(rows.Text(i, 0), rows.Time(i, 1)),
             absl::StrCat("waiting entry ", rows.Int(i, 2)), findings, reading);
  }
  if (!rows.empty() && facts.now - rows.Time(0, 1) > kLate) {
    findings.Add(Fault::LEDGER_LATE, "ledger",
                 absl::StrCat(rows.size(), " entries wait, the oldest since ",
                              absl::FormatTime(rows.Time(0, 1), absl::UTCTimeZone())));
  }
}

}  // namespace

std::string LeafOf(std::string_view body, absl::Time written_at) {
  const std::string at = absl::FormatTime("%Y-%m-%dT%H:%M:%E6SZ", written_at, absl::UTCTimeZone());
  if (body.size() > 60'000) {
    return absl::StrCat("{\"at\":\"", at, "\",\"entry_sha256\":\"", ToHex(Sha256(AsBytes(body))),
                        "\",\"size\":", body.size(), "}");
  }
  std::string leaf = absl::StrCat("{\"at\":\"", at, "\",\"entry\":");
  leaf.append(body);
  leaf += '}';
  return leaf;
}

bool ReadIssue(std::string_view body, IssueRecord& record) {
  const json entry = json::parse(body, nullptr, false);
  if (!entry.is_object() || TextIn(entry, "kind") != "issue") return false;
  ReadIssueOf(entry, record);
  return true;
}

std::string DeviceOf(std::string_view body) {
  const json entry = json::parse(body, nullptr, false);
  return entry.is_object() ? TextIn(entry, "device") : "";
}

absl::StatusOr<Bytes> SnapshotLog::ReadTile(tlog::TileId tile, uint64_t width) {
  const Rows rows =
      session_.Run(kTile, Params().Int(tile.level).Int(static_cast<int64_t>(tile.index)));
  if (rows.empty()) return Refuse(Reason::LEDGER_UNKNOWN, "the tile is missing");
  Bytes hashes = rows.Blob(0, 0);
  if (hashes.size() < width * sizeof(tlog::Hash)) {
    return Refuse(Reason::LEDGER_UNKNOWN, "the tile is too short");
  }
  hashes.resize(width * sizeof(tlog::Hash));
  return hashes;
}

absl::StatusOr<Bytes> SnapshotLog::ReadBundle(uint64_t index, uint64_t width) {
  const uint64_t begin = index * tlog::kTileWidth;
  if (begin < first_ || begin + width > end_) {
    first_ = begin;
    end_ = begin + kAhead * tlog::kTileWidth;
    const Rows rows = session_.Run(
        kEntries,
        Params().Int(static_cast<int64_t>(first_)).Int(static_cast<int64_t>(end_ - first_)));
    ahead_.clear();
    for (int i = 0; i < rows.size(); ++i) {
      ahead_.push_back(
          {static_cast<uint64_t>(rows.Int(i, 0)), LeafOf(rows.Text(i, 1), rows.Time(i, 2))});
    }
  }
  auto at = std::ranges::lower_bound(ahead_, begin, {}, &Entry::place);
  Bytes bundle;
  for (uint64_t place = begin; place < begin + width; ++place, ++at) {
    if (at == ahead_.end() || at->place != place) {
      return Refuse(Reason::LEDGER_UNKNOWN, absl::StrCat("entry ", place, " is missing"));
    }
    if (const absl::Status status = tlog::AppendToBundle(bundle, AsBytes(at->leaf)); !status.ok()) {
      return Refuse(Reason::LEDGER_UNKNOWN, absl::StrCat("entry ", place, " is too long"));
    }
  }
  return bundle;
}

absl::Status CheckLedger(Session& session, const Facts& facts, Findings& findings,
                         LedgerReading& reading, const std::function<void(uint64_t)>& told) {
  const Rows head = session.Run(kHead);
  if (head.size() != 1) {
    findings.Add(Fault::LEDGER_FORK, "ledger", "the head row is missing");
    return absl::OkStatus();
  }
  reading.size = static_cast<uint64_t>(head.Int(0, 0));
  const auto placed = static_cast<uint64_t>(head.Int(0, 3));
  if (placed != reading.size) {
    findings.Add(
        Fault::LEDGER_FORK, "ledger",
        absl::StrCat("the head has ", reading.size, " entries, the last row says ", placed));
  }
  std::vector<tlog::Checkpoint> checkpoints;
  ASSAY_RETURN_IF_ERROR(CheckCheckpoints(session, facts, reading.size, findings, checkpoints));
  CheckCosignatures(session, findings);
  SnapshotLog log(session);
  const tlog::Checkpoint whole{
      "", reading.size, reading.size == 0 ? tlog::EmptyRoot() : head.Digest(0, 1), {}};
  // A tree of our own beside the checker's: its root is held against every signed one on the way.
  tlog::GrowingTree grown;
  auto next = checkpoints.begin();
  const auto found = tlog::CheckLog(log, whole, [&](uint64_t place, ByteView leaf) {
    TakeLeaf(AsText(leaf), absl::StrCat("entry ", place), findings, reading);
    if (place % tlog::kTileWidth == 0) told(std::min(tlog::kTileWidth, reading.size - place));
    if (grown.size() != place) return;  // a bundle was missing, which is a finding already
    grown.Append(tlog::LeafHash(leaf));
    if (place % tlog::kTileWidth == 0) grown.TakeChanged();
    for (; next != checkpoints.end() && next->size <= grown.size(); ++next) {
      if (next->size != grown.size() || next->root == grown.Root()) continue;
      findings.Add(
          Fault::LEDGER_FORK, absl::StrCat("checkpoint ", next->size),
          absl::StrCat("the first ", next->size, " entries are not those that were signed"));
    }
  });
  if (!found.ok()) return found.status();
  for (const std::string& fault : found->faults) {
    const bool names_entry = absl::StartsWith(fault, "entry ");
    const size_t end = names_entry ? fault.find(' ', 6) : fault.find(':');
    findings.Add(Fault::LEDGER_FORK, names_entry ? fault.substr(0, end) : "ledger", fault);
  }
  CheckWaiting(session, facts, findings, reading);
  return absl::OkStatus();
}

}  // namespace assay::fsck
