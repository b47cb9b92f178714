// Keys that are in the token already become PAIs: of a ceremony, or brought in from a file.
#include <gtest/gtest.h>

#include "base/refusal.h"
#include "ceremony/key_making.h"
#include "matter/csr.h"
#include "matter/name.h"
#include "server/authority/authority.h"
#include "tests/support/software_token.h"
#include "tests/unit/server/authority/pai_store.h"

namespace assay::authority {
namespace {

class AdoptTest : public testing::Test {
 protected:
  Authority Make(bool production = true) {
    AuthorityOptions options;
    options.production = production;
    options.other_keys = {"assay-image", "assay-wrapping", "assay-ledger"};
    return Authority(store_, token_, random_, clock_, std::move(options));
  }
  hsm::KeyDescription MakeKey(const std::string& label) {
    const auto key = token_->GenerateKey(label, hsm::KeyPurpose::kSigning);
    EXPECT_TRUE(key.ok()) << key.status();
    return *key;
  }
  std::string Request(const hsm::KeyDescription& key, uint16_t vid, std::optional<uint16_t> pid) {
    return ToText(*ceremony::SignRequest(*token_, key,
                                         matter::EncodeName(matter::MatterName("PAI", vid, pid))));
  }
  v1::AdoptPaiRequest Adopt(const std::string& name, const std::string& label,
                            const std::string& csr = "") {
    v1::AdoptPaiRequest request;
    request.set_request_id("adopt-" + name);
    request.set_name(name);
    request.set_key_label(label);
    request.set_csr(csr);
    return request;
  }
  static void ExpectRefused(const absl::Status& status, Reason reason, const std::string& field) {
    ASSERT_TRUE(HasReason(status, reason)) << status;
    EXPECT_EQ(RefusalOf(status)->field, field) << status;
  }

  std::shared_ptr<PaiStore> store_ = std::make_shared<PaiStore>();
  std::shared_ptr<test_support::SoftwareToken> token_ =
      std::make_shared<test_support::SoftwareToken>();
  SystemRandom random_;
  SystemClock clock_;
  access::Caller operator_{.uri = "spiffe://t/operator/ann",
                           .line = "",
                           .roles = {access::Role::kOperator},
                           .factories = {},
                           .lots = {}};
};

TEST_F(AdoptTest, ACeremonysKeyBecomesAPendingPaiWithTheCeremonysRequest) {
  Authority authority = Make();
  const auto key = MakeKey("pai-2026");
  const std::string csr = Request(key, 0x131B, 0x1000);
  const auto pai = authority.AdoptPai(operator_, Adopt("light", "pai-2026", csr));
  ASSERT_TRUE(pai.ok()) << pai.status();
  EXPECT_EQ(pai->state(), v1::PAI_STATE_PENDING);
  EXPECT_EQ(pai->vendor_id(), 0x131Bu);
  EXPECT_EQ(pai->product_id(), 0x1000u);
  EXPECT_EQ(pai->key_label(), "pai-2026");
  EXPECT_EQ(pai->csr(), csr);
  EXPECT_EQ(pai->public_key(), ToText(*key.public_point));
  EXPECT_TRUE(authority.AdoptPai(operator_, Adopt("light", "pai-2026", csr)).ok());
  EXPECT_EQ(store_->acts.size(), 1u);
}

TEST_F(AdoptTest, WithoutARequestANewOneIsSigned) {
  Authority authority = Make();
  const auto key = MakeKey("pai-2026");
  auto request = Adopt("light", "pai-2026");
  request.set_vendor_id(0x131B);
  const auto pai = authority.AdoptPai(operator_, request);
  ASSERT_TRUE(pai.ok()) << pai.status();
  const auto csr = matter::ParseCsr(AsBytes(pai->csr()));
  ASSERT_TRUE(csr.ok()) << csr.status();
  EXPECT_EQ(ToBytes(csr->public_key), ToBytes(*key.public_point));
}

TEST_F(AdoptTest, AKeyServesOnePaiAndNoOtherPurpose) {
  Authority authority = Make();
  const auto key = MakeKey("pai-2026");
  MakeKey("assay-image");
  ASSERT_TRUE(
      authority.AdoptPai(operator_, Adopt("light", "pai-2026", Request(key, 0x131B, std::nullopt)))
          .ok());
  ExpectRefused(
      authority.AdoptPai(operator_, Adopt("second", "pai-2026", Request(key, 0x131B, std::nullopt)))
          .status(),
      Reason::PAI_CONFLICT, "key_label");
  auto image = Adopt("image", "assay-image");
  image.set_vendor_id(0x131B);
  ExpectRefused(authority.AdoptPai(operator_, image).status(), Reason::PAI_CONFLICT, "key_label");
  // The name again: the same PAI is answered, another vendor's or key's is a conflict.
  auto again = Adopt("light", "pai-2026", Request(key, 0x131B, std::nullopt));
  again.set_request_id("again");
  EXPECT_TRUE(authority.AdoptPai(operator_, again).ok());
  auto vendor = Adopt("light", "pai-2026", Request(key, 0x131C, std::nullopt));
  vendor.set_request_id("vendor");
  ExpectRefused(authority.AdoptPai(operator_, vendor).status(), Reason::PAI_CONFLICT, "");
  auto label = Adopt("light", "assay-pai-other");
  label.set_request_id("label");
  label.set_vendor_id(0x131B);
  ExpectRefused(authority.AdoptPai(operator_, label).status(), Reason::PAI_CONFLICT, "");
  EXPECT_EQ(store_->pais.size(), 1u);
}

TEST_F(AdoptTest, ARequestOfAnotherKeyOrOfATestVendorIsRefused) {
  Authority authority = Make();
  const auto key = MakeKey("pai-2026"), other = MakeKey("other");
  ExpectRefused(
      authority.AdoptPai(operator_, Adopt("a", "pai-2026", Request(other, 0x131B, std::nullopt)))
          .status(),
      Reason::FIELDS_CONTRADICT, "csr");
  ExpectRefused(
      authority.AdoptPai(operator_, Adopt("a", "pai-2026", Request(key, 0xFFF1, std::nullopt)))
          .status(),
      Reason::TEST_CREDENTIAL, "vendor_id");
  ExpectRefused(authority.AdoptPai(operator_, Adopt("a", "absent", "")).status(),
                Reason::KEY_UNKNOWN, "key_label");
  ExpectRefused(authority.AdoptPai(operator_, Adopt("a", "")).status(), Reason::FIELD_REQUIRED,
                "key_label");
  EXPECT_TRUE(store_->pais.empty());
}

TEST_F(AdoptTest, AKeyMadeInSoftwareIsForSandboxesOnly) {
  SecretBytes scalar(32);
  scalar.data()[31] = 9;
  const auto key = token_->ImportSigningKey("from-a-file", scalar);
  ASSERT_TRUE(key.ok()) << key.status();
  const auto request = Adopt("file", "from-a-file", Request(*key, 0x131B, std::nullopt));
  const absl::Status refused = Make().AdoptPai(operator_, request).status();
  ExpectRefused(refused, Reason::HSM_KEY_UNFIT, "key_label");
  EXPECT_NE(refused.message().find("CKA_LOCAL"), std::string::npos) << refused;
  const auto pai = Make(false).AdoptPai(operator_, request);
  EXPECT_TRUE(pai.ok()) << pai.status();
}

// A database that went over from a sandbox, or a key replaced behind our back.
TEST_F(AdoptTest, ProductionActivatesNoPaiWhoseKeyWasMadeInSoftware) {
  SecretBytes scalar(32);
  scalar.data()[31] = 9;
  const auto key = token_->ImportSigningKey("from-a-file", scalar);
  const auto request = Adopt("file", "from-a-file", Request(*key, 0x131B, std::nullopt));
  ASSERT_TRUE(Make(false).AdoptPai(operator_, request).ok());
  v1::CreatePaiRequest create;
  create.set_request_id("create");
  create.set_name("other");
  create.set_vendor_id(0x131B);
  SecretBytes second(32);
  second.data()[31] = 11;
  ASSERT_TRUE(token_->ImportSigningKey("assay-pai-other", second).ok());
  const absl::Status refused = Make().CreatePai(operator_, create).status();
  ExpectRefused(refused, Reason::HSM_KEY_UNFIT, "name");
  EXPECT_NE(refused.message().find("CKA_LOCAL"), std::string::npos) << refused;
}

TEST_F(AdoptTest, APaiIsNotCreatedOverTheKeyOfAnother) {
  const auto key = token_->GenerateKey("assay-pai-other", hsm::KeyPurpose::kSigning);
  const auto request = Adopt("first", "assay-pai-other", Request(*key, 0x131B, std::nullopt));
  ASSERT_TRUE(Make().AdoptPai(operator_, request).ok());
  v1::CreatePaiRequest create;
  create.set_request_id("create");
  create.set_name("other");
  create.set_vendor_id(0x131B);
  const absl::Status refused = Make().CreatePai(operator_, create).status();
  ExpectRefused(refused, Reason::PAI_CONFLICT, "name");
  EXPECT_NE(refused.message().find("is the key of the PAI first"), std::string::npos) << refused;
}

}  // namespace
}  // namespace assay::authority
