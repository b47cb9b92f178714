// Checkpoints (c2sp.org/tlog-checkpoint): what a log's key signs. Pure, thread-safe.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "tlog/merkle.h"
#include "tlog/note.h"

namespace assay::tlog {

struct Checkpoint {
  std::string origin;
  uint64_t size = 0;
  Hash root{};
  std::vector<std::string> extensions;  // Assay writes none
};

// The text of the note, its last LF included.
std::string CheckpointText(const Checkpoint& checkpoint);
// FIELD_MALFORMED: fewer than three lines, a size with a leading zero or above 2^63-1, a root that
// is not 32 bytes, an empty extension line, size 0 with another root than the empty one.
absl::StatusOr<Checkpoint> ParseCheckpoint(std::string_view text);

// Checks the log's signature and that the origin is the key's name, then `witnesses`: at least
// `least_witnesses` of them must have cosigned, and none wrongly. NOTE_UNTRUSTED.
absl::StatusOr<Checkpoint> OpenCheckpoint(std::string_view note, const NoteKey& key,
                                          std::span<const NoteKey> witnesses = {},
                                          size_t least_witnesses = 0);

// Decimal without sign, leading zero or anything else; at most 2^63-1. FIELD_MALFORMED.
absl::StatusOr<uint64_t> ParseDecimal(std::string_view field, std::string_view text);
// Base64 of 32 bytes. FIELD_MALFORMED.
absl::StatusOr<Hash> ParseHash(std::string_view field, std::string_view text);
// Takes the text before the next LF off `rest`, and the LF; false where there is none.
bool TakeLine(std::string_view& rest, std::string_view& line);

}  // namespace assay::tlog
