// Each kind of damage, planted in a copy of a sound database, is found and named.
#include <gmock/gmock.h>

#include <map>

#include "absl/strings/str_cat.h"
#include "tests/integration/fsck/station.h"

namespace assay::integration {
namespace {

using test_support::PostgresCluster;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;

constexpr char kDevice[] =
    "(SELECT d.row FROM devices d JOIN attempts a ON a.id = d.attempt_id "
    "WHERE a.ticket = 'u-";

// A service that issued and has ended, and its token; every test damages a copy.
class DamageTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    office_ = new Office();
    Station station(*office_);
    office_->OpenLot("sound", office_->Light(), 40);
    for (int i = 0; i < 12; ++i) {
      devices_[i] = station.Issue("sound", absl::StrCat("u-", i)).device_id();
    }
    station.Confirm("sound", "u-10", v1::OUTCOME_PROVISIONED);
    station.Revoke(devices_[11]);
    station.AwaitLedger();
    office_->Stop();
  }
  static void TearDownTestSuite() {
    delete office_;
    office_ = nullptr;
  }

  // Row of ticket u-<i>.
  static std::string Row(int i) { return absl::StrCat(kDevice, i, "')"); }
  static std::string Attempt(int i) {
    return absl::StrCat("(SELECT id FROM attempts WHERE ticket = 'u-", i, "')");
  }
  static std::string Device(int i) { return absl::StrCat("device ", devices_[i]); }
  // Place of the entry of that kind about ticket u-<i>.
  static std::string Place(int i) {
    return absl::StrCat(
        "(SELECT seq FROM ledger_entries WHERE kind = 'device.seal' AND body LIKE "
        "'%\"ticket\":\"u-",
        i, "\"%')");
  }

  // The findings of a copy in which `sql` was run.
  std::string Damaged(const std::string& sql) {
    // Made and never dropped: DROP DATABASE waits for a checkpoint.
    static int copies = 0;
    const std::string name = absl::StrCat("damaged_", ++copies);
    const std::string copy = PostgresCluster::Shared().Dsn(name);
    const std::string from = office_->dsn().substr(office_->dsn().rfind('=') + 1);
    const auto copied =
        PostgresCluster::Execute(PostgresCluster::Shared().Dsn(),
                                 absl::StrCat("CREATE DATABASE ", name, " TEMPLATE ", from));
    EXPECT_TRUE(copied.ok()) << copied.status();
    const auto planted = PostgresCluster::Execute(copy, sql);
    EXPECT_TRUE(planted.ok()) << planted.status();
    fsck::Findings findings;
    Station(*office_).Check(findings, copy);
    for (const fsck::Finding& finding : findings.All()) {
      EXPECT_FALSE(fsck::CureOf(finding.fault).empty());
    }
    return TextOf(findings);
  }

  static Office* office_;
  static std::map<int, std::string> devices_;
};
Office* DamageTest::office_ = nullptr;
std::map<int, std::string> DamageTest::devices_;

TEST_F(DamageTest, NoneIsFoundWhereNoneIs) { EXPECT_EQ(Damaged("SELECT 1"), ""); }

TEST_F(DamageTest, AnEditedEntry) {
  EXPECT_THAT(Damaged(absl::StrCat("UPDATE ledger_entries SET body = replace(body, 'north-1', "
                                   "'north-9') WHERE seq = ",
                                   Place(3))),
              HasSubstr("ledger.fork entry "));
}

TEST_F(DamageTest, ATruncatedEntry) {
  EXPECT_THAT(Damaged(absl::StrCat("UPDATE ledger_entries SET body = left(body, 40) WHERE seq = ",
                                   Place(3))),
              HasSubstr("was changed, moved or taken away"));
}

TEST_F(DamageTest, TwoEntriesThatChangedPlaces) {
  EXPECT_THAT(
      Damaged(absl::StrCat("CREATE TEMP TABLE p AS SELECT ", Place(3), " AS a, ", Place(5),
                           " AS b; UPDATE ledger_entries SET seq = 100000 WHERE seq = (SELECT a "
                           "FROM p); UPDATE ledger_entries SET seq = (SELECT a FROM p) WHERE seq = "
                           "(SELECT b FROM p); UPDATE ledger_entries SET seq = (SELECT b FROM p) "
                           "WHERE seq = 100000")),
      HasSubstr("was changed, moved or taken away"));
}

TEST_F(DamageTest, AGapInTheLedger) {
  const std::string found =
      Damaged(absl::StrCat("DELETE FROM ledger_entries WHERE seq = ", Place(4)));
  EXPECT_THAT(found, HasSubstr("is missing"));
  EXPECT_THAT(found, HasSubstr("ledger.fork"));
  EXPECT_THAT(found, HasSubstr(absl::StrCat("ledger.no-issue ", Device(4))));
}

TEST_F(DamageTest, ALedgerCutAtItsEnd) {
  EXPECT_THAT(Damaged("DELETE FROM ledger_entries WHERE seq = (SELECT max(seq) FROM "
                      "ledger_entries)"),
              HasSubstr("the head has "));
  EXPECT_THAT(Damaged("DELETE FROM ledger_entries WHERE seq = (SELECT max(seq) FROM "
                      "ledger_entries); UPDATE ledger_head SET size = size - 1"),
              HasSubstr("were signed: it was cut back"));
}

TEST_F(DamageTest, AForkedTree) {
  EXPECT_THAT(Damaged("UPDATE ledger_tiles SET hashes = set_byte(hashes, 3, "
                      "get_byte(hashes, 3) # 1) WHERE level = 0 AND idx = 0"),
              HasSubstr("ledger.fork entry 0"));
  EXPECT_THAT(Damaged("UPDATE ledger_head SET root = set_byte(root, 3, get_byte(root, 3) # 1)"),
              HasSubstr("do not lead to the root"));
}

TEST_F(DamageTest, ACheckpointThatIsNotSigned) {
  const std::string found = Damaged(
      "UPDATE ledger_checkpoints SET note = replace(note, size || E'\\n', (size - 1) || "
      "E'\\n') WHERE size = (SELECT max(size) FROM ledger_checkpoints)");
  EXPECT_THAT(found, HasSubstr("ledger.checkpoint checkpoint "));
}

TEST_F(DamageTest, AnEntryAddedBesideIssuing) {
  EXPECT_THAT(
      Damaged(absl::StrCat(
          "INSERT INTO ledger_entries (kind, body) SELECT 'device.seal', replace(body, '",
          devices_[2], "', 'feedfeedfeedfeed') FROM ledger_entries WHERE seq = ", Place(2))),
      HasSubstr("ledger.no-device device feedfeedfeedfeed"));
}

TEST_F(DamageTest, SwappedCertificates) {
  EXPECT_THAT(Damaged(absl::StrCat(
                  "CREATE TEMP TABLE k AS SELECT row, dac, dac_sha256 FROM devices WHERE row IN (",
                  Row(1), ", ", Row(2),
                  "); UPDATE devices d SET dac = k.dac, dac_sha256 = "
                  "k.dac_sha256 FROM k WHERE d.row IN (SELECT row FROM k) AND k.row <> d.row")),
              HasSubstr(absl::StrCat("dac.fields ", Device(1))));
}

TEST_F(DamageTest, ACertificateWithAnotherSignature) {
  const std::string found = Damaged(absl::StrCat(
      "UPDATE devices SET dac = set_byte(dac, length(dac) - 1, get_byte(dac, length(dac) - 1) # "
      "1) WHERE row = ",
      Row(1)));
  EXPECT_THAT(found, HasSubstr(absl::StrCat("dac.signature ", Device(1))));
  EXPECT_THAT(found, HasSubstr(absl::StrCat("dac.digest ", Device(1))));
}

TEST_F(DamageTest, ACertificateThatWasCutOff) {
  EXPECT_THAT(
      Damaged(absl::StrCat("UPDATE devices SET dac = substring(dac FOR 100) WHERE row = ", Row(1))),
      HasSubstr(absl::StrCat("dac.parse ", Device(1))));
}

TEST_F(DamageTest, ACertificateThatWasNotIntended) {
  EXPECT_THAT(
      Damaged(absl::StrCat("UPDATE attempts SET tbs_sha256 = sha256('x') WHERE id = ", Attempt(1))),
      HasSubstr(absl::StrCat("dac.intent ", Device(1))));
}

TEST_F(DamageTest, ARowEditedAfterItsEntry) {
  EXPECT_THAT(Damaged(absl::StrCat("UPDATE attempts SET line = 'south-7' WHERE id = ", Attempt(6))),
              HasSubstr(absl::StrCat("ledger.differs ", Device(6), ": line is south-7")));
}

TEST_F(DamageTest, AnotherImagesDigest) {
  EXPECT_THAT(
      Damaged(absl::StrCat("UPDATE devices SET image_sha256 = sha256('x') WHERE row = ", Row(1))),
      HasSubstr(absl::StrCat("image.signature ", Device(1))));
}

TEST_F(DamageTest, ASealThatIsGoneTooEarly) {
  EXPECT_THAT(
      Damaged(absl::StrCat("DELETE FROM sealed_identities WHERE attempt_id = ", Attempt(1))),
      HasSubstr(absl::StrCat("seal.missing ", Device(1))));
}

TEST_F(DamageTest, AnIdentityThatWasNotWiped) {
  EXPECT_THAT(Damaged(absl::StrCat(
                  "INSERT INTO sealed_identities (lot_id, attempt_id, sealed) SELECT lot_id, ",
                  Attempt(10), ", sealed FROM sealed_identities WHERE attempt_id = ", Attempt(1))),
              HasSubstr(absl::StrCat("seal.left ", Device(10))));
  EXPECT_THAT(
      Damaged(absl::StrCat(
          "UPDATE devices SET sealed_at = sealed_at - interval '10 years' WHERE row = ", Row(1))),
      HasSubstr("the lot's retention ended at "));
}

TEST_F(DamageTest, ASealThatWasAlteredOrMoved) {
  EXPECT_THAT(Damaged(absl::StrCat("UPDATE sealed_identities SET sealed = set_byte(sealed, 40, "
                                   "get_byte(sealed, 40) # 1) WHERE attempt_id = ",
                                   Attempt(1))),
              HasSubstr(absl::StrCat("seal.open ", Device(1))));
  EXPECT_THAT(Damaged(absl::StrCat("UPDATE sealed_identities SET sealed = (SELECT sealed FROM "
                                   "sealed_identities WHERE attempt_id = ",
                                   Attempt(2), ") WHERE attempt_id = ", Attempt(1))),
              HasSubstr(absl::StrCat("seal.open ", Device(1))));
  EXPECT_THAT(Damaged(absl::StrCat("UPDATE devices SET discriminator = (discriminator + 1) % 4096 "
                                   "WHERE row = ",
                                   Row(1))),
              HasSubstr(absl::StrCat("seal.content ", Device(1))));
  EXPECT_THAT(Damaged("INSERT INTO sealed_identities (lot_id, attempt_id, sealed) VALUES (1, "
                      "999999, 'x')"),
              HasSubstr("seal.orphan attempt 999999"));
}

TEST_F(DamageTest, CountersThatLie) {
  EXPECT_THAT(Damaged("UPDATE lot_claims SET claimed = claimed + 1"),
              HasSubstr("lot.counts lot sound: claimed says 13, but 12 are there"));
  EXPECT_THAT(Damaged("UPDATE lot_results SET confirmed = confirmed + 1"),
              HasSubstr("lot.counts lot sound: confirmed"));
  EXPECT_THAT(Damaged("ALTER TABLE lot_claims DROP CONSTRAINT lot_claims_check; UPDATE lot_claims "
                      "SET capacity = 5"),
              HasSubstr("lot.quota lot sound: 12 are claimed of 5"));
}

TEST_F(DamageTest, ALostDeviceAndALostAttempt) {
  const std::string device = Damaged(absl::StrCat("DELETE FROM devices WHERE row = ", Row(4)));
  EXPECT_THAT(device, HasSubstr(absl::StrCat("ledger.no-device ", Device(4))));
  EXPECT_THAT(device, HasSubstr("device.rows lot sound"));
  EXPECT_THAT(device, HasSubstr("attempt.lost attempt "));
  EXPECT_THAT(Damaged(absl::StrCat("DELETE FROM attempts WHERE id = ", Attempt(4))),
              HasSubstr("device.attempt row "));
  EXPECT_THAT(Damaged("INSERT INTO open_intents VALUES (999999, 1, 'nobody')"),
              HasSubstr("attempt.orphan attempt 999999"));
}

TEST_F(DamageTest, OutcomesThatDiffer) {
  EXPECT_THAT(Damaged(absl::StrCat("DELETE FROM device_outcomes WHERE row = ", Row(10))),
              HasSubstr(absl::StrCat("ledger.outcome ", Device(10))));
  EXPECT_THAT(Damaged(absl::StrCat("INSERT INTO device_outcomes (row, state, actor, confirmed_at) "
                                   "VALUES (",
                                   Row(3), ", 2, 'nobody', now())")),
              HasSubstr(absl::StrCat("ledger.outcome ", Device(3))));
}

TEST_F(DamageTest, AListOfUndecidedDevicesThatIsNotTrue) {
  EXPECT_THAT(Damaged(absl::StrCat("DELETE FROM devices_waiting WHERE row = ", Row(3))),
              ContainsRegex("device.waiting row [0-9]+: waits for its outcome"));
  EXPECT_THAT(Damaged(absl::StrCat("INSERT INTO devices_waiting SELECT ", Row(10))),
              ContainsRegex("device.waiting row [0-9]+: is listed as waiting"));
}

TEST_F(DamageTest, ASerialNumberThatWasUsedTwice) {
  const std::string found = Damaged(absl::StrCat(
      "DROP INDEX attempts_dac; UPDATE attempts SET dac_serial = (SELECT dac_serial FROM attempts "
      "WHERE id = ",
      Attempt(1), ") WHERE id = ", Attempt(2)));
  EXPECT_THAT(found, HasSubstr("schema.index attempts_dac"));
  EXPECT_THAT(found, HasSubstr("device.serial "));
}

TEST_F(DamageTest, ARevocationThatWasTakenBack) {
  EXPECT_THAT(Damaged("DELETE FROM revocations"), HasSubstr("revocation.rows issuer pai-fff1"));
  EXPECT_THAT(Damaged(absl::StrCat("UPDATE device_outcomes SET state = 2 WHERE row = ", Row(11))),
              HasSubstr(absl::StrCat("revocation.state ", Device(11))));
}

TEST_F(DamageTest, AListThatIsNotWhatItShouldBe) {
  EXPECT_THAT(Damaged("UPDATE crls SET der = set_byte(der, length(der) - 1, get_byte(der, "
                      "length(der) - 1) # 1) WHERE issuer = 'pai-fff1'"),
              HasSubstr("crl.signature list pai-fff1/0"));
  EXPECT_THAT(Damaged("UPDATE crl_issuers SET number = 1"), HasSubstr("crl.number"));
  EXPECT_THAT(Damaged("UPDATE crls SET next_update = now() - interval '1 day'"),
              HasSubstr("crl.expired"));
}

TEST_F(DamageTest, APaiThatIsNotTheTokens) {
  const std::string found =
      Damaged("UPDATE pais SET public_key = set_byte(public_key, 9, get_byte(public_key, 9) # 1)");
  EXPECT_THAT(found, HasSubstr("pai.certificate PAI pai-fff1"));
  EXPECT_THAT(found, HasSubstr("token.key PAI pai-fff1"));
  EXPECT_THAT(Damaged("UPDATE pais SET key_label = 'gone'"), HasSubstr("token.key key gone"));
}

TEST_F(DamageTest, ALotsKeyThatDoesNotUnwrap) {
  EXPECT_THAT(Damaged("UPDATE lots SET wrapped_key = set_byte(wrapped_key, 20, "
                      "get_byte(wrapped_key, 20) # 1)"),
              HasSubstr("token.lot-key lot sound"));
}

TEST_F(DamageTest, AnActTheLedgerDoesNotTellOf) {
  EXPECT_THAT(Damaged("INSERT INTO acts (actor, request_id, kind, subject, digest) VALUES "
                      "('mallory', 'r', 'lot.raise', 'sound', sha256('x'))"),
              HasSubstr("ledger.act lot.raise of sound: done by mallory"));
}

}  // namespace
}  // namespace assay::integration
