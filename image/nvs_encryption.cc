#include "image/nvs_encryption.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>
#include <cstring>
#include <memory>

#include "absl/strings/str_cat.h"
#include "base/refusal.h"
#include "image/nvs.h"
#include "image/nvs_layout.h"

namespace assay::image {
namespace {

absl::Status CheckSize(absl::string_view field, size_t size, size_t wanted) {
  if (size == wanted) return absl::OkStatus();
  return RefuseField(Reason::FIELD_OUT_OF_RANGE, field, absl::StrCat(size, " bytes"),
                     absl::StrCat("must be ", wanted, " bytes"));
}

struct CipherFree {
  void operator()(EVP_CIPHER_CTX* context) const { EVP_CIPHER_CTX_free(context); }
};

// Each written entry is one XTS data unit whose tweak is its byte offset in the partition.
absl::Status CryptEntries(std::span<uint8_t> image, ByteView xts_key, bool encrypt) {
  ASSAY_RETURN_IF_ERROR(CheckSize("nvs_key", xts_key.size(), kXtsKeySize));
  if (image.empty() || image.size() % kNvsPageSize != 0) {
    return RefuseField(Reason::IMAGE_MALFORMED, "nvs", absl::StrCat(image.size(), " bytes"),
                       "an NVS image is a multiple of 4096 bytes");
  }
  std::unique_ptr<EVP_CIPHER_CTX, CipherFree> context(EVP_CIPHER_CTX_new());
  if (!context || EVP_CipherInit_ex(context.get(), EVP_aes_256_xts(), nullptr, xts_key.data(),
                                    nullptr, encrypt ? 1 : 0) != 1) {
    return RefuseField(Reason::FIELD_MALFORMED, "nvs_key", "",
                       "the halves of an XTS key must differ");
  }
  for (size_t base = 0; base < image.size(); base += kNvsPageSize) {
    uint8_t* page = image.data() + base;
    for (size_t slot = 0; slot < kNvsEntriesAPage; ++slot) {
      if (NvsSlotStateAt(page, slot) != NvsSlotState::kWritten) continue;
      uint8_t tweak[16] = {};
      const uint64_t offset = base + NvsEntryAt(slot);
      for (size_t i = 0; i < 8; ++i) tweak[i] = static_cast<uint8_t>(offset >> (8 * i));
      uint8_t* entry = page + NvsEntryAt(slot);
      int written = 0;
      if (EVP_CipherInit_ex(context.get(), nullptr, nullptr, nullptr, tweak, -1) != 1 ||
          EVP_CipherUpdate(context.get(), entry, &written, entry, kNvsEntrySize) != 1) {
        return Refuse(Reason::INTERNAL, "AES-XTS failed");
      }
    }
  }
  return absl::OkStatus();
}

}  // namespace

SecretBytes DrawXtsKey(Random& random) {
  for (;;) {
    SecretBytes key = random.DrawSecret(kXtsKeySize);
    if (std::memcmp(key.data(), key.data() + 32, 32) != 0) return key;
  }
}

absl::StatusOr<SecretBytes> BuildKeyPartition(ByteView xts_key) {
  ASSAY_RETURN_IF_ERROR(CheckSize("nvs_key", xts_key.size(), kXtsKeySize));
  SecretBytes partition(kNvsKeyPartitionSize);
  std::memset(partition.data(), 0xFF, partition.size());
  std::memcpy(partition.data(), xts_key.data(), xts_key.size());
  const uint32_t crc = EspCrc32(xts_key);
  for (size_t i = 0; i < 4; ++i)
    partition.data()[kXtsKeySize + i] = static_cast<uint8_t>(crc >> (8 * i));
  return partition;
}

absl::StatusOr<SecretBytes> ParseKeyPartition(ByteView partition) {
  if (partition.size() != kNvsKeyPartitionSize) {
    return RefuseField(Reason::IMAGE_MALFORMED, "nvs_keys",
                       absl::StrCat(partition.size(), " bytes"), "a key partition is 4096 bytes");
  }
  const ByteView key = partition.first(kXtsKeySize);
  if (ReadLe32(partition.data() + kXtsKeySize) != EspCrc32(key)) {
    return RefuseField(Reason::IMAGE_MALFORMED, "nvs_keys", "", "the key partition's CRC is wrong");
  }
  const ByteView rest = partition.subspan(kXtsKeySize + 4);
  if (std::any_of(rest.begin(), rest.end(), [](uint8_t byte) { return byte != 0xFF; })) {
    return RefuseField(Reason::IMAGE_MALFORMED, "nvs_keys", "",
                       "bytes follow the key partition's CRC");
  }
  return SecretBytes::CopyOf(key);
}

absl::StatusOr<SecretBytes> DeriveXtsKey(ByteView hmac_efuse_key) {
  ASSAY_RETURN_IF_ERROR(CheckSize("hmac_efuse_key", hmac_efuse_key.size(), kHmacEfuseKeySize));
  static constexpr uint8_t kSeeds[2][4] = {{0x5A, 0x5A, 0xBE, 0xAE}, {0xA5, 0xA5, 0xDE, 0xCE}};
  SecretBytes key(kXtsKeySize);
  for (size_t half = 0; half < 2; ++half) {
    uint8_t seed[32];
    for (size_t i = 0; i < sizeof seed; ++i) seed[i] = kSeeds[half][i % 4];
    if (HMAC(EVP_sha256(), hmac_efuse_key.data(), static_cast<int>(hmac_efuse_key.size()), seed,
             sizeof seed, key.data() + 32 * half, nullptr) == nullptr) {
      return Refuse(Reason::INTERNAL, "HMAC failed");
    }
  }
  return key;
}

absl::Status EncryptNvs(std::span<uint8_t> image, ByteView xts_key) {
  return CryptEntries(image, xts_key, true);
}
absl::Status DecryptNvs(std::span<uint8_t> image, ByteView xts_key) {
  return CryptEntries(image, xts_key, false);
}

}  // namespace assay::image
