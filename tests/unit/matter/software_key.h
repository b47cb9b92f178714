// A P-256 key in memory, for tests only: published test keys or fresh ones.
#pragma once

#include <gtest/gtest.h>
#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/obj_mac.h>
#include <openssl/pem.h>

#include <memory>
#include <string>

#include "base/bytes.h"
#include "matter/ecdsa.h"

namespace assay::matter {

class SoftwareKey {
 public:
  static SoftwareKey Fresh() {
    SoftwareKey made;
    EXPECT_EQ(EC_KEY_generate_key(made.key_.get()), 1);
    return made;
  }
  static SoftwareKey FromScalar(ByteView scalar) {
    SoftwareKey made;
    BIGNUM* number = BN_bin2bn(scalar.data(), static_cast<int>(scalar.size()), nullptr);
    const EC_GROUP* group = EC_KEY_get0_group(made.key_.get());
    EC_POINT* point = EC_POINT_new(group);
    EXPECT_EQ(EC_POINT_mul(group, point, number, nullptr, nullptr, nullptr), 1);
    EXPECT_EQ(EC_KEY_set_private_key(made.key_.get(), number), 1);
    EXPECT_EQ(EC_KEY_set_public_key(made.key_.get(), point), 1);
    EC_POINT_free(point);
    BN_free(number);
    return made;
  }
  static SoftwareKey FromPem(const std::string& pem) {
    SoftwareKey made;
    BIO* bio = BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size()));
    made.key_.reset(PEM_read_bio_ECPrivateKey(bio, nullptr, nullptr, nullptr), EC_KEY_free);
    BIO_free(bio);
    EXPECT_NE(made.key_, nullptr);
    return made;
  }

  Bytes Point() const {
    Bytes point(kP256PointSize);
    EC_POINT_point2oct(EC_KEY_get0_group(key_.get()), EC_KEY_get0_public_key(key_.get()),
                       POINT_CONVERSION_UNCOMPRESSED, point.data(), point.size(), nullptr);
    return point;
  }
  Bytes Sign(ByteView message) const { return SignDigest(Sha256(message)); }
  Bytes SignDigest(const Sha256Digest& digest) const {
    ECDSA_SIG* signature = ECDSA_do_sign(digest.data(), digest.size(), key_.get());
    Bytes raw(kRawSignatureSize);
    BN_bn2binpad(ECDSA_SIG_get0_r(signature), raw.data(), 32);
    BN_bn2binpad(ECDSA_SIG_get0_s(signature), raw.data() + 32, 32);
    ECDSA_SIG_free(signature);
    return raw;
  }

 private:
  SoftwareKey() : key_(EC_KEY_new_by_curve_name(NID_X9_62_prime256v1), EC_KEY_free) {}
  std::shared_ptr<EC_KEY> key_;
};

}  // namespace assay::matter
