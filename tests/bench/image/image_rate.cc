// How fast images are built, plain and encrypted, and how fast AES-XTS alone would be over the same
// entries.
#include <benchmark/benchmark.h>
#include <openssl/evp.h>

#include "image/image.h"
#include "image/nvs_encryption.h"
#include "image/qr.h"
#include "tests/unit/image/factory_fixture.h"

namespace assay::image {
namespace {

void BuildNvsImage(benchmark::State& state, NvsProtection protection, const Placement& placement) {
  SystemRandom random;
  ImageOptions options;
  options.protection = protection;
  FactoryContent content = FullContent();
  content.placement = placement;
  for (auto _ : state) {
    auto files = FindImageFormat("esp32")->Build(content, options, "unit", random);
    benchmark::DoNotOptimize(files);
  }
  state.SetItemsProcessed(state.iterations());
}

void BuildProven(benchmark::State& state, NvsProtection protection) {
  SystemRandom random;
  ImageOptions options;
  options.protection = protection;
  const FactoryContent content = FullContent();
  for (auto _ : state) {
    auto files = BuildProvenImage(content, options, "unit", random);
    benchmark::DoNotOptimize(files);
  }
  state.SetItemsProcessed(state.iterations());
}

// The bare cipher over as many entries as the image has, each with its own tweak.
void BareXts(benchmark::State& state) {
  SystemRandom random;
  const SecretBytes key = DrawXtsKey(random);
  const size_t entries = static_cast<size_t>(state.range(0));
  EVP_CIPHER_CTX* context = EVP_CIPHER_CTX_new();
  EVP_EncryptInit_ex(context, EVP_aes_256_xts(), nullptr, key.data(), nullptr);
  uint8_t entry[32] = {}, tweak[16] = {};
  int written = 0;
  for (auto _ : state) {
    for (size_t i = 0; i < entries; ++i) {
      tweak[0] = static_cast<uint8_t>(i);
      EVP_EncryptInit_ex(context, nullptr, nullptr, nullptr, tweak);
      EVP_EncryptUpdate(context, entry, &written, entry, sizeof entry);
    }
  }
  EVP_CIPHER_CTX_free(context);
  state.SetItemsProcessed(state.iterations());
}

void QrPng(benchmark::State& state) {
  for (auto _ : state) benchmark::DoNotOptimize(RenderQrPng(*EncodeQr("MT:Y.K9042C00KA0648G00")));
  state.SetItemsProcessed(state.iterations());
}

BENCHMARK_CAPTURE(BuildNvsImage, plain, NvsProtection::kPlain, Placement{});
BENCHMARK_CAPTURE(BuildNvsImage, encrypted, NvsProtection::kKeyPartition, Placement{});
BENCHMARK_CAPTURE(BuildNvsImage, all_in_secure_cert, NvsProtection::kPlain,
                  Placement{true, true, true});
BENCHMARK_CAPTURE(BuildProven, plain, NvsProtection::kPlain);
BENCHMARK_CAPTURE(BuildProven, encrypted, NvsProtection::kKeyPartition);
BENCHMARK(BareXts)->Arg(150);
BENCHMARK(QrPng);

}  // namespace
}  // namespace assay::image

BENCHMARK_MAIN();
