#include "matter/spake2p.h"

#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/obj_mac.h>

#include <algorithm>
#include <array>
#include <list>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "base/refusal.h"
#include "matter/passcode.h"
#include "matter/pbkdf2.h"

namespace assay::matter {
namespace {

constexpr size_t kHalfSize = 40;  // 8 bytes more than the order, so that the remainder is unbiased
constexpr size_t kWsSize = 2 * kHalfSize;
constexpr size_t kScalarSize = 32;
constexpr size_t kPointSize = 65;
static_assert(kScalarSize + kPointSize == kVerifierSize);

struct FreeGroup {
  void operator()(EC_GROUP* group) const { EC_GROUP_free(group); }
};
struct FreePoint {
  void operator()(EC_POINT* point) const { EC_POINT_clear_free(point); }
};
struct FreeContext {
  void operator()(BN_CTX* context) const { BN_CTX_free(context); }
};
struct FreeNumber {
  void operator()(BIGNUM* number) const { BN_clear_free(number); }
};

// The curve is public and dear to set up, so each thread keeps one. OpenSSL's groups may not be
// shared.
const EC_GROUP* Curve() {
  thread_local const std::unique_ptr<EC_GROUP, FreeGroup> curve(
      EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1));
  return curve.get();
}

// Scratch of one feed; all of it is cleared when the feed ends.
class VerifierMaker {
 public:
  VerifierMaker()
      : context_(BN_CTX_new()),
        half_(BN_new()),
        scalar_(BN_new()),
        point_(Curve() == nullptr ? nullptr : EC_POINT_new(Curve())) {}

  bool IsReady() const { return context_ && half_ && scalar_ && point_; }

  // 97 bytes into `verifier`; false when w0 or w1 is zero or OpenSSL fails.
  bool Make(const uint8_t* ws, uint8_t* verifier) {
    return Reduce(ws) && BN_bn2binpad(scalar_.get(), verifier, kScalarSize) == int{kScalarSize} &&
           Reduce(ws + kHalfSize) &&
           EC_POINT_mul(Curve(), point_.get(), scalar_.get(), nullptr, nullptr, context_.get()) ==
               1 &&
           EC_POINT_point2oct(Curve(), point_.get(), POINT_CONVERSION_UNCOMPRESSED,
                              verifier + kScalarSize, kPointSize, context_.get()) == kPointSize;
  }

 private:
  // scalar_ = 40 bytes, big-endian, mod n; false for zero.
  bool Reduce(const uint8_t* half) {
    if (BN_bin2bn(half, int{kHalfSize}, half_.get()) == nullptr) return false;
    BN_set_flags(half_.get(), BN_FLG_CONSTTIME);
    return BN_nnmod(scalar_.get(), half_.get(), EC_GROUP_get0_order(Curve()), context_.get()) ==
               1 &&
           !BN_is_zero(scalar_.get());
  }

  std::unique_ptr<BN_CTX, FreeContext> context_;
  std::unique_ptr<BIGNUM, FreeNumber> half_;
  std::unique_ptr<BIGNUM, FreeNumber> scalar_;
  std::unique_ptr<EC_POINT, FreePoint> point_;
};

absl::Status CheckJob(const VerifierJob& job) {
  ASSAY_RETURN_IF_ERROR(CheckPasscode(job.passcode));
  return CheckParameters(job.parameters);
}

// Between a feed of verifiers and one of keys: what is under way keeps its passcode's bytes and ws
// here.
class Derivations final : public Pbkdf2Feed {
 public:
  explicit Derivations(VerifierFeed& feed) : feed_(feed) {}

  const Pbkdf2Job* Next() override {
    while (VerifierJob* const job = feed_.Next()) {
      job->verifier = SecretBytes();
      job->status = CheckJob(*job);
      if (job->status.ok()) return &Begin(*job);
      feed_.Ended(*job);
    }
    return nullptr;
  }

  void Ended(const Pbkdf2Job& derivation) override {
    const auto one = std::find_if(under_way_.begin(), under_way_.end(), [&](const auto& other) {
      return &other.derivation == &derivation;
    });
    VerifierJob& job = *one->job;
    SecretBytes verifier(kVerifierSize);
    if (maker_.IsReady() && maker_.Make(one->secrets.data() + kPasscodeSize, verifier.data())) {
      job.verifier = std::move(verifier);
    } else {
      job.status = Refuse(Reason::INTERNAL, "the SPAKE2+ verifier could not be computed");
    }
    under_way_.erase(one);
    feed_.Ended(job);
  }

  void StepEnded() override { feed_.StepEnded(); }

 private:
  static constexpr size_t kPasscodeSize = 4;
  struct UnderWay {
    VerifierJob* job;
    SecretBytes secrets{kPasscodeSize + kWsSize};
    Pbkdf2Job derivation{};
  };

  const Pbkdf2Job& Begin(VerifierJob& job) {
    UnderWay& one = under_way_.emplace_back(UnderWay{.job = &job});
    uint8_t* const passcode = one.secrets.data();
    for (size_t byte = 0; byte < kPasscodeSize; ++byte)
      passcode[byte] = static_cast<uint8_t>(job.passcode >> (8 * byte));
    one.derivation = {.password = {passcode, kPasscodeSize},
                      .salt = job.parameters.salt,
                      .iterations = job.parameters.iterations,
                      .key = {passcode + kPasscodeSize, kWsSize}};
    return one.derivation;
  }

  VerifierFeed& feed_;
  VerifierMaker maker_;
  std::list<UnderWay> under_way_;  // few: as many as there are lanes
};

}  // namespace

absl::Status CheckParameters(const Spake2pParameters& parameters, absl::string_view prefix) {
  if (parameters.iterations < kMinIterations || parameters.iterations > kMaxIterations) {
    return RefuseField(Reason::FIELD_OUT_OF_RANGE, absl::StrCat(prefix, "iterations"),
                       std::to_string(parameters.iterations), "must be 1000..100000");
  }
  if (parameters.salt.size() < kMinSaltSize || parameters.salt.size() > kMaxSaltSize) {
    return RefuseField(Reason::FIELD_OUT_OF_RANGE, absl::StrCat(prefix, "salt"),
                       absl::StrCat(parameters.salt.size(), " bytes"), "must be 16..32 bytes");
  }
  return absl::OkStatus();
}

Bytes DrawSalt(Random& random, size_t size) {
  return random.Draw(std::clamp(size, kMinSaltSize, kMaxSaltSize));
}

void ComputeVerifiers(VerifierFeed& feed) {
  Derivations derivations(feed);
  DeriveKeys(derivations);
}

void ComputeVerifiers(std::span<VerifierJob> jobs) {
  class : public VerifierFeed {
   public:
    VerifierJob* Next() override {
      if (left.empty()) return nullptr;
      VerifierJob* const next = &left.front();
      left = left.subspan(1);
      return next;
    }
    void Ended(VerifierJob&) override {}
    std::span<VerifierJob> left;
  } feed;
  feed.left = jobs;
  ComputeVerifiers(feed);
}

absl::StatusOr<SecretBytes> ComputeVerifier(uint32_t passcode,
                                            const Spake2pParameters& parameters) {
  VerifierJob job{.passcode = passcode, .parameters = parameters, .verifier = {}, .status = {}};
  ComputeVerifiers({&job, 1});
  if (!job.status.ok()) return job.status;
  return std::move(job.verifier);
}

absl::Status CheckVerifierForm(ByteView verifier, absl::string_view field) {
  if (verifier.size() != kVerifierSize) {
    return RefuseField(Reason::FIELD_MALFORMED, field, absl::StrCat(verifier.size(), " bytes"),
                       "must be 97 bytes");
  }
  const std::unique_ptr<BN_CTX, FreeContext> context(BN_CTX_new());
  const std::unique_ptr<BIGNUM, FreeNumber> w0(
      BN_bin2bn(verifier.data(), int{kScalarSize}, nullptr));
  const std::unique_ptr<EC_POINT, FreePoint> point(Curve() == nullptr ? nullptr
                                                                      : EC_POINT_new(Curve()));
  if (!context || !w0 || !point) {
    return Refuse(Reason::INTERNAL, "the SPAKE2+ verifier could not be checked");
  }
  if (BN_is_zero(w0.get()) || BN_cmp(w0.get(), EC_GROUP_get0_order(Curve())) >= 0) {
    return RefuseField(Reason::FIELD_MALFORMED, field, "", "w0 must be 1..n-1");
  }
  if (verifier[kScalarSize] != POINT_CONVERSION_UNCOMPRESSED ||
      EC_POINT_oct2point(Curve(), point.get(), verifier.data() + kScalarSize, kPointSize,
                         context.get()) != 1) {
    return RefuseField(Reason::FIELD_MALFORMED, field, "",
                       "L must be an uncompressed point of P-256");
  }
  return absl::OkStatus();
}

absl::Status CheckVerifier(ByteView verifier, uint32_t passcode,
                           const Spake2pParameters& parameters, absl::string_view field) {
  const absl::StatusOr<SecretBytes> expected = ComputeVerifier(passcode, parameters);
  if (!expected.ok()) return expected.status();
  if (!EqualInConstantTime(verifier, expected->view())) {
    return RefuseField(Reason::VERIFIER_MISMATCH, field, "",
                       "must be the one of passcode, salt and iterations");
  }
  return absl::OkStatus();
}

}  // namespace assay::matter
