#include "client/mfg_tool/given_list.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/time/clock.h"
#include "base/refusal.h"
#include "client/files.h"
#include "image/secure_cert.h"
#include "tests/support/dac_maker.h"
#include "tests/unit/client/test_folder.h"

namespace assay::client {
namespace {

using test_support::DacMaker;
using test_support::MadeDac;
using testing::HasSubstr;

class GivenListTest : public testing::Test {
 protected:
  void Put(const std::string& name, ByteView bytes) {
    ASSERT_TRUE(WriteFile(folder_ / name, bytes, kPrivateFile).ok());
  }
  void Put(const std::string& name, const std::string& text) { Put(name, AsBytes(text)); }
  std::string KeyPem(const MadeDac& dac) {
    const auto sec1 =
        image::EncodeSec1Key(dac.key, matter::SoftwareKey::FromScalar(dac.key).Point());
    return matter::ToPem("EC PRIVATE KEY", sec1->view());
  }
  absl::StatusOr<std::vector<GivenUnit>> Read(const std::string& name = "dacs",
                                              const std::string& pai = "") {
    return ReadGiven(folder_ / name, pai.empty() ? "" : folder_ / pai,
                     {0xFFF1, 0x8000, absl::Now()});
  }
  std::string Fault(const std::string& name = "dacs") {
    return std::string(Read(name).status().message());
  }

  TestFolder folder_;
  DacMaker maker_;
};

TEST_F(GivenListTest, AFolderMatchesKeysAndPaiByTheirContent) {
  ASSERT_TRUE(MakeFolder(folder_ / "dacs/keys").ok());
  const MadeDac one = maker_.Make(0x8000), two = maker_.Make(0x8000), three = maker_.Make(0x8000);
  Put("dacs/a.pem", one.Pem());
  Put("dacs/b.der", two.der);
  Put("dacs/c.crt", three.Pem() + KeyPem(three));
  Put("dacs/keys/unit.key", KeyPem(two));
  Put("dacs/issuer.pem", maker_.PaiPem());
  Put("dacs/notes.txt", "not looked at");
  const auto units = Read();
  ASSERT_TRUE(units.ok()) << units.status();
  ASSERT_EQ(units->size(), 3u);
  EXPECT_EQ((*units)[0].dac.private_key(), "");
  EXPECT_EQ((*units)[1].dac.private_key(), ToText(two.key));
  EXPECT_EQ((*units)[2].dac.private_key(), ToText(three.key));
  EXPECT_EQ((*units)[1].dac.certificate(), ToText(two.der));
  EXPECT_EQ((*units)[1].dac.pai(), ToText(maker_.pai()));
}

TEST_F(GivenListTest, ACsvTakesPathsAndPemAndAPaiForAll) {
  const MadeDac one = maker_.Make(0x8000), two = maker_.Make(0x8000);
  Put("one.der", one.der);
  Put("one.key", ByteView(one.key));
  Put("pai.der", maker_.pai());
  Put("dacs.csv", "cert,key,serial-num\none.der,one.key,S-1\n\n\"" + two.Pem() + "\",,S-2\n");
  const auto units = Read("dacs.csv", "pai.der");
  ASSERT_TRUE(units.ok()) << units.status();
  ASSERT_EQ(units->size(), 2u);
  EXPECT_EQ((*units)[0].dac.private_key(), ToText(one.key));
  EXPECT_EQ((*units)[1].dac.certificate(), ToText(two.der));
  EXPECT_EQ((*units)[1].serial_number, "S-2");
}

TEST_F(GivenListTest, AKeyOfAnotherCertificateIsRefusedByFileAndRow) {
  const MadeDac one = maker_.Make(0x8000), two = maker_.Make(0x8000);
  ASSERT_TRUE(MakeFolder(folder_ / "dacs").ok());
  Put("dacs/one.pem", one.Pem());
  Put("dacs/one.key", KeyPem(two));
  Put("dacs/pai.pem", maker_.PaiPem());
  EXPECT_THAT(Fault(), HasSubstr("dacs/one.key"));
  Put("dacs.csv", "cert,key,pai\ndacs/one.pem,dacs/one.key,dacs/pai.pem\n");
  EXPECT_THAT(Fault("dacs.csv"), HasSubstr("dacs.csv line 2 column 2 (key)"));
}

TEST_F(GivenListTest, AnotherProductsDacIsRefusedByFile) {
  ASSERT_TRUE(MakeFolder(folder_ / "dacs").ok());
  Put("dacs/good.pem", maker_.Make(0x8000).Pem());
  Put("dacs/stray.pem", maker_.Make(0x8001).Pem());
  Put("dacs/pai.pem", maker_.PaiPem());
  EXPECT_THAT(Fault(), HasSubstr("dacs/stray.pem"));
  EXPECT_THAT(Fault(), HasSubstr("product 0x8000"));
}

TEST_F(GivenListTest, TheSameDacTwiceIsRefusedWithBothPlaces) {
  ASSERT_TRUE(MakeFolder(folder_ / "dacs").ok());
  const MadeDac one = maker_.Make(0x8000);
  Put("dacs/a.pem", one.Pem());
  Put("dacs/b.der", one.der);
  Put("dacs/pai.pem", maker_.PaiPem());
  EXPECT_THAT(Fault(), HasSubstr("dacs/b.der"));
  EXPECT_THAT(Fault(), HasSubstr("dacs/a.pem"));
  Put("dacs.csv", "cert,pai\ndacs/a.pem,dacs/pai.pem\ndacs/b.der,\n");
  EXPECT_THAT(Fault("dacs.csv"), HasSubstr("dacs.csv line 3"));
  // Two spellings of one file are one DAC.
  ASSERT_TRUE(RemoveTree(folder_ / "dacs/b.der").ok());
  Put("dacs/a.der", one.der);
  EXPECT_TRUE(Read().ok()) << Fault();
}

TEST_F(GivenListTest, ADacWithoutItsPaiIsRefusedByFile) {
  ASSERT_TRUE(MakeFolder(folder_ / "dacs").ok());
  Put("dacs/a.pem", maker_.Make(0x8000).Pem());
  EXPECT_THAT(Fault(), HasSubstr("PAI is missing"));
  Put("dacs/pai.pem", DacMaker().PaiPem());
  EXPECT_THAT(Fault(), HasSubstr("none of the PAIs given signed it"));
}

TEST_F(GivenListTest, WhatIsNeitherCertificateNorKeyIsRefusedByFile) {
  ASSERT_TRUE(MakeFolder(folder_ / "dacs").ok());
  Put("dacs/a.pem", "hello");
  EXPECT_THAT(Fault(), HasSubstr("dacs/a.pem"));
  Put("dacs.csv", "cert\nnowhere.pem\n");
  EXPECT_THAT(Fault("dacs.csv"), HasSubstr("dacs.csv line 2 column 1 (cert)"));
  Put("dacs.csv", "path\nx\n");
  EXPECT_THAT(Fault("dacs.csv"), HasSubstr("column cert"));
}

}  // namespace
}  // namespace assay::client
