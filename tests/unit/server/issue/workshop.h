// A whole issuing house in memory: token, store, sandbox authority, a product and a lot.
#pragma once

#include <gtest/gtest.h>

#include <condition_variable>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/random.h"
#include "base/refusal.h"
#include "hsm/signer_pool.h"
#include "matter/certification_declaration.h"
#include "server/authority/authority.h"
#include "server/issue/pipeline.h"
#include "server/lot/catalog.h"
#include "tests/support/memory_store.h"
#include "tests/support/software_token.h"

namespace assay::issue {

class SilentObserver final : public Observer {
 public:
  void StepEnded(Step step, std::chrono::nanoseconds) override {
    const std::lock_guard lock(mutex_);
    ++steps_[static_cast<size_t>(step)];
  }
  void Finished(const absl::Status&, bool, std::chrono::nanoseconds) override {}
  int Count(Step step) {
    const std::lock_guard lock(mutex_);
    return steps_[static_cast<size_t>(step)];
  }

 private:
  std::mutex mutex_;
  int steps_[9] = {};
};

using Outcome = absl::StatusOr<v1::IssueResponse>;

class Workshop {
 public:
  Workshop() {
    const auto keys = authority::PrepareSandbox(*token, random, clock, {});
    EXPECT_TRUE(keys.ok()) << keys.status();
    sandbox = *keys;
    authority::AuthorityOptions options;
    options.trusted_paas = {sandbox.paa_certificate};
    options.sandbox_paa_key = "assay-sandbox-paa";
    options.sandbox_paa_certificate = sandbox.paa_certificate;
    options.sandbox_cd_key = "assay-sandbox-cd";
    options.sandbox_cd_certificate = sandbox.cd_certificate;
    authority = std::make_unique<authority::Authority>(store, token, random, clock, options);
    lot::CatalogOptions catalog_options;
    const auto signer = matter::Certificate::Parse(sandbox.cd_certificate);
    EXPECT_TRUE(catalog_options.cd_signers.Add(*signer, true).ok());
    catalog = std::make_unique<lot::Catalog>(store, token, random, clock, catalog_options);
    MakePai("pai-fff1", 0xFFF1);
  }

  void MakePai(const std::string& name, uint16_t vendor_id) {
    v1::CreatePaiRequest create;
    create.set_request_id(NextId());
    create.set_name(name);
    create.set_vendor_id(vendor_id);
    const auto pai = authority->CreatePai(operator_caller, create);
    ASSERT_TRUE(pai.ok()) << pai.status();
    v1::SignSandboxPaiRequest sign;
    sign.set_request_id(NextId());
    sign.set_name(name);
    const auto signed_pai = authority->SignSandboxPai(operator_caller, sign);
    ASSERT_TRUE(signed_pai.ok()) << signed_pai.status();
    v1::ActivatePaiRequest activate;
    activate.set_request_id(NextId());
    activate.set_name(name);
    const auto active = authority->ActivatePai(operator_caller, activate);
    ASSERT_TRUE(active.ok()) << active.status();
  }

  std::string Declaration(uint16_t vendor_id, uint16_t product_id) {
    v1::SignSandboxDeclarationRequest request;
    request.set_vendor_id(vendor_id);
    request.add_product_ids(product_id);
    request.set_device_type_id(22);
    const auto made = authority->SignSandboxDeclaration(operator_caller, request);
    EXPECT_TRUE(made.ok()) << made.status();
    return made.ok() ? made->declaration() : "";
  }

  v1::ProductSpec Light() {
    v1::ProductSpec spec;
    spec.set_vendor_id(0xFFF1);
    spec.set_product_id(0x8000);
    spec.set_vendor_name("Example");
    spec.set_product_name("Light");
    spec.set_spake2p_iterations(1000);
    spec.set_certification_declaration(Declaration(0xFFF1, 0x8000));
    spec.mutable_dac()->set_attestation(v1::ATTESTATION_SERVER_KEY);
    return spec;
  }

  absl::StatusOr<v1::Lot> Open(const std::string& lot_name, const v1::ProductSpec& spec,
                               uint64_t count) {
    v1::ApplyProductRequest apply;
    apply.set_request_id(NextId());
    apply.set_name("product-" + lot_name);
    *apply.mutable_spec() = spec;
    const auto product = catalog->ApplyProduct(operator_caller, apply);
    if (!product.ok()) return product.status();
    v1::OpenLotRequest open;
    open.set_request_id(NextId());
    open.set_name(lot_name);
    open.set_product("product-" + lot_name);
    open.set_factory("shenzhen");
    open.set_count(count);
    return catalog->OpenLot(operator_caller, open);
  }

  // Starts the pipeline; the first call needs it.
  Pipeline& Start(int signer_threads = 1) {
    if (!pipeline) {
      hsm::SignerPoolOptions signer_options;
      signer_options.threads = signer_threads;
      signers = std::make_shared<hsm::SignerPool>(token, signer_options);
      PipelineOptions options = pipeline_options;
      options.instance_id = "instance-1";
      options.image_certificate = sandbox.image_certificate;
      EXPECT_TRUE(store->RenewLease(options.instance_id, std::chrono::seconds(60)).ok());
      pipeline =
          std::make_unique<Pipeline>(store, token, signers, random, clock, observer, options);
    }
    return *pipeline;
  }

  static v1::IssueRequest Request(const std::string& lot_name, const std::string& ticket) {
    v1::IssueRequest request;
    request.set_lot(lot_name);
    request.set_ticket(ticket);
    return request;
  }

  std::vector<Outcome> IssueAll(const std::vector<v1::IssueRequest>& requests) {
    std::vector<Outcome> outcomes(requests.size(), absl::UnknownError("no answer"));
    std::mutex mutex;
    std::condition_variable all;
    size_t due = requests.size();
    for (size_t i = 0; i < requests.size(); ++i) {
      Start().Submit(line_caller, requests[i], Deadline::In(std::chrono::minutes(1)),
                     [&, i](Outcome outcome) {
                       const std::lock_guard lock(mutex);
                       outcomes[i] = std::move(outcome);
                       if (--due == 0) all.notify_all();
                     });
    }
    std::unique_lock lock(mutex);
    all.wait(lock, [&] { return due == 0; });
    return outcomes;
  }
  Outcome Issue(const v1::IssueRequest& request) { return IssueAll({request}).front(); }

  v1::Lot LotNow(const std::string& lot_name) {
    v1::GetLotRequest request;
    request.set_name(lot_name);
    const auto lot = catalog->GetLot(operator_caller, request);
    EXPECT_TRUE(lot.ok()) << lot.status();
    return lot.ok() ? *lot : v1::Lot();
  }

  std::string NextId() { return "request-" + std::to_string(++ids_); }

  PipelineOptions pipeline_options;  // set before Start
  SystemRandom random;
  SystemClock clock;
  SilentObserver observer;
  std::shared_ptr<test_support::SoftwareToken> token =
      std::make_shared<test_support::SoftwareToken>();
  std::shared_ptr<test_support::MemoryStore> store =
      std::make_shared<test_support::MemoryStore>(clock);
  authority::SandboxKeys sandbox;
  std::unique_ptr<authority::Authority> authority;
  std::unique_ptr<lot::Catalog> catalog;
  std::shared_ptr<hsm::SignerPool> signers;
  std::unique_ptr<Pipeline> pipeline;
  access::Caller operator_caller{
      "spiffe://assay.local/operator/ann", "", {access::Role::kOperator}, {"*"}, {"*"}};
  access::Caller line_caller{"spiffe://assay.local/line/1",
                             "line-1",
                             {access::Role::kLine, access::Role::kKeys},
                             {"shenzhen"},
                             {"*"}};

 private:
  int ids_ = 0;
};

// One call of the pipeline other than Submit, waited for.
template <class Response, class Request>
absl::StatusOr<Response> Ask(Workshop& shop,
                             void (Pipeline::*call)(const access::Caller&, Request, Deadline,
                                                    std::function<void(absl::StatusOr<Response>)>),
                             const Request& request) {
  std::promise<absl::StatusOr<Response>> answer;
  (shop.Start().*call)(shop.line_caller, request, Deadline::In(std::chrono::minutes(1)),
                       [&](absl::StatusOr<Response> got) { answer.set_value(std::move(got)); });
  return answer.get_future().get();
}

}  // namespace assay::issue
