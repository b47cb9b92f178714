#include "fsck/reconcile.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "base/refusal.h"
#include "db/pg/schema.h"
#include "fsck/ledger_check.h"
#include "fsck/recovery_sources.h"
#include "fsck/reentry.h"
#include "tlog/growing_tree.h"
#include "tlog/log_check.h"

namespace assay::fsck {
namespace {

const Statement kHead = {"recover_head", "SELECT size, root FROM ledger_head"};
const Statement kTake = {
    "recover_take",
    "UPDATE ledger_head SET holder = 'assay fsck --reconcile', lease_until = now() + interval "
    "'1 hour' WHERE lease_until <= now()"};
const Statement kLeave = {
    "recover_leave",
    "UPDATE ledger_head SET holder = '', lease_until = '-infinity', size = $1::bigint, "
    "root = $2::bytea"};
const Statement kRunning = {"recover_running",
                            "SELECT instance_id FROM instances WHERE lease_until > now() LIMIT 1"};
const Statement kWaiting = {
    "recover_waiting",
    "SELECT id, body, created_at FROM ledger_entries WHERE seq IS NULL ORDER BY id"};
const Statement kPlace = {
    "recover_place",
    "UPDATE ledger_entries SET seq = $2::bigint, device = $3::text WHERE id = $1::bigint"};
const Statement kEntry = {
    "recover_entry",
    "INSERT INTO ledger_entries (seq, kind, body, device, created_at) VALUES ($1::bigint, "
    "$2::text, $3::text, $4::text, 'epoch'::timestamptz + $5::bigint * interval '1 us')"};
const Statement kAdd = {"recover_add",
                        "INSERT INTO ledger_entries (kind, body) VALUES ($1::text, $2::text)"};
const Statement kTile = {"recover_tile",
                         "INSERT INTO ledger_tiles (level, idx, hashes) VALUES ($1::bigint, "
                         "$2::bigint, $3::bytea) ON CONFLICT (level, idx) "
                         "DO UPDATE SET hashes = excluded.hashes"};
const Statement kCheckpoint = {
    "recover_checkpoint",
    "INSERT INTO ledger_checkpoints (size, root, note) SELECT $1::bigint, $2::bytea, $3::text "
    "WHERE NOT EXISTS (SELECT FROM ledger_checkpoints WHERE size >= $1::bigint)"};
const Statement kKnown = {"recover_known",
                          "SELECT 1 FROM attempts a JOIN devices d ON d.attempt_id = a.id "
                          "JOIN lots l ON l.id = a.lot_id WHERE l.name = $1::text AND "
                          "a.ticket = $2::text AND a.live"};

// One reconciliation, inside one transaction that only Apply's last step keeps.
class Reconciliation {
 public:
  Reconciliation(Session& session, const Settings& settings, hsm::Token* token,
                 const tlog::NoteKey& key, const RecoveryOptions& options)
      : session_(session), settings_(settings), token_(token), key_(key), options_(options) {}

  absl::StatusOr<RecoveryReport> Run() {
    session_.RunScript("BEGIN");
    const absl::Status status = Inside();
    const bool keep = status.ok() && options_.apply && report_.problems.empty();
    session_.RunScript(keep ? "COMMIT" : "ROLLBACK");
    if (!status.ok()) return status;
    report_.applied = keep;
    return report_;
  }

 private:
  absl::Status Inside() {
    ASSAY_RETURN_IF_ERROR(Hold());
    ASSAY_RETURN_IF_ERROR(Gather());
    ReadWaiting();
    ASSAY_RETURN_IF_ERROR(OpenTree());
    ASSAY_RETURN_IF_ERROR(EnterLeaves());
    ASSAY_RETURN_IF_ERROR(EnterStrays());
    return Close();
  }

  // Nobody else may add meanwhile.
  absl::Status Hold() {
    const Rows head = session_.Run(kHead);
    if (head.size() != 1) return Refuse(Reason::LEDGER_FORKED, "the ledger's head row is missing");
    size_ = static_cast<uint64_t>(head.Int(0, 0));
    root_ = size_ == 0 ? tlog::EmptyRoot() : head.Digest(0, 1);
    report_.database_size = size_;
    const Rows running = session_.Run(kRunning);
    // To look is allowed beside a running service; what it adds would make what is found too late.
    const bool free = !options_.apply || session_.Run(kTake).affected() == 1;
    if (running.empty() && free) return absl::OkStatus();
    const std::string who = running.empty() ? "" : absl::StrCat(" (", running.Text(0, 0), ")");
    const std::string what = absl::StrCat("an assayd is running", who,
                                          " or ended a moment ago: stop every replica, wait half a "
                                          "minute, and run again before anything is issued");
    (options_.apply ? report_.problems : report_.remarks).push_back(what);
    return absl::OkStatus();
  }

  absl::Status Gather() {
    auto copy = ReadCopy(options_.ledger, key_, size_);
    if (!copy.ok()) return copy.status();
    copy_ = *std::move(copy);
    ASSAY_RETURN_IF_ERROR(CheckBeginning());
    auto survivors = ReadFolders(options_.folders, key_);
    if (!survivors.ok()) return survivors.status();
    survivors_ = *std::move(survivors);
    report_.remarks.insert(report_.remarks.end(), survivors_.remarks.begin(),
                           survivors_.remarks.end());
    const auto& leaves = survivors_.receipts.leaves;
    // What follows the copy without a gap is as good as copied: each leaf is proved by its receipt.
    uint64_t next = std::max(copy_.checkpoint.size, size_);
    for (auto at = leaves.find(next); at != leaves.end() && at->first == next; ++at, ++next) {
      copy_.leaves.push_back(at->second);
    }
    report_.copy_size = next;
    for (const auto& [place, leaf] : leaves) {
      if (place >= size_ && place < next && copy_.leaves[place - size_] != leaf) {
        return Refuse(Reason::LEDGER_FORKED,
                      absl::StrCat("a receipt proves another entry ", place, " than the copy has"));
      }
    }
    return CheckTail(next);
  }

  // The smaller log must be the beginning of the larger.
  absl::Status CheckBeginning() {
    TileFolder folder(options_.ledger);
    SnapshotLog database(session_);
    const bool shorter = copy_.checkpoint.size < size_;
    tlog::LogReader& larger = shorter ? static_cast<tlog::LogReader&>(database) : folder;
    tlog::Prover prover(larger, std::max(copy_.checkpoint.size, size_));
    const auto root = prover.RootAt(std::min(copy_.checkpoint.size, size_));
    if (!root.ok()) return root.status();
    if (*root == (shorter ? copy_.checkpoint.root : root_)) return absl::OkStatus();
    return Refuse(Reason::LEDGER_FORKED,
                  "the copy is no continuation of the database's ledger: entries were added since "
                  "the restore, or it is another ledger. Restore the backup again and reconcile "
                  "before assayd is started");
  }

  absl::Status CheckTail(uint64_t end) {
    const auto& newest = survivors_.receipts.newest;
    if (!newest || newest->size <= end) return absl::OkStatus();
    lost_tail_ = true;
    const std::string what = absl::StrCat("a receipt's checkpoint has ", newest->size,
                                          " entries, all that survived has ", end);
    if (options_.accept_lost_tail) {
      report_.remarks.push_back(absl::StrCat(
          what, ": the ledger goes on from there, and that checkpoint will never be proved again"));
    } else {
      report_.problems.push_back(absl::StrCat(
          what,
          ": look for a newer copy (every auditor who exports has one); without one, "
          "--accept-lost-tail goes on, and the receipts beyond cannot be proved again"));
    }
    return absl::OkStatus();
  }

  void ReadWaiting() {
    const Rows rows = session_.Run(kWaiting);
    for (int i = 0; i < rows.size(); ++i) {
      waiting_.emplace(LeafOf(rows.Text(i, 1), rows.Time(i, 2)), rows.Int(i, 0));
    }
    report_.known_waiting = waiting_.size();
  }

  absl::Status OpenTree() {
    SnapshotLog log(session_);
    std::vector<std::vector<tlog::Hash>> edge(tlog::kMaxTileLevel + 1);
    for (int level = 0; level <= tlog::kMaxTileLevel; ++level) {
      const uint64_t hashes = size_ >> (8 * level), width = hashes % tlog::kTileWidth;
      if (width == 0) continue;
      const auto tile = log.ReadTile({level, hashes / tlog::kTileWidth}, width);
      if (!tile.ok()) return tile.status();
      edge[static_cast<size_t>(level)] = *tlog::HashesOf(*tile, width);
    }
    auto tree = tlog::GrowingTree::FromEdge(size_, std::move(edge));
    if (!tree.ok()) return tree.status();
    if (tree->Root() != root_) {
      return Refuse(Reason::LEDGER_FORKED, "the database's tiles do not lead to its head's root");
    }
    tree_ = *std::move(tree);
    return absl::OkStatus();
  }

  absl::Status EnterLeaves() {
    Reentry reentry(session_, survivors_, settings_, token_, report_);
    for (const std::string& leaf : copy_.leaves) {
      const uint64_t place = tree_.size();
      const auto entry = ReadLeaf(leaf);
      if (!entry.ok()) {
        report_.problems.push_back(absl::StrCat("entry ", place, " ", entry.status().message(),
                                                ": it cannot be entered again"));
        return absl::OkStatus();
      }
      const auto known = waiting_.find(leaf);
      if (known != waiting_.end()) {
        Params params = Params().Int(known->second).Int(static_cast<int64_t>(place));
        session_.Run(kPlace, params.TextOrNull(entry->device));
        waiting_.erase(known);
      } else {
        const absl::Status entered = Enter(reentry, *entry, place);
        if (!entered.ok()) {
          report_.problems.push_back(absl::StrCat("entry ", place, ": ", entered.message()));
          return absl::OkStatus();
        }
      }
      tree_.Append(tlog::LeafHash(AsBytes(leaf)));
      if (tree_.size() == copy_.checkpoint.size && tree_.Root() != copy_.checkpoint.root) {
        return Refuse(Reason::LEDGER_FORKED, "the entries do not lead to the copy's signed root");
      }
    }
    return absl::OkStatus();
  }

  absl::Status Enter(Reentry& reentry, const ToldEntry& entry, uint64_t place) {
    ASSAY_RETURN_IF_ERROR(reentry.Enter(entry));
    Params params = Params()
                        .Int(static_cast<int64_t>(place))
                        .Text(entry.kind == "issue" ? "device.seal" : entry.kind)
                        .Text(entry.body);
    params.TextOrNull(entry.device).Int(absl::ToUnixMicros(entry.at));
    session_.Run(kEntry, params);
    ++report_.entries;
    return absl::OkStatus();
  }

  // What only a receipt beyond the gap or a line's folder tells of gets a new entry of its own.
  absl::Status EnterStrays() {
    if (!report_.problems.empty()) return absl::OkStatus();
    Reentry reentry(session_, survivors_, settings_, token_, report_);
    const uint64_t end = tree_.size();
    for (const auto& [place, leaf] : survivors_.receipts.leaves) {
      if (place < end) continue;
      const auto entry = ReadLeaf(leaf);
      if (!entry.ok() || Holds(leaf)) continue;
      const absl::Status entered = reentry.Enter(*entry);
      if (!entered.ok()) {
        report_.problems.push_back(
            absl::StrCat("receipt of entry ", place, ": ", entered.message()));
        return absl::OkStatus();
      }
      session_.Run(
          kAdd,
          Params().Text(entry->kind == "issue" ? "device.seal" : entry->kind).Text(entry->body));
      ++report_.entries;
    }
    for (const auto& [device_id, devices] : survivors_.devices) {
      for (const FolderDevice& device : devices) {
        if (device.taken ||
            !session_.Run(kKnown, Params().Text(device.lot).Text(device.ticket)).empty()) {
          continue;
        }
        report_.remarks.push_back(
            absl::StrCat(device.path, ": device ", device_id,
                         " is in no copy, no receipt and not in the "
                         "database: ask its line for the receipt, or scrap the unit"));
      }
    }
    return absl::OkStatus();
  }

  bool Holds(const std::string& leaf) const { return waiting_.contains(leaf); }

  absl::Status Close() {
    if (!report_.problems.empty()) return absl::OkStatus();
    for (const auto& [id, hashes] : tree_.TakeChanged()) {
      session_.Run(
          kTile,
          Params().Int(id.level).Int(static_cast<int64_t>(id.index)).Blob(tlog::BytesOf(hashes)));
    }
    const tlog::Hash root = tree_.Root();
    session_.Run(kLeave, Params().Int(static_cast<int64_t>(tree_.size())).Blob(root));
    if (copy_.checkpoint.size <= tree_.size()) {
      session_.Run(kCheckpoint, Params()
                                    .Int(static_cast<int64_t>(copy_.checkpoint.size))
                                    .Blob(copy_.checkpoint.root)
                                    .Text(copy_.note));
    }
    const auto& newest = survivors_.receipts.newest;
    if (newest && newest->size == tree_.size()) {
      if (newest->root != root) {
        return Refuse(Reason::LEDGER_FORKED, "the entries do not lead to a receipt's signed root");
      }
      session_.Run(kCheckpoint, Params()
                                    .Int(static_cast<int64_t>(newest->size))
                                    .Blob(newest->root)
                                    .Text(survivors_.receipts.newest_note));
    }
    if (report_.entries == 0) return absl::OkStatus();
    const nlohmann::json told = {{"actor", "assay fsck --reconcile"},
                                 {"devices", report_.devices},
                                 {"entries", report_.entries},
                                 {"from_size", report_.database_size},
                                 {"kind", "ledger.reconcile"},
                                 {"lost_tail", lost_tail_},
                                 {"to_size", tree_.size()}};
    session_.Run(kAdd, Params().Text("ledger.reconcile").Text(told.dump()));
    return absl::OkStatus();
  }

  Session& session_;
  const Settings& settings_;
  hsm::Token* const token_;
  const tlog::NoteKey& key_;
  const RecoveryOptions& options_;
  RecoveryReport report_;
  uint64_t size_ = 0;
  tlog::Hash root_{};
  CopiedLedger copy_;
  Survivors survivors_;
  bool lost_tail_ = false;
  std::map<std::string, int64_t> waiting_;  // leaves by text: ids
  tlog::GrowingTree tree_;
};

}  // namespace

absl::StatusOr<RecoveryReport> Reconcile(const Settings& settings, hsm::Token* token,
                                         const tlog::NoteKey& key, const RecoveryOptions& options) {
  if (options.ledger.empty()) {
    return RefuseField(Reason::FIELD_REQUIRED, "--ledger", "",
                       "name the folder of a copy of the ledger");
  }
  absl::StatusOr<RecoveryReport> report = absl::UnknownError("not run");
  const absl::Status status = Guarded([&]() -> absl::Status {
    Session session(settings.database);
    session.RunScript(
        "SET statement_timeout = 0; SET lock_timeout = 0; "
        "SET idle_in_transaction_session_timeout = 0; SET application_name = 'assay-fsck'");
    ASSAY_RETURN_IF_ERROR(pg::JudgeSchema(pg::ReadApplied(session)));
    report = Reconciliation(session, settings, token, key, options).Run();
    return report.status();
  });
  if (!status.ok()) return status;
  return report;
}

}  // namespace assay::fsck
