// The verifier of a passcode with nothing but OpenSSL, for tests to hold ours against.
#pragma once

#include <gtest/gtest.h>
#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/obj_mac.h>

#include <array>
#include <cstdint>

#include "base/bytes.h"

namespace assay::issue {

// w0 || L with nothing but OpenSSL.
inline Bytes ReferenceVerifier(uint32_t passcode, ByteView salt, uint32_t iterations) {
  std::array<uint8_t, 80> ws{};
  const std::array<uint8_t, 4> pin{
      static_cast<uint8_t>(passcode), static_cast<uint8_t>(passcode >> 8),
      static_cast<uint8_t>(passcode >> 16), static_cast<uint8_t>(passcode >> 24)};
  EXPECT_EQ(PKCS5_PBKDF2_HMAC(reinterpret_cast<const char*>(pin.data()), 4, salt.data(),
                              static_cast<int>(salt.size()), static_cast<int>(iterations),
                              EVP_sha256(), 80, ws.data()),
            1);
  Bytes out(97);
  EC_GROUP* const group = EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1);
  EC_POINT* const point = EC_POINT_new(group);
  BN_CTX* const context = BN_CTX_new();
  BIGNUM* const w0 = BN_bin2bn(ws.data(), 40, nullptr);
  BIGNUM* const w1 = BN_bin2bn(ws.data() + 40, 40, nullptr);
  EXPECT_EQ(BN_nnmod(w0, w0, EC_GROUP_get0_order(group), context), 1);
  EXPECT_EQ(BN_nnmod(w1, w1, EC_GROUP_get0_order(group), context), 1);
  EXPECT_EQ(BN_bn2binpad(w0, out.data(), 32), 32);
  EXPECT_EQ(EC_POINT_mul(group, point, w1, nullptr, nullptr, context), 1);
  EXPECT_EQ(
      EC_POINT_point2oct(group, point, POINT_CONVERSION_UNCOMPRESSED, out.data() + 32, 65, context),
      65u);
  BN_free(w0);
  BN_free(w1);
  BN_CTX_free(context);
  EC_POINT_free(point);
  EC_GROUP_free(group);
  return out;
}

}  // namespace assay::issue
