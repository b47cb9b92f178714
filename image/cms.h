// Detached CMS signatures over images (RFC 5652, DER), made from a template around a signature from
// the HSM, so that a line checks an image with stock OpenSSL:
//   openssl cms -verify -binary -inform DER -in IMAGE.p7s -content IMAGE -CAfile signer.pem
//   -purpose any -out /dev/null
// Pure functions, thread-safe.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/bytes.h"

namespace assay::image {

// SignedData without signed attributes: what the HSM signs is SHA-256 over the image's bytes.
// ecdsa-with-SHA256, signer certificate included, signer named by issuer and serial number.
// FIELD_MALFORMED where the certificate cannot be read; FIELD_OUT_OF_RANGE where the signature is
// not 64 bytes (r, s).
absl::StatusOr<Bytes> AssembleDetachedCms(ByteView signer_certificate_der,
                                          ByteView raw_signature64);

// Checks such a signature over `content` against exactly this signer. VERIFY_FAILED where the
// signature or the signer is another, IMAGE_MALFORMED where the CMS does not have the form above.
absl::Status VerifyDetachedCms(ByteView cms_der, ByteView content, ByteView signer_certificate_der);
absl::Status VerifyDetachedCmsDigest(ByteView cms_der, const Sha256Digest& content_digest,
                                     ByteView signer_certificate_der);

// The image signer's own certificate: self-signed, P-256, CN only, digitalSignature, usable as its
// own trust anchor.
struct ImageSignerFields {
  std::string common_name;  // 1..64 bytes of UTF-8
  Bytes public_key;         // 65 bytes
  Bytes serial_number;      // 1..20 bytes, big-endian, positive
  absl::Time not_before;
  absl::Time not_after;  // absl::InfiniteFuture(): 99991231235959Z
};
// The bytes to be signed; sign SHA-256 of them.
absl::StatusOr<Bytes> EncodeImageSignerTbs(const ImageSignerFields& fields);
absl::StatusOr<Bytes> AssembleImageSignerCertificate(ByteView tbs, ByteView raw_signature64);

}  // namespace assay::image
