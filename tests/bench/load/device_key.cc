#include "tests/bench/load/device_key.h"

#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/obj_mac.h>

#include <array>
#include <memory>

#include "matter/csr.h"
#include "matter/ecdsa.h"
#include "matter/name.h"

namespace assay::bench {

Bytes MakeDeviceRequest() {
  const std::unique_ptr<EC_KEY, decltype(&EC_KEY_free)> key(
      EC_KEY_new_by_curve_name(NID_X9_62_prime256v1), &EC_KEY_free);
  if (key == nullptr || EC_KEY_generate_key(key.get()) != 1) std::abort();
  std::array<uint8_t, matter::kP256PointSize> point;
  EC_POINT_point2oct(EC_KEY_get0_group(key.get()), EC_KEY_get0_public_key(key.get()),
                     POINT_CONVERSION_UNCOMPRESSED, point.data(), point.size(), nullptr);
  const Bytes subject =
      matter::EncodeName(matter::MatterName("device", std::nullopt, std::nullopt));
  const Bytes info = matter::EncodeCsrInfo(subject, point);
  const Sha256Digest digest = Sha256(info);
  const std::unique_ptr<ECDSA_SIG, decltype(&ECDSA_SIG_free)> signature(
      ECDSA_do_sign(digest.data(), digest.size(), key.get()), &ECDSA_SIG_free);
  if (signature == nullptr) std::abort();
  matter::RawSignature raw;
  BN_bn2binpad(ECDSA_SIG_get0_r(signature.get()), raw.data(), 32);
  BN_bn2binpad(ECDSA_SIG_get0_s(signature.get()), raw.data() + 32, 32);
  return matter::AssembleCsr(info, raw);
}

}  // namespace assay::bench
