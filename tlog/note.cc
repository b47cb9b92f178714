#include "tlog/note.h"

#include <openssl/evp.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/refusal.h"
#include "matter/ecdsa.h"
#include "matter/utf8.h"

namespace assay::tlog {
namespace {

constexpr uint8_t kEd25519 = 0x01, kEcdsa = 0x02, kCosignature = 0x04;
constexpr size_t kMaxSignatures = 100, kMaxNote = 1 << 20;
constexpr std::string_view kDash = "\xE2\x80\x94 ";  // U+2014 and a space
// SubjectPublicKeyInfo of an uncompressed point on the named curve P-256, up to the point.
constexpr std::array<uint8_t, 26> kSpkiHead = {0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2A, 0x86, 0x48,
                                               0xCE, 0x3D, 0x02, 0x01, 0x06, 0x08, 0x2A, 0x86, 0x48,
                                               0xCE, 0x3D, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00};

absl::Status BadKey(absl::string_view rule) {
  return RefuseField(Reason::FIELD_MALFORMED, "key", "", rule);
}
absl::Status BadNote(absl::string_view rule) {
  return RefuseField(Reason::FIELD_MALFORMED, "note", "", rule);
}

NoteKeyId IdOf(std::string_view name, uint8_t type, ByteView key) {
  Bytes hashed;
  // The ECDSA id stands apart from the others: trap 1.
  if (type != kEcdsa) {
    Append(hashed, AsBytes(name));
    hashed.push_back('\n');
    hashed.push_back(type);
  }
  Append(hashed, key);
  const Sha256Digest digest = Sha256(hashed);
  return {digest[0], digest[1], digest[2], digest[3]};
}

bool VerifyEd25519(EVP_PKEY* key, ByteView message, ByteView signature) {
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(),
                                                                        EVP_MD_CTX_free);
  return EVP_DigestVerifyInit(context.get(), nullptr, nullptr, nullptr, key) == 1 &&
         EVP_DigestVerify(context.get(), signature.data(), signature.size(), message.data(),
                          message.size()) == 1;
}

// c2sp.org/tlog-cosignature: the time of the line, then the whole text.
Bytes CosignedMessage(std::string_view text, ByteView time) {
  uint64_t seconds = 0;
  for (const uint8_t byte : time) seconds = seconds << 8 | byte;
  return ToBytes(AsBytes(absl::StrCat("cosignature/v1\ntime ", seconds, "\n", std::string(text))));
}

}  // namespace

absl::Status CheckNoteName(std::string_view name) {
  // White space beyond ASCII: U+0085, U+00A0, U+1680, U+2000 to U+200A, U+2028, U+2029, U+202F,
  // U+205F, U+3000.
  static constexpr std::string_view kSpaces[] = {
      "\xC2\x85",     "\xC2\xA0",     "\xE1\x9A\x80", "\xE2\x80\xA8", "\xE2\x80\xA9",
      "\xE2\x80\xAF", "\xE2\x81\x9F", "\xE3\x80\x80", "\xE2\x80\x80", "\xE2\x80\x81",
      "\xE2\x80\x82", "\xE2\x80\x83", "\xE2\x80\x84", "\xE2\x80\x85", "\xE2\x80\x86",
      "\xE2\x80\x87", "\xE2\x80\x88", "\xE2\x80\x89", "\xE2\x80\x8A"};
  const bool plain = !name.empty() && matter::IsUtf8(name) &&
                     std::all_of(name.begin(), name.end(),
                                 [](unsigned char c) { return c > 0x20 && c != '+' && c != 0x7F; });
  const bool spaced = std::any_of(std::begin(kSpaces), std::end(kSpaces), [&](auto space) {
    return name.find(space) != std::string_view::npos;
  });
  if (plain && !spaced) return absl::OkStatus();
  return BadKey("a name is not empty and has no space and no '+'");
}

absl::StatusOr<NoteKey> NoteKey::OfP256(std::string_view name, ByteView point) {
  ASSAY_RETURN_IF_ERROR(CheckNoteName(name));
  auto verifier = matter::SignatureVerifier::Make(point);
  if (!verifier.ok()) return verifier.status();
  NoteKey key;
  key.name_ = name;
  key.type_ = kEcdsa;
  key.key_ = ToBytes(kSpkiHead);
  Append(key.key_, point);
  key.id_ = IdOf(name, kEcdsa, key.key_);
  key.loaded_ = std::make_shared<const matter::SignatureVerifier>(*std::move(verifier));
  return key;
}

absl::StatusOr<NoteKey> NoteKey::Parse(std::string_view vkey) {
  // At the first two '+' only: base64 holds '+' too.
  const size_t first = vkey.find('+');
  const size_t second = first == vkey.npos ? vkey.npos : vkey.find('+', first + 1);
  if (second == vkey.npos) return BadKey("must be <name>+<id>+<base64>");
  const std::string_view name = vkey.substr(0, first);
  const std::string_view id = vkey.substr(first + 1, second - first - 1);
  ASSAY_RETURN_IF_ERROR(CheckNoteName(name));
  const auto blob = FromBase64(vkey.substr(second + 1));
  if (!blob.ok() || blob->size() < 2) return BadKey("the part after the id is not base64");
  const uint8_t type = (*blob)[0];
  const ByteView material = ByteView(*blob).subspan(1);

  absl::StatusOr<NoteKey> key = NoteKey();
  if (type == kEcdsa) {
    const bool fits = material.size() == kSpkiHead.size() + 65 &&
                      std::equal(kSpkiHead.begin(), kSpkiHead.end(), material.begin());
    if (!fits) return BadKey("an ECDSA key must be an uncompressed point on P-256");
    key = OfP256(name, material.subspan(kSpkiHead.size()));
    if (!key.ok()) return key;
  } else if (type == kEd25519 || type == kCosignature) {
    EVP_PKEY* loaded =
        EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, material.data(), material.size());
    if (material.size() != 32 || loaded == nullptr) {
      EVP_PKEY_free(loaded);
      return BadKey("an Ed25519 key has 32 bytes");
    }
    key->name_ = name;
    key->type_ = type;
    key->key_ = ToBytes(material);
    key->id_ = IdOf(name, type, material);
    key->loaded_ = std::shared_ptr<EVP_PKEY>(loaded, EVP_PKEY_free);
  } else {
    return BadKey("must be Ed25519 (01), ECDSA on P-256 (02) or a cosignature key (04)");
  }
  if (ToHex(key->id_) != id) return BadKey("the id is not that of the name and key");
  return key;
}

std::string NoteKey::ToText() const {
  Bytes blob = {type_};
  Append(blob, key_);
  return absl::StrCat(name_, "+", ToHex(id_), "+", ToBase64(blob));
}

bool NoteKey::Verify(std::string_view text, ByteView signature) const {
  if (type_ == kEcdsa) {
    const auto raw = matter::SignatureFromDer(signature);
    return raw.ok() && static_cast<const matter::SignatureVerifier*>(loaded_.get())
                           ->VerifyMessage(AsBytes(text), *raw);
  }
  auto* key = static_cast<EVP_PKEY*>(const_cast<void*>(loaded_.get()));
  if (type_ == kEd25519) {
    return signature.size() == 64 && VerifyEd25519(key, AsBytes(text), signature);
  }
  return signature.size() == 72 && signature[0] < 0x80 &&
         VerifyEd25519(key, CosignedMessage(text, signature.first(8)), signature.subspan(8));
}

absl::StatusOr<Note> ParseNote(std::string_view note) {
  if (note.size() > kMaxNote) return BadNote("is larger than 1 MiB");
  const bool clean =
      std::all_of(note.begin(), note.end(), [](unsigned char c) { return c >= 0x20 || c == '\n'; });
  if (!clean || !matter::IsUtf8(note)) {
    return BadNote("must be UTF-8 without control characters but LF");
  }
  const size_t empty_line = note.rfind("\n\n");
  if (empty_line == note.npos) return BadNote("has no empty line before its signatures");
  if (note.back() != '\n') return BadNote("must end in LF");
  Note parsed;
  parsed.text = note.substr(0, empty_line + 1);
  std::string_view rest = note.substr(empty_line + 2);
  while (!rest.empty()) {
    const size_t end = rest.find('\n');
    std::string_view line = rest.substr(0, end);
    rest.remove_prefix(end + 1);
    if (!line.starts_with(kDash)) return BadNote("a signature line begins with U+2014 and a space");
    line.remove_prefix(kDash.size());
    const size_t space = line.find(' ');
    if (space == line.npos) return BadNote("a signature line has a name and base64");
    NoteSignature signature;
    signature.name = line.substr(0, space);
    if (!CheckNoteName(signature.name).ok()) return BadNote("a signature's name is malformed");
    const auto blob = FromBase64(line.substr(space + 1));
    if (!blob.ok() || blob->size() < 5)
      return BadNote("a signature is not base64 of 5 bytes or more");
    std::copy_n(blob->begin(), 4, signature.id.begin());
    signature.signature.assign(blob->begin() + 4, blob->end());
    parsed.signatures.push_back(std::move(signature));
    if (parsed.signatures.size() > kMaxSignatures) return BadNote("has more than 100 signatures");
  }
  if (parsed.signatures.empty()) return BadNote("has no signature");
  return parsed;
}

std::string WriteNote(const Note& note) {
  std::string text = absl::StrCat(note.text, "\n");
  for (const NoteSignature& signature : note.signatures) {
    Bytes blob = ToBytes(signature.id);
    Append(blob, signature.signature);
    absl::StrAppend(&text, std::string(kDash), signature.name, " ", ToBase64(blob), "\n");
  }
  return text;
}

absl::StatusOr<Note> OpenNote(std::string_view note, std::span<const NoteKey> keys) {
  auto parsed = ParseNote(note);
  if (!parsed.ok()) return parsed;
  bool signed_by_first = false;
  for (const NoteSignature& line : parsed->signatures) {
    const auto key = std::find_if(keys.begin(), keys.end(), [&](const NoteKey& one) {
      return one.name() == line.name && one.id() == line.id;
    });
    if (key == keys.end()) continue;
    if (!key->Verify(parsed->text, line.signature)) {
      return Refuse(Reason::NOTE_UNTRUSTED,
                    absl::StrCat("the signature by ", line.name, " is wrong"));
    }
    signed_by_first |= key == keys.begin();
  }
  if (signed_by_first) return parsed;
  return Refuse(Reason::NOTE_UNTRUSTED,
                keys.empty()
                    ? "no key was given"
                    : absl::StrCat("is not signed by ", keys[0].name(), "+", ToHex(keys[0].id())));
}

}  // namespace assay::tlog
