// Matter TLV. Whatever the reader accepts, the writer can write, and the reader then reads the
// same.
#include <cstdlib>
#include <vector>

#include "matter/tlv.h"

namespace {

using assay::Bytes;
using assay::ByteView;
using assay::matter::TlvElement;
using assay::matter::TlvReader;
using assay::matter::TlvTag;
using assay::matter::TlvType;
using assay::matter::TlvWriter;

// The writer has no floating point: Matter's factory formats know none.
struct Copy {
  TlvWriter writer;
  bool whole = true;
};

void Put(const TlvElement& element, Copy& copy) {
  switch (element.type) {
    case TlvType::kSigned:
      return copy.writer.PutSigned(element.tag, element.AsSigned());
    case TlvType::kUnsigned:
      return copy.writer.PutUnsigned(element.tag, element.number);
    case TlvType::kBoolean:
      return copy.writer.PutBoolean(element.tag, element.number != 0);
    case TlvType::kUtf8:
      return copy.writer.PutUtf8(element.tag, assay::AsText(element.bytes));
    case TlvType::kBytes:
      return copy.writer.PutBytes(element.tag, element.bytes);
    case TlvType::kNull:
      return copy.writer.PutNull(element.tag);
    case TlvType::kStructure:
      return copy.writer.StartStructure(element.tag);
    case TlvType::kArray:
      return copy.writer.StartArray(element.tag);
    case TlvType::kList:
      return copy.writer.StartList(element.tag);
    case TlvType::kFloat:
      copy.whole = false;
  }
}

bool CopyLevel(TlvReader& reader, Copy& copy) {
  for (;;) {
    const auto element = reader.Next();
    if (!element.ok()) return false;
    if (!element->has_value()) return true;
    Put(**element, copy);
    if (!(*element)->IsContainer()) continue;
    if (!reader.Enter().ok() || !CopyLevel(reader, copy) || !reader.Exit().ok()) return false;
    copy.writer.EndContainer();
  }
}

// The canonical form, or nothing where the bytes are refused or hold floating point.
bool Canonical(ByteView bytes, Bytes& out) {
  TlvReader reader(bytes);
  Copy copy;
  if (!CopyLevel(reader, copy) || !reader.Finish().ok() || !copy.whole) return false;
  out = copy.writer.Take();
  return true;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  // Skipping containers instead of entering them must come to the same end.
  TlvReader skipping({bytes, size});
  bool skipped = true;
  for (;;) {
    const auto element = skipping.Next();
    skipped = element.ok();
    if (!skipped || !element->has_value()) break;
  }
  Bytes once, twice;
  if (!Canonical({bytes, size}, once)) return 0;
  if (!skipped || !skipping.Finish().ok()) std::abort();
  if (!Canonical(once, twice) || once != twice || once.size() > size) std::abort();
  return 0;
}
