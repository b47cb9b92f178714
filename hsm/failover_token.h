// Several tokens that hold the same keys, as one: when the first does not serve, the next one does.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "hsm/forwarding_token.h"
#include "hsm/token.h"

namespace assay::hsm {

struct FailoverOptions {
  // A member in which a call has been under way for this long is passed by.
  std::chrono::milliseconds hung_after{2000};
  // A member that failed is left alone for this long, unless all have failed.
  std::chrono::milliseconds rest{5000};
};

// Thread-safe. Keys get into the second token by the vendor's own cloning, never through Assay.
// Before a member serves a label, its key is compared with the one first seen under that label (or
// told by Expect): a signing key by its public point, a wrapping key by opening what the first had
// sealed; another key is HSM_KEY_UNFIT and the member does not serve it. It is compared anew after
// each failure of the member.
//
// Signing, wrapping, randomness and health go to the first member that is well, in the order given.
// Describe, ListKeys, GenerateKey, ImportSigningKey and DestroyKey speak of the first member only.
class FailoverToken final : public ForwardingToken {
 public:
  // At least one member.
  explicit FailoverToken(std::vector<std::shared_ptr<Token>> members, FailoverOptions options = {});

  // The public point `label` must have, e.g. from the PAI's certificate; otherwise the first seen
  // counts.
  void Expect(std::string_view label, const PublicPoint& point);
  // Which member served last; 0 is the first. For a metric.
  size_t serving() const;

  absl::StatusOr<KeyDescription> FindKey(std::string_view label) override;
  absl::Status DestroyKey(std::string_view label) override;
  absl::StatusOr<RawSignature> Sign(std::string_view label, const Sha256Digest& digest) override;
  absl::StatusOr<Bytes> Encrypt(std::string_view label, ByteView plaintext,
                                ByteView associated) override;
  absl::StatusOr<SecretBytes> Decrypt(std::string_view label, ByteView ciphertext,
                                      ByteView associated) override;
  absl::Status FillRandom(std::span<uint8_t> out) override;
  absl::Status CheckHealth(std::string_view label) override;

 private:
  using Steady = std::chrono::steady_clock;
  struct Member {
    std::shared_ptr<Token> token;
    Steady::time_point rests_until{};
    std::multiset<Steady::time_point> calls{};  // begun and not ended
    std::set<std::string, std::less<>> compared{};
  };
  struct Known {
    KeyPurpose purpose = KeyPurpose::kSigning;
    std::optional<PublicPoint> point{};
    Bytes sealed{};  // wrapping keys: made by the first key seen
  };

  absl::Status Serve(std::string_view label, absl::FunctionRef<absl::Status(Token&)> call);
  std::vector<size_t> Order();
  absl::Status Compare(size_t index, std::string_view label);
  void Note(size_t index, const absl::Status& status);

  const FailoverOptions options_;
  mutable std::mutex mutex_;
  std::vector<Member> members_;
  std::map<std::string, Known, std::less<>> known_;
  size_t serving_ = 0;
};

}  // namespace assay::hsm
