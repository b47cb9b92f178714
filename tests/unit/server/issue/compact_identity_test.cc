// Sealed identities written short: what rests in the store, and that it is answered as any other.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "assay/store/v1/sealed.pb.h"
#include "image/erased_flash.h"
#include "image/nvs.h"
#include "server/issue/bundle.h"
#include "server/issue/compact_form.h"
#include "server/issue/lot_pattern.h"
#include "server/lot/act.h"
#include "server/lot/lot_key.h"
#include "tests/unit/server/issue/workshop.h"

namespace assay::issue {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class CompactIdentityTest : public testing::Test {
 protected:
  CompactIdentityTest() { shop.pipeline_options.compact_identities = true; }

  // The pipeline ends, and another begins, with the setting or without.
  void StartAgain(bool compact) {
    shop.pipeline.reset();
    shop.signers.reset();
    shop.pipeline_options.compact_identities = compact;
  }
  // A new identity of the lot "lot".
  v1::Identity Issue(const std::string& ticket, bool sealed_before = false) {
    const auto issued = shop.Issue(Workshop::Request("lot", ticket));
    EXPECT_TRUE(issued.ok()) << issued.status();
    if (!issued.ok()) return {};
    EXPECT_EQ(issued->sealed_before(), sealed_before);
    return issued->identity();
  }
  std::shared_ptr<const SecretBytes> LotKey() {
    return *lot::LotKeys(shop.token, shop.pipeline_options.wrapping_key)
                .Unwrap(*shop.store->FindLot("lot"));
  }
  db::TicketView View(const std::string& ticket) {
    const db::TicketKey key{shop.store->FindLot("lot")->id, ticket};
    return *shop.store->FindTickets({&key, 1}).front();
  }
  // What the lot's key opens of a ticket's row.
  Bytes FormOf(const std::string& ticket) {
    const db::TicketView view = View(ticket);
    const auto form = lot::OpenUnder(*LotKey(), view.sealed, lot::IdentityPurpose(view.device_id));
    EXPECT_TRUE(form.ok()) << form.status();
    return form.ok() ? ToBytes(form->view()) : Bytes();
  }
  // The dictionary that a ticket's row names, out of the store.
  std::string DictionaryOf(const std::string& ticket) {
    const auto number = DictionaryNumberIn(FormOf(ticket));
    EXPECT_TRUE(number.ok() && *number) << number.status();
    LotDictionaries dictionaries(shop.store);
    const auto found = dictionaries.Find(shop.store->FindLot("lot")->id, *LotKey(), **number);
    EXPECT_TRUE(found.ok()) << found.status();
    return found.ok() ? ToText((*found)->frames.common()) : "";
  }

  Workshop shop;
};

TEST_F(CompactIdentityTest, BeginsWithAZeroByteAndTakesLessThanAThirdOfThePlainForm) {
  ASSERT_TRUE(shop.Open("lot", shop.Light(), 5).ok());
  Issue("t-1");
  const Bytes compact = FormOf("t-1");
  StartAgain(false);
  Issue("t-2");
  const Bytes plain = FormOf("t-2");
  ASSERT_FALSE(compact.empty() || plain.empty());
  EXPECT_EQ(compact[0], 0);
  EXPECT_NE(plain[0], 0);
  EXPECT_LT(compact.size() * 3, plain.size());
  RecordProperty("compact", static_cast<int>(compact.size()));
  RecordProperty("plain", static_cast<int>(plain.size()));
}

TEST_F(CompactIdentityTest, AReleaseThatKnowsThePlainFormAloneRefusesIt) {
  ASSERT_TRUE(shop.Open("lot", shop.Light(), 5).ok());
  Issue("t-1");
  const Bytes form = FormOf("t-1");
  store::v1::SealedIdentity message;
  EXPECT_FALSE(message.ParseFromArray(form.data(), static_cast<int>(form.size())));
}

TEST_F(CompactIdentityTest, IsAnsweredByteForByteWhicheverFormIsWrittenNow) {
  ASSERT_TRUE(shop.Open("lot", shop.Light(), 9).ok());
  const std::string compact = Issue("compact").SerializeAsString();
  StartAgain(false);
  const std::string plain = Issue("plain").SerializeAsString();
  EXPECT_EQ(Issue("compact", true).SerializeAsString(), compact);
  StartAgain(true);
  EXPECT_EQ(Issue("compact", true).SerializeAsString(), compact);
  EXPECT_EQ(Issue("plain", true).SerializeAsString(), plain);
  v1::GetSealedRequest fetch;
  fetch.set_lot("lot");
  fetch.set_ticket("compact");
  const auto fetched = Ask<v1::IssueResponse>(shop, &Pipeline::Fetch, fetch);
  ASSERT_TRUE(fetched.ok()) << fetched.status();
  EXPECT_EQ(fetched->identity().SerializeAsString(), compact);
}

TEST_F(CompactIdentityTest, TheDictionaryHoldsNothingOfAUnit) {
  ASSERT_TRUE(shop.Open("lot", shop.Light(), 5).ok());
  std::vector<v1::Identity> units = {Issue("t-1"), Issue("t-2")};
  const std::string dictionary = DictionaryOf("t-1");
  EXPECT_EQ(DictionaryOf("t-2"), dictionary);
  for (const v1::Identity& unit : units) {
    for (const std::string& own :
         {unit.codes().qr_code(), unit.codes().manual_code(), unit.spake2p_salt(),
          unit.spake2p_verifier(), unit.spake2p_verifier().substr(0, 16), unit.serial_number(),
          unit.device_id(), unit.dac_serial(), unit.dac().substr(0, 64)}) {
      ASSERT_GE(own.size(), 11u);
      EXPECT_FALSE(absl::StrContains(dictionary, own)) << ToHex(AsBytes(own));
    }
    const auto entries = image::ParseNvs(AsBytes(unit.images(0).content()));
    ASSERT_TRUE(entries.ok()) << entries.status();
    const auto flashed = image::FromNvsEntries(*entries);
    ASSERT_TRUE(flashed.ok()) << flashed.status();
    ASSERT_EQ(flashed->dac_key.size(), 32u);
    EXPECT_FALSE(absl::StrContains(dictionary, ToText(flashed->dac_key.view().first(8))));
    EXPECT_TRUE(absl::StrContains(dictionary, unit.pai())) << "and what the lot has in common";
    EXPECT_TRUE(absl::StrContains(dictionary, unit.image_certificate()));
  }
}

TEST_F(CompactIdentityTest, OfTwoReplicasBothMakeTheSameDictionary) {
  ASSERT_TRUE(shop.Open("lot", shop.Light(), 5).ok());
  Issue("t-1");
  const auto first = DictionaryNumberIn(FormOf("t-1"));
  StartAgain(true);
  Issue("t-2");
  EXPECT_EQ(*DictionaryNumberIn(FormOf("t-2")), *first);
}

TEST_F(CompactIdentityTest, FollowsThePaiTheLotGoesOnWith) {
  auto spec = shop.Light();
  ASSERT_TRUE(shop.Open("lot", spec, 5).ok());
  shop.pipeline_options.plan_keep = std::chrono::milliseconds(0);
  const std::string before = Issue("t-1").SerializeAsString();
  shop.MakePai("pai-newer", 0xFFF1);
  const v1::Identity after = Issue("t-2");
  EXPECT_NE(*DictionaryNumberIn(FormOf("t-2")), *DictionaryNumberIn(FormOf("t-1")));
  EXPECT_TRUE(absl::StrContains(DictionaryOf("t-2"), after.pai()));
  EXPECT_EQ(Issue("t-1", true).SerializeAsString(), before);
}

TEST_F(CompactIdentityTest, ProductsOfEveryKindComeBackAndAreShort) {
  const auto issue = [this](const std::string& lot, const v1::ProductSpec& spec, double least) {
    ASSERT_TRUE(shop.Open(lot, spec, 5).ok());
    const auto first = shop.Issue(Workshop::Request(lot, "t-1"));
    ASSERT_TRUE(first.ok()) << lot << first.status();
    const auto again = shop.Issue(Workshop::Request(lot, "t-1"));
    ASSERT_TRUE(again.ok()) << lot << again.status();
    EXPECT_EQ(first->identity().SerializeAsString(), again->identity().SerializeAsString()) << lot;
    const db::TicketKey key{shop.store->FindLot(lot)->id, "t-1"};
    const auto view = shop.store->FindTickets({&key, 1}).front();
    size_t plain = first->identity().ByteSizeLong();
    for (const auto& file : first->identity().images()) {
      plain -= file.content().size() - image::SizeWithoutErasedFlash(AsBytes(file.content()));
    }
    RecordProperty(lot, absl::StrCat(view->sealed.size(), " of ", plain));
    EXPECT_LT(static_cast<double>(view->sealed.size()), least * static_cast<double>(plain)) << lot;
  };
  issue("plain", shop.Light(), 0.22);
  v1::ProductSpec spec = shop.Light();
  spec.mutable_image()->mutable_secure_cert()->set_attestation(true);
  issue("secure-cert", spec, 0.22);
  spec = shop.Light();
  spec.mutable_image()->set_encryption(v1::NVS_ENCRYPTION_FLASH);
  issue("encrypted", spec, 0.6);
}

TEST_F(CompactIdentityTest, EveryKindOfProductHasAPatternWithItsImagesAndAlwaysTheSame) {
  std::map<std::string, v1::ProductSpec> kinds;
  for (const char* kind : {"server-key", "csr", "given", "none", "secure-cert", "peripheral",
                           "flash", "hmac", "dynamic", "rotating"}) {
    kinds[kind] = shop.Light();
  }
  kinds["csr"].mutable_dac()->set_attestation(v1::ATTESTATION_CSR);
  kinds["given"].mutable_dac()->set_attestation(v1::ATTESTATION_GIVEN);
  kinds["none"].mutable_dac()->set_attestation(v1::ATTESTATION_NONE);
  for (const char* kind : {"secure-cert", "peripheral"}) {
    v1::SecureCert& secure = *kinds[kind].mutable_image()->mutable_secure_cert();
    secure.set_attestation(true);
    secure.set_ecdsa_peripheral(std::string_view(kind) == "peripheral");
  }
  kinds["flash"].mutable_image()->set_encryption(v1::NVS_ENCRYPTION_FLASH);
  kinds["hmac"].mutable_image()->set_encryption(v1::NVS_ENCRYPTION_HMAC);
  kinds["dynamic"].set_dynamic_passcode(true);
  kinds["rotating"].mutable_rotating_id()->set_enabled(true);
  auto key = matter::Certificate::Parse(shop.sandbox.image_certificate);
  const ImageKey image_key{*matter::SignatureVerifier::Make(key->public_key()),
                           *image::DetachedCmsTemplate::Make(shop.sandbox.image_certificate)};
  lot::PlanBook plans(shop.store, shop.token, shop.pipeline_options.wrapping_key);
  for (const auto& [kind, spec] : kinds) {
    const auto opened = shop.Open(kind, spec, 5);
    ASSERT_TRUE(opened.ok()) << kind << ": " << opened.status();
    const auto plan = plans.Find(kind);
    ASSERT_TRUE(plan.ok()) << kind << ": " << plan.status();
    for (const bool delegated : {false, true}) {
      const auto pattern = LotPattern(*plan, image_key, delegated);
      ASSERT_TRUE(pattern.ok()) << kind << ": " << pattern.status();
      EXPECT_EQ(*LotPattern(*plan, image_key, delegated), *pattern) << kind;
      store::v1::SealedIdentity message;
      ASSERT_TRUE(message.ParseFromArray(pattern->data(), static_cast<int>(pattern->size())));
      EXPECT_GE(message.identity().images_size(), 1) << kind;
      EXPECT_EQ(message.identity().dac().empty(), kind == "given" || kind == "none") << kind;
    }
  }
}

TEST_F(CompactIdentityTest, DelegatesCertificatesAreShortToo) {
  shop.pipeline_options.delegate_images = true;
  ASSERT_TRUE(shop.Open("lot", shop.Light(), 5).ok());
  const std::string first = Issue("t-1").SerializeAsString();
  EXPECT_EQ(Issue("t-1", true).SerializeAsString(), first);
  EXPECT_LT(FormOf("t-1").size(), 1200u);
}

TEST_F(CompactIdentityTest, WhereTheDictionaryCannotBeKeptThePlainFormIsWritten) {
  ASSERT_TRUE(shop.Open("lot", shop.Light(), 5).ok());
  shop.store->before_call = [](std::string_view call) {
    return call == "LotDictionary" ? Refuse(Reason::STORE_READ_ONLY, "no such table")
                                   : absl::OkStatus();
  };
  const std::string issued = Issue("t-1").SerializeAsString();
  ASSERT_FALSE(FormOf("t-1").empty());
  EXPECT_NE(FormOf("t-1")[0], 0);
  EXPECT_EQ(Issue("t-1", true).SerializeAsString(), issued);
}

TEST_F(CompactIdentityTest, ADictionaryTheDatabaseLostIsThereAgainWithTheNextPlan) {
  shop.pipeline_options.plan_keep = std::chrono::milliseconds(0);
  ASSERT_TRUE(shop.Open("lot", shop.Light(), 5).ok());
  const std::string first = Issue("t-1").SerializeAsString();
  shop.store->LoseLotDictionaries();
  Issue("t-2");
  StartAgain(true);
  EXPECT_EQ(Issue("t-1", true).SerializeAsString(), first);
}

// After a failover another database may answer, which has not all that the one before had.
TEST_F(CompactIdentityTest, ATicketLookedAtAgainAfterADoubtOffersTheDictionaryAnew) {
  ASSERT_TRUE(shop.Open("lot", shop.Light(), 5).ok());
  int offered = 0, intents = 0;
  shop.store->before_call = [&](std::string_view call) {
    offered += call == "LotDictionary" ? 1 : 0;
    if (call != "RecordIntents" || ++intents > 1) return absl::OkStatus();
    return Refuse(Reason::STORE_IN_DOUBT, "the connection broke");
  };
  Issue("t-1");
  EXPECT_EQ(intents, 2);
  EXPECT_EQ(offered, 2);
}

TEST_F(CompactIdentityTest, OneWhoseDictionaryIsGoneOrAnothersIsRefusedAsInternal) {
  ASSERT_TRUE(shop.Open("lot", shop.Light(), 5).ok());
  const v1::Identity unit = Issue("t-1");
  StartAgain(false);
  shop.store->LoseLotDictionaries();
  const auto gone = shop.Issue(Workshop::Request("lot", "t-1"));
  EXPECT_TRUE(HasReason(gone.status(), Reason::INTERNAL)) << gone.status();
  // One that the lot's key did not encrypt is not taken for it either.
  const auto number = *DictionaryNumberIn(FormOf("t-1"));
  ASSERT_TRUE(
      shop.store->LotDictionary(shop.store->FindLot("lot")->id, *number, Bytes(5000, 1)).ok());
  const auto altered = shop.Issue(Workshop::Request("lot", "t-1"));
  EXPECT_TRUE(HasReason(altered.status(), Reason::INTERNAL)) << altered.status();
  for (const auto& refused : {gone.status(), altered.status()}) {
    EXPECT_THAT(std::string(refused.message()), Not(HasSubstr(unit.codes().manual_code())));
    EXPECT_THAT(std::string(refused.message()), Not(HasSubstr(unit.serial_number())));
  }
}

TEST_F(CompactIdentityTest, ABundleHoldsTheSameBytes) {
  ASSERT_TRUE(shop.Open("lot", shop.Light(), 5).ok());
  std::vector<std::string> issued = {Issue("t-1").SerializeAsString()};
  StartAgain(false);
  issued.push_back(Issue("t-2").SerializeAsString());
  Bundler bundler(shop.store, nullptr,
                  std::make_shared<lot::LotKeys>(shop.token, shop.pipeline_options.wrapping_key),
                  nullptr, shop.clock, {});
  const auto page = bundler.ReadPage(shop.line_caller, *shop.store->FindLot("lot"), 0, 10);
  ASSERT_TRUE(page.ok()) << page.status();
  std::vector<std::string> bundled;
  for (const v1::Identity& unit : page->units) bundled.push_back(unit.SerializeAsString());
  EXPECT_EQ(bundled, issued);
}

TEST(CompactForm, TellsWhatItIsMadeWithAndIsRefusedWhenItIsCutOrChanged) {
  SystemRandom random;
  const LotDictionary dictionary(random.Draw(3000)), other(random.Draw(3000));
  Bytes message = ToBytes(dictionary.frames.common());
  message[0] = 0x0A;
  const Bytes form = ToBytes(CompactForm(message, dictionary).view());
  ASSERT_GT(form.size(), 9u);
  EXPECT_EQ(form[0], 0);
  EXPECT_EQ(*DictionaryNumberIn(form), dictionary.number);
  EXPECT_EQ(*DictionaryNumberIn(message), std::nullopt);
  EXPECT_EQ(ToBytes(MessageIn(form, dictionary)->view()), message);
  EXPECT_TRUE(HasReason(MessageIn(form, other).status(), Reason::INTERNAL));
  EXPECT_TRUE(HasReason(MessageIn(message, dictionary).status(), Reason::INTERNAL));
  for (size_t size = 1; size <= 9; ++size) {
    EXPECT_TRUE(
        HasReason(DictionaryNumberIn(ByteView(form).first(size)).status(), Reason::INTERNAL))
        << size;
  }
  for (size_t size = 10; size < form.size(); ++size) {
    EXPECT_TRUE(
        HasReason(MessageIn(ByteView(form).first(size), dictionary).status(), Reason::INTERNAL))
        << size;
  }
}

TEST(CompactForm, WhatWouldNotBecomeShorterStaysPlain) {
  SystemRandom random;
  const LotDictionary dictionary(random.Draw(3000));
  EXPECT_TRUE(CompactForm(random.Draw(3000), dictionary).empty());
  EXPECT_TRUE(CompactForm(Bytes((size_t{32} << 20) + 1, 7), dictionary).empty());
}

}  // namespace
}  // namespace assay::issue
