// DACs made elsewhere, in bulk; PAIs made for a run; what leaves apart from the image.
#include <sys/stat.h>

#include "image/secure_cert.h"
#include "tests/integration/client/client_fixture.h"
#include "tests/support/dac_maker.h"

namespace assay::integration {
namespace {

using test_support::DacMaker;
using test_support::MadeDac;

class GivenTest : public ClientTest {
 protected:
  void PutDacs(int count) {
    fs::create_directory(folder_ / "dacs");
    for (int i = 1; i <= count; ++i) {
      const MadeDac made = maker_.Make(0x8000);
      Put(absl::StrCat("dacs/unit", i, ".pem"), made.Pem());
      Put(absl::StrCat("dacs/unit", i, ".key"), ToText(made.key));
    }
    Put("dacs/pai.pem", maker_.PaiPem());
  }
  v1::ProductSpec GivenSpec() {
    auto spec = office_.Light();
    spec.mutable_dac()->set_attestation(v1::ATTESTATION_GIVEN);
    return spec;
  }
  mode_t ModeOf(const std::string& name) {
    struct stat info {};
    EXPECT_EQ(::stat(Path(name).c_str(), &info), 0) << name;
    return info.st_mode & 0777;
  }

  DacMaker maker_;
};

TEST_F(GivenTest, AFolderOfDacsBecomesUnitsAndIsNotTakenTwice) {
  office_.OpenLot("given-a", GivenSpec(), 10);
  PutDacs(3);
  const std::string line =
      "issue --lot given-a --given " + Path("dacs") + " --out " + Path("units");
  ASSERT_EQ(Run(line), kOk) << said_;
  EXPECT_EQ(office_.LotNow("given-a").sealed(), 3u);
  ASSERT_EQ(Run(line), kOk) << said_;
  EXPECT_EQ(office_.LotNow("given-a").sealed(), 3u);
}

TEST_F(GivenTest, OneBadDacAmongManyAndNothingIsIssued) {
  office_.OpenLot("given-b", GivenSpec(), 10);
  PutDacs(3);
  Put("dacs/unit2.key", ToText(maker_.Make(0x8000).key));
  const std::string line =
      "issue --lot given-b --given " + Path("dacs") + " --out " + Path("units");
  EXPECT_EQ(Run(line), kRefused);
  EXPECT_THAT(said_, HasSubstr("unit2.key"));
  Put("dacs/unit2.key", "");
  EXPECT_EQ(Run(line), kRefused);
  fs::remove(folder_ / "dacs/unit2.key");
  Put("dacs/unit2.pem", maker_.Make(0x8001).Pem());
  EXPECT_EQ(Run(line), kRefused);
  EXPECT_THAT(said_, HasSubstr("unit2.pem"));
  EXPECT_EQ(office_.LotNow("given-b").claimed(), 0u);
  EXPECT_EQ(Run("issue --lot given-b -n 1 --out " + Path("x")), kRefused);
  EXPECT_THAT(said_, HasSubstr("--given"));
}

TEST_F(GivenTest, MfgToolTakesOneDacWithKeyOneWithoutAndAFolder) {
  PutDacs(2);
  const std::string common = "mfg-tool -v 0xFFF1 -p 0x8000 --iteration-count 1000 --pai ";
  ASSERT_EQ(Run(common + "-c " + Path("dacs/pai.pem") + " --dac-cert " + Path("dacs/unit1.pem") +
                " --dac-key " + Path("dacs/unit1.key") + " --outdir " + Path("one")),
            kOk)
      << said_;
  auto entries = Entries(Devices("one/fff1_8000").at(0));
  EXPECT_TRUE(Find<Bytes>(entries, "dac-key"));
  const MadeDac apart = maker_.Make(0x8000);
  Put("apart.pem", apart.Pem());
  ASSERT_EQ(Run(common + "-c " + Path("dacs/pai.pem") + " --dac-cert " + Path("apart.pem") +
                " --outdir " + Path("apart")),
            kOk)
      << said_;
  entries = Entries(Devices("apart/fff1_8000").at(0));
  EXPECT_FALSE(Find<Bytes>(entries, "dac-key"));
  EXPECT_EQ(Find<Bytes>(entries, "dac-cert"), apart.der);
  EXPECT_EQ(Run(common + "-c " + Path("dacs/pai.pem") + " --dac-cert " + Path("apart.pem") +
                " --dac-key " + Path("dacs/unit2.key") + " --outdir " + Path("x")),
            kRefused);
  EXPECT_THAT(said_, HasSubstr("--dac-key"));
  fs::remove(folder_ / "dacs/unit1.pem");
  fs::remove(folder_ / "dacs/unit1.key");
  const MadeDac more = maker_.Make(0x8000);
  Put("dacs/more.der", ToText(more.der));
  ASSERT_EQ(Run(common + "--dac-cert " + Path("dacs") + " --outdir " + Path("many")), kOk) << said_;
  EXPECT_EQ(Devices("many/fff1_8000").size(), 2u);
}

TEST_F(GivenTest, WithPaaAPaiIsMadeForTheRunInTheHsm) {
  ASSERT_EQ(
      Run("mfg-tool -n 2 -v 0xFFF1 -p 0x8000 --iteration-count 1000 --paa -cn Acme --outdir " +
          Path("out")),
      kOk)
      << said_;
  const auto pai =
      matter::Certificate::ParsePem(*ReadTextFile(Path("out/fff1_8000/staging/pai_cert.pem")));
  ASSERT_TRUE(pai.ok()) << pai.status();
  EXPECT_EQ(pai->subject_ids()->vid, 0xFFF1);
  EXPECT_EQ(pai->subject_ids()->pid, 0x8000);
  const auto name = matter::DecodeName(pai->subject());
  ASSERT_TRUE(name.ok());
  EXPECT_EQ(name->relative_names.at(0).at(0).value, "Acme PAI 00");
  for (const fs::path& device : Devices("out/fff1_8000")) {
    const auto dac = Find<Bytes>(Entries(device), "dac-cert");
    ASSERT_TRUE(dac);
    EXPECT_TRUE(matter::Certificate::Parse(*dac)->IsSignedBy(*pai));
  }
  EXPECT_EQ(Run("mfg-tool -v 0xFFF1 -p 0x8000 --paa --lot somewhere --outdir " + Path("x")),
            kRefused);
  EXPECT_THAT(said_, HasSubstr("--paa"));
  EXPECT_EQ(Run("mfg-tool -v 0xFFF1 -p 0x8000 --cn-prefix A --outdir " + Path("x")), kRefused);
}

TEST_F(GivenTest, WhatALotBlamesItsProductForIsToldByTheFlag) {
  EXPECT_EQ(Run("mfg-tool -v 0xFFF1 -p 0x8000 --iteration-count 1000 --pai --valid-from 2001-01-01 "
                "--outdir " +
                Path("early")),
            kRefused);
  EXPECT_THAT(said_, HasSubstr("--valid-from: must lie between the beginning of PAI"));
  EXPECT_THAT(said_, Not(HasSubstr("spec.")));
}

TEST_F(GivenTest, TheKeysPartitionIsAFileApartAndWithheldWithoutTheRole) {
  auto spec = office_.Light();
  spec.mutable_image()->set_encryption(v1::NVS_ENCRYPTION_FLASH);
  office_.OpenLot("apart-keys", spec, 2);
  ASSERT_EQ(Run("issue --lot apart-keys -n 1 --ticket-prefix k --out " + Path("with")), kOk)
      << said_;
  EXPECT_EQ(ModeOf("with/k000001/nvs_keys.bin"), 0600u);
  EXPECT_EQ(ModeOf("with/k000001/factory.bin"), 0600u);
  EXPECT_EQ(fs::file_size(folder_ / "with/k000001/nvs_keys.bin"), 4096u);
  ASSERT_EQ(
      Run("--as plain issue --lot apart-keys -n 1 --ticket-prefix p --out " + Path("without")), kOk)
      << said_;
  EXPECT_TRUE(fs::exists(folder_ / "without/p000001/factory.bin"));
  EXPECT_FALSE(fs::exists(folder_ / "without/p000001/nvs_keys.bin"));
  EXPECT_TRUE(fs::exists(folder_ / "without/p000001/nvs_keys.sha256"));
}

TEST_F(GivenTest, WithTheEcdsaPeripheralTheKeyIsAFileApartAndNotInTheImage) {
  auto spec = office_.Light();
  v1::SecureCert& secure_cert = *spec.mutable_image()->mutable_secure_cert();
  secure_cert.set_attestation(true);
  secure_cert.set_ecdsa_peripheral(true);
  secure_cert.set_efuse_key_id(2);
  office_.OpenLot("apart-efuse", spec, 2);
  ASSERT_EQ(Run("issue --lot apart-efuse -n 1 --ticket-prefix e --out " + Path("with")), kOk)
      << said_;
  const Bytes key = *ReadFile(Path("with/e000001/efuse_key.bin"));
  ASSERT_EQ(key.size(), 32u);
  EXPECT_EQ(ModeOf("with/e000001/efuse_key.bin"), 0600u);
  for (const char* image : {"factory.bin", "esp_secure_cert.bin"}) {
    const std::string content = *ReadTextFile(Path(absl::StrCat("with/e000001/", image)));
    const std::string scalar(key.rbegin(), key.rend());
    EXPECT_EQ(content.find(ToText(key)), std::string::npos) << image;
    EXPECT_EQ(content.find(scalar), std::string::npos) << image;
  }
  ASSERT_EQ(
      Run("--as plain issue --lot apart-efuse -n 1 --ticket-prefix p --out " + Path("without")),
      kOk)
      << said_;
  EXPECT_FALSE(fs::exists(folder_ / "without/p000001/efuse_key.bin"));
}

TEST_F(GivenTest, OfADeviceThatMadeItsKeyTheImageHoldsAllButTheKey) {
  auto spec = office_.Light();
  spec.mutable_dac()->set_attestation(v1::ATTESTATION_CSR);
  spec.mutable_image()->mutable_secure_cert()->set_attestation(true);
  office_.OpenLot("csr-images", spec, 1);
  fs::create_directory(folder_ / "csr");
  Put("csr/unit1.csr", Office::Csr());
  ASSERT_EQ(Run("issue --lot csr-images --csr " + Path("csr") + " --out " + Path("run")), kOk)
      << said_;
  const auto nvs = image::ParseNvs(*ReadFile(Path("run/unit1/factory.bin")));
  ASSERT_TRUE(nvs.ok()) << nvs.status();
  for (const char* key : {"salt", "verifier"}) EXPECT_TRUE(Find<std::string>(*nvs, key)) << key;
  EXPECT_TRUE(Find<Bytes>(*nvs, "cert-dclrn"));
  EXPECT_FALSE(Find<Bytes>(*nvs, "dac-key"));
  const auto secure = image::ParseSecureCert(*ReadFile(Path("run/unit1/esp_secure_cert.bin")));
  ASSERT_TRUE(secure.ok()) << secure.status();
  EXPECT_EQ(image::FindEntry(*secure, image::SecureCertType::kPrivateKey), nullptr);
  EXPECT_NE(image::FindEntry(*secure, image::SecureCertType::kDeviceCertificate), nullptr);
  EXPECT_NE(image::FindEntry(*secure, image::SecureCertType::kCaCertificate), nullptr);
  EXPECT_THAT(*ReadTextFile(Path("run/unit1/codes.txt")), HasSubstr("MT:"));
}

}  // namespace
}  // namespace assay::integration
