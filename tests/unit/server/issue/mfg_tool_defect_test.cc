// The defects of mfg_tool 1.0.23 that only an issuer can avoid: what DACs chain to, what they
// outlive, and what they say beside the declaration. Each test is named after one;
// docs/formats.md lists them all.
#include <gtest/gtest.h>

#include "matter/certificate_format.h"
#include "matter/dac_template.h"
#include "matter/tbs.h"
#include "tests/support/refused.h"
#include "tests/unit/matter/software_key.h"
#include "tests/unit/server/issue/workshop.h"

namespace assay::issue {
namespace {

using matter::Certificate;
using matter::SoftwareKey;

// A house elsewhere, whose DACs are given: a PAI that names no product.
class House {
 public:
  explicit House(absl::Time now, Bytes pai_key_id = {}) : now_(now) {
    const Bytes paa_point = paa_key_.Point(), pai_point = pai_key_.Point();
    const Bytes paa_tbs = *matter::EncodePaaTbs(Request("Elsewhere PAA", paa_point, {}, 0x01));
    paa_ = Bytes(matter::AssembleCertificate(paa_tbs, paa_key_.Sign(paa_tbs)));
    const Certificate paa = *Certificate::Parse(paa_);
    const Bytes subject = matter::EncodeName(matter::MatterName("Elsewhere PAI", 0xFFF1, {}));
    const Bytes serial = {0x02};
    const Bytes pai_tbs = matter::EncodeTbs({.serial = serial,
                                             .issuer = paa.subject(),
                                             .validity = {now - absl::Hours(48), PaiEnd()},
                                             .subject = subject,
                                             .public_key = pai_point,
                                             .basic_constraints = {.ca = true, .path_len = 0},
                                             .key_usage = matter::kKeyCertSign | matter::kCrlSign,
                                             .subject_key_id = pai_key_id,
                                             .authority_key_id = paa.subject_key_id(),
                                             .more_extensions = {}});
    pai_ = matter::AssembleCertificate(pai_tbs, paa_key_.Sign(pai_tbs));
  }

  absl::Time PaiEnd() const { return now_ + absl::Hours(24 * 365); }
  const Bytes& pai() const { return pai_; }

  // A request that gives a DAC for this product, key and all.
  v1::IssueRequest Give(const std::string& lot, const std::string& ticket, uint16_t product_id,
                        uint8_t serial) {
    const Certificate pai = *Certificate::Parse(pai_);
    const SoftwareKey key = SoftwareKey::Fresh();
    const Bytes point = key.Point();
    const auto form = matter::DacTemplate::Make(pai, 0xFFF1, product_id, matter::DacEnd::WithPai());
    EXPECT_TRUE(form.ok()) << form.status();
    const Bytes serial_bytes = {0x03, serial};
    const Bytes tbs = *form->Fill({.serial = serial_bytes,
                                   .common_name = "Lamp",
                                   .not_before = now_ - absl::Hours(1),
                                   .public_key = point});
    v1::IssueRequest request = Workshop::Request(lot, ticket);
    v1::GivenDac& given = *request.mutable_given_dac();
    given.set_certificate(ToText(matter::AssembleCertificate(tbs, pai_key_.Sign(tbs))));
    given.set_pai(ToText(pai_));
    return request;
  }

 private:
  matter::AuthorityRequest Request(std::string_view name, ByteView point,
                                   std::optional<uint16_t> vid, uint8_t serial) const {
    return {.common_name = name,
            .vid = vid,
            .pid = std::nullopt,
            .serial = {serial},
            .validity = {now_ - absl::Hours(72), matter::NeverExpires()},
            .public_key = point};
  }

  absl::Time now_;
  SoftwareKey paa_key_ = SoftwareKey::Fresh();
  SoftwareKey pai_key_ = SoftwareKey::Fresh();
  Bytes paa_, pai_;
};

class DefectWrongDevice : public ::testing::Test {
 protected:
  v1::ProductSpec GivenLight() {
    v1::ProductSpec spec = shop.Light();
    spec.mutable_dac()->set_attestation(v1::ATTESTATION_GIVEN);
    return spec;
  }
  Workshop shop;
};
using DefectChecks = DefectWrongDevice;

TEST_F(DefectWrongDevice, NoDacOutlivesThePaiItIsToEndWithNorBeginsBeforeIt) {
  v1::ProductSpec spec = shop.Light();
  spec.mutable_dac()->set_lifetime(v1::DacProfile::LIFETIME_UNTIL_PAI_ENDS);
  ASSERT_TRUE(shop.Open("lot", spec, 30).ok());
  std::vector<v1::IssueRequest> requests;
  for (int i = 0; i < 30; ++i)
    requests.push_back(Workshop::Request("lot", "t-" + std::to_string(i)));
  for (const Outcome& outcome : shop.IssueAll(requests)) {
    ASSERT_TRUE(outcome.ok()) << outcome.status();
    const auto dac = Certificate::Parse(AsBytes(outcome->identity().dac()));
    const auto pai = Certificate::Parse(AsBytes(outcome->identity().pai()));
    ASSERT_TRUE(dac.ok() && pai.ok());
    EXPECT_EQ(dac->validity().not_after, pai->validity().not_after);
    EXPECT_GE(dac->validity().not_before, pai->validity().not_before);
  }
}

TEST_F(DefectWrongDevice, AuthorityKeyIdIsThePaisOwnAndNotAHashOfItsKey) {
  const Bytes key_id = FromHex("00112233445566778899aabbccddeeff00112233").value();
  House house(shop.clock.Now(), key_id);
  ASSERT_TRUE(shop.Open("lot", GivenLight(), 1).ok());
  const auto outcome = shop.Issue(house.Give("lot", "t-1", 0x8000, 1));
  ASSERT_TRUE(outcome.ok()) << outcome.status();
  const auto dac = Certificate::Parse(AsBytes(outcome->identity().dac()));
  ASSERT_TRUE(dac.ok());
  EXPECT_EQ(ToHex(dac->authority_key_id()), ToHex(key_id));
}

TEST_F(DefectWrongDevice, ADuplicateSerialNumberInALotIsRefusedAlsoAcrossRuns) {
  ASSERT_TRUE(shop.Open("lot", shop.Light(), 5).ok());
  auto first = Workshop::Request("lot", "run-1");
  first.mutable_values()->set_serial_number("SN-1");
  ASSERT_TRUE(shop.Issue(first).ok());
  shop.pipeline.reset();  // another run, another process
  auto second = Workshop::Request("lot", "run-2");
  second.mutable_values()->set_serial_number("SN-1");
  EXPECT_REFUSED(shop.Issue(second).status(), SERIAL_NUMBER_TAKEN);
}

TEST_F(DefectWrongDevice, AGivenDacOfAnotherProductIsRefusedThoughItsPaiNamesNone) {
  House house(shop.clock.Now());
  ASSERT_TRUE(shop.Open("lot", GivenLight(), 2).ok());
  const auto wrong = shop.Issue(house.Give("lot", "t-1", 0x8001, 1));
  EXPECT_REFUSED(wrong.status(), DAC_INVALID);
  ASSERT_TRUE(RefusalOf(wrong.status()));
  EXPECT_EQ(RefusalOf(wrong.status())->field, "given_dac.certificate");
  EXPECT_EQ(shop.LotNow("lot").claimed(), 0u);
  EXPECT_TRUE(shop.Issue(house.Give("lot", "t-1", 0x8000, 2)).ok());
}

TEST_F(DefectWrongDevice, TheDeclarationIsOpenedAndHeldAgainstTheProduct) {
  const auto reason_of = [&](const std::string& declaration) {
    v1::ProductSpec spec = shop.Light();
    spec.set_certification_declaration(declaration);
    const auto lot = shop.Open("lot", spec, 1);
    const auto refusal = RefusalOf(lot.status());
    return refusal ? refusal->reason : Reason::INTERNAL;
  };
  EXPECT_EQ(reason_of(shop.Declaration(0xFFF1, 0x8001)), Reason::CD_MISMATCH);
  EXPECT_EQ(reason_of(shop.Declaration(0xFFF2, 0x8000)), Reason::CD_MISMATCH);
  EXPECT_EQ(reason_of("not a declaration"), Reason::CD_MALFORMED);
  std::string changed = shop.Declaration(0xFFF1, 0x8000);
  changed.back() ^= 1;
  EXPECT_EQ(reason_of(changed), Reason::CD_SIGNATURE);
  // Signed well, by a key nobody trusts to declare anything.
  const SoftwareKey nobody = SoftwareKey::Fresh();
  matter::CertificationDeclaration cd;
  cd.vendor_id = 0xFFF1;
  cd.product_ids = {0x8000};
  cd.certificate_id = "ZIG20141ZB330001-24";
  const Bytes content = *matter::EncodeCdContent(cd);
  EXPECT_EQ(reason_of(ToText(matter::AssembleCd(content, matter::KeyId{1}, nobody.Sign(content)))),
            Reason::CD_UNTRUSTED);
}

TEST_F(DefectWrongDevice, APaiOfAnotherVendorThanItsPaaIsRefused) {
  const SoftwareKey paa_key = SoftwareKey::Fresh();
  const Bytes point = paa_key.Point();
  const absl::Time now = shop.clock.Now();
  matter::AuthorityRequest request{.common_name = "PAA",
                                   .vid = 0xFFF2,
                                   .pid = std::nullopt,
                                   .serial = {0x01},
                                   .validity = {now - absl::Hours(1), matter::NeverExpires()},
                                   .public_key = point};
  const Bytes tbs = *matter::EncodePaaTbs(request);
  const Certificate paa = *Certificate::Parse(matter::AssembleCertificate(tbs, paa_key.Sign(tbs)));
  request.vid = 0xFFF1;
  EXPECT_TRUE(HasReason(matter::EncodePaiTbs(request, paa).status(), Reason::PAI_INVALID));
}

TEST_F(DefectChecks, TheLifetimeOfTheProductIsNotAskedOfAGivenDac) {
  House house(shop.clock.Now());  // its PAI ends in a year
  v1::ProductSpec spec = GivenLight();
  const auto lot = shop.Open("lot", spec, 1);
  ASSERT_TRUE(lot.ok()) << lot.status();
  const auto outcome = shop.Issue(house.Give("lot", "t-1", 0x8000, 1));
  ASSERT_TRUE(outcome.ok()) << outcome.status();
  const auto dac = Certificate::Parse(AsBytes(outcome->identity().dac()));
  EXPECT_EQ(dac->validity().not_after, absl::FromUnixSeconds(absl::ToUnixSeconds(house.PaiEnd())));
}

TEST_F(DefectChecks, AnEndBeyondThePaisIsRefusedAndNeverAndWithPaiCanBeSaid) {
  const absl::Time now = shop.clock.Now();
  House house(now);
  const Certificate pai = *Certificate::Parse(house.pai());
  const auto ends = [&](const matter::DacEnd& end) {
    const auto form = matter::DacTemplate::Make(pai, 0xFFF1, 0x8000, end);
    return form.ok() ? absl::StatusOr<absl::Time>(form->not_after()) : form.status();
  };
  EXPECT_REFUSED(ends(matter::DacEnd::At(now + absl::Hours(24 * 36500))).status(),
                 FIELD_OUT_OF_RANGE);
  EXPECT_EQ(*ends(matter::DacEnd::WithPai()), pai.validity().not_after);
  EXPECT_EQ(*ends(matter::DacEnd::Never()), matter::NeverExpires());
}

}  // namespace
}  // namespace assay::issue
