#include <algorithm>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "assay/v1/ledger.grpc.pb.h"
#include "base/refusal.h"
#include "client/command/checkpoint_age.h"
#include "client/command/ledger_commands.h"
#include "client/command/receipt_files.h"
#include "client/device_folder.h"
#include "client/files.h"
#include "client/ledger_reader.h"
#include "matter/certificate.h"
#include "tlog/receipt.h"

namespace assay::client {
namespace {

using Ledger = v1::LedgerService::Stub;
using nlohmann::json;

absl::Status CheckDigest(const json& entry, const char* name, const std::string& flag,
                         const std::string& file, ByteView content) {
  const auto found = entry.find(name);
  const std::string digest = ToHex(Sha256(content));
  if (found != entry.end() && found->is_string() && found->get<std::string>() == digest) {
    return absl::OkStatus();
  }
  return RefuseField(Reason::FIELDS_CONTRADICT, flag, file,
                     absl::StrCat("is not what the entry proves: its SHA-256 is ", digest));
}

// DER, or PEM of one certificate.
absl::StatusOr<Bytes> ReadCertificateDer(const std::string& file) {
  auto bytes = ReadFile(file);
  if (!bytes.ok()) return bytes;
  if (!AsText(*bytes).starts_with("-----")) return bytes;
  auto der = matter::FromPem("CERTIFICATE", AsText(*bytes));
  if (!der.ok()) return Within(file, der.status());
  return der;
}

absl::Status CheckFiles(const json& entry, const ReceiptOptions& options) {
  if (!options.dac.empty()) {
    const auto der = ReadCertificateDer(options.dac);
    if (!der.ok()) return der.status();
    ASSAY_RETURN_IF_ERROR(CheckDigest(entry, "dac_sha256", "--dac", options.dac, *der));
  }
  if (!options.image.empty()) {
    const auto image = ReadFile(options.image);
    if (!image.ok()) return image.status();
    ASSAY_RETURN_IF_ERROR(CheckDigest(entry, "image_sha256", "--image", options.image, *image));
  }
  if (!options.device_id.empty() && entry.value("device", "") != options.device_id) {
    return RefuseField(Reason::FIELDS_CONTRADICT, "--device", options.device_id,
                       "is not the device of the entry");
  }
  return absl::OkStatus();
}

void PrintProved(Context& context, const tlog::ProvedEntry& proved, const json& leaf) {
  if (context.json()) {
    context.Print(json{{"index", proved.index},
                       {"log", proved.checkpoint.origin},
                       {"size", proved.checkpoint.size},
                       {"leaf", leaf}}
                      .dump() +
                  "\n");
    return;
  }
  context.Print(absl::StrCat("verified: entry ", proved.index, " of ", proved.checkpoint.size,
                             " in ", proved.checkpoint.origin, "\n"));
  context.Print(absl::StrCat("  written: ", leaf.value("at", ""), "\n"));
  const auto entry = leaf.find("entry");
  if (entry == leaf.end()) return;
  for (const auto& [name, value] : entry->items()) {
    const std::string text = value.is_string() ? value.get<std::string>() : value.dump();
    if (!text.empty()) context.Print(absl::StrCat("  ", name, ": ", text, "\n"));
  }
}

}  // namespace

absl::Status GetReceipts(Context& context, const ReceiptOptions& options) {
  v1::GetReceiptsRequest request;
  if (!options.device_id.empty()) {
    request.set_device_id(options.device_id);
  } else {
    request.mutable_ticket()->set_lot(options.lot);
    request.mutable_ticket()->set_ticket(options.ticket);
  }
  const auto connection = context.Connect(options.device_id.empty() ? "line" : "auditor");
  if (!connection.ok()) return connection.status();
  const auto stub = v1::LedgerService::NewStub((*connection)->channel());
  const auto answer = (*connection)->Call(*stub, &Ledger::GetReceipts, request);
  if (!answer.ok()) return answer.status();
  if (context.json()) {
    context.PrintMessage(*answer);
    return absl::OkStatus();
  }
  return WriteReceipts(context, *answer, options.out);
}

absl::Status VerifyReceiptFile(Context& context, const ReceiptOptions& options) {
  const auto key = ReadVerifierKey("--key", options.key);
  if (!key.ok()) return key.status();
  std::vector<tlog::NoteKey> witnesses;
  for (const std::string& given : options.witnesses) {
    auto witness = ReadVerifierKey("--witness", given);
    if (!witness.ok()) return witness.status();
    const bool again = std::ranges::any_of(
        witnesses, [&](const tlog::NoteKey& one) { return one.ToText() == witness->ToText(); });
    if (again) {
      return RefuseField(Reason::FIELDS_CONTRADICT, "--witness", given, "is given twice");
    }
    witnesses.push_back(*std::move(witness));
  }
  // Who names witnesses wants all of them, if it is not said otherwise.
  const size_t least = options.least_witnesses == 0 ? witnesses.size() : options.least_witnesses;
  const auto text = ReadTextFile(options.file);
  if (!text.ok()) return text.status();
  const auto proved = tlog::VerifyReceipt(*text, *key, witnesses, least);
  if (!proved.ok()) return proved.status();
  ASSAY_RETURN_IF_ERROR(CheckNotBefore(*key, proved->checkpoint, options.not_before, "receipt"));
  const json leaf = json::parse(AsText(proved->entry), nullptr, false);
  if (!leaf.is_object()) {
    return RefuseField(Reason::FIELD_MALFORMED, "receipt", options.file,
                       "the entry is proved, but it is no JSON object");
  }
  const auto entry = leaf.find("entry");
  ASSAY_RETURN_IF_ERROR(CheckFiles(entry == leaf.end() ? json::object() : *entry, options));
  PrintProved(context, *proved, leaf);
  return absl::OkStatus();
}

}  // namespace assay::client
