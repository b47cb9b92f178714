#include "server/rpc/ledger_service.h"

#include <algorithm>
#include <utility>

#include "base/refusal.h"
#include "server/access/unit.h"
#include "server/lot/act.h"
#include "server/rpc/receipt_answer.h"
#include "server/rpc/unary.h"

namespace assay::rpc {
namespace {

constexpr uint32_t kUsualEntries = 256, kMostEntries = 1024;

template <class Repeated>
void CopyPath(const tlog::Path& path, Repeated* out) {
  for (const tlog::Hash& hash : path) *out->Add() = ToText(hash);
}

// As the store says it of a device that is not there.
absl::Status NoSuchDevice(const std::string& device_id) {
  return RefuseField(Reason::DEVICE_UNKNOWN, "device_id", device_id, "no such device");
}

}  // namespace

LedgerService::LedgerService(const FrontDesk& desk, BlockingPool& pool,
                             std::shared_ptr<db::Store> store,
                             std::shared_ptr<db::LedgerStore> ledger, AskKey key)
    : Readable(desk),
      pool_(pool),
      store_(std::move(store)),
      archive_(std::move(ledger)),
      key_(std::move(key)) {
  Serve("GetCheckpoint", &LedgerService::GetCheckpoint);
  Serve("GetInclusionProof", &LedgerService::GetInclusionProof);
  Serve("GetConsistencyProof", &LedgerService::GetConsistencyProof);
  Serve("GetReceipts", &LedgerService::GetReceipts);
  Serve("ReadTile", &LedgerService::ReadTile);
  Serve("ReadEntries", &LedgerService::ReadEntries);
}

absl::StatusOr<v1::GetCheckpointResponse> LedgerService::Checkpoint(uint64_t size) {
  const auto key = key_();
  if (!key.ok()) return key.status();
  const auto checkpoint = archive_.CheckpointFor(size);
  if (!checkpoint.ok()) return checkpoint.status();
  const auto placed = archive_.PlacedEntries();
  if (!placed.ok()) return placed.status();
  v1::GetCheckpointResponse response;
  response.set_checkpoint(checkpoint->note);
  response.set_verifier_key(key->ToText());
  response.set_size(checkpoint->size);
  response.set_placed(*placed);
  return response;
}

// The same answer for a device that is not there and for another factory's or line's, so that
// nobody learns of those.
absl::StatusOr<std::string> LedgerService::DeviceOf(const access::Caller& caller,
                                                    const v1::GetReceiptsRequest& request) const {
  std::string device_id = request.device_id();
  if (request.has_ticket()) {
    ASSAY_RETURN_IF_ERROR(lot::CheckGiven("ticket.lot", request.ticket().lot()));
    ASSAY_RETURN_IF_ERROR(lot::CheckGiven("ticket.ticket", request.ticket().ticket()));
    const auto lot = store_->FindLot(request.ticket().lot());
    if (HasReason(lot.status(), Reason::LOT_UNKNOWN)) {
      // As for a lot that is not granted.
      const absl::Status granted = caller.CheckLot("", request.ticket().lot());
      return granted.ok() ? lot.status() : granted;
    }
    if (!lot.ok()) return lot.status();
    ASSAY_RETURN_IF_ERROR(caller.CheckLot(lot->factory, lot->name));
    const db::TicketKey ticket{lot->id, request.ticket().ticket()};
    const auto view = store_->FindTickets({&ticket, 1})[0];
    if (!view.ok()) return view.status();
    if (view->device_id.empty()) {
      return RefuseField(Reason::TICKET_UNKNOWN, "ticket.ticket", request.ticket().ticket(),
                         "no identity was sealed for it");
    }
    device_id = view->device_id;
  }
  if (device_id.empty()) {
    return RefuseField(Reason::FIELD_REQUIRED, "by", "", "give device_id or ticket");
  }
  const auto row = store_->FindDevice(device_id);
  if (!row.ok()) return row.status();
  if (!access::CheckUnit(caller, *row).ok()) return NoSuchDevice(device_id);
  const bool own = row->line == caller.line ||
                   std::any_of(row->stages.begin(), row->stages.end(),
                               [&](const auto& stage) { return stage.line == caller.line; });
  if (!caller.Has(access::Role::kAuditor) && !own) {
    if (!request.has_ticket()) return NoSuchDevice(device_id);
    return RefuseField(Reason::TICKET_OF_ANOTHER_LINE, "ticket.ticket", request.ticket().ticket(),
                       "belongs to another line");
  }
  return device_id;
}

absl::StatusOr<v1::GetReceiptsResponse> LedgerService::Receipts(
    const access::Caller& caller, const v1::GetReceiptsRequest& request) {
  const auto device_id = DeviceOf(caller, request);
  if (!device_id.ok()) return device_id.status();
  auto receipts = archive_.ReceiptsOf(*device_id);
  if (!receipts.ok()) return receipts.status();
  return AnswerOf(*device_id, *std::move(receipts));
}

absl::StatusOr<v1::ReadTileResponse> LedgerService::Tile(const v1::ReadTileRequest& request) {
  if (request.level() > tlog::kMaxTileLevel) {
    return RefuseField(Reason::FIELD_OUT_OF_RANGE, "level", std::to_string(request.level()),
                       "must be 0 to 7");
  }
  if (request.width() < 1 || request.width() > tlog::kTileWidth) {
    return RefuseField(Reason::FIELD_OUT_OF_RANGE, "width", std::to_string(request.width()),
                       "must be 1 to 256");
  }
  if (request.index() >> 55 != 0) {
    return RefuseField(Reason::LEDGER_UNKNOWN, "index", std::to_string(request.index()),
                       "there is no such tile");
  }
  const auto hashes =
      archive_.ReadTile({static_cast<int>(request.level()), request.index()}, request.width());
  if (!hashes.ok()) return hashes.status();
  v1::ReadTileResponse response;
  response.set_hashes(ToText(*hashes));
  return response;
}

absl::StatusOr<v1::ReadEntriesResponse> LedgerService::Entries(
    const access::Caller& caller, const v1::ReadEntriesRequest& request) {
  // Entries of all factories stand side by side.
  ASSAY_RETURN_IF_ERROR(caller.CheckEveryLot());
  if (request.count() > kMostEntries) {
    return RefuseField(Reason::FIELD_OUT_OF_RANGE, "count", std::to_string(request.count()),
                       "must be 1 to 1024");
  }
  // Beyond the end there is nothing, however far.
  if (request.first() >> 62 != 0) return v1::ReadEntriesResponse();
  const uint32_t count = request.count() == 0 ? kUsualEntries : request.count();
  auto entries = archive_.ReadEntries(request.first(), static_cast<int>(count));
  if (!entries.ok()) return entries.status();
  v1::ReadEntriesResponse response;
  for (std::string& entry : *entries) response.add_entries(std::move(entry));
  return response;
}

grpc::ServerUnaryReactor* LedgerService::GetCheckpoint(grpc::CallbackServerContext* context,
                                                       const v1::GetCheckpointRequest* request,
                                                       v1::GetCheckpointResponse* response) {
  return ServeBlocking(desk_, pool_, context, "assay.v1.LedgerService/GetCheckpoint", "", response,
                       [this, request](const Call&) { return Checkpoint(request->size()); });
}

grpc::ServerUnaryReactor* LedgerService::GetInclusionProof(
    grpc::CallbackServerContext* context, const v1::GetInclusionProofRequest* request,
    v1::GetInclusionProofResponse* response) {
  return ServeBlocking(
      desk_, pool_, context, "assay.v1.LedgerService/GetInclusionProof", "", response,
      [this, request](const Call&) -> absl::StatusOr<v1::GetInclusionProofResponse> {
        const auto proof = archive_.Inclusion(request->index(), request->size());
        if (!proof.ok()) return proof.status();
        v1::GetInclusionProofResponse answer;
        answer.set_leaf_hash(ToText(proof->leaf));
        CopyPath(proof->path, answer.mutable_path());
        answer.set_size(proof->size);
        return answer;
      });
}

grpc::ServerUnaryReactor* LedgerService::GetConsistencyProof(
    grpc::CallbackServerContext* context, const v1::GetConsistencyProofRequest* request,
    v1::GetConsistencyProofResponse* response) {
  return ServeBlocking(
      desk_, pool_, context, "assay.v1.LedgerService/GetConsistencyProof", "", response,
      [this, request](const Call&) -> absl::StatusOr<v1::GetConsistencyProofResponse> {
        const auto proof = archive_.Consistency(request->old_size(), request->size());
        if (!proof.ok()) return proof.status();
        v1::GetConsistencyProofResponse answer;
        CopyPath(proof->path, answer.mutable_path());
        answer.set_size(proof->size);
        return answer;
      });
}

grpc::ServerUnaryReactor* LedgerService::GetReceipts(grpc::CallbackServerContext* context,
                                                     const v1::GetReceiptsRequest* request,
                                                     v1::GetReceiptsResponse* response) {
  return ServeBlocking(
      desk_, pool_, context, "assay.v1.LedgerService/GetReceipts", request->ticket().lot(),
      response, [this, request](const Call& call) { return Receipts(call.caller(), *request); });
}

grpc::ServerUnaryReactor* LedgerService::ReadTile(grpc::CallbackServerContext* context,
                                                  const v1::ReadTileRequest* request,
                                                  v1::ReadTileResponse* response) {
  return ServeBlocking(desk_, pool_, context, "assay.v1.LedgerService/ReadTile", "", response,
                       [this, request](const Call&) { return Tile(*request); });
}

grpc::ServerUnaryReactor* LedgerService::ReadEntries(grpc::CallbackServerContext* context,
                                                     const v1::ReadEntriesRequest* request,
                                                     v1::ReadEntriesResponse* response) {
  return ServeBlocking(
      desk_, pool_, context, "assay.v1.LedgerService/ReadEntries", "", response,
      [this, request](const Call& call) { return Entries(call.caller(), *request); });
}

}  // namespace assay::rpc
