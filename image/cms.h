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

// What of such signatures is the same for all of one signer, made once. Immutable, thread-safe.
class DetachedCmsTemplate {
 public:
  // FIELD_MALFORMED where the certificate cannot be read.
  static absl::StatusOr<DetachedCmsTemplate> Make(ByteView signer_certificate_der);
  // FIELD_OUT_OF_RANGE where the signature is not 64 bytes.
  absl::StatusOr<Bytes> Fill(ByteView raw_signature64) const;
  ByteView certificate() const { return certificate_; }

 private:
  Bytes certificate_;
  Bytes head_;         // of SignedData: version, digest algorithms, content type, certificate
  Bytes signer_head_;  // of SignerInfo: version, signer, algorithms
};

// Checks such a signature over `content` against this signer, or against a delegate that this
// signer certified (EncodeImageDelegateTbs). A delegate's certificate is checked but for the time:
// whoever looks may look years later. VERIFY_FAILED where the signature or the signer is another,
// IMAGE_MALFORMED where the CMS does not have the form above.
absl::Status VerifyDetachedCms(ByteView cms_der, ByteView content, ByteView signer_certificate_der);
absl::Status VerifyDetachedCmsDigest(ByteView cms_der, const Sha256Digest& content_digest,
                                     ByteView signer_certificate_der);

// The image signer's own certificate: self-signed, P-256, CN only, usable as its own trust anchor.
// digitalSignature for images, and keyCertSign with path length 0 for delegates.
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

// The longest validity of a delegate: a day, and some minutes for clocks that differ.
inline constexpr absl::Duration kDelegateLife = absl::Minutes(24 * 60 + 10);

// FIELD_NOT_ALLOWED where this image certificate may not certify delegates (no CA, as older ones
// were made).
absl::Status CheckMayDelegate(ByteView signer_certificate_der);

// A delegate's certificate, issued by the image signer: end entity, digitalSignature. The key signs
// images in the signer's place while the certificate lasts, at most kDelegateLife, and stock
// OpenSSL accepts them with the same -CAfile. Sign SHA-256 of the bytes, then
// AssembleImageSignerCertificate.
struct ImageDelegateFields {
  ByteView public_key;     // 65 bytes
  ByteView serial_number;  // 1..20 bytes, positive
  absl::Time not_before;
  absl::Time not_after;
};
absl::StatusOr<Bytes> EncodeImageDelegateTbs(ByteView signer_certificate_der,
                                             const ImageDelegateFields& fields);

}  // namespace assay::image
