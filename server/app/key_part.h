// The keys in the token under watch: each is used only while its attributes fit the policy.
#pragma once

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "db/store.h"
#include "hsm/vetted_token.h"
#include "server/authority/authority.h"
#include "server/ops/config.h"
#include "server/ops/metrics.h"
#include "server/ops/periodic.h"
#include "server/rpc/pai_key_service.h"

namespace assay::app {

// Keys are read back before their first use, when the service starts, and again every six health
// intervals (30 s by default): image, wrapping and ledger key, and the key of each PAI.
class KeyPart {
 public:
  KeyPart(const ops::Config& config, std::shared_ptr<hsm::Token> token);

  // What everything else must use in place of the token given.
  std::shared_ptr<hsm::Token> token() { return vetted_; }
  void Serve(const rpc::FrontDesk& desk, rpc::BlockingPool& calls, authority::Authority& authority);
  rpc::PaiKeyService& service() { return *service_; }
  void Start(std::shared_ptr<db::Store> store);
  void Stop() { rounds_.reset(); }
  // assay_hsm_key_unfit, one for each key that is refused now.
  std::vector<ops::FigureFamily> Figures() const;

 private:
  absl::Status Round();

  const ops::Config& config_;
  const std::shared_ptr<hsm::VettedToken> vetted_;
  std::shared_ptr<db::Store> store_;
  std::unique_ptr<rpc::PaiKeyService> service_;
  std::set<std::string> told_;  // labels of the keys that were unfit when last looked at
  std::unique_ptr<ops::Periodic> rounds_;
};

}  // namespace assay::app
