// The DAC from template to signature, its lint, and every fault the lint must name.
#include <gtest/gtest.h>

#include <functional>

#include "base/refusal.h"
#include "cert_vectors.h"
#include "matter/certificate_format.h"
#include "matter/dac_template.h"
#include "matter/lint.h"
#include "matter/oid.h"
#include "matter/tbs.h"
#include "software_key.h"

namespace assay::matter {
namespace {

const absl::Time kNow =
    absl::FromCivil(absl::CivilSecond(2026, 11, 22, 12, 0, 0), absl::UTCTimeZone());

// A house of its own: PAA, PAI and one device key, all fresh.
class Dac : public ::testing::Test {
 protected:
  Certificate MakePaa(std::optional<uint16_t> vid = std::nullopt) {
    const Bytes point = paa_key_.Point();
    AuthorityRequest request{.common_name = "Test PAA",
                             .vid = vid,
                             .pid = std::nullopt,
                             .serial = {0x01},
                             .validity = {kNow - absl::Hours(48), NeverExpires()},
                             .public_key = point};
    const Bytes tbs = *EncodePaaTbs(request);
    return *Certificate::Parse(AssembleCertificate(tbs, paa_key_.Sign(tbs)));
  }
  AuthorityRequest PaiRequest(ByteView point, std::optional<uint16_t> pid) {
    return {.common_name = "Test PAI",
            .vid = 0xFFF1,
            .pid = pid,
            .serial = {0x02},
            .validity = {kNow - absl::Hours(24), kNow + absl::Hours(24 * 365)},
            .public_key = point};
  }
  Certificate MakePai(std::optional<uint16_t> pid = std::nullopt) {
    const Bytes point = pai_key_.Point();
    const Bytes tbs = *EncodePaiTbs(PaiRequest(point, pid), paa_);
    return *Certificate::Parse(AssembleCertificate(tbs, paa_key_.Sign(tbs)));
  }
  DacLintContext Context() {
    DacLintContext context;
    context.pai = &pai_;
    context.paa = &paa_;
    context.vid = 0xFFF1;
    context.pid = 0x8000;
    context.public_key = device_point_;
    context.serial = serial_;
    context.now = kNow;
    return context;
  }
  DacFields Fields() {
    return {.serial = serial_,
            .common_name = "Lamp 0001",
            .not_before = kNow - absl::Minutes(5),
            .public_key = device_point_};
  }
  // The same DAC by way of the general encoder, for mutations the template does not offer.
  TbsFields PlainFields() {
    subject_ = EncodeName(MatterName("Lamp 0001", 0xFFF1, 0x8000));
    return {.serial = serial_,
            .issuer = pai_.subject(),
            .validity = {kNow - absl::Minutes(5), NeverExpires()},
            .subject = subject_,
            .public_key = device_point_,
            .basic_constraints = {},
            .key_usage = kDigitalSignature,
            .subject_key_id = {},
            .authority_key_id = pai_.subject_key_id(),
            .more_extensions = {}};
  }
  std::string LintOf(const Bytes& tbs) {
    const absl::Status status = LintDac(tbs, Context());
    if (status.ok()) return "ok";
    EXPECT_TRUE(HasReason(status, Reason::LINT_FAILED));
    return RefusalOf(status)->field;
  }
  std::string LintAfter(const std::function<void(TbsFields&)>& change) {
    TbsFields fields = PlainFields();
    change(fields);
    return LintOf(EncodeTbs(fields));
  }

  SoftwareKey paa_key_ = SoftwareKey::Fresh();
  SoftwareKey pai_key_ = SoftwareKey::Fresh();
  SoftwareKey device_key_ = SoftwareKey::Fresh();
  Bytes device_point_ = device_key_.Point();
  Bytes serial_ = Bytes(20, 0x42);
  Bytes subject_;
  Certificate paa_ = MakePaa();
  Certificate pai_ = MakePai();
};

TEST_F(Dac, TemplateAndGeneralEncoderGiveTheSameBytes) {
  const DacTemplate made = *DacTemplate::Make(pai_, 0xFFF1, 0x8000);
  EXPECT_EQ(ToHex(*made.Fill(Fields())), ToHex(EncodeTbs(PlainFields())));
  for (size_t length : {1u, 40u, 64u}) {
    const std::string name(length, 'n');
    DacFields fields = Fields();
    fields.common_name = name;
    TbsFields plain = PlainFields();
    const Bytes subject = EncodeName(MatterName(name, 0xFFF1, 0x8000));
    plain.subject = subject;
    EXPECT_EQ(ToHex(*made.Fill(fields)), ToHex(EncodeTbs(plain)));
  }
}

TEST_F(Dac, IssuedCertificatePassesLintVerificationFormatAndChain) {
  const DacTemplate made = *DacTemplate::Make(pai_, 0xFFF1, 0x8000);
  const Bytes tbs = *made.Fill(Fields());
  EXPECT_EQ(LintOf(tbs), "ok");
  const Bytes der = AssembleCertificate(tbs, pai_key_.Sign(tbs));
  const SignatureVerifier pai_verifier = *SignatureVerifier::Make(pai_.public_key());
  const auto is_released = [&tbs](ByteView dac, const SignatureVerifier& key) {
    auto check = ReadIssuedDac(dac, tbs, key);
    if (!check.ok()) {
      EXPECT_TRUE(HasReason(check.status(), Reason::VERIFY_FAILED)) << check.status();
      return false;
    }
    VerifyAll({&*check, 1});
    return check->right;
  };
  EXPECT_TRUE(is_released(der, pai_verifier));
  EXPECT_LE(der.size(), kMaxCertificateSize);
  const Certificate dac = *Certificate::Parse(der);
  EXPECT_TRUE(CheckFormat(dac, Role::kDac).empty());
  EXPECT_TRUE(CheckChain(&paa_, &pai_, &dac).empty());
  EXPECT_TRUE(LintPai(pai_, paa_, pai_key_.Point()).ok());

  for (size_t at = 0; at < der.size(); ++at) {
    Bytes changed = der;
    changed[at] ^= 1;
    EXPECT_FALSE(is_released(changed, pai_verifier)) << at;
  }
  const SignatureVerifier other = *SignatureVerifier::Make(paa_.public_key());
  EXPECT_FALSE(is_released(der, other));
}

TEST(DacTemplate, FillsTheGoldenDacsByteForByte) {
  ASSAY_NEED_VECTORS();
  int filled = 0;
  const auto golden = ReadVectorJson("issuance_golden_tbs.json");
  for (const auto& c : golden["cases"]) {
    if (c["role"] != "DAC" || c["subject_rdns"].size() != 3) continue;
    const Certificate dac = ReadVectorCertificate(c["cert"]);
    if (dac.extensions().size() != 4) continue;  // distribution points are not for us to write
    const Certificate pai = ReadVectorCertificate(c["issuer_cert"]);
    const NameIds ids = *dac.subject_ids();
    absl::StatusOr<DacTemplate> made = DacTemplate::Make(
        pai, *ids.vid, *ids.pid,
        dac.validity().not_after == NeverExpires() ? DacEnd::Never()
                                                   : DacEnd::At(dac.validity().not_after));
    if (!made.ok())
      continue;  // test cases on purpose: ends outside of the PAI, authorities as issuers
    const std::string name = c["subject_rdns"][0][0]["value"];
    const Bytes serial = Hex(c["serial_hex"]);
    const Bytes tbs = *made->Fill({.serial = serial,
                                   .common_name = name,
                                   .not_before = dac.validity().not_before,
                                   .public_key = dac.public_key()});
    EXPECT_EQ(ToHex(tbs), c["tbs_hex"]) << c["cert"];
    ++filled;
  }
  EXPECT_GE(filled, 25);
}

TEST_F(Dac, LintNamesTheBrokenRule) {
  EXPECT_EQ(LintAfter([](TbsFields&) {}), "ok");
  const Bytes other_point = pai_key_.Point();
  const Bytes other_id(20, 7);
  const Bytes short_id(19, 7);
  const Bytes long_serial(21, 0x11);
  const Bytes lower_case = EncodeName(Name{{{{ToBytes(kOidCommonName), "x", kDerUtf8String}},
                                            {{ToBytes(kOidVendorId), "fff1", kDerUtf8String}},
                                            {{ToBytes(kOidProductId), "8000", kDerUtf8String}}}});
  const Bytes printable = EncodeName(Name{{{{ToBytes(kOidCommonName), "x", kDerUtf8String}},
                                           {{ToBytes(kOidVendorId), "FFF1", kDerPrintableString}},
                                           {{ToBytes(kOidProductId), "8000", kDerUtf8String}}}});
  const Bytes fallback = EncodeName(MatterName("Mvid:FFF1 Mpid:8000", {}, {}));
  const Bytes mixed = EncodeName(MatterName("Lamp Mpid:8000", 0xFFF1, {}));
  const Bytes other_vid = EncodeName(MatterName("Lamp", 0xFFF2, 0x8000));
  const Bytes other_pid = EncodeName(MatterName("Lamp", 0xFFF1, 0x8001));
  const Bytes sneaky = EncodeName(MatterName("Lamp Mvid:FFF2", 0xFFF1, 0x8000));
  const Bytes long_name = EncodeName(MatterName(std::string(65, 'x'), 0xFFF1, 0x8000));
  const Bytes extra = *FromHex("300c0603551d250405300306012a");
  struct Fault {
    const char* field;
    std::function<void(TbsFields&)> change;
  } const faults[] = {
      {"dac.serial", [&](TbsFields& f) { f.serial = long_serial; }},
      {"dac.serial", [&](TbsFields& f) { f.serial = other_id; }},
      {"dac.serial", [&](TbsFields& f) { f.serial = {}; }},
      {"dac.issuer", [&](TbsFields& f) { f.issuer = paa_.subject(); }},
      {"dac.validity", [](TbsFields& f) { f.validity.not_after = f.validity.not_before; }},
      {"dac.not_before", [](TbsFields& f) { f.validity.not_before = kNow + absl::Seconds(1); }},
      {"dac.not_before", [](TbsFields& f) { f.validity.not_before = kNow - absl::Hours(2); }},
      {"dac.not_before", [](TbsFields& f) { f.validity.not_before = kNow - absl::Hours(25); }},
      {"dac.not_after", [](TbsFields& f) { f.validity.not_after = kNow - absl::Seconds(1); }},
      {"dac.not_after", [&](TbsFields& f) { f.validity.not_after = kNow + absl::Hours(24 * 366); }},
      {"dac.subject", [&](TbsFields& f) { f.subject = lower_case; }},
      {"dac.subject", [&](TbsFields& f) { f.subject = printable; }},
      {"dac.subject", [&](TbsFields& f) { f.subject = fallback; }},
      {"dac.subject", [&](TbsFields& f) { f.subject = mixed; }},
      {"dac.subject", [&](TbsFields& f) { f.subject = other_vid; }},
      {"dac.subject", [&](TbsFields& f) { f.subject = other_pid; }},
      {"dac.subject.common_name", [&](TbsFields& f) { f.subject = sneaky; }},
      {"dac.subject.common_name", [&](TbsFields& f) { f.subject = long_name; }},
      {"dac.public_key", [&](TbsFields& f) { f.public_key = other_point; }},
      {"dac.basic_constraints", [](TbsFields& f) { f.basic_constraints.ca = true; }},
      {"dac.basic_constraints", [](TbsFields& f) { f.basic_constraints.path_len = 0; }},
      {"dac.key_usage", [](TbsFields& f) { f.key_usage = kDigitalSignature | kCrlSign; }},
      {"dac.key_usage", [](TbsFields& f) { f.key_usage = kKeyCertSign; }},
      {"dac.subject_key_id", [&](TbsFields& f) { f.subject_key_id = other_id; }},
      {"dac.subject_key_id", [&](TbsFields& f) { f.subject_key_id = short_id; }},
      {"dac.authority_key_id", [&](TbsFields& f) { f.authority_key_id = other_id; }},
      {"dac.authority_key_id", [&](TbsFields& f) { f.authority_key_id = {}; }},
      {"dac.extensions", [&](TbsFields& f) { f.more_extensions = {extra}; }},
  };
  for (size_t i = 0; i < std::size(faults); ++i) {
    EXPECT_EQ(LintAfter(faults[i].change), faults[i].field) << "fault " << i;
  }
}

TEST_F(Dac, LintRefusesEveryFlippedBitOfAGoodTbs) {
  const Bytes tbs = EncodeTbs(PlainFields());
  for (size_t at = 0; at < tbs.size(); ++at) {
    for (int bit = 0; bit < 8; ++bit) {
      Bytes changed = tbs;
      changed[at] ^= static_cast<uint8_t>(1 << bit);
      const absl::Status status = LintDac(changed, Context());
      if (!status.ok()) continue;
      // What may change without breaking a rule: letters of the common name and the minutes of
      // notBefore.
      const Certificate read =
          *Certificate::Parse(AssembleCertificate(changed, pai_key_.Sign(changed)));
      EXPECT_TRUE(read.validity().not_before != kNow - absl::Minutes(5) ||
                  ToHex(read.subject()) != ToHex(subject_))
          << at;
    }
  }
}

TEST_F(Dac, LintHoldsProductPaiPaaAndDeclarationTogether) {
  const Bytes tbs = EncodeTbs(PlainFields());
  auto lint = [&](const std::function<void(DacLintContext&)>& change) {
    DacLintContext context = Context();
    change(context);
    const absl::Status status = LintDac(tbs, context);
    return status.ok() ? std::string("ok") : RefusalOf(status)->field;
  };
  CertificationDeclaration cd;
  cd.vendor_id = 0xFFF1;
  cd.product_ids = {0x8000, 0x8001};
  cd.certificate_id = "ZIG20141ZB330001-24";
  EXPECT_EQ(lint([&](auto& c) { c.cd = &cd; }), "ok");
  cd.authorized_paas.emplace();
  EXPECT_EQ(lint([&](auto& c) { c.cd = &cd; }), "cd.authorized_paas");
  std::copy_n(paa_.subject_key_id().begin(), 20, cd.authorized_paas->emplace_back().begin());
  EXPECT_EQ(lint([&](auto& c) { c.cd = &cd; }), "ok");
  cd.product_ids = {0x8001};
  EXPECT_EQ(lint([&](auto& c) { c.cd = &cd; }), "cd.product_ids");
  cd.product_ids = {0x8000};
  cd.vendor_id = 0xFFF2;
  EXPECT_EQ(lint([&](auto& c) { c.cd = &cd; }), "cd.vendor_id");
  // A white label: the brand's pair in the declaration, the maker's in the DAC.
  cd.dac_origin_vendor_id = 0xFFF1;
  cd.dac_origin_product_id = 0x8000;
  EXPECT_EQ(lint([&](auto& c) {
              c.cd = &cd;
              c.basic_info_vid = 0xFFF2;
            }),
            "ok");
  EXPECT_EQ(lint([](auto& c) { c.vid = 0xFFF3; }), "dac.subject");
  EXPECT_EQ(lint([](auto& c) { c.max_size = 400; }), "dac.size");
  EXPECT_EQ(lint([](auto& c) { c.now += absl::Hours(24 * 366); }), "dac.not_before");
  const Certificate bound = MakePai(0x8002);
  EXPECT_FALSE(DacTemplate::Make(bound, 0xFFF1, 0x8000).ok());
  EXPECT_TRUE(DacTemplate::Make(bound, 0xFFF1, 0x8002).ok());
  EXPECT_TRUE(HasReason(DacTemplate::Make(pai_, 0xFFF2, 0x8000).status(), Reason::PAI_INVALID));
  EXPECT_TRUE(HasReason(DacTemplate::Make(paa_, 0xFFF1, 0x8000).status(), Reason::PAI_INVALID));
}

TEST_F(Dac, TemplateRefusesFieldsOutOfTheirRule) {
  const DacTemplate made = *DacTemplate::Make(pai_, 0xFFF1, 0x8000);
  auto fill = [&](const std::function<void(DacFields&)>& change) {
    DacFields fields = Fields();
    change(fields);
    return made.Fill(fields).ok();
  };
  const Bytes zero(20, 0), high(20, 0x80), many(21, 1);
  EXPECT_TRUE(fill([](DacFields&) {}));
  EXPECT_TRUE(fill([](DacFields& f) { f.common_name = ""; }));
  EXPECT_FALSE(fill([&](DacFields& f) { f.serial = zero; }));
  EXPECT_FALSE(fill([&](DacFields& f) { f.serial = high; }));
  EXPECT_FALSE(fill([&](DacFields& f) { f.serial = many; }));
  EXPECT_FALSE(fill([](DacFields& f) { f.serial = {}; }));
  EXPECT_FALSE(fill([](DacFields& f) { f.common_name = "Mvid:FFF1"; }));
  EXPECT_FALSE(fill([](DacFields& f) { f.public_key = f.public_key.first(64); }));
  EXPECT_FALSE(fill([](DacFields& f) { f.not_before = NeverExpires(); }));
}

TEST_F(Dac, EndsNeverWithThePaiOrAtATimeWithinIt) {
  EXPECT_EQ(DacTemplate::Make(pai_, 0xFFF1, 0x8000)->not_after(), NeverExpires());
  EXPECT_EQ(DacTemplate::Make(pai_, 0xFFF1, 0x8000, DacEnd::WithPai())->not_after(),
            pai_.validity().not_after);
  EXPECT_TRUE(DacTemplate::Make(pai_, 0xFFF1, 0x8000, DacEnd::At(kNow + absl::Hours(24))).ok());
  EXPECT_TRUE(HasReason(
      DacTemplate::Make(pai_, 0xFFF1, 0x8000, DacEnd::At(kNow + absl::Hours(24 * 400))).status(),
      Reason::FIELD_OUT_OF_RANGE));
}

TEST_F(Dac, BeginsNeverBeforeItsIssuersAndNotWhileOneIsInvalid) {
  EXPECT_EQ(*ChooseDacNotBefore(kNow, absl::Minutes(5), pai_, &paa_), kNow - absl::Minutes(5));
  EXPECT_EQ(*ChooseDacNotBefore(kNow, absl::Hours(100), pai_, &paa_), pai_.validity().not_before);
  EXPECT_EQ(
      *ChooseDacNotBefore(kNow + absl::Milliseconds(700), absl::ZeroDuration(), pai_, nullptr),
      kNow);
  for (absl::Duration off : {-absl::Hours(25), absl::Hours(24 * 366)}) {
    EXPECT_TRUE(HasReason(ChooseDacNotBefore(kNow + off, absl::Minutes(5), pai_, &paa_).status(),
                          Reason::PAI_NOT_ACTIVE));
  }
}

TEST_F(Dac, SerialsArePositiveAndOfTwentyOctets) {
  class Constant final : public Random {
   public:
    explicit Constant(uint8_t octet) : octet_(octet) {}
    void Fill(std::span<uint8_t> out) override { std::fill(out.begin(), out.end(), octet_); }

   private:
    uint8_t octet_;
  };
  for (int octet = 0; octet < 256; ++octet) {
    Constant random(static_cast<uint8_t>(octet));
    const Bytes serial = DrawDacSerial(random);
    ASSERT_EQ(serial.size(), 20u);
    EXPECT_TRUE(serial[0] > 0 && serial[0] < 0x80);
  }
}

TEST_F(Dac, PaiIsCheckedBeforeItIsInstalled) {
  EXPECT_TRUE(LintPai(pai_, paa_, pai_key_.Point()).ok());
  const Bytes other = device_key_.Point();
  EXPECT_EQ(RefusalOf(LintPai(pai_, paa_, other))->field, "pai.public_key");
  EXPECT_EQ(RefusalOf(LintPai(paa_, paa_, paa_key_.Point()))->field, "pai.basic_constraints");
  const Certificate own_paa = paa_;
  paa_key_ = SoftwareKey::Fresh();
  const Certificate stranger = MakePaa();
  EXPECT_EQ(RefusalOf(LintPai(pai_, stranger, pai_key_.Point()))->field, "pai.authority_key_id");
  paa_ = MakePaa(0xFFF2);
  const Bytes point = pai_key_.Point();
  EXPECT_TRUE(
      HasReason(EncodePaiTbs(PaiRequest(point, std::nullopt), paa_).status(), Reason::PAI_INVALID));
}

}  // namespace
}  // namespace assay::matter
