// Products and lots: what CatalogService does, free of gRPC.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "assay/v1/catalog.pb.h"
#include "base/clock.h"
#include "base/random.h"
#include "db/store.h"
#include "hsm/token.h"
#include "matter/certification_declaration.h"
#include "server/access/caller.h"
#include "server/lot/guard.h"

namespace assay::lot {

struct CatalogOptions {
  bool production = false;
  std::string wrapping_key = "assay-wrapping";  // label in the token
  matter::CdSignerSet cd_signers;
  Guard guard;  // of opening and raising lots
};

// Thread-safe; calls block on the store and the token. A guarded act asks the `guard` it is given,
// or else the options'; what is so already asks nobody.
class Catalog {
 public:
  Catalog(std::shared_ptr<db::Store> store, std::shared_ptr<hsm::Token> token, Random& random,
          const Clock& clock, CatalogOptions options);

  absl::StatusOr<v1::Product> ApplyProduct(const access::Caller& caller,
                                           const v1::ApplyProductRequest& request);
  absl::StatusOr<v1::Product> GetProduct(const access::Caller& caller,
                                         const v1::GetProductRequest& request);
  absl::StatusOr<v1::ListProductsResponse> ListProducts(const access::Caller& caller,
                                                        const v1::ListProductsRequest& request);
  absl::StatusOr<v1::Lot> OpenLot(const access::Caller& caller, const v1::OpenLotRequest& request,
                                  const Guard* guard = nullptr);
  absl::StatusOr<v1::Lot> RaiseLot(const access::Caller& caller, const v1::RaiseLotRequest& request,
                                   const Guard* guard = nullptr);
  absl::StatusOr<v1::Lot> CloseLot(const access::Caller& caller,
                                   const v1::CloseLotRequest& request);
  absl::StatusOr<v1::Lot> GetLot(const access::Caller& caller, const v1::GetLotRequest& request);
  absl::StatusOr<v1::ListLotsResponse> ListLots(const access::Caller& caller,
                                                const v1::ListLotsRequest& request);

 private:
  // The declaration against its signers, the product and the PAI that would sign.
  absl::Status CheckDeclaration(const v1::ProductSpec& spec);
  // Whether a lot of this product could issue now; says, for people, who signs its DACs.
  absl::StatusOr<std::string> CheckIssuable(const v1::ProductSpec& spec);
  absl::Status Ask(const Guard* guard, const access::Caller& caller,
                   const google::protobuf::Message& request, const GuardedEffect& effect,
                   db::Act& act) const;
  absl::StatusOr<v1::Product> FoundProduct(const std::string& name);

  std::shared_ptr<db::Store> store_;
  std::shared_ptr<hsm::Token> token_;
  Random& random_;
  const Clock& clock_;
  CatalogOptions options_;
};

}  // namespace assay::lot
