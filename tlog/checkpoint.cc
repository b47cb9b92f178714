#include "tlog/checkpoint.h"

#include <algorithm>
#include <charconv>

#include "absl/strings/str_cat.h"
#include "base/refusal.h"

namespace assay::tlog {
namespace {

absl::Status Bad(absl::string_view field, std::string_view value, absl::string_view rule) {
  return RefuseField(Reason::FIELD_MALFORMED, field, std::string(value.substr(0, 80)), rule);
}

}  // namespace

bool TakeLine(std::string_view& rest, std::string_view& line) {
  // LF only: other line breaks of Unicode would cut another text than was signed.
  const size_t end = rest.find('\n');
  if (end == rest.npos) return false;
  line = rest.substr(0, end);
  rest.remove_prefix(end + 1);
  return true;
}

absl::StatusOr<uint64_t> ParseDecimal(std::string_view field, std::string_view text) {
  int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const bool whole = error == std::errc() && end == text.data() + text.size();
  if (!whole || text[0] == '-' || (text[0] == '0' && text.size() > 1)) {
    return Bad({field.data(), field.size()}, text, "a decimal number without leading zero");
  }
  return static_cast<uint64_t>(number);
}

absl::StatusOr<Hash> ParseHash(std::string_view field, std::string_view text) {
  const auto bytes = FromBase64(text);
  if (!bytes.ok() || bytes->size() != 32) {
    return Bad({field.data(), field.size()}, text, "base64 of 32 bytes");
  }
  Hash hash;
  std::copy(bytes->begin(), bytes->end(), hash.begin());
  return hash;
}

std::string CheckpointText(const Checkpoint& checkpoint) {
  std::string text =
      absl::StrCat(checkpoint.origin, "\n", checkpoint.size, "\n", ToBase64(checkpoint.root), "\n");
  for (const std::string& line : checkpoint.extensions) absl::StrAppend(&text, line, "\n");
  return text;
}

absl::StatusOr<Checkpoint> ParseCheckpoint(std::string_view text) {
  Checkpoint checkpoint;
  std::string_view origin, size_line, root_line, extension;
  if (!TakeLine(text, origin) || !TakeLine(text, size_line) || !TakeLine(text, root_line)) {
    return Bad("checkpoint", "", "has fewer than three lines");
  }
  if (origin.empty()) return Bad("checkpoint.origin", "", "is empty");
  checkpoint.origin = origin;
  const auto size = ParseDecimal("checkpoint.size", size_line);
  if (!size.ok()) return size.status();
  checkpoint.size = *size;
  const auto root = ParseHash("checkpoint.root", root_line);
  if (!root.ok()) return root.status();
  checkpoint.root = *root;
  while (TakeLine(text, extension)) {
    if (extension.empty()) return Bad("checkpoint", "", "has an empty extension line");
    checkpoint.extensions.emplace_back(extension);
  }
  if (!text.empty()) return Bad("checkpoint", "", "must end in LF");
  if (checkpoint.size == 0 && checkpoint.root != EmptyRoot()) {
    return Bad("checkpoint.root", "", "size 0 has the hash of nothing for its root");
  }
  return checkpoint;
}

absl::StatusOr<Checkpoint> OpenCheckpoint(std::string_view note, const NoteKey& key,
                                          std::span<const NoteKey> witnesses,
                                          size_t least_witnesses) {
  std::vector<NoteKey> keys = {key};
  keys.insert(keys.end(), witnesses.begin(), witnesses.end());
  const auto opened = OpenNote(note, keys);
  if (!opened.ok()) return opened.status();
  auto checkpoint = ParseCheckpoint(opened->text);
  if (!checkpoint.ok()) return checkpoint;
  if (checkpoint->origin != key.name()) {
    return Refuse(
        Reason::NOTE_UNTRUSTED,
        absl::StrCat("the checkpoint is of ", std::string(checkpoint->origin.substr(0, 80)),
                     ", the key of ", key.name()));
  }
  const auto cosigned = std::count_if(witnesses.begin(), witnesses.end(), [&](const NoteKey& one) {
    return std::any_of(
        opened->signatures.begin(), opened->signatures.end(),
        [&](const NoteSignature& line) { return line.name == one.name() && line.id == one.id(); });
  });
  if (static_cast<size_t>(cosigned) < least_witnesses) {
    return Refuse(Reason::NOTE_UNTRUSTED, absl::StrCat("is cosigned by ", cosigned, " of the ",
                                                       least_witnesses, " witnesses asked for"));
  }
  return checkpoint;
}

}  // namespace assay::tlog
