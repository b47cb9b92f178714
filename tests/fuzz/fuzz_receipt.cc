// Receipts, notes, checkpoints, keys and bundles out of hostile hands. What is accepted must be
// written as it was.
#include <cstdlib>

#include "tlog/receipt.h"
#include "tlog/tile.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  using namespace assay::tlog;
  const assay::ByteView view(bytes, size);
  const std::string_view text = assay::AsText(view);
  if (const auto receipt = ParseReceipt(text); receipt.ok()) {
    const auto again = ParseReceipt(WriteReceipt(*receipt));
    if (!again.ok() || again->index != receipt->index || again->path != receipt->path) std::abort();
  }
  if (const auto note = ParseNote(text); note.ok()) {
    if (WriteNote(*note) != text) std::abort();
    (void)ParseCheckpoint(note->text).status();
  }
  if (const auto checkpoint = ParseCheckpoint(text); checkpoint.ok()) {
    if (CheckpointText(*checkpoint) != text) std::abort();
  }
  if (const auto key = NoteKey::Parse(text); key.ok() && key->ToText() != text) std::abort();
  if (const auto path = ParseTilePath(text); path.ok()) {
    const std::string again = path->entries ? BundlePath(path->tile.index, path->width)
                                            : TilePath(path->tile, path->width);
    if (again != text) std::abort();
  }
  for (const uint64_t width : {1, 2, 256}) {
    const auto entries = EntriesOf(view, width);
    if (entries.ok() && entries->size() != width) std::abort();
  }
  return 0;
}
