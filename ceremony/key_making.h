// Keys in a token and what they sign about themselves: requests and certificates of their own.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "base/random.h"
#include "hsm/token.h"

namespace assay::ceremony {

// A serial number for a certificate: 16 random bytes, positive and without a leading zero.
Bytes DrawSerial(Random& random);

// Signs SHA-256 of `message` and checks the signature: HSM_BAD_SIGNATURE where the token signs
// wrongly.
absl::StatusOr<hsm::RawSignature> SignChecked(hsm::Token& token, const hsm::KeyDescription& key,
                                              ByteView message);

enum class SelfSigned { kPaa, kDeclarationSigner, kImageSigner };

// The key's certificate by itself, DER, good from a day before now and for ever.
absl::StatusOr<Bytes> SignOwnCertificate(hsm::Token& token, const hsm::KeyDescription& key,
                                         SelfSigned kind, std::string_view common_name,
                                         Random& random, const Clock& clock);

// PKCS#10 for `subject` (a whole Name), DER, read back.
absl::StatusOr<Bytes> SignRequest(hsm::Token& token, const hsm::KeyDescription& key,
                                  ByteView subject);

}  // namespace assay::ceremony
