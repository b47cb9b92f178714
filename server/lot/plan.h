// A lot made ready for issuing: everything its devices have in common, parsed and checked once.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "assay/v1/catalog.pb.h"
#include "base/clock.h"
#include "base/secret.h"
#include "db/store.h"
#include "image/factory_keys.h"
#include "image/image.h"
#include "matter/certificate.h"
#include "matter/certification_declaration.h"
#include "matter/dac_template.h"
#include "matter/ecdsa.h"
#include "matter/onboarding.h"
#include "server/lot/lot_key.h"
#include "server/lot/product_spec.h"

namespace assay::lot {

// The PAI that signs a lot's DACs.
struct IssuingPai {
  std::string name;
  std::string key_label;
  matter::Certificate certificate;
  std::optional<matter::Certificate> paa;
  matter::SignatureVerifier verifier;
};

// The active PAI for `ids`: the one named by the product, or the fitting one, with the product id
// before without, the newest first. PAI_UNKNOWN or PAI_NOT_ACTIVE, with the command that would
// help.
absl::StatusOr<IssuingPai> ChoosePai(db::Store& store, const v1::DacProfile& profile,
                                     const DacIds& ids);

// Immutable; shared by every ticket of the lot that is under way.
struct LotPlan {
  db::Lot lot;
  v1::ProductSpec spec;
  std::optional<matter::CertificationDeclaration> cd;
  DacIds dac_ids;
  image::FactoryContent common;
  image::ImageOptions image_options;
  matter::SetupPayload payload;
  std::shared_ptr<const SecretBytes> key;  // null in a plan for confirming
  // Digests what no two units of the product may share; null where no lot was opened since Assay
  // knows such keys, and in a plan for confirming.
  std::shared_ptr<const SecretBytes> product_key;
  // Why nothing new can be issued now (PAI_NOT_ACTIVE, ...). What is sealed can still be fetched
  // and confirmed.
  absl::Status may_issue;
  // Only where Assay signs the DAC, and may:
  std::optional<IssuingPai> pai;
  std::optional<matter::DacTemplate> dac;
};

// What a plan is for. Confirming needs neither the lot's key nor a PAI, and so no token.
enum class PlanFor { kIssuing, kConfirming };

// Plans by lot name, kept for a few seconds so that a retired PAI or a closed lot is noticed; what
// must hold at once (quota, state) the store decides in the intent's transaction. Thread-safe; a
// miss asks store and token.
class PlanBook {
 public:
  PlanBook(std::shared_ptr<db::Store> store, std::shared_ptr<hsm::Token> token,
           std::string wrapping_key, std::chrono::milliseconds keep = std::chrono::seconds(3));

  // LOT_UNKNOWN. What stands in the way of issuing alone is in the plan.
  absl::StatusOr<std::shared_ptr<const LotPlan>> Find(const std::string& lot_name,
                                                      PlanFor purpose = PlanFor::kIssuing);
  // The plan where it is kept and fresh; asks nobody.
  std::shared_ptr<const LotPlan> Kept(const std::string& lot_name, PlanFor purpose);
  LotKeys& keys() { return keys_; }

 private:
  absl::StatusOr<std::shared_ptr<const LotPlan>> Make(const std::string& lot_name, PlanFor purpose);

  struct Entry {
    std::shared_ptr<const LotPlan> plan;
    std::chrono::steady_clock::time_point made;
  };
  std::shared_ptr<db::Store> store_;
  LotKeys keys_;
  std::chrono::milliseconds keep_;
  std::mutex mutex_;
  std::map<std::string, Entry> plans_;
};

// The plans of one batch: while the database or the token is away, the batch waits for it once and
// not once a ticket. Not thread-safe.
class BatchPlans {
 public:
  BatchPlans(PlanBook& book, PlanFor purpose) : book_(book), purpose_(purpose) {}
  absl::StatusOr<std::shared_ptr<const LotPlan>> Find(const std::string& lot_name);

 private:
  PlanBook& book_;
  const PlanFor purpose_;
  absl::Status away_;
};

}  // namespace assay::lot
