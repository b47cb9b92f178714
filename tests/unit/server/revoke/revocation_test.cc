#include "server/revoke/revocation.h"

#include <gtest/gtest.h>

#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "matter/crl.h"
#include "matter/revocation_set.h"
#include "server/revoke/crl_texts.h"
#include "tests/unit/server/revoke/office.h"

namespace assay::revoke {
namespace {

CrlOptions Public(uint64_t part_size = 10'000) {
  CrlOptions options;
  options.base_url = "http://crl.example.com";
  options.part_size = part_size;
  return options;
}

matter::Crl Read(const v1::Crl& list) {
  auto crl = matter::ParseCrl(AsBytes(list.der()));
  EXPECT_TRUE(crl.ok()) << crl.status();
  return crl.ok() ? *std::move(crl) : matter::Crl();
}

TEST(RevocationTest, ARevokedDeviceStandsInASignedListAtOnce) {
  Office office;
  const Unit unit = office.Issue("t1");
  const v1::RevokeResponse response = office.Revoke(unit);
  EXPECT_EQ(response.revoked(), 1u);
  EXPECT_TRUE(response.published()) << response.waiting_for();
  const auto list = office.List("pai-fff1");
  ASSERT_TRUE(list.ok()) << list.status();
  const matter::Crl crl = Read(*list);
  ASSERT_EQ(crl.fields.entries.size(), 1u);
  EXPECT_EQ(crl.fields.entries[0].serial, ToBytes(AsBytes(unit.identity.dac_serial())));
  EXPECT_TRUE(crl.fields.idp_uri.empty());
  EXPECT_EQ(crl.fields.next_update - crl.fields.this_update, absl::Hours(24 * 7));
  const auto pai = matter::Certificate::Parse(AsBytes(unit.identity.pai()));
  EXPECT_TRUE(matter::CheckCrlSigner(crl, *pai).ok());
  EXPECT_EQ(crl.fields.authority_key_id, ToBytes(pai->subject_key_id()));
}

TEST(RevocationTest, WithoutAReasonOrARoleNothingIsRevoked) {
  Office office;
  const Unit unit = office.Issue("t1");
  v1::RevokeDeviceRequest request;
  request.set_request_id("r1");
  request.set_device_id(unit.identity.device_id());
  EXPECT_REFUSED(office.revocation->RevokeDevice(office.shop.operator_caller, request).status(),
                 FIELD_REQUIRED);
  request.set_reason(static_cast<v1::RevocationReason>(7));
  EXPECT_REFUSED(office.revocation->RevokeDevice(office.shop.operator_caller, request).status(),
                 FIELD_OUT_OF_RANGE);
  request.set_reason(v1::REVOCATION_REASON_SUPERSEDED);
  EXPECT_REFUSED(office.revocation->RevokeDevice(office.shop.line_caller, request).status(),
                 ROLE_MISSING);
  EXPECT_TRUE(office.Verify(unit).passed());
  request.clear_device_id();
  request.set_dac_serial(unit.identity.dac_serial());
  EXPECT_EQ(office.revocation->RevokeDevice(office.shop.operator_caller, request)->revoked(), 1u);
}

TEST(RevocationTest, WhileTheHsmIsAwayTheRevocationHoldsAndTheListFollows) {
  Office office;
  const Unit unit = office.Issue("t1");
  office.shop.token->SetBeforeCall([](std::string_view call, std::string_view) {
    return call == "Sign" ? Refuse(Reason::HSM_UNAVAILABLE, "CKR_DEVICE_REMOVED")
                          : absl::OkStatus();
  });
  const v1::RevokeResponse response = office.Revoke(unit);
  EXPECT_EQ(response.revoked(), 1u);
  EXPECT_FALSE(response.published());
  EXPECT_NE(response.waiting_for().find("CKR_DEVICE_REMOVED"), std::string::npos);
  EXPECT_FALSE(office.revocation->Round().ok());
  office.shop.token->SetBeforeCall({});
  EXPECT_EQ(office.Verify(unit).result(), 302u);
  EXPECT_TRUE(office.revocation->Round().ok());
  EXPECT_EQ(Read(*office.List("pai-fff1")).fields.entries.size(), 1u);
}

TEST(RevocationTest, AWronglySignedListNeverLeaves) {
  Office office;
  office.shop.token->SetGarbageSignatures(true);
  EXPECT_REFUSED(office.List("pai-fff1").status(), HSM_BAD_SIGNATURE);
  office.shop.token->SetGarbageSignatures(false);
  EXPECT_TRUE(office.List("pai-fff1").ok());
}

TEST(RevocationTest, NumbersGrowAlsoAfterARestoreAndAreNeverBelowTheTime) {
  Office office;
  const auto first = office.List("pai-fff1");
  const auto second = office.List("pai-fff1", 0, true);
  ASSERT_TRUE(first.ok() && second.ok());
  EXPECT_LT(first->number(), second->number());
  EXPECT_GE(first->number(), static_cast<uint64_t>(absl::ToUnixMicros(absl::Now())) -
                                 static_cast<uint64_t>(3'600'000'000));
  // A database restored from before the first list.
  test_support::MemoryRevocationStore empty(*office.shop.store, office.clock);
  CrlPress press(office.shop.store, {std::shared_ptr<void>(), &empty}, office.shop.token,
                 office.shop.signers, office.shop.random, office.clock, {});
  const auto restored = press.Find("pai-fff1", 0);
  ASSERT_TRUE(restored.ok()) << restored.status();
  EXPECT_GT(restored->number, second->number());
}

TEST(RevocationTest, AListIsSignedAnewWhenHalfOfItsTimeIsOver) {
  Office office;
  const auto first = office.List("pai-fff1");
  EXPECT_TRUE(office.revocation->Round().ok());
  EXPECT_EQ(office.List("pai-fff1")->number(), first->number());
  office.clock.ahead = absl::Hours(24 * 4);
  EXPECT_TRUE(office.revocation->Round().ok());
  const auto next = office.List("pai-fff1");
  EXPECT_GT(next->number(), first->number());
  EXPECT_GT(next->next_update().seconds(), first->next_update().seconds());
  EXPECT_GT(*office.press->EarliestEnd(), office.clock.Now() + absl::Hours(24 * 6));
}

TEST(RevocationTest, ALotIsRevokedWithAllItsDevicesAndClosed) {
  Office office;
  std::vector<Unit> units;
  for (int i = 0; i < 3; ++i) units.push_back(office.Issue("t" + std::to_string(i)));
  v1::RevokeLotRequest request;
  request.set_request_id("r1");
  request.set_name("L1");
  request.set_reason(v1::REVOCATION_REASON_KEY_COMPROMISE);
  const auto response = office.revocation->RevokeLot(office.shop.operator_caller, request);
  ASSERT_TRUE(response.ok()) << response.status();
  EXPECT_EQ(response->revoked(), 3u);
  EXPECT_TRUE(response->published());
  for (const Unit& unit : units) EXPECT_EQ(office.Verify(unit).result(), 302u);
  EXPECT_EQ(office.shop.LotNow("L1").state(), v1::LOT_STATE_CLOSED);
  EXPECT_EQ(Read(*office.List("pai-fff1")).fields.entries.size(), 3u);
  EXPECT_TRUE(office.revocation->RevokeLot(office.shop.operator_caller, request)->revoked_before());
}

TEST(RevocationTest, ASecondPersonWhoRefusesStopsALotAndAPaiButNotADevice) {
  Office office;
  const Unit unit = office.Issue("t1");
  Revocation guarded(
      office.shop.store, office.revocations, *office.press, office.clock,
      [](const access::Caller&, const google::protobuf::Message&, const lot::GuardedEffect&,
         db::Act&) { return Refuse(Reason::SECOND_PERSON_REQUIRED, "wait for another operator"); });
  v1::RevokeLotRequest lot;
  lot.set_request_id("r1");
  lot.set_name("L1");
  lot.set_reason(v1::REVOCATION_REASON_SUPERSEDED);
  EXPECT_REFUSED(guarded.RevokeLot(office.shop.operator_caller, lot).status(),
                 SECOND_PERSON_REQUIRED);
  v1::RevokePaiRequest pai;
  pai.set_request_id("r2");
  pai.set_name("pai-fff1");
  pai.set_reason(v1::REVOCATION_REASON_SUPERSEDED);
  EXPECT_REFUSED(guarded.RevokePai(office.shop.operator_caller, pai).status(),
                 SECOND_PERSON_REQUIRED);
  EXPECT_TRUE(office.Verify(unit).passed());
}

TEST(RevocationTest, ALargeListIsDividedAndEachPartNamesItsUrl) {
  Office office(Public(2));
  std::vector<Unit> units;
  for (int i = 0; i < 5; ++i) units.push_back(office.Issue("t" + std::to_string(i)));
  office.Revoke(units[0]);
  EXPECT_TRUE(Read(*office.List("pai-fff1")).fields.idp_uri.empty());
  for (int i = 1; i < 5; ++i) office.Revoke(units[static_cast<size_t>(i)]);
  size_t entries = 0;
  for (uint32_t part = 0; part < 3; ++part) {
    const auto list = office.List("pai-fff1", part);
    ASSERT_TRUE(list.ok()) << list.status();
    const matter::Crl crl = Read(*list);
    entries += crl.fields.entries.size();
    EXPECT_EQ(crl.fields.idp_uri,
              "http://crl.example.com/crl/pai-fff1/" + std::to_string(part) + ".crl");
    EXPECT_EQ(list->url(), crl.fields.idp_uri);
    EXPECT_FALSE(crl.fields.indirect);
  }
  EXPECT_EQ(entries, 5u);
  EXPECT_REFUSED(office.List("pai-fff1", 3).status(), CRL_UNKNOWN);
}

TEST(RevocationTest, ADelegatedSignerSignsWhileThePaisKeyRests) {
  Office office(Public());
  const Unit unit = office.Issue("t1");
  v1::DelegateCrlRequest request;
  request.set_request_id("r1");
  request.set_name("pai-fff1");
  const auto issuer = office.revocation->DelegateCrl(office.shop.operator_caller, request);
  ASSERT_TRUE(issuer.ok()) << issuer.status();
  const auto signer = matter::Certificate::Parse(AsBytes(issuer->signer_certificate()));
  const auto pai = matter::Certificate::Parse(AsBytes(unit.identity.pai()));
  ASSERT_TRUE(signer.ok() && pai.ok());
  EXPECT_TRUE(matter::CheckDelegatedCrlSigner(*signer, *pai).ok());

  office.shop.token->SetBeforeCall([](std::string_view, std::string_view label) {
    return label == "assay-pai-pai-fff1" ? Refuse(Reason::HSM_KEY_MISSING, "at rest")
                                         : absl::OkStatus();
  });
  EXPECT_TRUE(office.Revoke(unit).published());
  office.shop.token->SetBeforeCall({});
  const matter::Crl crl = Read(*office.List("pai-fff1"));
  EXPECT_TRUE(crl.fields.indirect);
  EXPECT_EQ(crl.fields.idp_uri, "http://crl.example.com/crl/pai-fff1/0.crl");
  ASSERT_EQ(crl.fields.entries.size(), 1u);
  EXPECT_EQ(crl.fields.entries[0].certificate_issuer, ToBytes(pai->subject()));
  EXPECT_TRUE(matter::CheckCrlSigner(crl, *signer).ok());

  const auto points = DistributionPoints(*office.press, *office.revocations, "pai-fff1");
  ASSERT_TRUE(points.ok()) << points.status();
  EXPECT_EQ(points->at(0).delegator_pem(), pai->ToPem());
  EXPECT_NE(points->at(0).command().find("--certificate-delegator="), std::string::npos);
  const auto json = RevocationSetJson(*office.press, *office.revocations, office.clock);
  ASSERT_TRUE(json.ok()) << json.status();
  const auto set = matter::RevocationSet::Parse(*json);
  const auto dac = matter::Certificate::Parse(AsBytes(unit.identity.dac()));
  EXPECT_EQ(set->Check(*dac, *pai), matter::AttestationResult::kDacRevoked);

  Office silent;  // without a URL
  EXPECT_REFUSED(silent.revocation->DelegateCrl(silent.shop.operator_caller, request).status(),
                 FIELD_NOT_ALLOWED);
}

TEST(RevocationTest, TheRevocationSetTellsWhatTheListsTellAndRefusesAForgedList) {
  Office office;
  const Unit one = office.Issue("t1");
  const Unit two = office.Issue("t2");
  office.Revoke(one);
  office.RevokePai("pai-fff1");
  const auto json = RevocationSetJson(*office.press, *office.revocations, office.clock);
  ASSERT_TRUE(json.ok()) << json.status();
  const auto set = matter::RevocationSet::Parse(*json);
  ASSERT_TRUE(set.ok()) << set.status();
  const auto pai = matter::Certificate::Parse(AsBytes(one.identity.pai()));
  EXPECT_EQ(set->Check(*matter::Certificate::Parse(AsBytes(one.identity.dac())), *pai),
            matter::AttestationResult::kPaiAndDacRevoked);
  EXPECT_EQ(set->Check(*matter::Certificate::Parse(AsBytes(two.identity.dac())), *pai),
            matter::AttestationResult::kPaiRevoked);

  db::StoredCrl forged = **office.revocations->FindCrl("pai-fff1", 0);
  forged.der.back() ^= 1;
  ++forged.number;
  ASSERT_TRUE(office.revocations->SaveCrl(forged).ok());
  EXPECT_REFUSED(RevocationSetJson(*office.press, *office.revocations, office.clock).status(),
                 VERIFY_FAILED);
}

TEST(RevocationTest, ADistributionPointIsReadyForTheLedger) {
  Office office(Public());
  const auto points = DistributionPoints(*office.press, *office.revocations, "pai-fff1");
  ASSERT_TRUE(points.ok()) << points.status();
  ASSERT_EQ(points->size(), 1u);
  const auto record = nlohmann::json::parse(points->at(0).json());
  const auto pai = matter::Certificate::Parse(office.shop.store->FindPai("pai-fff1")->certificate);
  EXPECT_EQ(record["vid"], 0xFFF1);
  EXPECT_FALSE(record.contains("pid"));
  EXPECT_EQ(record["isPAA"], false);
  EXPECT_EQ(record["issuerSubjectKeyID"], ToUpperHex(pai->subject_key_id()));
  EXPECT_EQ(record["crlSignerCertificate"], pai->ToPem());
  EXPECT_EQ(record["dataURL"], "http://crl.example.com/crl/pai-fff1/0.crl");
  EXPECT_EQ(record["revocationType"], 1);
  EXPECT_LE(record["label"].get<std::string>().size(), 64u);
  for (const char* empty : {"dataFileSize", "dataDigest", "dataDigestType"}) {
    EXPECT_FALSE(record.contains(empty));
  }
  EXPECT_REFUSED(DistributionPoints(*office.press, *office.revocations, office.PaaName()).status(),
                 FIELD_NOT_ALLOWED);
}

TEST(RevocationTest, AListIsServedWhileTheStoreIsAway) {
  Office office;
  const Unit unit = office.Issue("t1");
  EXPECT_REFUSED(office.press->Serve("pai-fff1", 0).status(), CRL_UNKNOWN);
  office.Revoke(unit);
  const auto served = office.press->Serve("pai-fff1", 0);
  ASSERT_TRUE(served.ok()) << served.status();
  EXPECT_EQ(ToText((*served)->der), office.List("pai-fff1")->der());
}

// Stock OpenSSL as a judge who knows nothing of us.
class Judge {
 public:
  Judge() : folder_(std::filesystem::path(testing::TempDir()) / "assay-crl-judge") {
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
  }
  ~Judge() { std::filesystem::remove_all(folder_); }
  void Write(const std::string& name, const std::string& label, ByteView der) const {
    std::ofstream(folder_ / name) << matter::ToPem(label, der);
  }
  std::string Run(const std::string& arguments) const {
    const std::string command = "cd '" + folder_.string() + "' && openssl " + arguments + " 2>&1";
    std::FILE* pipe = popen(command.c_str(), "r");
    std::string said;
    std::array<char, 256> buffer{};
    while (std::fgets(buffer.data(), buffer.size(), pipe) != nullptr) said += buffer.data();
    pclose(pipe);
    return said;
  }

 private:
  std::filesystem::path folder_;
};

TEST(RevocationTest, OpensslAgreesAboutTheListTheRevokedAndTheRest) {
  Office office;
  const Unit revoked = office.Issue("t1");
  const Unit good = office.Issue("t2");
  office.Revoke(revoked);
  Judge judge;
  judge.Write("paa.pem", "CERTIFICATE", office.shop.sandbox.paa_certificate);
  judge.Write("pai.pem", "CERTIFICATE", AsBytes(good.identity.pai()));
  judge.Write("revoked.pem", "CERTIFICATE", AsBytes(revoked.identity.dac()));
  judge.Write("good.pem", "CERTIFICATE", AsBytes(good.identity.dac()));
  const auto list = office.List("pai-fff1");
  const auto paa_list = office.List(office.PaaName());
  ASSERT_TRUE(list.ok() && paa_list.ok()) << paa_list.status();
  judge.Write("pai.crl", "X509 CRL", AsBytes(list->der()));
  judge.Write("paa.crl", "X509 CRL", AsBytes(paa_list->der()));

  EXPECT_NE(judge.Run("crl -in pai.crl -CAfile pai.pem -noout").find("verify OK"),
            std::string::npos);
  const std::string text = judge.Run("crl -in pai.crl -text -noout");
  EXPECT_NE(text.find("X509v3 CRL Number"), std::string::npos) << text;
  EXPECT_NE(text.find("X509v3 Authority Key Identifier"), std::string::npos) << text;
  EXPECT_NE(text.find(ToUpperHex(AsBytes(revoked.identity.dac_serial()))), std::string::npos);

  const std::string check =
      "verify -crl_check_all -CAfile paa.pem -untrusted pai.pem -CRLfile pai.crl "
      "-CRLfile paa.crl ";
  EXPECT_EQ(judge.Run(check + "good.pem"), "good.pem: OK\n");
  EXPECT_NE(judge.Run(check + "revoked.pem").find("certificate revoked"), std::string::npos);

  office.RevokePai("pai-fff1");
  judge.Write("paa.crl", "X509 CRL", AsBytes(office.List(office.PaaName())->der()));
  EXPECT_NE(judge.Run(check + "good.pem").find("certificate revoked"), std::string::npos);
}

}  // namespace
}  // namespace assay::revoke
