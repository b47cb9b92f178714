// Compact identities (database.compact_identities) in the whole service, over real TLS, SoftHSM and
// PostgreSQL, and before the checker.
#include <gmock/gmock.h>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "assay/v1/bundle.grpc.pb.h"
#include "tests/integration/fsck/station.h"

namespace assay::integration {
namespace {

using test_support::PostgresCluster;
using ::testing::HasSubstr;

class CompactInService : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { office_ = new Office(); }
  static void TearDownTestSuite() {
    delete office_;
    office_ = nullptr;
  }

  static void StartAgain(bool compact) {
    office_->Stop();
    ops::Config config = office_->config();
    config.database.compact_identities = compact;
    const absl::Status started = office_->StartAgain(config);
    ASSERT_TRUE(started.ok()) << started;
    office_->AwaitReady();
  }
  static std::string Asked(const std::string& sql, const std::string& dsn = office_->dsn()) {
    const auto answer = PostgresCluster::Execute(dsn, sql);
    EXPECT_TRUE(answer.ok()) << answer.status();
    return answer.value_or("");
  }
  static int SizeOf(const std::string& lot, const std::string& ticket) {
    int size = 0;
    EXPECT_TRUE(absl::SimpleAtoi(
        Asked(absl::StrCat("SELECT octet_length(s.sealed) FROM sealed_identities s JOIN attempts a "
                           "ON a.id = s.attempt_id JOIN lots l ON l.id = a.lot_id WHERE l.name = '",
                           lot, "' AND a.ticket = '", ticket, "'")),
        &size));
    return size;
  }
  static std::string Fetched(const std::string& lot, const std::string& ticket) {
    v1::GetSealedRequest request;
    request.set_lot(lot);
    request.set_ticket(ticket);
    v1::IssueResponse response;
    const grpc::Status status = v1::IssuanceService::NewStub(office_->ChannelAs(kLine))
                                    ->GetSealed(Context().get(), request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response.identity().SerializeAsString();
  }
  static std::vector<std::string> Bundled(const std::string& lot) {
    v1::FetchLotRequest request;
    request.set_lot(lot);
    const auto context = Context();
    const auto stub = v1::BundleService::NewStub(office_->ChannelAs(kLine));
    const auto stream = stub->FetchLot(context.get(), request);
    std::vector<std::string> units;
    v1::FetchLotResponse unit;
    while (stream->Read(&unit)) units.push_back(unit.identity().SerializeAsString());
    EXPECT_TRUE(stream->Finish().ok());
    return units;
  }
  // The findings of a whole check of a copy in which `sql` was run.
  static std::string Damaged(const std::string& sql) {
    static int copies = 0;
    const std::string name = absl::StrCat("compact_damaged_", ++copies);
    const std::string copy = PostgresCluster::Shared().Dsn(name);
    const std::string from = office_->dsn().substr(office_->dsn().rfind('=') + 1);
    Asked(absl::StrCat("CREATE DATABASE ", name, " TEMPLATE ", from),
          PostgresCluster::Shared().Dsn());
    Asked(sql, copy);
    fsck::Findings findings;
    Station(*office_).Check(findings, copy, true);
    return TextOf(findings);
  }

  static Office* office_;
};
Office* CompactInService::office_ = nullptr;

TEST_F(CompactInService, BothFormsAreAnsweredByteForByteWhicheverIsWrittenAndFoundSound) {
  Station station(*office_);
  office_->OpenLot("turned", office_->Light(), 20);
  std::vector<std::string> issued;
  // The setting is turned on, off again, and on.
  for (const bool compact : {false, true, false, true}) {
    StartAgain(compact);
    const std::string ticket = absl::StrCat("t-", issued.size());
    issued.push_back(station.Issue("turned", ticket).SerializeAsString());
    EXPECT_EQ(SizeOf("turned", ticket) < 1200, compact) << ticket << SizeOf("turned", ticket);
    for (size_t i = 0; i < issued.size(); ++i) {
      const std::string before = absl::StrCat("t-", i);
      EXPECT_EQ(station.Issue("turned", before).SerializeAsString(), issued[i]) << before;
      EXPECT_EQ(Fetched("turned", before), issued[i]) << before;
    }
  }
  EXPECT_EQ(Bundled("turned"), issued);
  EXPECT_EQ(Asked("SELECT count(*) FROM lot_dictionaries"), "1");

  station.Confirm("turned", "t-1", v1::OUTCOME_PROVISIONED);
  EXPECT_EQ(station.ReasonFor("turned", "t-1"), "IDENTITY_WIPED");
  station.AwaitLedger();
  fsck::Findings findings;
  const fsck::Report report = station.Check(findings, "", true);
  EXPECT_EQ(TextOf(findings), "");
  EXPECT_EQ(report.sealed.opened, 3u);
  EXPECT_EQ(report.sealed.verifiers, 3u);
}

TEST_F(CompactInService, ADictionaryThatIsGoneOrWasAlteredIsFoundAndAnswersNothing) {
  Station station(*office_);
  StartAgain(true);
  office_->OpenLot("altered", office_->Light(), 20);
  station.Issue("altered", "t-1");
  station.AwaitLedger();
  office_->Stop();  // PostgreSQL copies no database in use
  EXPECT_THAT(Damaged("DELETE FROM lot_dictionaries"),
              HasSubstr("names a dictionary its lot does not have"));
  EXPECT_THAT(Damaged("UPDATE lot_dictionaries SET dictionary = set_byte(dictionary, 100, "
                      "(get_byte(dictionary, 100) + 1) % 256)"),
              HasSubstr("has a dictionary that does not open"));
  // Another lot's is not taken for it.
  EXPECT_THAT(Damaged("UPDATE lot_dictionaries d SET dictionary = (SELECT dictionary FROM "
                      "lot_dictionaries o WHERE o.lot_id <> d.lot_id LIMIT 1)"),
              HasSubstr("has a dictionary that does not open"));
  Asked("DELETE FROM lot_dictionaries");
  StartAgain(false);
  EXPECT_EQ(station.ReasonFor("altered", "t-1"), "INTERNAL");
  // Issuing in the lot again, the service keeps it again: it is the same for all its life.
  StartAgain(true);
  station.Issue("altered", "t-2");
  EXPECT_EQ(station.ReasonFor("altered", "t-1"), "");
}

}  // namespace
}  // namespace assay::integration
