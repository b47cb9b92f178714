// Relief for a slow HSM: images signed by a key in memory that the HSM's image key certified for a
// day, so that an identity costs one signature of the HSM and not two.
#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/clock.h"
#include "base/deadline.h"
#include "base/random.h"
#include "hsm/signer.h"
#include "image/cms.h"
#include "matter/ecdsa.h"

namespace assay::issue {

// One delegate: its key, which never leaves the process and is wiped with it, and its certificate.
// Immutable and thread-safe.
class ImageDelegate {
 public:
  ~ImageDelegate();
  ImageDelegate(const ImageDelegate&) = delete;
  ImageDelegate& operator=(const ImageDelegate&) = delete;

  // About 20 us of one core.
  absl::StatusOr<hsm::RawSignature> Sign(const Sha256Digest& digest) const;
  const matter::SignatureVerifier& verifier() const { return verifier_; }
  const image::DetachedCmsTemplate& cms() const { return cms_; }
  absl::Time not_after() const { return not_after_; }

 private:
  friend class ImageDelegation;
  class Key;
  ImageDelegate(std::unique_ptr<Key> key, matter::SignatureVerifier verifier,
                image::DetachedCmsTemplate cms, absl::Time not_after);

  const std::unique_ptr<Key> key_;
  const matter::SignatureVerifier verifier_;
  const image::DetachedCmsTemplate cms_;
  const absl::Time not_after_;
};

// Keeps one delegate certified: the first when it is first asked for, the next when half of its
// time is over, while the present one goes on. Each is written to the log before the HSM is asked
// to sign its certificate. Thread-safe.
class ImageDelegation {
 public:
  using Use = std::function<void(absl::StatusOr<std::shared_ptr<const ImageDelegate>>)>;

  // `label` is the image key in the token, `certificate` its certificate (DER), which must be one
  // that may certify delegates (image::CheckMayDelegate).
  ImageDelegation(std::shared_ptr<hsm::Signer> signers, std::string label, Bytes certificate,
                  Random& random, const Clock& clock);
  // Waits for the signers' answer, if one is due: they give one, at the deadline at the latest.
  ~ImageDelegation();

  // `use` runs at once with the present delegate, or, where there is none, when the HSM has
  // certified one or refused to; it must not block.
  void With(Deadline deadline, Use use);

 private:
  struct Draft;
  absl::StatusOr<std::shared_ptr<Draft>> MakeDraft(absl::Time now);
  void Certify(Deadline deadline);
  absl::StatusOr<std::shared_ptr<const ImageDelegate>> Finish(Draft& draft,
                                                              const hsm::RawSignature& signature);
  void Settle(absl::StatusOr<std::shared_ptr<const ImageDelegate>> made);

  const std::shared_ptr<hsm::Signer> signers_;
  const std::string label_;
  const Bytes certificate_;
  Random& random_;
  const Clock& clock_;

  std::mutex mutex_;
  std::condition_variable answered_;
  std::shared_ptr<const ImageDelegate> present_;
  absl::Time renew_at_;
  bool asking_ = false;
  std::vector<Use> waiting_;
};

}  // namespace assay::issue
