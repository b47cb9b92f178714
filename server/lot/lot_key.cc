#include "server/lot/lot_key.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <condition_variable>
#include <cstdlib>
#include <optional>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/refusal.h"

namespace assay::lot {
namespace {

constexpr size_t kNonceSize = 12;
constexpr size_t kTagSize = 16;

struct CipherContext {
  EVP_CIPHER_CTX* context = EVP_CIPHER_CTX_new();
  ~CipherContext() { EVP_CIPHER_CTX_free(context); }
};

// One context a thread: making one costs more than sealing with it.
EVP_CIPHER_CTX* ThreadContext() {
  thread_local CipherContext mine;
  return mine.context;
}

// Fetched once: EVP_aes_256_gcm() is looked up by its name for each message.
const EVP_CIPHER* Cipher() {
  static const EVP_CIPHER* const cipher = EVP_CIPHER_fetch(nullptr, "AES-256-GCM", nullptr);
  return cipher;
}

std::string WrapPurpose(std::string_view lot_name) {
  return absl::StrCat("assay lot key|", std::string(lot_name));
}

}  // namespace

std::string ProductKeyName(uint16_t vendor_id, uint16_t product_id) {
  return absl::StrFormat("product %04X/%04X", vendor_id, product_id);
}

std::string CodesPurpose(std::string_view device_id) {
  return "assay codes|" + std::string(device_id);
}
std::string IdentityPurpose(std::string_view device_id) {
  return "assay identity|" + std::string(device_id);
}

Bytes SealUnder(const SecretBytes& key, ByteView plaintext, std::string_view purpose,
                Random& random) {
  Bytes out(kNonceSize + plaintext.size() + kTagSize);
  random.Fill({out.data(), kNonceSize});
  EVP_CIPHER_CTX* context = ThreadContext();
  int written = 0;
  const bool done =
      EVP_EncryptInit_ex(context, Cipher(), nullptr, key.data(), out.data()) == 1 &&
      EVP_EncryptUpdate(context, nullptr, &written, AsBytes(purpose).data(),
                        static_cast<int>(purpose.size())) == 1 &&
      EVP_EncryptUpdate(context, out.data() + kNonceSize, &written, plaintext.data(),
                        static_cast<int>(plaintext.size())) == 1 &&
      EVP_EncryptFinal_ex(context, out.data() + kNonceSize + written, &written) == 1 &&
      EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_GCM_GET_TAG, kTagSize,
                          out.data() + kNonceSize + plaintext.size()) == 1;
  // AES-GCM in memory cannot fail with a key of the right size; anything else is a broken program.
  if (!done || key.size() != 32) std::abort();
  return out;
}

absl::StatusOr<SecretBytes> OpenUnder(const SecretBytes& key, ByteView sealed,
                                      std::string_view purpose) {
  if (sealed.size() < kNonceSize + kTagSize || key.size() != 32) {
    return Refuse(Reason::INTERNAL, "a sealed record is too short");
  }
  SecretBytes plain(sealed.size() - kNonceSize - kTagSize);
  Bytes tag(sealed.end() - kTagSize, sealed.end());
  EVP_CIPHER_CTX* context = ThreadContext();
  int written = 0;
  const bool opened =
      EVP_DecryptInit_ex(context, Cipher(), nullptr, key.data(), sealed.data()) == 1 &&
      EVP_DecryptUpdate(context, nullptr, &written, AsBytes(purpose).data(),
                        static_cast<int>(purpose.size())) == 1 &&
      EVP_DecryptUpdate(context, plain.data(), &written, sealed.data() + kNonceSize,
                        static_cast<int>(plain.size())) == 1 &&
      EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_GCM_SET_TAG, kTagSize, tag.data()) == 1 &&
      EVP_DecryptFinal_ex(context, plain.data() + written, &written) == 1;
  if (!opened)
    return Refuse(Reason::INTERNAL, "a sealed record does not open: it was altered or moved");
  return plain;
}

Sha256Digest KeyedDigest(const SecretBytes& key, ByteView message) {
  Sha256Digest digest;
  unsigned int size = digest.size();
  HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), message.data(), message.size(),
       digest.data(), &size);
  return digest;
}

absl::StatusOr<Bytes> LotKeys::MakeWrapped(std::string_view lot_name, Random& random) {
  const SecretBytes key = random.DrawSecret(32);
  return token_->Encrypt(wrapping_key_, key.view(), AsBytes(WrapPurpose(lot_name)));
}

absl::Status LotKeys::KeepProductKey(db::Store& store, uint16_t vendor_id, uint16_t product_id,
                                     Random& random) {
  const auto kept = store.ProductKey(vendor_id, product_id, {});
  if (!kept.ok() || !kept->empty()) return kept.status();
  const auto wrapped = MakeWrapped(ProductKeyName(vendor_id, product_id), random);
  if (!wrapped.ok()) return wrapped.status();
  return store.ProductKey(vendor_id, product_id, *wrapped).status();
}

struct LotKeys::Asked {
  using Answer = absl::StatusOr<std::shared_ptr<const SecretBytes>>;
  std::mutex mutex;
  std::condition_variable came;
  std::optional<Answer> answer;
  bool hangs = false;  // somebody waited in vain
};

// The token may hang for ever, and nobody can call a hung call back: it gets a thread that can be
// left behind.
std::shared_ptr<LotKeys::Asked> LotKeys::Ask(const std::string& name, const Bytes& wrapped) {
  auto asked = std::make_shared<Asked>();
  std::thread([asked, token = token_, wrapping_key = wrapping_key_, wrapped,
               purpose = WrapPurpose(name)]() mutable {
    Asked::Answer answer = Refuse(Reason::INTERNAL, "the lot's key has a wrong size");
    if (auto key = token->Decrypt(wrapping_key, wrapped, AsBytes(purpose)); !key.ok()) {
      answer = key.status();
    } else if (key->size() == 32) {
      answer = std::make_shared<const SecretBytes>(*std::move(key));
    }
    token.reset();
    const std::lock_guard lock(asked->mutex);
    asked->answer = std::move(answer);
    asked->came.notify_all();
  }).detach();
  return asked;
}

absl::StatusOr<std::shared_ptr<const SecretBytes>> LotKeys::Unwrap(const std::string& name,
                                                                   const Bytes& wrapped) {
  std::shared_ptr<Asked> asked;
  {
    const std::lock_guard lock(mutex_);
    if (const auto found = keys_.find(name); found != keys_.end()) return found->second;
    auto& entry = asked_[name];
    if (entry == nullptr) entry = Ask(name, wrapped);
    asked = entry;
  }
  {
    std::unique_lock lock(asked->mutex);
    const auto came = [&] { return asked->answer.has_value(); };
    if (!(asked->hangs ? came() : asked->came.wait_for(lock, patience_, came))) {
      asked->hangs = true;
      return Refuse(Reason::HSM_TIMEOUT, "the HSM does not answer for the lot's key");
    }
  }
  const std::lock_guard lock(mutex_);
  if (const auto at = asked_.find(name); at != asked_.end() && at->second == asked) {
    asked_.erase(at);
  }
  if (!asked->answer->ok()) return asked->answer->status();
  return keys_.emplace(name, **asked->answer).first->second;
}

absl::StatusOr<v1::OnboardingCodes> OpenCodes(const SecretBytes& lot_key,
                                              const db::ManifestRow& row) {
  auto plain = OpenUnder(lot_key, row.codes, CodesPurpose(row.device_id));
  if (!plain.ok()) return plain.status();
  v1::OnboardingCodes codes;
  if (!codes.ParseFromArray(plain->data(), static_cast<int>(plain->size()))) {
    return Refuse(Reason::INTERNAL, "a record of codes cannot be read");
  }
  return codes;
}

}  // namespace assay::lot
