// A house in memory that issues to devices whose keys the test holds, verifies and revokes them.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>

#include "matter/attestation.h"
#include "matter/csr.h"
#include "matter/name.h"
#include "server/revoke/revocation.h"
#include "server/revoke/verification.h"
#include "tests/support/memory_revocation_store.h"
#include "tests/support/refused.h"
#include "tests/unit/server/issue/workshop.h"

namespace assay::revoke {

// Runs with the machine's clock, and further where a test moves it.
class MovedClock final : public Clock {
 public:
  absl::Time Now() const override { return absl::Now() + ahead; }
  absl::Duration ahead;
};

struct Unit {
  v1::Identity identity;
  std::string key;  // label in the token that plays the device
};

class Office {
 public:
  explicit Office(CrlOptions options = {}) {
    spec = shop.Light();
    spec.mutable_dac()->set_attestation(v1::ATTESTATION_CSR);
    EXPECT_TRUE(shop.Open("L1", spec, 100).ok());
    shop.Start();
    options.sandbox_paa_key = "assay-sandbox-paa";
    options.sandbox_paa_certificate = shop.sandbox.paa_certificate;
    press = std::make_unique<CrlPress>(shop.store, revocations, shop.token, shop.signers,
                                       shop.random, clock, options);
    revocation = std::make_unique<Revocation>(shop.store, revocations, *press, clock);
    VerificationOptions checks;
    checks.trusted_paas = {shop.sandbox.paa_certificate};
    const auto signer = matter::Certificate::Parse(shop.sandbox.cd_certificate);
    EXPECT_TRUE(checks.cd_signers.Add(*signer, true).ok());
    auto made = Verification::Make(shop.store, revocations, shop.random, clock, std::move(checks));
    EXPECT_TRUE(made.ok()) << made.status();
    verification = *std::move(made);
  }

  Unit Issue(const std::string& ticket) {
    Unit unit;
    unit.key = "device-" + ticket;
    const auto key = shop.token->GenerateKey(unit.key, hsm::KeyPurpose::kSigning);
    const Bytes info = matter::EncodeCsrInfo(
        matter::EncodeName(matter::MatterName("device", {}, {})), *key->public_point);
    auto request = issue::Workshop::Request("L1", ticket);
    request.set_csr(ToText(matter::AssembleCsr(info, *shop.token->Sign(unit.key, Sha256(info)))));
    const auto outcome = shop.Issue(request);
    EXPECT_TRUE(outcome.ok()) << outcome.status();
    if (outcome.ok()) unit.identity = outcome->identity();
    return unit;
  }

  absl::StatusOr<v1::BeginVerificationResponse> Begin(const Unit& unit) {
    v1::BeginVerificationRequest request;
    request.set_device_id(unit.identity.device_id());
    return verification->Begin(shop.line_caller, request);
  }

  // What the unit answers to `begun`.
  v1::VerifyDeviceRequest AnswerOf(const Unit& unit, const v1::BeginVerificationResponse& begun,
                                   const std::string& firmware = "") {
    matter::AttestationElements elements;
    elements.certification_declaration =
        ToBytes(AsBytes(unit.identity.certification_declaration()));
    elements.nonce = ToBytes(AsBytes(begun.nonce()));
    if (!firmware.empty()) elements.firmware_information = ToBytes(AsBytes(firmware));
    const Bytes tlv = *matter::EncodeAttestationElements(elements);
    Bytes message = tlv;
    Append(message, AsBytes(begun.challenge()));
    v1::VerifyDeviceRequest request;
    request.set_verification_id(begun.verification_id());
    request.set_device_id(unit.identity.device_id());
    request.set_attestation_elements(ToText(tlv));
    request.set_signature(ToText(*shop.token->Sign(unit.key, Sha256(message))));
    request.set_dac(unit.identity.dac());
    request.set_pai(unit.identity.pai());
    return request;
  }
  absl::StatusOr<v1::VerifyDeviceResponse> Finish(const v1::VerifyDeviceRequest& request) {
    return verification->Finish(shop.line_caller, request);
  }
  // Both halves.
  v1::VerifyDeviceResponse Verify(const Unit& unit) {
    const auto begun = Begin(unit);
    EXPECT_TRUE(begun.ok()) << begun.status();
    const auto answer = Finish(AnswerOf(unit, *begun));
    EXPECT_TRUE(answer.ok()) << answer.status();
    return answer.ok() ? *answer : v1::VerifyDeviceResponse();
  }

  v1::RevokeResponse Revoke(const Unit& unit) {
    v1::RevokeDeviceRequest request;
    request.set_request_id(shop.NextId());
    request.set_device_id(unit.identity.device_id());
    request.set_reason(v1::REVOCATION_REASON_KEY_COMPROMISE);
    const auto response = revocation->RevokeDevice(shop.operator_caller, request);
    EXPECT_TRUE(response.ok()) << response.status();
    return response.ok() ? *response : v1::RevokeResponse();
  }
  v1::RevokeResponse RevokePai(const std::string& name) {
    v1::RevokePaiRequest request;
    request.set_request_id(shop.NextId());
    request.set_name(name);
    request.set_reason(v1::REVOCATION_REASON_AUTHORITY_COMPROMISE);
    const auto response = revocation->RevokePai(shop.operator_caller, request);
    EXPECT_TRUE(response.ok()) << response.status();
    return response.ok() ? *response : v1::RevokeResponse();
  }
  absl::StatusOr<v1::Crl> List(const std::string& issuer, uint32_t part = 0, bool fresh = false) {
    v1::GetCrlRequest request;
    request.set_issuer(issuer);
    request.set_part(part);
    request.set_fresh(fresh);
    return revocation->GetCrl(shop.operator_caller, request);
  }
  std::string PaaName() {
    return PaaIssuerName(*matter::Certificate::Parse(shop.sandbox.paa_certificate));
  }

  MovedClock clock;
  issue::Workshop shop;
  v1::ProductSpec spec;
  std::shared_ptr<test_support::MemoryRevocationStore> revocations =
      std::make_shared<test_support::MemoryRevocationStore>(*shop.store, clock);
  std::unique_ptr<CrlPress> press;
  std::unique_ptr<Revocation> revocation;
  std::unique_ptr<Verification> verification;
};

}  // namespace assay::revoke
