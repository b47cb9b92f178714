// The command line against a whole Assay: what a line and a maker with mfg_tool's flags do.
#include <nlohmann/json.hpp>

#include "tests/integration/client/client_fixture.h"

namespace assay::integration {
namespace {

std::string Common(const std::string& declaration) {
  return "mfg-tool -cd " + declaration +
         " -v 0xFFF1 --vendor-name ESP -p 0x8000 --product-name light --hw-ver 1 --hw-ver-str v1.0 "
         "--mfg-date 2022-10-25 --iteration-count 1000 ";
}

TEST_F(ClientTest, TheVendorsFirstExampleGivesTheDeviceItNames) {
  ASSERT_EQ(Run(Common(Declaration(0xFFF1, 0x8000)) + "--outdir " + Path("out") +
                " --passcode 19861989 --discriminator 601 --serial-num esp32c_dev3"),
            kOk)
      << said_;
  const auto devices = Devices("out/fff1_8000");
  ASSERT_EQ(devices.size(), 1u);
  const auto entries = Entries(devices[0]);
  EXPECT_EQ(Find<uint32_t>(entries, "discriminator"), 601u);
  EXPECT_EQ(Find<std::string>(entries, "serial-num"), "esp32c_dev3");
  EXPECT_EQ(Find<std::string>(entries, "mfg-date"), "2022-10-25");
  EXPECT_FALSE(Find<Bytes>(entries, "dac-cert"));
}

TEST_F(ClientTest, TheVendorsSecondExampleGivesTenDevices) {
  ASSERT_EQ(Run(Common(Declaration(0xFFF1, 0x8000)) + "-n 10 --outdir " + Path("out")), kOk)
      << said_;
  EXPECT_EQ(Devices("out/fff1_8000").size(), 10u);
}

TEST_F(ClientTest, TheVendorsThirdExampleCarriesTheRotatingId) {
  ASSERT_EQ(Run(Common(Declaration(0xFFF1, 0x8000)) + "--outdir " + Path("out") +
                " --passcode 19861989 --discriminator 601 --serial-num esp32c_dev3 "
                "--enable-rotating-device-id "
                "--rd-id-uid c0398f4980b07c9460f71c5421e1a3c5"),
            kOk)
      << said_;
  const auto entries = Entries(Devices("out/fff1_8000")[0]);
  EXPECT_EQ(ToHex(*Find<Bytes>(entries, "rd-id-uid")), "c0398f4980b07c9460f71c5421e1a3c5");
}

TEST_F(ClientTest, TheVendorsFourthExampleSaysTheSameOnLabelAndDevice) {
  const std::string examples = std::string(ASSAY_SOURCE_DIR) + "/deploy/examples/";
  ASSERT_EQ(Run(Common(Declaration(0xFFF1, 0x8000)) + "--outdir " + Path("out") +
                " --enable-rotating-device-id --csv " + examples + "mfg.csv --mcsv " + examples +
                "mfg_m.csv"),
            kOk)
      << said_;
  std::set<uint32_t> seen;
  for (const fs::path& device : Devices("out/fff1_8000")) {
    const auto entries = Entries(device);
    const auto discriminator = Find<uint32_t>(entries, "discriminator");
    ASSERT_TRUE(discriminator);
    seen.insert(*discriminator);
    const auto csv = image::ReadCsv(
        *ReadTextFile((device / (device.filename().string() + "-onb_codes.csv")).string()),
        "onb_codes");
    const auto& cells = (*csv)[1].cells;
    EXPECT_EQ(matter::ParseQr(cells[0].text)->discriminator, *discriminator);
    EXPECT_EQ(matter::ParseManualCode(cells[1].text)->short_discriminator, *discriminator >> 8);
    EXPECT_EQ(cells[2].text, std::to_string(*discriminator));
    EXPECT_EQ(Find<std::string>(entries, "serial-num"),
              absl::StrCat("esp32c_dev", *discriminator - 1231));
  }
  EXPECT_EQ(seen, (std::set<uint32_t>{1234, 1235, 1236, 1237, 1238}));
}

TEST_F(ClientTest, WithPaiTheDacIsSignedInTheHsmAndItsKeyIsPrivate) {
  ASSERT_EQ(Run(Common(Declaration(0xFFF1, 0x8000)) + "--pai --outdir " + Path("out")), kOk)
      << said_;
  const fs::path internal = Devices("out/fff1_8000")[0] / "internal";
  const auto dac = matter::Certificate::Parse(*ReadFile((internal / "DAC_cert.der").string()));
  const auto pai = matter::Certificate::Parse(*ReadFile((internal / "PAI_cert.der").string()));
  ASSERT_TRUE(dac.ok() && pai.ok());
  EXPECT_TRUE(dac->IsSignedBy(*pai));
  const Bytes public_key = *ReadFile((internal / "DAC_public_key.bin").string());
  EXPECT_TRUE(std::equal(public_key.begin(), public_key.end(), dac->public_key().begin()));
  struct stat found = {};
  ::stat((internal / "DAC_private_key.bin").c_str(), &found);
  EXPECT_EQ(found.st_mode & 0777, 0600u);
  EXPECT_EQ(found.st_size, 32);
}

TEST_F(ClientTest, AMalformedCsvIsRefusedWithLineAndColumnAndNothingIsIssued) {
  Put("a.csv", "serial-num,data,string\ndiscriminator,data,u32\n");
  Put("b.csv", "serial-num,discriminator\nA,1\nB,4096\n");
  EXPECT_EQ(Run(Common(Declaration(0xFFF1, 0x8000)) + "--outdir " + Path("out") + " --csv " +
                Path("a.csv") + " --mcsv " + Path("b.csv")),
            kRefused);
  EXPECT_THAT(said_, HasSubstr("b.csv line 3 column 2 (discriminator)"));
  EXPECT_FALSE(fs::exists(folder_ / "out"));
}

TEST_F(ClientTest, AKeyFileIsRefusedWithTheWayIntoTheHsm) {
  EXPECT_EQ(Run(Common(Declaration(0xFFF1, 0x8000)) + "--pai -c pai.pem -k pai.key"), kRefused);
  EXPECT_THAT(said_, HasSubstr("--key"));
  EXPECT_THAT(said_, HasSubstr("assay authority pai create"));
}

TEST_F(ClientTest, EncryptedImagesNeedALineThatMayHaveTheirKeys) {
  EXPECT_EQ(Run(Common(Declaration(0xFFF1, 0x8000)) + "-e --outdir " + Path("out")), kOk) << said_;
  fs::copy_file(Path("plain.pem"), Path("line.pem"), fs::copy_options::overwrite_existing);
  fs::copy_file(Path("plain.key"), Path("line.key"), fs::copy_options::overwrite_existing);
  EXPECT_EQ(Run(Common(Declaration(0xFFF1, 0x8000)) + "-e --outdir " + Path("out2")), kRefused);
  EXPECT_THAT(said_, HasSubstr("ROLE_MISSING"));
  EXPECT_FALSE(fs::exists(folder_ / "out2"));
}

TEST_F(ClientTest, FlagsThatContradictTheLotAreRefusedByName) {
  office_.OpenLot("client-contradict", office_.Light(), 2);
  EXPECT_EQ(Run("mfg-tool --lot client-contradict --vendor-name Other --outdir " + Path("out")),
            kRefused);
  EXPECT_THAT(said_, HasSubstr("--vendor-name"));
  EXPECT_EQ(office_.LotNow("client-contradict").sealed(), 0u);
  EXPECT_EQ(
      Run("mfg-tool --lot client-contradict -n 2 --vendor-name Example --outdir " + Path("out")),
      kOk)
      << said_;
}

TEST_F(ClientTest, JsonHasALineForEachDeviceAndNothingThatIsNotKnown) {
  office_.OpenLot("client-json", office_.Light(), 30);
  for (const char* count : {"22", "24"}) {
    ASSERT_EQ(
        Run(absl::StrCat("--json issue --lot client-json -n ", count, " --out ", Path("run"))), kOk)
        << said_;
    const std::vector<std::string> lines = absl::StrSplit(printed_, '\n', absl::SkipEmpty());
    EXPECT_EQ(absl::StrCat(lines.size()), count);
    for (const std::string& line : lines) {
      const auto json = nlohmann::json::parse(line, nullptr, false);
      ASSERT_TRUE(json.is_object()) << line;
      EXPECT_EQ(json["lot"], "client-json");
      EXPECT_FALSE(json.contains("vendor_id")) << "an identity does not bear it";
    }
  }
}

TEST_F(ClientTest, ARunThatIsRunAgainContinuesWithoutDuplicateOrGap) {
  office_.OpenLot("client-run", office_.Light(), 10);
  ASSERT_EQ(Run("issue --lot client-run -n 3 --out " + Path("run")), kOk) << said_;
  // As after a death between the server's answer and the folder's name.
  const auto rows = image::ReadCsv(*ReadTextFile(Path("run/manifest.csv")), "manifest");
  const std::string lost = (*rows)[2].cells[0].text;
  const std::string before = *ReadTextFile(Path("run/" + lost + "/dac.pem"));
  fs::rename(folder_ / "run" / lost, folder_ / "run" / (".part-" + lost));
  ASSERT_EQ(Run("issue --lot client-run -n 6 --out " + Path("run")), kOk) << said_;
  EXPECT_EQ(*ReadTextFile(Path("run/" + lost + "/dac.pem")), before);
  std::set<std::string> serials;
  size_t devices = 0;
  for (const auto& entry : fs::directory_iterator(folder_ / "run")) {
    if (!entry.is_directory()) continue;
    ++devices;
    serials.insert(*ReadTextFile((entry.path() / "dac.pem").string()));
  }
  EXPECT_EQ(devices, 6u);
  EXPECT_EQ(serials.size(), 6u);
  EXPECT_EQ(office_.LotNow("client-run").sealed(), 6u);
}

TEST_F(ClientTest, ConfirmedDevicesAreKnownToBeConfirmed) {
  office_.OpenLot("client-confirm", office_.Light(), 3);
  ASSERT_EQ(Run("issue --lot client-confirm -n 3 --confirm --out " + Path("run")), kOk) << said_;
  EXPECT_EQ(office_.LotNow("client-confirm").confirmed(), 3u);
}

TEST_F(ClientTest, StockOpensslAcceptsTheImagesSignatureAndRejectsAChangedBit) {
  office_.OpenLot("client-cms", office_.Light(), 1);
  ASSERT_EQ(Run("issue --lot client-cms -n 1 --ticket-prefix cms- --out " + Path("run")), kOk)
      << said_;
  const std::string image = Path("run/cms-000001/factory.bin");
  const auto verify = [&](const std::string& content) {
    return std::system(("openssl cms -verify -binary -inform DER -in " + image + ".cms -content " +
                        content + " -CAfile " + Path("run/image_certificate.pem") +
                        " -out /dev/null 2>/dev/null")
                           .c_str());
  };
  EXPECT_EQ(verify(image), 0);
  std::string changed = *ReadTextFile(image);
  changed[100] ^= 1;
  Put("changed.bin", changed);
  EXPECT_NE(verify(Path("changed.bin")), 0);
  EXPECT_EQ(Run("image verify " + image + " --certificate " + Path("run/image_certificate.pem") +
                " --manifest " + Path("run/manifest.csv")),
            kOk)
      << said_;
  // Files at hand do not get better by trying again.
  const auto refused = [&](const std::string& file, const std::string& manifest) {
    EXPECT_EQ(Run("image verify " + file + " --signature " + image + ".cms --certificate " +
                  Path("run/image_certificate.pem") + manifest),
              kRefused);
    EXPECT_THAT(said_, testing::Not(HasSubstr("retry")));
    return said_;
  };
  EXPECT_THAT(refused(Path("changed.bin"), ""), HasSubstr("not what was signed"));
  Put("others.csv", "ticket,image_sha256\nt-1,00\n");
  EXPECT_THAT(refused(image, " --manifest " + Path("others.csv")), HasSubstr("no row has this"));
}

TEST_F(ClientTest, WithRequestsOfDevicesNoPrivateKeyExistsAnywhere) {
  auto spec = office_.Light();
  spec.mutable_dac()->set_attestation(v1::ATTESTATION_CSR);
  office_.OpenLot("client-csr", spec, 2);
  fs::create_directory(folder_ / "csr");
  Put("csr/unit1.csr", Office::Csr());
  Put("csr/unit2.csr", Office::Csr());
  ASSERT_EQ(Run("issue --lot client-csr --csr " + Path("csr") + " --out " + Path("run")), kOk)
      << said_;
  for (const char* unit : {"unit1", "unit2"}) {
    const auto entries =
        image::ParseNvs(*ReadFile(Path(absl::StrCat("run/", unit, "/factory.bin"))));
    ASSERT_TRUE(entries.ok()) << entries.status();
    EXPECT_FALSE(Find<Bytes>(*entries, "dac-key"));
    EXPECT_TRUE(Find<Bytes>(*entries, "dac-cert"));
  }
}

TEST_F(ClientTest, ACsrOfAnotherCurveIsRefusedBeforeAnythingIsIssued) {
  auto spec = office_.Light();
  spec.mutable_dac()->set_attestation(v1::ATTESTATION_CSR);
  office_.OpenLot("client-curve", spec, 2);
  fs::create_directory(folder_ / "csr");
  Put("csr/unit1.csr", Office::Csr());
  Put("csr/unit2.csr", Office::Csr("P-384"));
  EXPECT_EQ(Run("issue --lot client-curve --csr " + Path("csr") + " --out " + Path("run")),
            kRefused);
  EXPECT_THAT(said_, HasSubstr("unit2.csr"));
  EXPECT_EQ(office_.LotNow("client-curve").sealed(), 0u);
}

TEST_F(ClientTest, EveryEndHasItsExitCode) {
  EXPECT_EQ(Run("lot list"), kOk) << said_;
  EXPECT_EQ(Run("issue --lot nowhere -n 1 --out " + Path("x")), kRefused);
  EXPECT_THAT(said_, HasSubstr("do not retry unchanged"));
  EXPECT_EQ(Run("issue -n 1"), kUsage);
  WriteProfile("localhost:1");
  patience_ = "0";
  EXPECT_EQ(Run("status"), kUnreachable);
}

TEST_F(ClientTest, TheQuotaIsNeverExceededAndTheRefusalSaysSo) {
  office_.OpenLot("client-quota", office_.Light(), 3);
  EXPECT_EQ(Run("issue --lot client-quota -n 5 --out " + Path("run")), kRefused);
  EXPECT_THAT(said_, HasSubstr("QUOTA_EXCEEDED"));
  EXPECT_EQ(office_.LotNow("client-quota").sealed(), 3u);
}

TEST_F(ClientTest, AnAuditorExportsTheManifestWithoutCodes) {
  office_.OpenLot("client-audit", office_.Light(), 2);
  ASSERT_EQ(Run("issue --lot client-audit -n 2 --out " + Path("run")), kOk) << said_;
  ASSERT_EQ(Run("audit export --lot client-audit --out " + Path("export.csv")), kOk) << said_;
  const std::string csv = *ReadTextFile(Path("export.csv"));
  EXPECT_EQ(std::count(csv.begin(), csv.end(), '\n'), 3);
  EXPECT_EQ(csv.find("MT:"), std::string::npos);
}

TEST_F(ClientTest, ALineCannotOpenALot) {
  EXPECT_EQ(Run("--as line lot open client-forbidden --product product-client-run -n 1"), kRefused);
  EXPECT_THAT(said_, HasSubstr("ROLE_MISSING"));
}

}  // namespace
}  // namespace assay::integration
