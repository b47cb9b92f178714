#include "fsck/check.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <ctime>
#include <set>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/refusal.h"
#include "fsck/device_check.h"
#include "fsck/progress.h"
#include "fsck/snapshot.h"

namespace assay::fsck {
namespace {

constexpr int64_t kChunk = 4096;  // rows a query and a batch of signatures

// Chunks are walked by index: what the planner knows of tables that just grew would mislead it.
constexpr char kByIndex[] =
    "SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off; "
    "SET enable_bitmapscan = off";
constexpr char kFreely[] =
    "RESET enable_seqscan; RESET enable_hashjoin; RESET enable_mergejoin; RESET enable_bitmapscan";

double ProcessSeconds() {
  timespec spent{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &spent);
  return static_cast<double>(spent.tv_sec) + static_cast<double>(spent.tv_nsec) * 1e-9;
}

struct Range {
  int64_t after, last;
};

// One check from begin to end.
class Check {
 public:
  Check(const CheckOptions& options, Findings& findings) : options_(options), findings_(findings) {}

  absl::StatusOr<Report> Run(const Settings& settings, hsm::Token* token) {
    const auto begun = std::chrono::steady_clock::now();
    const double cpu_begun = ProcessSeconds();
    ASSAY_RETURN_IF_ERROR(Prepare(settings, token));
    ASSAY_RETURN_IF_ERROR(Guarded([&]() -> absl::Status { return ReadRanges(Main()); }));
    ASSAY_RETURN_IF_ERROR(CheckDevicesAndLedger());
    ASSAY_RETURN_IF_ERROR(Guarded([&]() -> absl::Status { return CheckRecords(); }));
    ASSAY_RETURN_IF_ERROR(Guarded([&]() -> absl::Status { return Compare(); }));
    report_.entries = ledger_.size;
    report_.waiting = ledger_.waiting;
    report_.key_checked = facts_.ledger_key.has_value();
    report_.seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count();
    report_.cpu_seconds = ProcessSeconds() - cpu_begun;
    return report_;
  }

 private:
  Session& Main() { return snapshot_->session(0); }

  absl::Status Prepare(const Settings& settings, hsm::Token* token) {
    const int cores = static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
    auto snapshot =
        Snapshot::Open(settings.database, options_.threads > 0 ? options_.threads : cores);
    if (!snapshot.ok()) return snapshot.status();
    snapshot_ = *std::move(snapshot);
    ASSAY_RETURN_IF_ERROR(
        Guarded([&]() -> absl::Status { return ReadFacts(Main(), facts_, findings_); }));
    facts_.ledger_key = options_.ledger_key;
    for (const Bytes& der : settings.image_certificates) {
      auto signer = ImageSigner::Make(der);
      if (!signer.ok()) return Within("image certificate", signer.status());
      facts_.image_signers.push_back(*std::move(signer));
    }
    if (token == nullptr) return absl::OkStatus();
    ASSAY_RETURN_IF_ERROR(CheckToken(*token, settings.keys, facts_, lot_keys_, findings_));
    report_.token_checked = true;
    return absl::OkStatus();
  }

  absl::Status ReadRanges(Session& session) {
    static const Statement kHighest = {
        "fsck_highest",
        "SELECT coalesce(max(row), 0) FROM devices WHERE row > $1::bigint AND row < $2::bigint"};
    for (const auto& [id, lot] : facts_.lots) {
      const int64_t base = id << 32;
      const int64_t highest =
          session.Run(kHighest, Params().Int(base).Int((id + 1) << 32)).Int(0, 0);
      for (int64_t at = base; at < highest; at += kChunk) {
        ranges_.push_back({at, std::min(at + kChunk, highest)});
      }
    }
    static const Statement kStray = {
        "fsck_stray",
        "SELECT d.row FROM devices d LEFT JOIN lots l ON l.id = d.row >> 32 "
        "WHERE l.id IS NULL OR d.row & 4294967295 = 0 LIMIT 51"};
    const Rows stray = session.Run(kStray);
    for (int i = 0; i < stray.size(); ++i) {
      findings_.Add(Fault::DEVICE_LOT, absl::StrCat("row ", stray.Int(i, 0)),
                    "belongs to a lot that is missing");
    }
    return absl::OkStatus();
  }

  // Devices on all threads; the first of them reads the ledger before it joins.
  absl::Status CheckDevicesAndLedger() {
    static const Statement kTotal = {
        "fsck_total",
        "SELECT (SELECT count(*) FROM devices), (SELECT coalesce(max(size), 0) FROM ledger_head)"};
    uint64_t total = 0;
    ASSAY_RETURN_IF_ERROR(Guarded([&] {
      const Rows rows = Main().Run(kTotal);
      total = static_cast<uint64_t>(rows.Int(0, 0) + rows.Int(0, 1));
      return absl::OkStatus();
    }));
    Progress progress(options_.progress, "records", total);
    std::vector<absl::Status> outcomes(static_cast<size_t>(snapshot_->size()));
    std::vector<std::thread> threads;
    for (int i = 0; i < snapshot_->size(); ++i) {
      threads.emplace_back([&, i] {
        outcomes[static_cast<size_t>(i)] =
            Guarded([&]() -> absl::Status { return Work(i, progress); });
        if (!outcomes[static_cast<size_t>(i)].ok()) failed_ = true;
      });
    }
    for (std::thread& thread : threads) thread.join();
    progress.End();
    for (const absl::Status& outcome : outcomes) ASSAY_RETURN_IF_ERROR(outcome);
    return absl::OkStatus();
  }

  absl::Status Work(int i, Progress& progress) {
    Session& session = snapshot_->session(i);
    session.RunScript(kByIndex);
    if (i == 0) {
      ASSAY_RETURN_IF_ERROR(CheckLedger(session, facts_, findings_, ledger_,
                                        [&](uint64_t more) { progress.Add(more); }));
    }
    DeviceChecker checker(facts_, findings_);
    uint64_t devices = 0;
    while (!failed_) {
      const size_t next = next_range_++;
      if (next >= ranges_.size()) break;
      const auto rows = ReadDevices(session, ranges_[next].after, ranges_[next].last);
      for (const DeviceRow& row : rows) checker.Check(row);
      checker.Flush();
      devices += rows.size();
      progress.Add(rows.size());
    }
    session.RunScript(kFreely);
    const std::lock_guard lock(mutex_);
    report_.devices += devices;
    report_.dacs += checker.dacs();
    report_.images += checker.images();
    report_.given += checker.given();
    issued_.Merge(checker.issued());
    confirmed_.Merge(checker.confirmed());
    revoked_.Merge(checker.revoked());
    return absl::OkStatus();
  }

  absl::Status CheckRecords() {
    ASSAY_RETURN_IF_ERROR(CheckIndexes(Main(), findings_));
    ASSAY_RETURN_IF_ERROR(CheckLots(Main(), facts_, findings_));
    ASSAY_RETURN_IF_ERROR(CheckAttempts(Main(), facts_, findings_, report_.records));
    ASSAY_RETURN_IF_ERROR(CheckWipes(Main(), findings_));
    ASSAY_RETURN_IF_ERROR(CheckActs(Main(), ledger_, findings_));
    ASSAY_RETURN_IF_ERROR(CheckRevocations(Main(), facts_, ledger_, findings_));
    if (!report_.token_checked) return absl::OkStatus();
    return CheckSealed(Main(), facts_, lot_keys_, options_.deep ? 0 : options_.sample,
                       /*verifiers=*/20, findings_, report_.sealed);
  }

  // What the sums said of the buckets, said of the devices.
  absl::Status Compare() {
    CompareIssues(issued_.Differing(ledger_.issued));
    CompareNames("device.confirm", "x.confirmed_at IS NOT NULL",
                 confirmed_.Differing(ledger_.confirmed), "confirmed");
    CompareNames("device.revoke", "x.state = 4", revoked_.Differing(ledger_.revoked), "revoked");
    return absl::OkStatus();
  }

  // Calls `take` with every entry of that kind.
  template <typename TakeBody>
  void EachEntry(const char* kind, const TakeBody& take) {
    static const Statement kOfKind = {
        "fsck_of_kind",
        "SELECT id, body FROM ledger_entries WHERE id > $1::bigint AND kind = $2::text "
        "ORDER BY id LIMIT 4096"};
    int64_t after = 0;
    while (true) {
      const Rows rows = Main().Run(kOfKind, Params().Int(after).Text(kind));
      if (rows.empty()) return;
      for (int i = 0; i < rows.size(); ++i) take(rows.Text(i, 1));
      after = rows.Int(rows.size() - 1, 0);
    }
  }

  void CompareIssues(const std::vector<bool>& buckets) {
    if (std::ranges::none_of(buckets, [](bool differs) { return differs; })) return;
    std::map<std::string, IssueRecord> told, kept;
    const auto key_of = [](const IssueRecord& record) {
      return absl::StrCat(record[0], "\n", record[2]);
    };
    EachEntry("device.seal", [&](const std::string& body) {
      IssueRecord record;
      if (!ReadIssue(body, record) || !buckets[Tally::BucketOf(record[0])]) return;
      if (!told.emplace(key_of(record), record).second) {
        findings_.Add(Fault::LEDGER_NO_DEVICE, absl::StrCat("device ", record[0]),
                      "the ledger tells of its issue twice");
      }
    });
    for (const Range& range : ranges_) {
      for (const DeviceRow& row : ReadDevices(Main(), range.after, range.last)) {
        const auto lot = facts_.lots.find(row.lot_id);
        if (lot == facts_.lots.end() || !buckets[Tally::BucketOf(row.unit_id())]) continue;
        const IssueRecord record = RecordOf(row, lot->second);
        kept.emplace(key_of(record), record);
      }
    }
    TellDifferences(told, kept);
  }

  void TellDifferences(const std::map<std::string, IssueRecord>& told,
                       const std::map<std::string, IssueRecord>& kept) {
    for (const auto& [key, record] : told) {
      const auto row = kept.find(key);
      const std::string subject = absl::StrCat("device ", record[0]);
      if (row == kept.end()) {
        findings_.Add(Fault::LEDGER_NO_DEVICE, subject,
                      absl::StrCat("ticket ", record[1], " of lot ", record[2],
                                   " was issued by the ledger, but the database has no row"));
        continue;
      }
      for (size_t i = 0; i < record.size(); ++i) {
        if (record[i] == row->second[i]) continue;
        findings_.Add(Fault::LEDGER_DIFFERS, subject,
                      absl::StrCat(std::string(kIssueFields[i]), " is ", row->second[i],
                                   " in the database and ", record[i], " in the ledger"));
      }
    }
    for (const auto& [key, record] : kept) {
      if (told.contains(key)) continue;
      findings_.Add(Fault::LEDGER_NO_ISSUE, absl::StrCat("device ", record[0]),
                    absl::StrCat("ticket ", record[1], " of lot ", record[2],
                                 " is in the database, but the ledger does not tell of it"));
    }
  }

  void CompareNames(const char* kind, const std::string& where, const std::vector<bool>& buckets,
                    const char* what) {
    if (std::ranges::none_of(buckets, [](bool differs) { return differs; })) return;
    std::set<std::string> told, kept;
    EachEntry(kind, [&](const std::string& body) {
      const std::string device = DeviceOf(body);
      if (!device.empty() && buckets[Tally::BucketOf(device)]) told.insert(device);
    });
    const Statement names = {
        kind, absl::StrCat("SELECT coalesce(m.device_id, a.device_id) FROM device_outcomes x "
                           "JOIN devices d ON d.row = x.row JOIN attempts a ON a.id = "
                           "d.attempt_id LEFT JOIN attempts m ON m.id = a.module_attempt WHERE ",
                           where)};
    const Rows rows = Main().Run(names);
    for (int i = 0; i < rows.size(); ++i) {
      const std::string device = rows.Text(i, 0);
      if (buckets[Tally::BucketOf(device)]) kept.insert(device);
    }
    for (const std::string& device : told) {
      if (kept.contains(device)) continue;
      findings_.Add(Fault::LEDGER_OUTCOME, absl::StrCat("device ", device),
                    absl::StrCat("was ", what, " by the ledger, but not in the database"));
    }
    for (const std::string& device : kept) {
      if (told.contains(device)) continue;
      findings_.Add(Fault::LEDGER_OUTCOME, absl::StrCat("device ", device),
                    absl::StrCat("was ", what, " in the database, but the ledger does not tell"));
    }
  }

  const CheckOptions& options_;
  Findings& findings_;
  std::unique_ptr<Snapshot> snapshot_;
  Facts facts_;
  LotKeys lot_keys_;
  LedgerReading ledger_;
  std::vector<Range> ranges_;
  std::atomic<size_t> next_range_{0};
  std::atomic<bool> failed_{false};
  std::mutex mutex_;
  Tally issued_, confirmed_, revoked_;
  Report report_;
};

}  // namespace

absl::StatusOr<Report> CheckEverything(const Settings& settings, hsm::Token* token,
                                       const CheckOptions& options, Findings& findings) {
  return Check(options, findings).Run(settings, token);
}

}  // namespace assay::fsck
