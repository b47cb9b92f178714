#include "client/issue_run.h"

#include <algorithm>
#include <filesystem>
#include <map>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "base/refusal.h"
#include "client/device_folder.h"
#include "matter/certificate.h"
#include "matter/csr.h"

namespace assay::client {
namespace {

constexpr size_t kMaxTicket = 128;
constexpr uint64_t kMaxCount = 1'000'000;  // each is a folder in the run's, and 300 bytes of memory

absl::Status CheckTicket(const std::string& field, const std::string& ticket) {
  const bool fine = !ticket.empty() && ticket.size() <= kMaxTicket && ticket[0] != '.' &&
                    std::all_of(ticket.begin(), ticket.end(), [](char c) {
                      return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '.' ||
                             c == '_' || c == '-' || c == ':';
                    });
  if (fine) return absl::OkStatus();
  return RefuseField(Reason::FIELD_MALFORMED, field, ticket,
                     "a ticket is 1 to 128 of [A-Za-z0-9._:-], not beginning with '.'");
}

absl::Status Differs(const std::string& option, const std::string& given, const std::string& had) {
  return RefuseField(Reason::FIELDS_CONTRADICT, option, given,
                     absl::StrCat("this folder's run was begun with '", had,
                                  "'; give another --out for another run"));
}

absl::StatusOr<std::vector<std::string>> CsrFiles(const std::string& folder) {
  std::vector<std::string> files;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
    if (entry.path().extension() == ".csr") files.push_back(entry.path().string());
  }
  if (error || files.empty()) {
    return RefuseField(Reason::FIELD_REQUIRED, "--csr", folder,
                       error ? "cannot be read as a folder" : "the folder has no *.csr file");
  }
  std::sort(files.begin(), files.end());
  return files;
}

}  // namespace

absl::StatusOr<IssueRun> IssueRun::Begin(const std::string& folder, const RunOrder& order,
                                         Random& random) {
  if (order.csr_folder.empty() && order.kind.empty() && order.count == 0) {
    return RefuseField(Reason::FIELD_OUT_OF_RANGE, "--count", "0", "must be at least 1");
  }
  if (order.csr_folder.empty() && order.kind.empty() && order.count > kMaxCount) {
    return RefuseField(Reason::FIELD_OUT_OF_RANGE, "--count", absl::StrCat(order.count),
                       absl::StrCat("must be at most ", kMaxCount,
                                    "; make a larger lot by several runs, each in its own --out"));
  }
  ASSAY_RETURN_IF_ERROR(MakeFolder(folder));
  auto lock = FolderLock::Take(folder);
  if (!lock.ok()) return lock.status();
  IssueRun run(folder, *std::move(lock));
  const auto record = run.Agree(order, random);
  if (!record.ok()) return record.status();
  std::vector<PlannedTicket> planned;
  ASSAY_RETURN_IF_ERROR(run.PlanTickets(order, planned));
  // Only now: an order that is refused leaves the folder to the next one.
  if (!record->empty()) ASSAY_RETURN_IF_ERROR(WriteRecord(run.RecordPath(), *record));
  run.total_ = planned.size();
  ASSAY_RETURN_IF_ERROR(run.Mend(std::move(planned)));
  return run;
}

absl::StatusOr<TextRecord> IssueRun::Agree(const RunOrder& order, Random& random) {
  const std::string path = RecordPath();
  const std::string kind = !order.kind.empty()        ? order.kind
                           : order.csr_folder.empty() ? "server-key"
                                                      : "csr";
  if (PathExists(path)) {
    auto record = ReadRecord(path);
    if (!record.ok()) return record.status();
    if ((*record)["lot"] != order.lot) return Differs("--lot", order.lot, (*record)["lot"]);
    if ((*record)["kind"] != kind) return Differs("kind of run", kind, (*record)["kind"]);
    if (!order.ticket_prefix.empty() && (*record)["ticket_prefix"] != order.ticket_prefix) {
      return Differs("--ticket-prefix", order.ticket_prefix, (*record)["ticket_prefix"]);
    }
    prefix_ = (*record)["ticket_prefix"];
    return TextRecord();
  }
  prefix_ = order.ticket_prefix;
  // With CSRs and listed units the ticket has a name of its own; with keys of the server's two
  // folders must not meet by chance.
  if (prefix_.empty() && kind == "server-key") {
    prefix_ = absl::StrCat(order.lot, "-", ToHex(random.Draw(4)), "-");
  }
  return TextRecord{{"lot", order.lot}, {"kind", kind}, {"ticket_prefix", prefix_}};
}

absl::Status IssueRun::PlanTickets(const RunOrder& order,
                                   std::vector<PlannedTicket>& planned) const {
  if (!order.kind.empty()) {
    for (const PlannedTicket& unit : order.units) {
      planned.push_back(unit);
      planned.back().ticket = prefix_ + unit.ticket;
      ASSAY_RETURN_IF_ERROR(CheckTicket("ticket", planned.back().ticket));
    }
    return absl::OkStatus();
  }
  if (order.csr_folder.empty()) {
    for (uint64_t number = 1; number <= order.count; ++number) {
      planned.emplace_back();
      planned.back().ticket = absl::StrCat(prefix_, absl::StrFormat("%06d", number));
    }
    return CheckTicket("--ticket-prefix", planned.back().ticket);
  }
  auto files = CsrFiles(order.csr_folder);
  if (!files.ok()) return files.status();
  std::map<std::string, std::string> file_by_key;
  for (const std::string& file : *files) {
    auto bytes = ReadFile(file);
    if (!bytes.ok()) return bytes.status();
    auto der = matter::CsrDerFrom(*bytes);
    if (!der.ok()) return Within(file, der.status());
    const auto csr = matter::ParseCsr(*der);
    if (!csr.ok()) return Within(file, csr.status());
    const auto [found, is_new] = file_by_key.emplace(ToText(csr->public_key), file);
    if (!is_new) {
      return RefuseField(Reason::PUBLIC_KEY_REUSED, file, "",
                         absl::StrCat("has the same key as ", found->second));
    }
    planned.emplace_back();
    planned.back().ticket = absl::StrCat(prefix_, Stem(file));
    planned.back().csr = *std::move(der);
    ASSAY_RETURN_IF_ERROR(CheckTicket(file, planned.back().ticket));
  }
  return absl::OkStatus();
}

absl::Status IssueRun::Mend(std::vector<PlannedTicket> planned) {
  std::string manifest = ManifestHeader();
  if (PathExists(ManifestPath())) {
    auto text = ReadTextFile(ManifestPath());
    if (!text.ok()) return text.status();
    // A row cut by a power failure is written again from its folder.
    const size_t end = text->rfind('\n');
    manifest = end == std::string::npos ? ManifestHeader() : text->substr(0, end + 1);
    if (manifest != *text)
      ASSAY_RETURN_IF_ERROR(ReplaceFile(ManifestPath(), AsBytes(manifest), kPrivateFile));
  } else {
    ASSAY_RETURN_IF_ERROR(ReplaceFile(ManifestPath(), AsBytes(manifest), kPrivateFile));
  }
  std::set<std::string, std::less<>> known;
  for (absl::string_view row : absl::StrSplit(manifest, '\n')) {
    known.emplace(row.substr(0, row.find(',')));
  }
  std::string rows;
  std::set<std::string, std::less<>> gone;
  for (PlannedTicket& ticket : planned) {
    const std::string row_file = PathBelow(PathBelow(folder_, ticket.ticket), "manifest_row.csv");
    if (!PathExists(row_file)) {
      if (known.contains(ticket.ticket)) gone.insert(ticket.ticket);
      missing_.push_back(std::move(ticket));
      continue;
    }
    ++had_;
    if (known.contains(ticket.ticket)) continue;
    auto row = ReadTextFile(row_file);
    if (!row.ok()) return row.status();
    rows += *row;
    mended_.push_back(ticket.ticket);
  }
  // A folder that somebody removed is fetched again, and its row comes with it: no row twice.
  if (!gone.empty()) {
    std::vector<absl::string_view> kept = absl::StrSplit(manifest, '\n');
    std::erase_if(
        kept, [&](absl::string_view row) { return gone.contains(row.substr(0, row.find(','))); });
    ASSAY_RETURN_IF_ERROR(
        ReplaceFile(ManifestPath(), AsBytes(absl::StrJoin(kept, "\n")), kPrivateFile));
  }
  if (rows.empty()) return absl::OkStatus();
  return AppendFile(ManifestPath(), rows, kPrivateFile);
}

absl::Status IssueRun::Keep(const std::vector<v1::Identity>& identities,
                            const v1::ProductSpec& spec) {
  std::string rows;
  for (const v1::Identity& identity : identities) {
    ASSAY_RETURN_IF_ERROR(CheckTicket("ticket", identity.ticket()));
    auto files = DeviceFiles(identity, spec);
    if (!files.ok()) return Within(identity.ticket(), files.status());
    ASSAY_RETURN_IF_ERROR(
        WriteDeviceFiles(PathBelow(folder_, absl::StrCat(".part-", identity.ticket())), *files));
    rows += ManifestRowOf(identity, spec);
  }
  ASSAY_RETURN_IF_ERROR(SyncFileSystem(folder_));
  for (const v1::Identity& identity : identities) {
    ASSAY_RETURN_IF_ERROR(RenamePath(PathBelow(folder_, absl::StrCat(".part-", identity.ticket())),
                                     PathBelow(folder_, identity.ticket())));
  }
  const std::string certificate_file = PathBelow(folder_, "image_certificate.pem");
  if (!identities.empty() && !PathExists(certificate_file)) {
    ASSAY_RETURN_IF_ERROR(
        WriteFile(certificate_file,
                  AsBytes(matter::ToPem("CERTIFICATE", AsBytes(identities[0].image_certificate()))),
                  kPublicFile));
  }
  return AppendFile(ManifestPath(), rows, kPrivateFile);
}

}  // namespace assay::client
