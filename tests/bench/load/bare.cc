#include "tests/bench/load/bare.h"

#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/obj_mac.h>
#include <openssl/sha.h>

#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <thread>
#include <vector>

namespace assay::bench {
namespace {

constexpr size_t kImageSize = 24 * 1024;
constexpr size_t kSpake2pSize = 80;

void Demand(bool good) {
  if (good) return;
  std::fputs("a bare OpenSSL operation failed\n", stderr);
  std::abort();
}

// One thread's contexts, kept over all its identities: OpenSSL at its best.
class BareIdentity {
 public:
  BareIdentity() {
    Demand(EC_KEY_generate_key(authority_.get()) == 1 && EC_KEY_generate_key(device_.get()) == 1);
    Demand(EC_GROUP_get_order(group(), order_.get(), context_.get()) == 1);
    request_digest_.fill(0x5A);
    request_.reset(ECDSA_do_sign(request_digest_.data(), request_digest_.size(), device_.get()));
  }

  void Run(const BareWork& work) {
    const std::array<char, 4> passcode{'\x25', '\x43', '\x34', '\x01'};
    const std::array<unsigned char, 32> salt{};
    std::array<unsigned char, kSpake2pSize> ws;
    Demand(PKCS5_PBKDF2_HMAC(passcode.data(), passcode.size(), salt.data(), salt.size(),
                             work.iterations, EVP_sha256(), ws.size(), ws.data()) == 1);
    MakeVerifier(ws);
    if (work.csr) {
      Demand(ECDSA_do_verify(request_digest_.data(), request_digest_.size(), request_.get(),
                             device_.get()) == 1);
    } else {
      Demand(EC_KEY_generate_key(device_.get()) == 1);
    }
    SHA256(image_.data(), image_.size(), digest_.data());
    Sign();
    Sign();
  }

 private:
  const EC_GROUP* group() const { return EC_KEY_get0_group(authority_.get()); }

  // w0 and w1 modulo the order, and the point L.
  void MakeVerifier(const std::array<unsigned char, kSpake2pSize>& ws) {
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

  void Sign() {
    ECDSA_SIG* signature = ECDSA_do_sign(digest_.data(), digest_.size(), authority_.get());
    Demand(signature != nullptr);
    ECDSA_SIG_free(signature);
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

  Key authority_{EC_KEY_new_by_curve_name(NID_X9_62_prime256v1)};
  Key device_{EC_KEY_new_by_curve_name(NID_X9_62_prime256v1)};
  Number order_{BN_new()}, wide_{BN_new()}, scalar_{BN_new()};
  std::unique_ptr<BN_CTX, Free<BN_CTX_free>> context_{BN_CTX_new()};
  std::unique_ptr<EC_POINT, Free<EC_POINT_free>> point_{EC_POINT_new(group())};
  std::array<unsigned char, 32> digest_, request_digest_;
  std::unique_ptr<ECDSA_SIG, Free<ECDSA_SIG_free>> request_;
  std::vector<unsigned char> image_ = std::vector<unsigned char>(kImageSize, 0xFF);
};

}  // namespace

double MeasureBare(const BareWork& work, int threads, std::chrono::milliseconds time) {
  using Steady = std::chrono::steady_clock;
  std::vector<double> rates(static_cast<size_t>(threads));
  {
    std::vector<std::jthread> running;
    for (double& rate : rates) {
      running.emplace_back([&rate, &work, time] {
        BareIdentity identity;
        identity.Run(work);
        const auto start = Steady::now();
        int64_t made = 0;
        do {
          identity.Run(work);
          ++made;
        } while (Steady::now() - start < time);
        rate = static_cast<double>(made) /
               std::chrono::duration<double>(Steady::now() - start).count();
      });
    }
  }
  double sum = 0;
  for (const double rate : rates) sum += rate;
  return sum;
}

}  // namespace assay::bench
