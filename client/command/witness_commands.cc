#include "client/command/witness_commands.h"

#include "absl/strings/str_cat.h"
#include "assay/v1/witness.grpc.pb.h"
#include "base/refusal.h"
#include "client/command/receipt_files.h"
#include "client/device_folder.h"
#include "client/files.h"
#include "client/ledger_reader.h"
#include "tlog/cosign.h"
#include "tlog/log_check.h"

namespace assay::client {
namespace {

using Ledger = v1::LedgerService::Stub;
using Witness = v1::WitnessService::Stub;

absl::StatusOr<tlog::WitnessKey> ReadWitnessKey(const std::string& file) {
  auto text = ReadTextFile(file);
  if (!text.ok()) return text.status();
  auto key = tlog::WitnessKey::Parse(std::string_view(*text).substr(0, text->find('\n')));
  WipeText(*text);
  if (!key.ok()) return Within(file, key.status());
  return key;
}

// A witness signs nothing that does not begin with what it signed before.
absl::Status CheckContinues(Context& context, tlog::LogReader& log, const tlog::NoteKey& key,
                            const tlog::Checkpoint& newest, const std::string& file) {
  if (!PathExists(file)) {
    context.Remark(absl::StrCat(file, " is not there yet: this is the first one cosigned"));
    return absl::OkStatus();
  }
  const auto note = ReadTextFile(file);
  if (!note.ok()) return note.status();
  const auto earlier = tlog::OpenCheckpoint(*note, key);
  if (!earlier.ok()) return Within(file, earlier.status());
  return tlog::CheckGrowth(log, *earlier, newest);
}

}  // namespace

absl::Status MakeWitness(Context& context, const WitnessOptions& options) {
  if (PathExists(options.out)) {
    return RefuseField(Reason::FIELD_NOT_ALLOWED, "--out", options.out, "is there already");
  }
  const auto key = tlog::WitnessKey::Make(options.name, context.random());
  if (!key.ok()) return Within("--name", key.status());
  std::string text = key->ToText() + "\n";
  const absl::Status written = WriteFile(options.out, AsBytes(text), kPrivateFile);
  WipeText(text);
  ASSAY_RETURN_IF_ERROR(written);
  context.Print(key->verifier().ToText() + "\n");
  context.Remark("give this line to whoever is to trust the witness; keep the file to yourself");
  return absl::OkStatus();
}

absl::Status CosignLedger(Context& context, const WitnessOptions& options) {
  const auto key = ReadVerifierKey("--key", options.key);
  if (!key.ok()) return key.status();
  const auto witness = ReadWitnessKey(options.witness_key);
  if (!witness.ok()) return witness.status();
  const auto connection = context.Connect("auditor");
  if (!connection.ok()) return connection.status();
  const auto ledger = v1::LedgerService::NewStub((*connection)->channel());
  const auto answer =
      (*connection)->Call(*ledger, &Ledger::GetCheckpoint, v1::GetCheckpointRequest());
  if (!answer.ok()) return answer.status();
  const auto newest = tlog::OpenCheckpoint(answer->checkpoint(), *key);
  if (!newest.ok()) return newest.status();
  ServerLog log(*connection);
  ASSAY_RETURN_IF_ERROR(CheckContinues(context, log, *key, *newest, options.remember));
  auto note = tlog::ParseNote(answer->checkpoint());
  if (!note.ok()) return note.status();
  const auto line = witness->Cosign(note->text, context.clock().Now());
  if (!line.ok()) return line.status();
  // Remembered before it leaves: what was handed in can then never be contradicted by forgetting.
  ASSAY_RETURN_IF_ERROR(ReplaceFile(options.remember, AsBytes(answer->checkpoint()), kPublicFile));
  v1::AddCosignatureRequest request;
  request.set_verifier_key(witness->verifier().ToText());
  request.set_note(tlog::WriteNote({note->text, {*line}}));
  const auto stub = v1::WitnessService::NewStub((*connection)->channel());
  const auto added = (*connection)->Call(*stub, &Witness::AddCosignature, request);
  if (!added.ok()) return added.status();
  context.Print(absl::StrCat("cosigned ", added->size(), " entries as ", witness->verifier().name(),
                             "; the checkpoint has ", added->cosignatures(), " cosignatures\n"));
  return absl::OkStatus();
}

absl::Status ShowCosignedCheckpoint(Context& context, const WitnessOptions& options) {
  const auto connection = context.Connect("auditor");
  if (!connection.ok()) return connection.status();
  v1::GetCosignedCheckpointRequest request;
  request.set_least(static_cast<uint32_t>(options.least));
  const auto stub = v1::WitnessService::NewStub((*connection)->channel());
  const auto answer = (*connection)->Call(*stub, &Witness::GetCosignedCheckpoint, request);
  if (!answer.ok()) return answer.status();
  if (!options.out.empty()) {
    return ReplaceFile(options.out, AsBytes(answer->checkpoint()), kPublicFile);
  }
  if (context.json()) {
    context.PrintMessage(*answer);
  } else {
    context.Print(answer->checkpoint());
  }
  return absl::OkStatus();
}

absl::Status GetCosignedReceipts(Context& context, const WitnessOptions& options) {
  const auto connection = context.Connect("auditor");
  if (!connection.ok()) return connection.status();
  v1::GetCosignedReceiptsRequest request;
  request.set_device_id(options.device_id);
  request.set_least(static_cast<uint32_t>(options.least));
  const auto stub = v1::WitnessService::NewStub((*connection)->channel());
  const auto answer = (*connection)->Call(*stub, &Witness::GetCosignedReceipts, request);
  if (!answer.ok()) return answer.status();
  return WriteReceipts(context, *answer, options.out);
}

}  // namespace assay::client
