// Signed notes (c2sp.org/signed-note): a text and the signatures under it. Thread-safe.
#pragma once

#include <array>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "base/bytes.h"

namespace assay::tlog {

using NoteKeyId = std::array<uint8_t, 4>;

// A public key that checks signature lines. Types: 0x01 Ed25519, 0x02 ECDSA on P-256 (what Assay's
// log signs with), 0x04 Ed25519 cosignature of a witness. Immutable; copies share the key.
class NoteKey {
 public:
  // "<name>+<8 hex of the id>+<base64(type || key)>". FIELD_MALFORMED, also where the id is not
  // that of the key, the type another, or the point compressed.
  static absl::StatusOr<NoteKey> Parse(std::string_view vkey);
  // Type 0x02 over a point of 65 bytes; its id is SHA-256 over the SPKI alone, without the name.
  static absl::StatusOr<NoteKey> OfP256(std::string_view name, ByteView point);

  const std::string& name() const { return name_; }
  const NoteKeyId& id() const { return id_; }
  uint8_t type() const { return type_; }
  std::string ToText() const;
  // `signature` is what follows the id in the line.
  bool Verify(std::string_view text, ByteView signature) const;

 private:
  NoteKey() = default;
  std::string name_;
  NoteKeyId id_{};
  uint8_t type_ = 0;
  Bytes key_;  // as in the vkey
  std::shared_ptr<const void> loaded_;
};

struct NoteSignature {
  std::string name;
  NoteKeyId id{};
  Bytes signature;  // without the id
};

struct Note {
  std::string text;  // what is signed, its last LF included
  std::vector<NoteSignature> signatures;
};

// A name may hold no Unicode space and no '+'. FIELD_MALFORMED.
absl::Status CheckNoteName(std::string_view name);

// FIELD_MALFORMED: not UTF-8, a control character, no empty line, a signature line that is none, or
// more than a hundred of them. The text ends at the LAST empty line.
absl::StatusOr<Note> ParseNote(std::string_view note);
std::string WriteNote(const Note& note);

// The note, when each of its lines by one of `keys` (name and id) is right and there is at least
// one such line by the first key. Lines by other keys are ignored. NOTE_UNTRUSTED otherwise.
absl::StatusOr<Note> OpenNote(std::string_view note, std::span<const NoteKey> keys);

}  // namespace assay::tlog
