#include "server/rpc/witness_service.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/refusal.h"
#include "server/lot/act.h"
#include "server/rpc/receipt_answer.h"
#include "server/rpc/unary.h"
#include "tlog/checkpoint.h"

namespace assay::rpc {
namespace {

constexpr uint8_t kCosignature = 0x04;
constexpr size_t kMostText = 64 * 1024;

}  // namespace

WitnessService::WitnessService(const FrontDesk& desk, BlockingPool& pool,
                               std::shared_ptr<db::Store> store,
                               std::shared_ptr<db::LedgerStore> ledger,
                               std::shared_ptr<db::WitnessStore> witnesses, AskKey key)
    : Readable(desk),
      pool_(pool),
      store_(std::move(store)),
      witnesses_(std::move(witnesses)),
      archive_(std::move(ledger)),
      key_(std::move(key)) {
  Serve("AddCosignature", &WitnessService::AddCosignature);
  Serve("GetCosignedCheckpoint", &WitnessService::GetCosignedCheckpoint);
  Serve("GetCosignedReceipts", &WitnessService::GetCosignedReceipts);
}

absl::StatusOr<v1::AddCosignatureResponse> WitnessService::Add(
    const access::Caller& caller, const v1::AddCosignatureRequest& request) {
  ASSAY_RETURN_IF_ERROR(lot::CheckGiven("verifier_key", request.verifier_key()));
  ASSAY_RETURN_IF_ERROR(lot::CheckGiven("note", request.note()));
  if (request.note().size() > kMostText) {
    return RefuseField(Reason::FIELD_TOO_LONG, "note", request.note(),
                       "must be at most 65536 bytes");
  }
  const auto key = tlog::NoteKey::Parse(request.verifier_key());
  // Whoever sends the signing key by mistake does not read it again in a log.
  if (!key.ok()) return Blame("verifier_key", "", key.status());
  if (key->type() != kCosignature) {
    return RefuseField(Reason::FIELD_MALFORMED, "verifier_key", key->name(),
                       "must be a witness's key, type 04");
  }
  const auto note = tlog::ParseNote(request.note());
  if (!note.ok()) return note.status();
  const auto checkpoint = tlog::ParseCheckpoint(note->text);
  if (!checkpoint.ok()) return Blame("note", "", checkpoint.status());
  const auto line = std::ranges::find_if(note->signatures, [&](const tlog::NoteSignature& one) {
    return one.name == key->name() && one.id == key->id();
  });
  if (line == note->signatures.end()) {
    return RefuseField(Reason::FIELDS_CONTRADICT, "note", key->name(),
                       "has no line by the witness's key");
  }
  const auto kept = witnesses_->CheckpointAt(checkpoint->size);
  if (!kept.ok()) return kept.status();
  if (!*kept) {
    return RefuseField(Reason::LEDGER_UNKNOWN, "note", absl::StrCat(checkpoint->size),
                       "no checkpoint of this size is kept");
  }
  const auto ours = tlog::ParseNote((*kept)->note);
  if (!ours.ok()) return ours.status();
  if (ours->text != note->text) {
    return RefuseField(Reason::NOTE_UNTRUSTED, "note", absl::StrCat(checkpoint->size),
                       "its text is not that of this log's checkpoint");
  }
  if (!key->Verify(note->text, line->signature)) {
    return RefuseField(Reason::NOTE_UNTRUSTED, "note", key->name(),
                       "the line by this key is wrong");
  }
  db::Cosignature cosignature;
  cosignature.size = checkpoint->size;
  cosignature.name = key->name();
  cosignature.key_id = ToBytes(key->id());
  cosignature.verifier_key = key->ToText();
  cosignature.line = tlog::WriteNote({"", {*line}}).substr(1);
  cosignature.line.pop_back();
  cosignature.actor = caller.uri;
  const auto count = witnesses_->AddCosignature(cosignature);
  if (!count.ok()) return count.status();
  v1::AddCosignatureResponse response;
  response.set_size(checkpoint->size);
  response.set_cosignatures(static_cast<uint32_t>(*count));
  return response;
}

absl::StatusOr<db::CosignedCheckpoint> WitnessService::Newest(uint32_t least) {
  if (least > db::WitnessStore::kMostCosignatures) {
    return RefuseField(Reason::FIELD_OUT_OF_RANGE, "least", absl::StrCat(least),
                       absl::StrCat("must be 1 to ", db::WitnessStore::kMostCosignatures));
  }
  const uint32_t wanted = std::max(1u, least);
  auto newest = witnesses_->NewestCosigned(static_cast<int>(wanted));
  if (!newest.ok()) return newest.status();
  if (*newest) return **std::move(newest);
  return RefuseFor(Reason::LEDGER_PENDING,
                   absl::StrCat("no checkpoint has ", wanted, " cosignatures yet"),
                   std::chrono::seconds(30));
}

absl::StatusOr<v1::GetReceiptsResponse> WitnessService::Receipts(
    const access::Caller& caller, const v1::GetCosignedReceiptsRequest& request) {
  ASSAY_RETURN_IF_ERROR(lot::CheckGiven("device_id", request.device_id()));
  const auto row = store_->FindDevice(request.device_id());
  if (!row.ok()) return row.status();
  if (!caller.CheckLot(row->factory, row->lot).ok()) {
    // As the store says it of a device that is not there.
    return RefuseField(Reason::DEVICE_UNKNOWN, "device_id", request.device_id(), "no such device");
  }
  const auto newest = Newest(request.least());
  if (!newest.ok()) return newest.status();
  auto receipts = archive_.ReceiptsUnder(row->device_id, newest->checkpoint);
  if (!receipts.ok()) return receipts.status();
  return AnswerOf(row->device_id, *std::move(receipts));
}

grpc::ServerUnaryReactor* WitnessService::AddCosignature(grpc::CallbackServerContext* context,
                                                         const v1::AddCosignatureRequest* request,
                                                         v1::AddCosignatureResponse* response) {
  return ServeBlocking(desk_, pool_, context, "assay.v1.WitnessService/AddCosignature", "",
                       response,
                       [this, request](const Call& call) { return Add(call.caller(), *request); });
}

grpc::ServerUnaryReactor* WitnessService::GetCosignedCheckpoint(
    grpc::CallbackServerContext* context, const v1::GetCosignedCheckpointRequest* request,
    v1::GetCosignedCheckpointResponse* response) {
  return ServeBlocking(
      desk_, pool_, context, "assay.v1.WitnessService/GetCosignedCheckpoint", "", response,
      [this, request](const Call&) -> absl::StatusOr<v1::GetCosignedCheckpointResponse> {
        const auto newest = Newest(request->least());
        if (!newest.ok()) return newest.status();
        const auto key = key_();
        if (!key.ok()) return key.status();
        v1::GetCosignedCheckpointResponse answer;
        answer.set_checkpoint(newest->checkpoint.note);
        answer.set_verifier_key(key->ToText());
        answer.set_size(newest->checkpoint.size);
        for (const std::string& one : newest->verifier_keys) answer.add_witness_keys(one);
        return answer;
      });
}

grpc::ServerUnaryReactor* WitnessService::GetCosignedReceipts(
    grpc::CallbackServerContext* context, const v1::GetCosignedReceiptsRequest* request,
    v1::GetReceiptsResponse* response) {
  return ServeBlocking(
      desk_, pool_, context, "assay.v1.WitnessService/GetCosignedReceipts", "", response,
      [this, request](const Call& call) { return Receipts(call.caller(), *request); });
}

}  // namespace assay::rpc
