// A lot's sealed units for a bundle, and the signature over the bundle's list.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "assay/v1/bundle.pb.h"
#include "base/clock.h"
#include "base/deadline.h"
#include "db/ledger_store.h"
#include "db/store.h"
#include "hsm/signer_pool.h"
#include "server/access/caller.h"
#include "server/issue/lot_dictionaries.h"
#include "server/lot/lot_key.h"

namespace assay::issue {

inline constexpr std::string_view kBundleEntry = "lot.bundle";

struct BundleOptions {
  std::string image_key = "assay-image";
  Bytes image_certificate;
};

// Thread-safe; every call waits for the store or the token.
class Bundler {
 public:
  Bundler(std::shared_ptr<db::Store> store, std::shared_ptr<db::LedgerStore> ledger,
          std::shared_ptr<lot::LotKeys> keys, std::shared_ptr<hsm::SignerPool> signers,
          const Clock& clock, BundleOptions options);

  // LOT_UNKNOWN or LOT_NOT_GRANTED; the same answer for a lot that is not there and one that is not
  // granted, but for callers that are granted all.
  absl::StatusOr<db::Lot> FindLot(const access::Caller& caller, const std::string& name) const;

  struct Page {
    std::vector<v1::Identity> units;
    int64_t last_row = 0;
    bool more = false;
  };
  // The next units of the lot. IDENTITY_WIPED and TICKET_OF_ANOTHER_LINE name the ticket.
  absl::StatusOr<Page> ReadPage(const access::Caller& caller, const db::Lot& lot, int64_t after_row,
                                int limit) const;

  // Signs the digest of a list that was read and found in form. The signing is in the ledger first.
  absl::StatusOr<v1::SignBundleResponse> Sign(const access::Caller& caller, const std::string& lot,
                                              const Sha256Digest& list, uint64_t members,
                                              Deadline deadline);

 private:
  const std::shared_ptr<db::Store> store_;
  const std::unique_ptr<LotDictionaries> dictionaries_;
  const std::shared_ptr<db::LedgerStore> ledger_;
  const std::shared_ptr<lot::LotKeys> keys_;
  const std::shared_ptr<hsm::SignerPool> signers_;
  const Clock& clock_;
  const BundleOptions options_;
};

}  // namespace assay::issue
