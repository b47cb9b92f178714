#include <atomic>
#include <set>

#include "absl/strings/str_cat.h"
#include "tests/conformance/store/store_suite.h"

namespace assay::test_support {
namespace {

using State = db::TicketView::State;
using StoreDevices = StoreTest;
INSTANTIATE_TEST_SUITE_P(Stores, StoreDevices, testing::Values("postgres", "memory"));

TEST_P(StoreDevices, TheManifestRowIsWhatWasClaimedAndSealed) {
  const int64_t lot = OpenSampleLot(*store_, "lot-1", 5);
  const db::Intent intent = Issue(lot, "t1");
  const db::Seal seal = SampleSeal(0, intent);
  const auto row = store_->FindDevice(intent.device_id);
  ASSERT_TRUE(row.ok()) << row.status();
  EXPECT_EQ(row->device_id, intent.device_id);
  EXPECT_EQ(row->ticket, "t1");
  EXPECT_EQ(row->lot, "lot-1");
  EXPECT_EQ(row->product, "lamp");
  EXPECT_EQ(row->vendor_id, 0xFFF1);
  EXPECT_EQ(row->product_id, 0x8001);
  EXPECT_EQ(row->factory, "shenzhen-1");
  EXPECT_EQ(row->line, "line-1");
  EXPECT_EQ(row->actor, intent.actor);
  EXPECT_EQ(row->serial_number, intent.serial_number);
  EXPECT_EQ(row->dac_serial, intent.dac_serial);
  EXPECT_EQ(row->public_key_sha256, intent.public_key_sha256);
  EXPECT_EQ(row->pai, intent.pai);
  EXPECT_EQ(row->dac, seal.row.dac);
  EXPECT_EQ(row->dac_sha256, seal.row.dac_sha256);
  EXPECT_EQ(row->discriminator, seal.row.discriminator);
  EXPECT_EQ(row->image_sha256, seal.row.image_sha256);
  EXPECT_EQ(row->image_signature, seal.row.image_signature);
  EXPECT_EQ(row->codes, seal.row.codes);
  EXPECT_EQ(row->state, static_cast<int>(db::DeviceState::kSealed));
  EXPECT_FALSE(row->confirmed_at.has_value());
  EXPECT_LT(absl::AbsDuration(row->sealed_at - absl::Now()), absl::Hours(1));
  const auto by_serial = store_->FindDeviceByDacSerial(intent.dac_serial);
  ASSERT_TRUE(by_serial.ok()) << by_serial.status();
  EXPECT_EQ(by_serial->device_id, intent.device_id);
  EXPECT_REFUSED(store_->FindDevice("nobody").status(), DEVICE_UNKNOWN);
  EXPECT_REFUSED(store_->FindDeviceByDacSerial(Bytes{1, 2}).status(), DEVICE_UNKNOWN);
}

TEST_P(StoreDevices, ConfirmingWipesTheSealedIdentityAndCounts) {
  const int64_t lot = OpenSampleLot(*store_, "lot-1", 5);
  const db::Intent intent = Issue(lot, "t1");
  const auto confirmed = Confirm(lot, "t1");
  ASSERT_TRUE(confirmed.ok()) << confirmed.status();
  EXPECT_FALSE(confirmed->before);
  EXPECT_EQ(confirmed->device_id, intent.device_id);
  const db::TicketView view = Look(lot, "t1");
  EXPECT_EQ(view.state, State::kWiped);
  EXPECT_TRUE(view.sealed.empty());
  EXPECT_EQ(view.image_sha256, SampleSeal(0, intent).row.image_sha256);
  const auto row = store_->FindDevice(intent.device_id);
  EXPECT_EQ(row->state, static_cast<int>(db::DeviceState::kProvisioned));
  EXPECT_TRUE(row->confirmed_at.has_value());
  EXPECT_EQ(LotNamed("lot-1").confirmed, 1u);
}

TEST_P(StoreDevices, ConfirmingTwiceIsFineAndOtherwiseAConflict) {
  const int64_t lot = OpenSampleLot(*store_, "lot-1", 5);
  Issue(lot, "t1");
  ASSERT_TRUE(Confirm(lot, "t1", db::DeviceState::kScrapped).ok());
  const auto again = Confirm(lot, "t1", db::DeviceState::kScrapped);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_TRUE(again->before);
  const absl::Status otherwise = Confirm(lot, "t1", db::DeviceState::kProvisioned).status();
  EXPECT_REFUSED(otherwise, CONFIRM_CONFLICT);
  EXPECT_EQ(otherwise.message(), "outcome: the unit was scrapped before (got PROVISIONED)");
  EXPECT_EQ(LotNamed("lot-1").scrapped, 1u);
  EXPECT_EQ(LotNamed("lot-1").confirmed, 0u);
}

TEST_P(StoreDevices, ConfirmingTwiceInOneBatchIsDecidedByTheFirst) {
  const int64_t lot = OpenSampleLot(*store_, "lot-1", 5);
  Issue(lot, "t1");
  const db::Confirmation yes{lot, "t1", "", "x", db::DeviceState::kProvisioned};
  db::Confirmation no = yes;
  no.outcome = db::DeviceState::kScrapped;
  const std::vector<db::Confirmation> batch = {yes, no, yes};
  const auto results = store_->ConfirmDevices(batch);
  ASSERT_TRUE(results[0].ok()) << results[0].status();
  EXPECT_FALSE(results[0]->before);
  EXPECT_REFUSED(results[1].status(), CONFIRM_CONFLICT);
  ASSERT_TRUE(results[2].ok()) << results[2].status();
  EXPECT_TRUE(results[2]->before);
  EXPECT_EQ(LotNamed("lot-1").confirmed, 1u);
}

TEST_P(StoreDevices, OnlyASealedTicketOfTheOwnLineIsConfirmed) {
  const int64_t lot = OpenSampleLot(*store_, "lot-1", 5);
  Issue(lot, "t1");
  const auto flying = Claim(SampleIntent(lot, "t2"));
  ASSERT_TRUE(flying.ok());
  EXPECT_REFUSED(Confirm(lot, "unknown").status(), TICKET_UNKNOWN);
  EXPECT_REFUSED(Confirm(lot, "t2").status(), TICKET_UNKNOWN);
  ASSERT_TRUE(Void(*flying).ok());
  EXPECT_REFUSED(Confirm(lot, "t2").status(), TICKET_UNKNOWN);
  EXPECT_REFUSED(Confirm(lot, "t1", db::DeviceState::kProvisioned, "line-2").status(),
                 TICKET_OF_ANOTHER_LINE);
  EXPECT_REFUSED(Confirm(lot, "t1", db::DeviceState::kRevoked).status(), FIELD_OUT_OF_RANGE);
  EXPECT_EQ(Look(lot, "t1").state, State::kSealed);
  EXPECT_TRUE(Confirm(lot, "t1", db::DeviceState::kProvisioned, "").ok());
}

TEST_P(StoreDevices, ConfirmAndScrapRacingAgreeOnOne) {
  constexpr int kTickets = 20;
  const int64_t lot = OpenSampleLot(*store_, "lot-1", kTickets);
  for (int i = 0; i < kTickets; ++i) Issue(lot, absl::StrCat("t", i));
  std::atomic<int> decided{0}, conflicts{0};
  const auto decide = [&](db::DeviceState outcome) {
    for (int i = 0; i < kTickets; ++i) {
      const auto result = Confirm(lot, absl::StrCat("t", i), outcome);
      ++(result.ok() ? decided : conflicts);
      EXPECT_TRUE(result.ok() || HasReason(result.status(), Reason::CONFIRM_CONFLICT))
          << result.status();
    }
  };
  std::thread first([&] { decide(db::DeviceState::kProvisioned); });
  std::thread second([&] { decide(db::DeviceState::kScrapped); });
  first.join();
  second.join();
  EXPECT_EQ(decided, kTickets);
  EXPECT_EQ(conflicts, kTickets);
  const db::Lot after = LotNamed("lot-1");
  EXPECT_EQ(after.confirmed + after.scrapped, static_cast<uint64_t>(kTickets));
}

TEST_P(StoreDevices, RetentionWipesWhatWasNotConfirmedInTime) {
  const int64_t kept = OpenSampleLot(*store_, "lot-kept", 5);
  const int64_t ended = OpenSampleLot(*store_, "lot-ended", 5, std::chrono::seconds(0));
  Issue(kept, "t1");
  for (const char* ticket : {"t1", "t2", "t3"}) Issue(ended, ticket);
  EXPECT_EQ(*store_->WipeRetained(2), 2);
  EXPECT_EQ(*store_->WipeRetained(2), 1);
  EXPECT_EQ(*store_->WipeRetained(2), 0);
  EXPECT_EQ(Look(kept, "t1").state, State::kSealed);
  EXPECT_EQ(Look(ended, "t2").state, State::kWiped);
  EXPECT_TRUE(Confirm(ended, "t2").ok());
}

TEST_P(StoreDevices, PagesFollowTheOrderOfSealingWithoutGapOrDouble) {
  const int64_t first = OpenSampleLot(*store_, "lot-1", 50);
  const int64_t second = OpenSampleLot(*store_, "lot-2", 50);
  for (int i = 0; i < 7; ++i) {
    Issue(second, absl::StrCat("b", i));
    Issue(first, absl::StrCat("a", i));
  }
  std::vector<std::string> tickets;
  int64_t after = 0;
  for (;;) {
    const auto page = store_->ListDevices({}, after, 4);
    ASSERT_TRUE(page.ok()) << page.status();
    if (page->empty()) break;
    for (const db::ManifestRow& row : *page) {
      EXPECT_GT(row.row, after);
      after = row.row;
      tickets.push_back(row.ticket);
    }
  }
  EXPECT_EQ(tickets, (std::vector<std::string>{"a0", "a1", "a2", "a3", "a4", "a5", "a6", "b0", "b1",
                                               "b2", "b3", "b4", "b5", "b6"}));
  db::DeviceFilter of_lot;
  of_lot.lot = "lot-2";
  EXPECT_EQ(store_->ListDevices(of_lot, 0, 100)->size(), 7u);
  EXPECT_EQ((*store_->ListDevices(of_lot, 0, 1))[0].ticket, "b0");
}

TEST_P(StoreDevices, FiltersSelect) {
  const int64_t lot = OpenSampleLot(*store_, "lot-1", 50);
  const db::Intent first = Issue(lot, "t1");
  Issue(lot, "t2");
  db::Intent elsewhere = SampleIntent(lot, "t3");
  elsewhere.line = "line-2";
  ASSERT_TRUE(Seal(SampleSeal(*Claim(elsewhere), elsewhere)).ok());
  ASSERT_TRUE(Confirm(lot, "t2").ok());
  const auto tickets = [&](auto set) {
    db::DeviceFilter filter;
    set(filter);
    const auto rows = store_->ListDevices(filter, 0, 100);
    EXPECT_TRUE(rows.ok()) << rows.status();
    std::string text;
    for (const db::ManifestRow& row : *rows) absl::StrAppend(&text, row.ticket, " ");
    return text;
  };
  using Filter = db::DeviceFilter;
  EXPECT_EQ(tickets([](Filter& f) { f.lot = "lot-1"; }), "t1 t2 t3 ");
  EXPECT_EQ(tickets([](Filter& f) { f.lot = "lot-2"; }), "");
  const auto granted = [&](std::vector<std::string> factories, std::vector<std::string> lots) {
    return tickets([&](Filter& f) { f.granted = db::GrantedLots{factories, lots}; });
  };
  EXPECT_EQ(granted({"*"}, {"*"}), "t1 t2 t3 ");
  EXPECT_EQ(granted({"elsewhere", "shenzhen-1"}, {"lot-2", "lot-1"}), "t1 t2 t3 ");
  EXPECT_EQ(granted({"elsewhere"}, {"*"}), "");
  EXPECT_EQ(granted({"*"}, {"lot-2", std::string("\0", 1)}), "");
  EXPECT_EQ(granted({}, {"*"}), "");
  EXPECT_EQ(tickets([](Filter& f) { f.product = "lamp"; }), "t1 t2 t3 ");
  EXPECT_EQ(tickets([](Filter& f) { f.product = "kettle"; }), "");
  EXPECT_EQ(tickets([](Filter& f) { f.factory = "gdansk-2"; }), "");
  EXPECT_EQ(tickets([](Filter& f) { f.line = "line-2"; }), "t3 ");
  EXPECT_EQ(tickets([&](Filter& f) { f.serial_number = first.serial_number; }), "t1 ");
  EXPECT_EQ(tickets([](Filter& f) { f.state = db::DeviceState::kProvisioned; }), "t2 ");
  EXPECT_EQ(tickets([](Filter& f) { f.state = db::DeviceState::kSealed; }), "t1 t3 ");
  EXPECT_EQ(tickets([](Filter& f) {
              f.state = db::DeviceState::kSealed;
              f.line = "line-2";
            }),
            "t3 ");
  const absl::Time hour_ago = absl::Now() - absl::Hours(1),
                   in_an_hour = absl::Now() + absl::Hours(1);
  EXPECT_EQ(tickets([&](Filter& f) { f.sealed_from = in_an_hour; }), "");
  EXPECT_EQ(tickets([&](Filter& f) { f.sealed_until = hour_ago; }), "");
  EXPECT_EQ(tickets([&](Filter& f) {
              f.sealed_from = hour_ago;
              f.sealed_until = absl::InfiniteFuture();
            }),
            "t1 t2 t3 ");
}

TEST_P(StoreDevices, AReaderOfALotNeverMissesARowThatIsSealedMeanwhile) {
  constexpr int kWriters = 3, kBatches = 12, kBatch = 4;
  const int64_t lot = OpenSampleLot(*store_, "lot-1", 1000);
  std::atomic<int> writing{kWriters};
  std::vector<std::thread> writers;
  for (int writer = 0; writer < kWriters; ++writer) {
    writers.emplace_back([&, writer] {
      for (int b = 0; b < kBatches; ++b) {
        std::vector<db::Intent> intents;
        for (int i = 0; i < kBatch; ++i) {
          intents.push_back(SampleIntent(lot, absl::StrCat(writer, "-", b, "-", i)));
        }
        const auto attempts = store_->RecordIntents(intents, "replica-a");
        std::vector<db::Seal> seals;
        for (int i = 0; i < kBatch; ++i) {
          const auto place = static_cast<size_t>(i);
          EXPECT_TRUE(attempts[place].ok()) << attempts[place].status();
          seals.push_back(SampleSeal(*attempts[place], intents[place]));
        }
        for (const auto& status : store_->SealTickets(seals)) EXPECT_TRUE(status.ok()) << status;
      }
      --writing;
    });
  }
  std::set<int64_t> seen;
  int64_t after = 0;
  for (bool last = false; !last;) {
    last = writing == 0;
    db::DeviceFilter filter;
    filter.lot = "lot-1";
    const auto page = store_->ListDevices(filter, after, 1000);
    ASSERT_TRUE(page.ok()) << page.status();
    for (const db::ManifestRow& row : *page) {
      after = row.row;
      EXPECT_TRUE(seen.insert(row.row).second);
    }
  }
  for (std::thread& writer : writers) writer.join();
  EXPECT_EQ(seen.size(), static_cast<size_t>(kWriters * kBatches * kBatch));
}

}  // namespace
}  // namespace assay::test_support
