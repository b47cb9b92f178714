#include "tests/bench/load/ideal.h"

#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/obj_mac.h>
#include <openssl/rand.h>
#include <openssl/sha.h>
#include <time.h>

#include <algorithm>
#include <array>
#include <barrier>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <memory>
#include <thread>
#include <vector>

#include "matter/pbkdf2.h"

namespace assay::bench {
namespace {

using Steady = std::chrono::steady_clock;

constexpr size_t kImageSize = 24 * 1024, kSecureCertSize = 8 * 1024;
constexpr size_t kWs = 80;
constexpr size_t kWrittenEntries = 119, kEntrySize = 32;
// Identities side by side: five fill fifteen of the widest kernel's sixteen lanes, sixteen fill
// all.
constexpr size_t kBatches[] = {5, 16};

void Demand(bool good) {
  if (good) return;
  std::fputs("a bare OpenSSL operation failed\n", stderr);
  std::abort();
}

template <auto free_function>
struct Free {
  template <typename T>
  void operator()(T* object) const {
    free_function(object);
  }
};
using Key = std::unique_ptr<EC_KEY, Free<EC_KEY_free>>;
using Number = std::unique_ptr<BIGNUM, Free<BN_free>>;

// One thread's contexts, kept over all its identities: OpenSSL at its best.
class BareIdentities {
 public:
  BareIdentities(const IdealWork& work, IdealBy by, size_t batch)
      : work_(work), by_(by), ws_(batch) {
    Demand(EC_KEY_generate_key(authority_.get()) == 1 && EC_KEY_generate_key(device_.get()) == 1);
    Demand(EC_GROUP_get_order(group(), order_.get(), context_.get()) == 1);
    request_digest_.fill(0x5A);
    request_.reset(ECDSA_do_sign(request_digest_.data(), request_digest_.size(), device_.get()));
    for (std::array<uint8_t, kWs>& ws : ws_) {
      jobs_.push_back({passcode_, salt_, static_cast<uint32_t>(work.iterations), ws});
    }
  }

  size_t batch() const { return ws_.size(); }

  void Run() {
    if (by_ == IdealBy::kFastest) {
      matter::DeriveKeys(jobs_);
    } else {
      matter::DeriveKeysWith(matter::Pbkdf2Kernel::kOpenssl, jobs_);
    }
    for (const std::array<uint8_t, kWs>& ws : ws_) FinishOne(ws);
  }

 private:
  const EC_GROUP* group() const { return EC_KEY_get0_group(authority_.get()); }

  void FinishOne(const std::array<uint8_t, kWs>& ws) {
    MakeVerifier(ws);
    if (work_.mode == Mode::kCsr) {
      Demand(ECDSA_do_verify(request_digest_.data(), request_digest_.size(), request_.get(),
                             device_.get()) == 1);
    } else {
      Demand(EC_KEY_generate_key(device_.get()) == 1);
    }
    Sign();
    if (work_.mode == Mode::kEncryptedNvs) Encrypt();
    SignImage(kImageSize);
    if (work_.mode == Mode::kSecureCert) SignImage(kSecureCertSize);
  }

  // w0 and w1 modulo the order, and the point L.
  void MakeVerifier(const std::array<uint8_t, kWs>& ws) {
    std::array<unsigned char, 65> encoded;
    for (size_t half = 0; half < 2; ++half) {
      BN_bin2bn(ws.data() + half * 40, 40, wide_.get());
      Demand(BN_mod(scalar_.get(), wide_.get(), order_.get(), context_.get()) == 1);
    }
    Demand(EC_POINT_mul(group(), point_.get(), scalar_.get(), nullptr, nullptr, context_.get()) ==
           1);
    Demand(EC_POINT_point2oct(group(), point_.get(), POINT_CONVERSION_UNCOMPRESSED, encoded.data(),
                              encoded.size(), context_.get()) == encoded.size());
  }

  void SignImage(size_t size) {
    SHA256(image_.data(), size, digest_.data());
    Sign();
  }

  void Sign() {
    ECDSA_SIG* signature = ECDSA_do_sign(digest_.data(), digest_.size(), authority_.get());
    Demand(signature != nullptr);
    ECDSA_SIG_free(signature);
  }

  void Encrypt() {
    std::array<unsigned char, 64> key;
    std::array<unsigned char, 16> tweak{};
    Demand(RAND_bytes(key.data(), key.size()) == 1);
    Demand(EVP_EncryptInit_ex(cipher_.get(), EVP_aes_256_xts(), nullptr, key.data(), nullptr) == 1);
    for (size_t i = 0; i < kWrittenEntries; ++i) {
      unsigned char* entry = image_.data() + i * kEntrySize;
      tweak[0] = static_cast<unsigned char>(i * kEntrySize);
      tweak[1] = static_cast<unsigned char>(i * kEntrySize >> 8);
      int written = 0;
      EVP_EncryptInit_ex(cipher_.get(), nullptr, nullptr, nullptr, tweak.data());
      EVP_EncryptUpdate(cipher_.get(), entry, &written, entry, kEntrySize);
    }
  }

  const IdealWork work_;
  const IdealBy by_;
  const std::array<uint8_t, 4> passcode_{0x25, 0x43, 0x34, 0x01};
  const std::array<uint8_t, 32> salt_{};
  std::vector<std::array<uint8_t, kWs>> ws_;
  std::vector<matter::Pbkdf2Job> jobs_;
  Key authority_{EC_KEY_new_by_curve_name(NID_X9_62_prime256v1)};
  Key device_{EC_KEY_new_by_curve_name(NID_X9_62_prime256v1)};
  Number order_{BN_new()}, wide_{BN_new()}, scalar_{BN_new()};
  std::unique_ptr<BN_CTX, Free<BN_CTX_free>> context_{BN_CTX_new()};
  std::unique_ptr<EC_POINT, Free<EC_POINT_free>> point_{EC_POINT_new(group())};
  std::unique_ptr<EVP_CIPHER_CTX, Free<EVP_CIPHER_CTX_free>> cipher_{EVP_CIPHER_CTX_new()};
  std::array<unsigned char, 32> digest_{}, request_digest_;
  std::unique_ptr<ECDSA_SIG, Free<ECDSA_SIG_free>> request_;
  std::vector<unsigned char> image_ = std::vector<unsigned char>(kImageSize, 0xFF);
};

double ThreadSeconds() {
  timespec now = {};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

// By processor time, which other programs hardly change.
size_t CheapestBatch(const IdealWork& work) {
  size_t cheapest = 0;
  double least = std::numeric_limits<double>::max();
  for (const size_t batch : kBatches) {
    BareIdentities identities(work, IdealBy::kFastest, batch);
    for (int round = 0; round < 3; ++round) {
      const double begun = ThreadSeconds();
      identities.Run();
      const double each = (ThreadSeconds() - begun) / static_cast<double>(batch);
      if (each < least) {
        least = each;
        cheapest = batch;
      }
    }
  }
  return cheapest;
}

Ideal MeasureBatch(const IdealWork& work, IdealBy by, size_t batch,
                   std::chrono::milliseconds time) {
  const auto threads = static_cast<std::ptrdiff_t>(std::thread::hardware_concurrency());
  std::vector<Ideal> seen(static_cast<size_t>(threads));
  std::barrier ready(threads);
  {
    std::vector<std::jthread> running;
    for (Ideal& own : seen) {
      running.emplace_back([&] {
        BareIdentities identities(work, by, batch);
        identities.Run();
        ready.arrive_and_wait();
        const auto start = Steady::now();
        const double cpu_start = ThreadSeconds();
        double made = 0;
        do {
          identities.Run();
          made += static_cast<double>(identities.batch());
        } while (Steady::now() - start < time);
        own.rate = made / std::chrono::duration<double>(Steady::now() - start).count();
        own.cpu_us = 1e6 * (ThreadSeconds() - cpu_start) / made;
      });
    }
  }
  Ideal all;
  for (const Ideal& own : seen) {
    all.rate += own.rate;
    all.cpu_us += own.cpu_us / static_cast<double>(threads);
  }
  return all;
}

}  // namespace

Ideal MeasureIdeal(const IdealWork& work, IdealBy by, std::chrono::milliseconds time) {
  return MeasureBatch(work, by, by == IdealBy::kOpenssl ? 1 : CheapestBatch(work), time);
}

}  // namespace assay::bench
