// The README's promises, each under its own name, over real TLS, SoftHSM and PostgreSQL.
#include <gmock/gmock.h>

#include <atomic>
#include <cstdlib>
#include <fstream>
#include <set>
#include <thread>

#include "absl/strings/str_cat.h"
#include "assay/v1/ledger.grpc.pb.h"
#include "image/factory_keys.h"
#include "image/nvs.h"
#include "matter/attestation.h"
#include "matter/certificate.h"
#include "matter/onboarding.h"
#include "matter/spake2p.h"
#include "server/issue/device_key.h"
#include "tests/integration/office.h"
#include "tests/support/postgres_fixture.h"
#include "tests/unit/matter/software_key.h"
#include "tlog/note.h"
#include "tlog/receipt.h"

namespace assay::integration {
namespace {

using test_support::PostgresCluster;

class Promises : public ::testing::Test {
 protected:
  v1::Identity IssueOne(const std::string& lot, const std::string& ticket) {
    v1::IssueResponse response;
    const grpc::Status status = office.Issue(Office::Request(lot, ticket), &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response.identity();
  }
  image::FactoryContent Flashed(const v1::Identity& identity) {
    const auto entries = image::ParseNvs(AsBytes(identity.images(0).content()));
    EXPECT_TRUE(entries.ok()) << entries.status();
    auto content = image::FromNvsEntries(*entries);
    EXPECT_TRUE(content.ok()) << content.status();
    return *std::move(content);
  }
  std::string Ask(const std::string& sql) {
    const auto answer = PostgresCluster::Execute(office.dsn(), sql);
    EXPECT_TRUE(answer.ok()) << answer.status();
    return answer.ok() ? *answer : "";
  }

  Office& office = Office::Shared();
};

TEST_F(Promises, OneUnitOneIdentity) {
  office.OpenLot("one-unit", office.Light(), 10);
  std::vector<std::string> answers(8);
  std::vector<std::thread> stations;
  for (std::string& answer : answers) {
    stations.emplace_back([&] {
      v1::IssueResponse response;
      if (office.Issue(Office::Request("one-unit", "unit-1"), &response).ok()) {
        answer = response.identity().SerializeAsString();
      }
    });
  }
  for (std::thread& station : stations) station.join();
  office.Stop();
  ASSERT_TRUE(office.StartAgain().ok());
  office.AwaitReady();
  answers.push_back(IssueOne("one-unit", "unit-1").SerializeAsString());
  EXPECT_EQ(std::set<std::string>(answers.begin(), answers.end()).size(), 1u);
  EXPECT_EQ(office.LotNow("one-unit").claimed(), 1u);
}

TEST_F(Promises, NothingSignedUnrecorded) {
  office.OpenLot("recorded", office.Light(), 10);
  const v1::Identity identity = IssueOne("recorded", "unit-1");
  const auto dac = matter::Certificate::Parse(AsBytes(identity.dac()));
  ASSERT_TRUE(dac.ok());
  // The record of the intent names the very bytes that were signed, and is not younger than the
  // seal.
  EXPECT_EQ(
      Ask(absl::StrCat("SELECT count(*) FROM attempts JOIN devices ON attempt_id = attempts.id "
                       "WHERE device_id = '",
                       identity.device_id(), "' AND tbs_sha256 = '\\x", ToHex(Sha256(dac->tbs())),
                       "' AND intended_at <= devices.sealed_at + interval '1 second'")),
      "1");
  // Where the intent cannot be recorded, nothing is signed.
  ASSERT_TRUE(
      PostgresCluster::Execute(office.dsn(),
                               "CREATE FUNCTION no_intents() RETURNS trigger LANGUAGE plpgsql AS "
                               "$$ BEGIN RAISE EXCEPTION 'struck by the test'; END $$;"
                               "CREATE TRIGGER no_intents BEFORE INSERT ON attempts FOR EACH "
                               "STATEMENT EXECUTE FUNCTION no_intents()")
          .ok());
  v1::IssueResponse refused;
  EXPECT_FALSE(office.Issue(Office::Request("recorded", "unit-2"), &refused).ok());
  ASSERT_TRUE(PostgresCluster::Execute(office.dsn(), "DROP FUNCTION no_intents CASCADE").ok());
  EXPECT_EQ(office.LotNow("recorded").claimed(), 1u);
  IssueOne("recorded", "unit-2");
}

TEST_F(Promises, NeverOverQuota) {
  office.OpenLot("promised", office.Light(), 5);
  std::atomic<int> issued{0};
  std::vector<std::thread> stations;
  for (int station = 0; station < 12; ++station) {
    stations.emplace_back([&, station] {
      v1::IssueResponse response;
      const auto status =
          office.Issue(Office::Request("promised", absl::StrCat("unit-", station)), &response);
      if (status.ok()) {
        ++issued;
      } else {
        EXPECT_EQ(ReasonIn(status), "QUOTA_EXCEEDED") << status.error_message();
      }
    });
  }
  for (std::thread& station : stations) station.join();
  EXPECT_EQ(issued, 5);
  EXPECT_EQ(office.LotNow("promised").sealed(), 5u);
}

TEST_F(Promises, WhatTheLabelSaysIsWhatTheDeviceHolds) {
  office.OpenLot("label", office.Light(), 10);
  const v1::Identity identity = IssueOne("label", "unit-1");
  const image::FactoryContent flashed = Flashed(identity);
  const auto label = matter::ParseQr(identity.codes().qr_code());
  const auto manual = matter::ParseManualCode(identity.codes().manual_code());
  ASSERT_TRUE(label.ok() && manual.ok());
  EXPECT_EQ(label->discriminator, flashed.discriminator);
  EXPECT_EQ(label->passcode, manual->passcode);
  EXPECT_EQ(label->vendor_id, flashed.vendor_id);
  EXPECT_TRUE(matter::CheckVerifier(flashed.verifier, label->passcode,
                                    {*flashed.iteration_count, flashed.salt})
                  .ok());
  EXPECT_EQ(flashed.serial_number, identity.serial_number());
  EXPECT_EQ(ToText(flashed.dac), identity.dac());
  EXPECT_EQ(Ask(absl::StrCat(
                "SELECT discriminator FROM devices JOIN attempts ON attempt_id = attempts.id WHERE "
                "device_id = '",
                identity.device_id(), "'")),
            std::to_string(label->discriminator));
}

TEST_F(Promises, WhatLeavesWouldPassACommissioner) {
  office.OpenLot("commissioner", office.Light(), 10);
  const v1::Identity identity = IssueOne("commissioner", "unit-1");
  const image::FactoryContent device = Flashed(identity);
  // The device's side: elements with its declaration, signed by the key in its image.
  matter::AttestationElements elements;
  elements.certification_declaration = device.certification_declaration;
  elements.nonce = Bytes(32, 0x5A);
  const auto tlv = matter::EncodeAttestationElements(elements);
  ASSERT_TRUE(tlv.ok());
  const Bytes challenge(16, 0xA5);
  Bytes message = *tlv;
  Append(message, challenge);
  const matter::SoftwareKey key = matter::SoftwareKey::FromScalar(device.dac_key.view());
  const auto signature = key.Sign(message);
  // The commissioner's.
  matter::PaaTrustStore paas;
  const auto paa = matter::Certificate::Parse(office.config().sandbox.paa_certificate);
  const auto cd_signer = matter::Certificate::Parse(office.config().sandbox.cd_certificate);
  ASSERT_TRUE(paa.ok() && cd_signer.ok());
  ASSERT_TRUE(paas.Add(*paa).ok());
  matter::CdSignerSet signers;
  ASSERT_TRUE(signers.Add(*cd_signer, true).ok());
  matter::AttestationInputs inputs;
  inputs.elements = *tlv;
  inputs.challenge = challenge;
  inputs.signature = signature;
  inputs.nonce = elements.nonce;
  inputs.pai = device.pai;
  inputs.dac = device.dac;
  inputs.vendor_id = device.vendor_id;
  inputs.product_id = device.product_id;
  inputs.paas = &paas;
  inputs.cd_trust = {&signers, true};
  inputs.now = absl::Now();
  const auto outcome = matter::VerifyAttestation(inputs);
  EXPECT_EQ(outcome.result, matter::AttestationResult::kSuccess)
      << (outcome.findings.empty() ? "" : outcome.findings.front().rule);
  EXPECT_TRUE(outcome.findings.empty());
}

TEST_F(Promises, KeysStayHome) {
  office.OpenLot("home", office.Light(), 10);
  const v1::Identity identity = IssueOne("home", "unit-1");
  const image::FactoryContent device = Flashed(identity);
  // At rest: neither key nor codes nor passcode in anything the database holds.
  const std::string dump = (office.folder() / "dump.sql").string();
  ASSERT_EQ(std::system(absl::StrCat("pg_dump --dbname='", office.dsn(), "' > ", dump).c_str()), 0);
  const auto found = [&](const std::string& text) {
    return std::system(absl::StrCat("grep -q -- '", text, "' ", dump).c_str()) == 0;
  };
  EXPECT_TRUE(found(ToHex(Sha256(AsBytes(identity.dac())))));  // the dump is of this database
  EXPECT_FALSE(found(ToHex(device.dac_key.view())));
  EXPECT_FALSE(found(ToHex(device.verifier)));
  EXPECT_FALSE(found(identity.codes().qr_code()));
  EXPECT_FALSE(found(identity.codes().manual_code()));
  EXPECT_FALSE(found(absl::StrCat("[^0-9a-f]", identity.codes().passcode(), "[^0-9a-f]")));
  // In the HSM, as another program sees it (a second context in this one would end the daemon's):
  // every private key was made there and does not come out.
  const std::string list = (office.folder() / "keys.txt").string();
  ASSERT_EQ(std::system(absl::StrCat("pkcs11-tool --module ", test_support::SoftHsm::ModulePath(),
                                     " --token-label assay --login --pin ", office.hsm().pin(),
                                     " --list-objects --type privkey > ", list, " 2>/dev/null")
                            .c_str()),
            0);
  std::ifstream lines(list);
  int keys = 0;
  for (std::string line; std::getline(lines, line);) {
    if (line.find("Access:") == std::string::npos) continue;
    ++keys;
    EXPECT_THAT(line, ::testing::AllOf(::testing::HasSubstr("always sensitive"),
                                       ::testing::HasSubstr("never extractable"),
                                       ::testing::HasSubstr("local")));
  }
  EXPECT_GE(keys, 4);  // PAA, PAI, image and CD signer at least
}

TEST_F(Promises, Provable) {
  office.OpenLot("provable", office.Light(), 10);
  const v1::Identity identity = IssueOne("provable", "unit-1");
  const auto ledger = v1::LedgerService::NewStub(office.ChannelAs(kAuditor));
  v1::GetReceiptsRequest request;
  request.set_device_id(identity.device_id());
  v1::GetReceiptsResponse response;
  while (response.receipts_size() == 0) {
    const grpc::Status status = ledger->GetReceipts(Context().get(), request, &response);
    ASSERT_TRUE(status.ok() || ReasonIn(status) == "LEDGER_PENDING") << status.error_message();
  }
  v1::GetCheckpointResponse checkpoint;
  ASSERT_TRUE(ledger->GetCheckpoint(Context().get(), {}, &checkpoint).ok());
  const auto key = tlog::NoteKey::Parse(checkpoint.verifier_key());
  ASSERT_TRUE(key.ok()) << key.status();
  EXPECT_TRUE(tlog::VerifyReceipt(response.receipts(0).text(), *key).ok());
  std::string forged = response.receipts(0).text();
  forged[forged.find("extra ") + 10] ^= 1;
  EXPECT_FALSE(tlog::VerifyReceipt(forged, *key).ok());
}

TEST_F(Promises, Heals) {
  office.OpenLot("heals", office.Light(), 10);
  IssueOne("heals", "unit-1");
  office.hsm().TakeStoreAway();
  v1::IssueResponse response;
  const grpc::Status away = office.Issue(Office::Request("heals", "unit-2"), &response);
  EXPECT_EQ(away.error_code(), grpc::StatusCode::UNAVAILABLE) << away.error_message();
  EXPECT_TRUE(HasRetryInfo(away));
  office.AwaitReady(false);
  office.hsm().GiveStoreBack();
  office.AwaitReady();
  grpc::Status back;
  for (int tries = 0; tries < 10; ++tries) {
    back = office.Issue(Office::Request("heals", "unit-2"), &response);
    if (back.ok()) break;
  }
  EXPECT_TRUE(back.ok()) << back.error_message();
}

}  // namespace
}  // namespace assay::integration
