// The eight steps of issuing (docs/architecture.md): from a ticket to a sealed identity.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "assay/v1/issuance.pb.h"
#include "base/clock.h"
#include "base/deadline.h"
#include "base/random.h"
#include "db/store.h"
#include "hsm/signer.h"
#include "hsm/token.h"
#include "server/access/caller.h"
#include "server/issue/fair_gate.h"
#include "server/issue/reserve.h"

namespace assay::issue {

enum class Step { kAdmit = 1, kTicket, kClaim, kBuild, kIntent, kSign, kVerify, kSeal };
// "admit", "ticket", ... "seal": the label in metrics, logs and tests.
std::string_view StepName(Step step);

// Told of every step and every end; implementations are thread-safe and quick.
class Observer {
 public:
  virtual ~Observer() = default;
  virtual void StepEnded(Step step, std::chrono::nanoseconds took) = 0;
  // `status` OK for an identity given; sealed_before when it existed already.
  virtual void Finished(const absl::Status& status, bool sealed_before,
                        std::chrono::nanoseconds took) = 0;
};

struct PipelineOptions {
  std::string instance_id;  // of this process's lease
  bool production = false;
  std::string image_key = "assay-image";  // label in the token
  Bytes image_certificate;                // DER, for that key
  // Images are signed by a key in memory that the image key certified (image_delegate.h).
  bool delegate_images = false;
  // Sealed identities are written short, which older releases cannot read (compact_form.h).
  bool compact_identities = false;
  std::string wrapping_key = "assay-wrapping";  // label in the token
  // 0 of both: the pipeline has no threads, and whoever made it calls RunBatch (simulation).
  int crypto_threads = 2;
  int store_threads = 2;     // how many batches may be at the database at once
  int max_batch = 64;        // tickets in one transaction
  int max_in_flight = 1024;  // more are refused with OVERLOADED
  // Of these so many are worked on; the others wait outside, each line's for their turn.
  int max_active = 256;
  FairLimits limits;
  ReserveOptions reserve;  // of size 0: none is kept
  // After an identity that could not be sealed, one ticket in so long tries; the others are refused
  // before anything is signed for them. Zero: all try.
  std::chrono::milliseconds seal_rest{0};
  std::chrono::milliseconds least_deadline{20};  // less time left than this is refused
  std::chrono::milliseconds plan_keep{3000};     // how long what is known of a lot stays known
};

struct PipelineCounters {
  int in_flight = 0;
  int crypto_queued = 0;
  ReserveCounters reserve = {};
};

// Thread-safe. Every Submit is answered exactly once, on one of the pipeline's threads or at once
// on the caller's; the answer must not block. A call whose caller has gone still ends in a sealed
// or a voided attempt.
class Pipeline {
 public:
  using Done = std::function<void(absl::StatusOr<v1::IssueResponse>)>;

  Pipeline(std::shared_ptr<db::Store> store, std::shared_ptr<hsm::Token> token,
           std::shared_ptr<hsm::Signer> signers, Random& random, const Clock& clock,
           Observer& observer, PipelineOptions options);
  // Drains, and waits until every call under way is answered.
  ~Pipeline();

  void Submit(const access::Caller& caller, v1::IssueRequest request, Deadline deadline, Done done);
  // The sealed identity of a ticket; never issues. The same refusals as Submit's step 2.
  void Fetch(const access::Caller& caller, v1::GetSealedRequest request, Deadline deadline,
             Done done);

  // Tries again to void attempts whose voiding failed while the database was away, so that their
  // quota comes back though no further ticket comes. Does not block.
  void VoidOrphans();

  using ConfirmDone = std::function<void(absl::StatusOr<v1::ConfirmResponse>)>;
  void Confirm(const access::Caller& caller, v1::ConfirmRequest request, Deadline deadline,
               ConfirmDone done);

  // From now on new tickets are refused with DRAINING; what is under way ends.
  void Drain();
  PipelineCounters Counters() const;
  // From now on; what is under way stays.
  void SetLimits(FairLimits limits);

  enum class Queue { kDatabase, kCrypto, kReserve };
  // Takes the next batch of a queue, as one of its threads would, on the caller's thread; false
  // where nothing waits. Several batches may be under way at once. Of the reserve: makes a few of
  // what it lacks.
  bool RunBatch(Queue queue);

 private:
  class Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace assay::issue
