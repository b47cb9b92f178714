// The dictionaries of lots in the store, and the few of them this process works with.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <utility>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "base/random.h"
#include "db/store.h"
#include "server/issue/compact_form.h"
#include "server/lot/plan.h"

namespace assay::issue {

// Thread-safe. What is kept costs some 40 KB a lot, for the life of the process.
class LotDictionaries {
 public:
  explicit LotDictionaries(std::shared_ptr<db::Store> store) : store_(std::move(store)) {}

  using Make = absl::FunctionRef<absl::StatusOr<Bytes>()>;
  // The one to write the lot's identities with. Null where it could not be made or stored: they are
  // then written in the plain form. Asks `make` and the store once a plan, so that it follows the
  // PAI, and comes back to a store that lost it (a replica of the database that was behind).
  std::shared_ptr<const LotDictionary> ForWriting(const std::shared_ptr<const lot::LotPlan>& plan,
                                                  Make make, Random& random);
  // The next ForWriting of the lot asks the store, whatever its plan.
  void AskAnew(int64_t lot_id);
  // Any of a lot, for reading. Asks the store for what is not kept. INTERNAL where the store has
  // none of that number, or it is not what was stored.
  absl::StatusOr<std::shared_ptr<const LotDictionary>> Find(int64_t lot_id,
                                                            const SecretBytes& lot_key,
                                                            uint64_t number);

 private:
  using Place = std::pair<int64_t, uint64_t>;  // lot and number
  struct Writing {
    std::weak_ptr<const lot::LotPlan> plan;
    std::shared_ptr<const LotDictionary> dictionary;
  };
  absl::StatusOr<std::shared_ptr<const LotDictionary>> Offer(const lot::LotPlan& plan,
                                                             Bytes content, Random& random);
  std::shared_ptr<const LotDictionary> Keep(int64_t lot_id,
                                            std::shared_ptr<const LotDictionary> dictionary);

  const std::shared_ptr<db::Store> store_;
  std::mutex mutex_;
  std::map<int64_t, Writing> writing_;
  std::map<Place, std::shared_ptr<const LotDictionary>> kept_;
};

}  // namespace assay::issue
