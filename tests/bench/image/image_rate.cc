// Images a second and core, plain and encrypted, beside the bare crypto they need: SHA-256 over the
// image for its signature, AES-256-XTS over each written entry with its own tweak and a fresh key,
// HMAC-SHA256 where the chip derives that key. Processor time of one thread; the best of several
// rounds, for what a busy machine adds says nothing about the code.
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <time.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <functional>

#include "image/image.h"
#include "image/nvs_encryption.h"
#include "image/qr.h"
#include "tests/unit/image/factory_fixture.h"

namespace assay::image {
namespace {

constexpr int kRounds = 7;
constexpr double kRoundSeconds = 0.2;

double ThreadSeconds() {
  timespec now = {};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

// Microseconds of one call.
double Cost(const std::function<void()>& work) {
  double best = 1e9;
  for (int round = 0; round < kRounds; ++round) {
    const double begin = ThreadSeconds();
    double spent = 0;
    int calls = 0;
    while (spent < kRoundSeconds) {
      for (int i = 0; i < 16; ++i, ++calls) work();
      spent = ThreadSeconds() - begin;
    }
    best = std::min(best, 1e6 * spent / calls);
  }
  return best;
}

void Need(bool fine) {
  if (fine) return;
  std::fputs("the image could not be made\n", stderr);
  std::exit(1);
}

// The bare crypto, called as directly as OpenSSL allows.
class BareCrypto {
 public:
  explicit BareCrypto(size_t entries) : entries_(entries) {}
  ~BareCrypto() { EVP_CIPHER_CTX_free(context_); }
  BareCrypto(const BareCrypto&) = delete;
  BareCrypto& operator=(const BareCrypto&) = delete;

  void Digest(ByteView image) {
    unsigned size = 0;
    EVP_Digest(image.data(), image.size(), digest_, &size, EVP_sha256(), nullptr);
  }
  void Xts() {
    random_.Fill(key_);
    EVP_EncryptInit_ex(context_, EVP_aes_256_xts(), nullptr, key_, nullptr);
    int written = 0;
    for (size_t i = 0; i < entries_; ++i) {
      const auto offset = static_cast<uint32_t>(32 * i);
      tweak_[0] = static_cast<uint8_t>(offset);
      tweak_[1] = static_cast<uint8_t>(offset >> 8);
      EVP_EncryptInit_ex(context_, nullptr, nullptr, nullptr, tweak_);
      EVP_EncryptUpdate(context_, entry_, &written, entry_, sizeof entry_);
    }
  }
  void Derive() {
    unsigned size = 0;
    for (int half = 0; half < 2; ++half)
      HMAC(EVP_sha256(), key_, 32, entry_, sizeof entry_, digest_, &size);
  }

 private:
  size_t entries_;
  SystemRandom random_;
  EVP_CIPHER_CTX* context_ = EVP_CIPHER_CTX_new();
  uint8_t key_[64] = {}, tweak_[16] = {}, entry_[32] = {}, digest_[32] = {};
};

struct Case {
  const char* name;
  NvsProtection protection;
  Placement placement;
  bool proven;  // read back and compared, as before every release
};

void Print(const Case& which) {
  SystemRandom random;
  ImageOptions options;
  options.protection = which.protection;
  FactoryContent content = FullContent();
  content.placement = which.placement;
  const auto make = [&] {
    auto files = which.proven ? BuildProvenImage(content, options, "unit", random)
                              : FindImageFormat("esp32")->Build(content, options, "unit", random);
    Need(files.ok());
    return *std::move(files);
  };
  // Written entries, headers and data alike: what is encrypted.
  ImageOptions plain = options;
  plain.protection = NvsProtection::kPlain;
  const auto plain_files = FindImageFormat("esp32")->Build(content, plain, "unit", random);
  Need(plain_files.ok());
  size_t entries = 0;
  // Held by name: what a range of a temporary refers to is gone before the first page.
  const auto reading = ReadNvs(plain_files->front().bytes.view());
  for (const NvsPage& page : reading->pages) entries += page.written;
  BareCrypto bare(entries);
  std::vector<ImageFile> sample = make();
  Sha256Digest digest{};
  const double ours = Cost([&] {
    for (const ImageFile& file : make())
      if (!file.key_material) digest = Sha256(file.bytes.view());
  });
  const double crypto = Cost([&] {
    for (const ImageFile& file : sample)
      if (!file.key_material) bare.Digest(file.bytes.view());
    if (which.protection != NvsProtection::kPlain) bare.Xts();
    if (which.protection == NvsProtection::kHmac) bare.Derive();
  });
  std::printf("| %-36s | %4zu | %10.0f | %8.1f | %11.1f | %5.2f |\n", which.name, entries,
              1e6 / ours, ours, crypto, ours / crypto);
}

}  // namespace
}  // namespace assay::image

int main() {
  using namespace assay::image;
  const Placement kAll{true, true, true};
  std::puts(
      "| image of 0x6000, signed digest included | entries | a second, core | us | bare crypto us "
      "| "
      "ratio |\n|---|---|---|---|---|---|");
  for (const Case& which :
       {Case{"plain", NvsProtection::kPlain, {}, false},
        Case{"plain, read back and compared", NvsProtection::kPlain, {}, true},
        Case{"encrypted", NvsProtection::kKeyPartition, {}, false},
        Case{"encrypted, read back and compared", NvsProtection::kKeyPartition, {}, true},
        Case{"HMAC scheme, read back and compared", NvsProtection::kHmac, {}, true},
        Case{"with secure cert, read back, compared", NvsProtection::kPlain, kAll, true}}) {
    Print(which);
  }
  const double qr = Cost([] { Need(!RenderQrPng(*EncodeQr("MT:Y.K9042C00KA0648G00")).empty()); });
  std::printf("QR code as PNG: %.0f a second and core\n", 1e6 / qr);
  return 0;
}
