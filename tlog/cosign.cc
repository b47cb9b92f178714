#include "tlog/cosign.h"

#include <openssl/evp.h>

#include <algorithm>
#include <memory>

#include "absl/strings/str_cat.h"
#include "base/refusal.h"

namespace assay::tlog {
namespace {

constexpr uint8_t kCosignature = 0x04;
constexpr std::string_view kPrefix = "PRIVATE+KEY+";

using Key = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;

Key Load(const SecretBytes& seed) {
  return {EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nullptr, seed.data(), seed.size()),
          EVP_PKEY_free};
}

absl::Status Bad(absl::string_view rule) {
  return RefuseField(Reason::FIELD_MALFORMED, "witness_key", "", rule);
}

}  // namespace

absl::StatusOr<WitnessKey> WitnessKey::OfSeed(std::string_view name, SecretBytes seed) {
  ASSAY_RETURN_IF_ERROR(CheckNoteName(name));
  const Key key = Load(seed);
  Bytes blob(33);
  blob[0] = kCosignature;
  size_t size = 32;
  if (key == nullptr || EVP_PKEY_get_raw_public_key(key.get(), blob.data() + 1, &size) != 1) {
    return Bad("must be a seed of 32 bytes");
  }
  // The id is over the name, a line feed, the type and the key.
  Bytes hashed = ToBytes(AsBytes(name));
  hashed.push_back('\n');
  Append(hashed, blob);
  const Sha256Digest digest = Sha256(hashed);
  auto verifier = NoteKey::Parse(
      absl::StrCat(std::string(name), "+", ToHex(ByteView(digest).first(4)), "+", ToBase64(blob)));
  if (!verifier.ok()) return verifier.status();
  return WitnessKey(std::move(seed), *std::move(verifier));
}

absl::StatusOr<WitnessKey> WitnessKey::Make(std::string_view name, Random& random) {
  return OfSeed(name, random.DrawSecret(32));
}

absl::StatusOr<WitnessKey> WitnessKey::Parse(std::string_view text) {
  if (!text.starts_with(kPrefix)) return Bad("must begin with PRIVATE+KEY+");
  text.remove_prefix(kPrefix.size());
  const size_t first = text.find('+');
  const size_t second = first == text.npos ? text.npos : text.find('+', first + 1);
  if (second == text.npos) return Bad("must be PRIVATE+KEY+<name>+<id>+<base64>");
  auto blob = FromBase64(text.substr(second + 1));
  if (!blob.ok() || blob->size() != 33 || (*blob)[0] != kCosignature) {
    return Bad("must be a cosigning key, type 04, with a seed of 32 bytes");
  }
  SecretBytes seed = SecretBytes::CopyOf(ByteView(*blob).subspan(1));
  WipeBytes(*blob);
  auto key = OfSeed(text.substr(0, first), std::move(seed));
  if (key.ok() && ToHex(key->verifier().id()) != text.substr(first + 1, second - first - 1)) {
    return Bad("the id is not that of the name and key");
  }
  return key;
}

std::string WitnessKey::ToText() const {
  Bytes blob = {kCosignature};
  Append(blob, seed_.view());
  std::string text = absl::StrCat("PRIVATE+KEY+", verifier_.name(), "+", ToHex(verifier_.id()), "+",
                                  ToBase64(blob));
  WipeBytes(blob);
  return text;
}

absl::StatusOr<NoteSignature> WitnessKey::Cosign(std::string_view text, absl::Time time) const {
  const auto seconds = static_cast<uint64_t>(absl::ToUnixSeconds(time));
  const std::string message =
      absl::StrCat("cosignature/v1\ntime ", seconds, "\n", std::string(text));
  NoteSignature line{verifier_.name(), verifier_.id(), Bytes(72)};
  for (int i = 0; i < 8; ++i) {
    line.signature[static_cast<size_t>(i)] = static_cast<uint8_t>(seconds >> (56 - 8 * i));
  }
  const Key key = Load(seed_);
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(),
                                                                        EVP_MD_CTX_free);
  size_t size = 64;
  if (EVP_DigestSignInit(context.get(), nullptr, nullptr, nullptr, key.get()) != 1 ||
      EVP_DigestSign(context.get(), line.signature.data() + 8, &size, AsBytes(message).data(),
                     message.size()) != 1) {
    return Refuse(Reason::INTERNAL, "the checkpoint could not be cosigned");
  }
  return line;
}

}  // namespace assay::tlog
