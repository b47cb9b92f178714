#include "client/command/ledger_commands.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "assay/v1/ledger.grpc.pb.h"
#include "base/refusal.h"
#include "client/files.h"
#include "client/ledger_reader.h"
#include "client/progress.h"
#include "client/show.h"
#include "tlog/log_check.h"

namespace assay::client {
namespace {

using Ledger = v1::LedgerService::Stub;

struct Newest {
  std::string note;
  tlog::Checkpoint checkpoint;
};

// Checked under `key`.
absl::StatusOr<Newest> Ask(Connection& connection, const tlog::NoteKey& key) {
  const auto stub = v1::LedgerService::NewStub(connection.channel());
  const auto answer = connection.Call(*stub, &Ledger::GetCheckpoint, v1::GetCheckpointRequest());
  if (!answer.ok()) return answer.status();
  auto checkpoint = tlog::OpenCheckpoint(answer->checkpoint(), key);
  if (!checkpoint.ok()) return checkpoint.status();
  return Newest{answer->checkpoint(), *std::move(checkpoint)};
}

absl::StatusOr<Newest> Find(const std::string& folder, const tlog::NoteKey& key) {
  const auto note = ReadTextFile(PathBelow(folder, "checkpoint"));
  if (!note.ok()) return note.status();
  auto checkpoint = tlog::OpenCheckpoint(*note, key);
  if (!checkpoint.ok()) return checkpoint.status();
  return Newest{*note, *std::move(checkpoint)};
}

// The checkpoint that was remembered must be a beginning of this one.
absl::Status CheckRemembered(Context& context, tlog::LogReader& log, const tlog::NoteKey& key,
                             const tlog::Checkpoint& newest, const std::string& file) {
  if (file.empty()) return absl::OkStatus();
  if (!PathExists(file)) {
    context.Remark(absl::StrCat(file, " is not there yet: nothing to compare with"));
    return absl::OkStatus();
  }
  const auto note = ReadTextFile(file);
  if (!note.ok()) return note.status();
  const auto earlier = tlog::OpenCheckpoint(*note, key);
  if (!earlier.ok()) return Within(file, earlier.status());
  ASSAY_RETURN_IF_ERROR(tlog::CheckGrowth(log, *earlier, newest));
  context.Remark(absl::StrCat("begins with the ", earlier->size, " entries of ", file));
  return absl::OkStatus();
}

absl::Status Told(Context& context, const tlog::LogFindings& findings,
                  const std::vector<std::string>& leftovers) {
  for (const std::string& fault : findings.faults) context.Print(fault + "\n");
  for (const std::string& fault : leftovers) context.Print(fault + "\n");
  const uint64_t count = findings.faults.size() + findings.more_faults + leftovers.size();
  if (count == 0) return absl::OkStatus();
  return Refuse(Reason::LEDGER_FORKED, absl::StrCat(count, " faults in the ledger"));
}

}  // namespace

absl::Status ShowLedgerKey(Context& context) {
  const auto connection = context.Connect("auditor");
  if (!connection.ok()) return connection.status();
  const auto stub = v1::LedgerService::NewStub((*connection)->channel());
  const auto answer =
      (*connection)->Call(*stub, &Ledger::GetCheckpoint, v1::GetCheckpointRequest());
  if (!answer.ok()) return answer.status();
  context.Print(answer->verifier_key() + "\n");
  context.Remark(
      "this is what the server says its key is: compare it with what you were given in person");
  return absl::OkStatus();
}

absl::Status ShowCheckpoint(Context& context, const LedgerOptions& options) {
  const auto connection = context.Connect("auditor");
  if (!connection.ok()) return connection.status();
  const auto stub = v1::LedgerService::NewStub((*connection)->channel());
  v1::GetCheckpointRequest request;
  request.set_size(options.size);
  const auto answer = (*connection)->Call(*stub, &Ledger::GetCheckpoint, request);
  if (!answer.ok()) return answer.status();
  if (!options.key.empty()) {
    const auto key = ReadVerifierKey("--key", options.key);
    if (!key.ok()) return key.status();
    const auto opened = tlog::OpenCheckpoint(answer->checkpoint(), *key);
    if (!opened.ok()) return opened.status();
    context.Remark(absl::StrCat("the signature by ", key->name(), " is right"));
  }
  if (!options.out.empty())
    return ReplaceFile(options.out, AsBytes(answer->checkpoint()), kPublicFile);
  if (context.json()) {
    context.PrintMessage(*answer);
  } else {
    context.Print(answer->checkpoint());
  }
  return absl::OkStatus();
}

absl::Status VerifyLedger(Context& context, const LedgerOptions& options) {
  const auto key = ReadVerifierKey("--key", options.key);
  if (!key.ok()) return key.status();
  std::unique_ptr<tlog::LogReader> log;
  FolderLog* folder = nullptr;
  absl::StatusOr<Newest> newest = absl::UnknownError("not asked");
  if (options.folder.empty()) {
    const auto connection = context.Connect("auditor");
    if (!connection.ok()) return connection.status();
    newest = Ask(**connection, *key);
    log = std::make_unique<ServerLog>(*connection);
  } else {
    newest = Find(options.folder, *key);
    auto opened = std::make_unique<FolderLog>(options.folder);
    folder = opened.get();
    log = std::move(opened);
  }
  if (!newest.ok()) return newest.status();
  ASSAY_RETURN_IF_ERROR(CheckRemembered(context, *log, *key, newest->checkpoint, options.remember));
  Progress progress(context.remarks(), 0, newest->checkpoint.size);
  const auto findings =
      tlog::CheckLog(*log, newest->checkpoint, [&](uint64_t, ByteView) { progress.Add(1); });
  progress.End();
  if (!findings.ok()) return findings.status();
  std::vector<std::string> leftovers;
  if (folder != nullptr) {
    auto found = CheckLeftovers(*folder, newest->checkpoint);
    if (!found.ok()) return found.status();
    leftovers = *std::move(found);
  }
  ASSAY_RETURN_IF_ERROR(Told(context, *findings, leftovers));
  if (!options.remember.empty()) {
    ASSAY_RETURN_IF_ERROR(ReplaceFile(options.remember, AsBytes(newest->note), kPublicFile));
  }
  context.Print(absl::StrCat("verified ", findings->entries, " entries and ", findings->tiles,
                             " tiles of ", key->name(), "\n"));
  return absl::OkStatus();
}

absl::Status ListEntries(Context& context, const LedgerOptions& options) {
  const auto connection = context.Connect("auditor");
  if (!connection.ok()) return connection.status();
  const auto stub = v1::LedgerService::NewStub((*connection)->channel());
  uint64_t done = 0;
  while (done < options.count) {
    v1::ReadEntriesRequest request;
    request.set_first(options.first + done);
    request.set_count(static_cast<uint32_t>(std::min<uint64_t>(1024, options.count - done)));
    const auto answer = (*connection)->Call(*stub, &Ledger::ReadEntries, request);
    if (!answer.ok()) return answer.status();
    for (const std::string& entry : answer->entries()) {
      context.Print(absl::StrCat("{\"index\":", options.first + done, ",\"leaf\":", entry, "}\n"));
      ++done;
    }
    if (static_cast<uint32_t>(answer->entries_size()) < request.count()) break;
  }
  return absl::OkStatus();
}

absl::Status ExportLedger(Context& context, const LedgerOptions& options) {
  const auto key = ReadVerifierKey("--key", options.key);
  if (!key.ok()) return key.status();
  const auto connection = context.Connect("auditor");
  if (!connection.ok()) return connection.status();
  const auto newest = Ask(**connection, *key);
  if (!newest.ok()) return newest.status();
  ServerLog log(*connection);
  Progress progress(context.remarks(), 0, tlog::TileCount(0, newest->checkpoint.size));
  const absl::Status status = ExportTiles(log, newest->checkpoint, newest->note, options.out,
                                          [&](uint64_t, uint64_t) { progress.Add(1); });
  progress.End();
  ASSAY_RETURN_IF_ERROR(status);
  context.Remark(absl::StrCat(newest->checkpoint.size, " entries in ", options.out));
  return absl::OkStatus();
}

}  // namespace assay::client
