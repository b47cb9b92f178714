// One ticket on its way through the eight steps.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "assay/store/v1/sealed.pb.h"
#include "assay/v1/issuance.pb.h"
#include "base/bytes.h"
#include "base/deadline.h"
#include "base/secret.h"
#include "db/store.h"
#include "hsm/token.h"
#include "image/factory_keys.h"
#include "image/image.h"
#include "matter/onboarding.h"
#include "server/access/caller.h"
#include "server/issue/compact_form.h"
#include "server/issue/pipeline.h"
#include "server/lot/plan.h"

namespace assay::issue {

class ImageDelegate;

// Owned by one thread at a time; the queues hand it over.
struct Work : std::enable_shared_from_this<Work> {
  Work() = default;
  ~Work();  // wipes what SecretBytes does not hold

  // What was asked, and who waits for the answer.
  access::Caller caller;
  v1::IssueRequest request;
  Deadline deadline;
  bool fetch_only = false;
  Pipeline::Done done;
  std::chrono::steady_clock::time_point started = std::chrono::steady_clock::now();
  std::chrono::steady_clock::time_point step_started = started;

  // Step 1 and 2.
  std::shared_ptr<const lot::LotPlan> plan;
  Sha256Digest digest{};  // keyed, of the request
  int looks = 0;          // how often step 2 was taken again
  int draws = 0;          // how often step 3 was, as a drawn value was another unit's
  bool owner = false;     // of its ticket in this process
  // What it is sealed with, in the compact form; null: in the plain form.
  std::shared_ptr<const LotDictionary> dictionary;

  // Step 3: what this unit alone has.
  std::string device_id;
  // Where the ticket completes a module of an earlier lot: its row, whose device id is the unit's,
  // and the id under which the attempt alone stands in the store.
  std::optional<db::ManifestRow> module;
  std::string attempt_name;
  std::string serial_number;
  uint16_t discriminator = 0;
  uint32_t passcode = 0;
  Bytes salt;
  SecretBytes verifier;
  Bytes rotating_id;
  std::vector<image::NvsEntry> extra;

  // Step 4.
  SecretBytes device_key;
  Bytes public_key;
  Bytes dac_serial;
  Bytes dac_issuer;  // of a given DAC: its issuer's key id
  Bytes tbs;
  std::string pai_name;
  Bytes pai;
  matter::SetupPayload payload;
  std::string qr_code;
  std::string manual_code;

  // Step 5.
  int64_t attempt_id = 0;
  bool in_doubt = false;  // an intent may have been recorded, and nobody heard so

  // Step 6 and 7.
  std::chrono::steady_clock::time_point signed_at;  // what is to be checked; long ago: nothing is
  hsm::RawSignature dac_signature{};
  Bytes dac;
  std::vector<image::ImageFile> images;
  std::vector<Sha256Digest> image_digests;  // of these, in their order
  std::vector<absl::StatusOr<hsm::RawSignature>> image_signatures;
  std::shared_ptr<const ImageDelegate> delegate;  // who signed them in the image key's place
  std::atomic<int> signatures_due{0};

  // Step 8.
  store::v1::SealedIdentity sealed;
  std::optional<db::Seal> seal;
  int seal_tries = 0;
  absl::Status given_up;  // why, while the attempt is being voided
};
using WorkPtr = std::shared_ptr<Work>;

}  // namespace assay::issue
