// An X.509 certificate read by Assay's own strict parser: no OpenSSL object, a few microseconds.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/bytes.h"
#include "matter/ecdsa.h"
#include "matter/name.h"

namespace assay::matter {

// PAA and PAI and DAC may have at most this many bytes of DER (kMaxDERCertLength).
inline constexpr size_t kMaxCertificateSize = 600;

// KeyUsage bits as in RFC 5280 4.2.1.3: bit n of the standard is 1 << n here.
inline constexpr uint16_t kDigitalSignature = 1 << 0;
inline constexpr uint16_t kKeyCertSign = 1 << 5;
inline constexpr uint16_t kCrlSign = 1 << 6;

struct Extension {
  ByteView oid;  // content octets
  bool critical = false;
  ByteView value;  // content of the OCTET STRING
};

struct BasicConstraints {
  bool ca = false;
  std::optional<uint32_t> path_len;
};

struct Validity {
  absl::Time not_before;
  absl::Time not_after;
  bool Contains(absl::Time time) const { return not_before <= time && time <= not_after; }
};

// 9999-12-31T23:59:59Z: "no well-defined expiration date" (RFC 5280 4.1.2.5).
absl::Time NeverExpires();

// Immutable; copies share the bytes, so views stay valid as long as any copy lives. Thread-safe.
class Certificate {
 public:
  // FIELD_MALFORMED where the DER is not one certificate. What is well-formed but breaks Matter's
  // profile (other curves and algorithms, odd extensions, VID/PID text) is read, for CheckFormat to
  // name.
  static absl::StatusOr<Certificate> Parse(ByteView der);
  // The first CERTIFICATE block.
  static absl::StatusOr<Certificate> ParsePem(std::string_view pem);

  ByteView der() const { return *der_; }
  std::string ToPem() const;
  ByteView tbs() const { return tbs_; }  // whole TBSCertificate element: what is signed

  int version() const { return version_; }  // 3 for v3
  ByteView serial() const {
    return serial_;
  }                                // INTEGER content octets, with a 00 before a high bit
  std::string SerialText() const;  // upper hex, even, no leading zero octet
  ByteView tbs_algorithm() const { return tbs_algorithm_; }      // whole AlgorithmIdentifier
  ByteView outer_algorithm() const { return outer_algorithm_; }  // whole AlgorithmIdentifier
  ByteView issuer() const { return issuer_; }                    // whole Name
  ByteView subject() const { return subject_; }                  // whole Name
  const Validity& validity() const { return validity_; }
  ByteView key_algorithm() const { return key_algorithm_; }  // OID content
  ByteView key_curve() const { return key_curve_; }    // OID content, empty where there is none
  ByteView public_key() const { return public_key_; }  // BIT STRING content; 65 bytes on P-256
  bool IsP256() const;                                 // id-ecPublicKey, prime256v1, 65 bytes, 0x04
  ByteView signature_der() const { return signature_der_; }
  // r||s; the refusal where the signature is no ECDSA signature of P-256 size.
  absl::StatusOr<RawSignature> raw_signature() const;

  const std::vector<Extension>& extensions() const { return extensions_; }
  size_t CountOf(ByteView oid) const;
  const Extension* Find(ByteView oid) const;  // the first, or nullptr

  // Nothing where the extension is absent; a refusal where its value is malformed.
  absl::StatusOr<std::optional<BasicConstraints>> basic_constraints() const;
  absl::StatusOr<std::optional<uint16_t>> key_usage() const;
  // Content of the key identifier, whatever its length; empty where absent or malformed.
  ByteView subject_key_id() const { return subject_key_id_; }
  ByteView authority_key_id() const { return authority_key_id_; }

  // VID and PID (name.h). A refusal where the name's ids are malformed.
  const absl::StatusOr<NameIds>& subject_ids() const { return subject_ids_; }
  const absl::StatusOr<NameIds>& issuer_ids() const { return issuer_ids_; }

  // The one http or https URI (at most 100 bytes) of exactly one CRL distribution point, and the
  // Name of its cRLIssuer; a refusal otherwise. Matter issuers do not write this extension.
  absl::StatusOr<std::string> CdpUri() const;
  absl::StatusOr<Bytes> CdpCrlIssuer() const;

  // Whether issuer's key signed this certificate. Says nothing of names or dates.
  bool IsSignedBy(const Certificate& issuer) const;

 private:
  Certificate() = default;
  absl::Status ReadTbs(ByteView tbs_content);
  absl::Status ReadKey(ByteView key_content);
  absl::Status ReadExtensions(ByteView content);
  void ReadKeyIds();

  std::shared_ptr<const Bytes> der_;
  ByteView tbs_, serial_, tbs_algorithm_, outer_algorithm_, issuer_, subject_;
  ByteView key_algorithm_, key_curve_, public_key_, signature_der_;
  ByteView subject_key_id_, authority_key_id_;
  int version_ = 1;
  Validity validity_;
  std::vector<Extension> extensions_;
  absl::StatusOr<NameIds> subject_ids_ = NameIds{};
  absl::StatusOr<NameIds> issuer_ids_ = NameIds{};
};

// RFC 7468. ToPem ends in a newline. FromPem gives the first block of that label; FIELD_MALFORMED
// without one.
std::string ToPem(std::string_view label, ByteView der);
absl::StatusOr<Bytes> FromPem(std::string_view label, std::string_view text);
// Every CERTIFICATE block, in order; FIELD_MALFORMED where there is none or one cannot be read.
absl::StatusOr<std::vector<Certificate>> ParsePemCertificates(std::string_view text);

}  // namespace assay::matter
