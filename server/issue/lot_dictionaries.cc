#include "server/issue/lot_dictionaries.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "base/log.h"
#include "base/refusal.h"
#include "server/lot/lot_key.h"

namespace assay::issue {
namespace {

// A lot has one, and one more for each PAI or image certificate it goes on with.
constexpr size_t kMostKept = 1024;

std::string Purpose(uint64_t number) { return absl::StrCat("assay dictionary|", number); }

}  // namespace

std::shared_ptr<const LotDictionary> LotDictionaries::ForWriting(
    const std::shared_ptr<const lot::LotPlan>& plan, Make make, Random& random) {
  const int64_t lot_id = plan->lot.id;
  {
    const std::lock_guard lock(mutex_);
    const auto found = writing_.find(lot_id);
    if (found != writing_.end() && found->second.plan.lock() == plan) {
      return found->second.dictionary;
    }
  }
  auto content = make();
  auto offered = content.ok() ? Offer(*plan, *std::move(content), random) : content.status();
  if (!offered.ok()) {
    LogWarning("lot_dictionary_missing",
               {{"lot", plan->lot.name}, {"message", std::string(offered.status().message())}});
  }
  const std::lock_guard lock(mutex_);
  Writing& writing = writing_[lot_id];
  writing = {plan, offered.ok() ? *std::move(offered) : nullptr};
  return writing.dictionary;
}

void LotDictionaries::AskAnew(int64_t lot_id) {
  const std::lock_guard lock(mutex_);
  writing_.erase(lot_id);
}

absl::StatusOr<std::shared_ptr<const LotDictionary>> LotDictionaries::Offer(
    const lot::LotPlan& plan, Bytes content, Random& random) {
  auto made = std::make_shared<const LotDictionary>(std::move(content));
  const auto stored = store_->LotDictionary(
      plan.lot.id, made->number,
      lot::SealUnder(*plan.key, made->frames.common(), Purpose(made->number), random));
  if (!stored.ok()) return stored.status();
  // Not only that one is there: identities will need it.
  ASSAY_RETURN_IF_ERROR(lot::OpenUnder(*plan.key, *stored, Purpose(made->number)).status());
  return Keep(plan.lot.id, std::move(made));
}

absl::StatusOr<std::shared_ptr<const LotDictionary>> LotDictionaries::Find(
    int64_t lot_id, const SecretBytes& lot_key, uint64_t number) {
  {
    const std::lock_guard lock(mutex_);
    const auto found = kept_.find({lot_id, number});
    if (found != kept_.end()) return found->second;
  }
  const auto stored = store_->LotDictionary(lot_id, number, {});
  if (!stored.ok()) return stored.status();
  if (stored->empty()) {
    return Refuse(Reason::INTERNAL, "the dictionary of a sealed identity is not in the database");
  }
  const auto content = lot::OpenUnder(lot_key, *stored, Purpose(number));
  if (!content.ok()) return content.status();
  auto dictionary = std::make_shared<const LotDictionary>(ToBytes(content->view()));
  if (dictionary->number != number) {
    return Refuse(Reason::INTERNAL, "the dictionary of a sealed identity has another number");
  }
  return Keep(lot_id, std::move(dictionary));
}

std::shared_ptr<const LotDictionary> LotDictionaries::Keep(
    int64_t lot_id, std::shared_ptr<const LotDictionary> dictionary) {
  const std::lock_guard lock(mutex_);
  // Those in use stay with whoever uses them.
  if (kept_.size() >= kMostKept) {
    kept_.clear();
    writing_.clear();
  }
  return kept_.emplace(Place(lot_id, dictionary->number), std::move(dictionary)).first->second;
}

}  // namespace assay::issue
