#include "tlog/receipt.h"

#include "absl/strings/str_cat.h"
#include "base/refusal.h"

namespace assay::tlog {
namespace {

constexpr std::string_view kHead = "c2sp.org/tlog-proof@v1", kExtra = "extra ", kIndex = "index ";

absl::Status Bad(absl::string_view rule) {
  return RefuseField(Reason::FIELD_MALFORMED, "receipt", "", rule);
}

}  // namespace

std::string WriteReceipt(const Receipt& receipt) {
  std::string text =
      absl::StrCat(std::string(kHead), "\n", std::string(kExtra), ToBase64(receipt.entry), "\n",
                   std::string(kIndex), receipt.index, "\n");
  for (const Hash& hash : receipt.path) absl::StrAppend(&text, ToBase64(hash), "\n");
  absl::StrAppend(&text, "\n", receipt.checkpoint);
  return text;
}

absl::StatusOr<Receipt> ParseReceipt(std::string_view text) {
  Receipt receipt;
  std::string_view line;
  if (!TakeLine(text, line) || line != kHead) return Bad("must begin with c2sp.org/tlog-proof@v1");
  if (!TakeLine(text, line) || !line.starts_with(kExtra)) {
    return Bad("has no line \"extra\": Assay's receipts hold their entry");
  }
  auto entry = FromBase64(line.substr(kExtra.size()));
  if (!entry.ok()) return Bad("the entry is not base64");
  receipt.entry = *std::move(entry);
  if (!TakeLine(text, line) || !line.starts_with(kIndex)) return Bad("has no line \"index\"");
  const auto index = ParseDecimal("receipt.index", line.substr(kIndex.size()));
  if (!index.ok()) return index.status();
  receipt.index = *index;
  while (true) {
    if (!TakeLine(text, line)) return Bad("has no empty line before its checkpoint");
    if (line.empty()) break;
    const auto hash = ParseHash("receipt.path", line);
    if (!hash.ok()) return hash.status();
    if (receipt.path.size() == kMaxPath) return Bad("has more than 64 hashes");
    receipt.path.push_back(*hash);
  }
  receipt.checkpoint = text;
  return receipt;
}

absl::StatusOr<ProvedEntry> VerifyReceipt(std::string_view text, const NoteKey& key,
                                          std::span<const NoteKey> witnesses,
                                          size_t least_witnesses) {
  auto receipt = ParseReceipt(text);
  if (!receipt.ok()) return receipt.status();
  auto checkpoint = OpenCheckpoint(receipt->checkpoint, key, witnesses, least_witnesses);
  if (!checkpoint.ok()) return checkpoint.status();
  ASSAY_RETURN_IF_ERROR(VerifyInclusion(LeafHash(receipt->entry), receipt->index, checkpoint->size,
                                        checkpoint->root, receipt->path));
  return ProvedEntry{std::move(receipt->entry), receipt->index, *std::move(checkpoint)};
}

}  // namespace assay::tlog
