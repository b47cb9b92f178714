// mfg_tool's csv and mcsv from the file to every output.
#include "matter/spake2p.h"
#include "tests/integration/client/client_fixture.h"

namespace assay::integration {
namespace {

class CsvTest : public ClientTest {
 protected:
  std::string Line(const std::string& more = "") {
    return Common() + "--csv " + Path("keys.csv") + " --mcsv " + Path("values.csv") + " --outdir " +
           Path("out") + more;
  }
  static std::string Common() {
    return "mfg-tool -v 0xFFF1 -p 0x8000 --iteration-count 1000 --enable-rotating-device-id ";
  }
  std::string OnlyFile(const fs::path& folder, const std::string& beginning) {
    for (const auto& entry : fs::directory_iterator(folder)) {
      const std::string name = entry.path().filename().string();
      if (name.starts_with(beginning)) return *ReadTextFile(entry.path().string());
    }
    return "";
  }
};

TEST_F(CsvTest, EveryOverrideReachesImageLabelAndLists) {
  constexpr uint32_t kPasscode = 34970113;
  const Bytes salt(20, 0x5A);
  const auto verifier = matter::ComputeVerifier(kPasscode, {1000, salt});
  ASSERT_TRUE(verifier.ok()) << verifier.status();
  const std::string rotating = "00112233445566778899aabbccddeeff";
  const std::string pem = "-----BEGIN CERTIFICATE-----\n\n# not a comment\nAAAA\n-----END-----\n";
  Put("blob.bin", std::string("\x01\x00\xFF", 3));
  Put("keys.csv",
      "\nserial-num,data,string\npasscode,data,u32\ndiscriminator,data,u32\nsalt,data,string\n"
      "verifier,data,string\nrd-id-uid,data,hex2bin\n\nacme,namespace,\nnote,data,string\n"
      "site,data,i16,REPEAT\nblob,file,binary\n");
  Put("values.csv",
      absl::StrCat("note,serial-num,passcode,discriminator,salt,verifier,rd-id-uid,site,blob,x\n\"",
                   pem, "\",SN-A,", kPasscode, ",0xABC,", ToBase64(salt), ",",
                   ToBase64(verifier->view()), ",", rotating, ",-7,", Path("blob.bin"),
                   ",ignored\n", "\nplain,SN-B,34970114,5,", ToBase64(salt), ",",
                   ToBase64(matter::ComputeVerifier(34970114, {1000, salt})->view()),
                   ",ffeeddccbbaa99887766554433221100,,", Path("blob.bin"), ",\n\n"));
  ASSERT_EQ(Run(Line()), kOk) << said_;
  ASSERT_EQ(Devices("out/fff1_8000").size(), 2u);
  bool seen = false;
  for (const fs::path& device : Devices("out/fff1_8000")) {
    const auto entries = Entries(device);
    EXPECT_EQ(Find<int16_t>(entries, "site"), -7) << "REPEAT";
    EXPECT_EQ(Find<Bytes>(entries, "blob"), (Bytes{1, 0, 0xFF}));
    if (Find<std::string>(entries, "serial-num") != "SN-A") continue;
    seen = true;
    EXPECT_EQ(Find<uint32_t>(entries, "discriminator"), 0xABCu);
    EXPECT_EQ(Find<std::string>(entries, "salt"), ToBase64(salt));
    EXPECT_EQ(Find<std::string>(entries, "verifier"), ToBase64(verifier->view()));
    EXPECT_EQ(ToHex(*Find<Bytes>(entries, "rd-id-uid")), rotating);
    EXPECT_EQ(Find<std::string>(entries, "note"), pem);
    EXPECT_FALSE(Find<uint32_t>(entries, "passcode")) << "never in the image";
    const auto codes = image::ReadCsv(
        *ReadTextFile((device / (device.filename().string() + "-onb_codes.csv")).string()), "c");
    ASSERT_TRUE(codes.ok());
    const auto payload = matter::ParseQr((*codes)[1].cells[0].text);
    ASSERT_TRUE(payload.ok()) << payload.status();
    EXPECT_EQ(payload->passcode, kPasscode);
    EXPECT_EQ(payload->discriminator, 0xABC);
    EXPECT_EQ(matter::ParseManualCode((*codes)[1].cells[1].text)->passcode, kPasscode);
  }
  EXPECT_TRUE(seen);
  const std::string pins = *ReadTextFile(Path("out/fff1_8000/staging/pin_disc.csv"));
  EXPECT_THAT(pins, HasSubstr(absl::StrCat(kPasscode, ",1000,", ToBase64(salt), ",",
                                           ToBase64(verifier->view()), ",2748")));
  const std::string summary = OnlyFile(folder_ / "out/fff1_8000", "summary-");
  for (const std::string& text : {std::string("SN-A"), rotating, std::to_string(kPasscode)}) {
    EXPECT_THAT(summary, HasSubstr(text));
  }
}

TEST_F(CsvTest, EveryErrorNamesItsPlaceAndNothingIsIssued) {
  auto spec = office_.Light();
  spec.mutable_dac()->set_attestation(v1::ATTESTATION_NONE);
  spec.mutable_rotating_id()->set_enabled(true);
  spec.set_values_from_line(true);
  office_.OpenLot("csv-errors", spec, 10);
  struct Case {
    const char* keys;
    const char* values;
    const char* place;
  };
  const Case cases[] = {
      {"serial-num,data,string\n", "serial-num\nA\nA\n", "values.csv line 3 column 1 (serial-num)"},
      {"serial-num,data,string\n", "other\nA\n", "serial-num"},
      {"serial-num,data,nosuch\n", "serial-num\nA\n", "keys.csv line 1 column 3"},
      {"serial-num,dta,string\n", "serial-num\nA\n", "keys.csv line 1 column 2"},
      {"a-key-that-is-too-long,data,u8\n", "a-key-that-is-too-long\n1\n", "keys.csv line 1"},
      {"serial-num,data,string\nx,data,u8\n", "serial-num,x\nA,1\nB,256\n",
       "values.csv line 3 column 2 (x)"},
      {"x,data,i16\n", "x\n1\n-32769\n", "values.csv line 3 column 1 (x)"},
      {"x,data,hex2bin\n", "x\nabc\n", "values.csv line 2 column 1 (x)"},
      {"x,data,base64\n", "x\n!!\n", "values.csv line 2 column 1 (x)"},
      {"x,file,binary\n", "x\nnowhere.bin\n", "values.csv line 2 column 1 (x)"},
      {"x,data,string\n", "x\n\"open\n", "values.csv line 2"},
      {"discriminator,data,u32\n", "discriminator\n\n4096\n",
       "values.csv line 3 column 1 (discriminator)"},
      {"passcode,data,u32\n", "passcode\n11111111\n", "values.csv line 2 column 1 (passcode)"},
      {"salt,data,string\n", "salt\nAAAA\n", "values.csv line 2 column 1 (salt)"},
      {"rd-id-uid,data,hex2bin\n", "rd-id-uid\n00\n", "values.csv line 2 column 1 (rd-id-uid)"},
      {"verifier,data,string\n", "verifier\nAAAA\n", "values.csv line 2 column 1 (verifier)"},
      {"vendor-id,data,u32\n", "vendor-id\n1\n", "keys.csv line 1 column 1 (vendor-id)"},
      {"x,data,u8\n", "x\n", "values.csv"},
  };
  for (const Case& one : cases) {
    Put("keys.csv", one.keys);
    Put("values.csv", one.values);
    EXPECT_EQ(Run(Line(" --lot csv-errors")), kRefused) << one.keys << one.values;
    EXPECT_THAT(said_, HasSubstr(one.place)) << one.keys << one.values;
    EXPECT_EQ(said_.find("11111111"), std::string::npos) << "no passcode in an error";
  }
  EXPECT_EQ(office_.LotNow("csv-errors").claimed(), 0u);
  EXPECT_FALSE(fs::exists(folder_ / "out"));
}

}  // namespace
}  // namespace assay::integration
