// A lot as one signed archive, and every way in which it may have been changed.
#include <sys/stat.h>

#include "assay/v1/bundle.grpc.pb.h"
#include "client/tar.h"
#include "image/bundle_list.h"
#include "tests/integration/client/client_fixture.h"

namespace assay::integration {
namespace {

class BundleTest : public ClientTest {
 protected:
  static void SetUpTestSuite() { Office::Shared().OpenLot("bundle", Office::Shared().Light(), 3); }

  void SetUp() override {
    ClientTest::SetUp();
    Put("image.pem", *ReadTextFile((office_.folder() / "image.pem").string()));
    if (office_.LotNow("bundle").sealed() == 0) {
      ASSERT_EQ(Run("issue --lot bundle -n 3 --out " + Path("run")), kOk) << said_;
    }
    ASSERT_EQ(Run("lot bundle bundle --out " + Path("lot.tar")), kOk) << said_;
    archive_ = *ReadTextFile(Path("lot.tar"));
  }

  int Verify(const std::string& archive, const std::string& certificate = "image.pem") {
    Put("changed.tar", archive);
    return Run("lot verify-bundle " + Path("changed.tar") + " --certificate " + Path(certificate));
  }
  // Where a member's header begins, and how far the member goes.
  size_t HeaderOf(const std::string& ending) {
    for (size_t at = 0; at + 512 <= archive_.size();) {
      const std::string name(archive_.data() + at);
      if (name.ends_with(ending)) return at;
      at += 512 + (SizeAt(at) + 511) / 512 * 512;
    }
    ADD_FAILURE() << "no member ends with " << ending;
    return 0;
  }
  size_t SizeAt(size_t header) const {
    return std::stoul(archive_.substr(header + 124, 11), nullptr, 8);
  }
  size_t EndOf(size_t header) const { return header + 512 + (SizeAt(header) + 511) / 512 * 512; }

  std::string archive_;
};

TEST_F(BundleTest, HoldsEveryUnitAndIsCheckedWithTheCertificateAlone) {
  struct stat info {};
  ASSERT_EQ(::stat(Path("lot.tar").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
  // No server is needed.
  WriteProfile("localhost:1");
  ASSERT_EQ(Run("lot verify-bundle " + Path("lot.tar") + " --certificate " + Path("image.pem")),
            kOk)
      << said_;
  EXPECT_THAT(printed_, HasSubstr("3 unit(s)"));
  for (const char* name : {"manifest.csv", "/factory.bin", "/factory.bin.cms", "/qr.png", "/qr.svg",
                           "/dac.der", "/pai.pem", "/cd.der", "/codes.txt", "SHA256SUMS.cms"}) {
    HeaderOf(name);
  }
}

TEST_F(BundleTest, StockToolsReadItCheckItsSumsAndItsSignature) {
  const std::string line =
      "cd " + folder_.string() +
      " && tar xf lot.tar && sha256sum --quiet -c SHA256SUMS && openssl cms -verify -binary "
      "-inform DER -in SHA256SUMS.cms -content SHA256SUMS -CAfile image.pem -purpose any "
      "-out /dev/null 2>/dev/null";
  EXPECT_EQ(std::system(line.c_str()), 0);
}

TEST_F(BundleTest, MadeAgainItIsTheSameButForItsSignature) {
  ASSERT_EQ(Run("lot bundle bundle --out " + Path("again.tar")), kOk) << said_;
  const std::string again = *ReadTextFile(Path("again.tar"));
  const size_t signature = HeaderOf("SHA256SUMS.cms");
  EXPECT_EQ(again.substr(0, signature), archive_.substr(0, signature));
}

TEST_F(BundleTest, AChangedByteIsNamed) {
  std::string changed = archive_;
  changed[HeaderOf("/factory.bin") + 512 + 100] ^= 1;
  EXPECT_EQ(Verify(changed), kRefused);
  EXPECT_THAT(printed_, HasSubstr("/factory.bin"));
  EXPECT_THAT(printed_, HasSubstr("changed"));
  EXPECT_THAT(said_, HasSubstr("BUNDLE_INVALID"));
}

TEST_F(BundleTest, NoByteOfTheArchiveCanBeChanged) {
  // One place of each sort: header, padding after a member, list, signature, the end.
  const size_t list = HeaderOf("SHA256SUMS");
  const size_t codes = HeaderOf("/codes.csv");
  for (const size_t at : {size_t{0}, size_t{105}, size_t{140}, EndOf(codes) - 1, list + 512 + 80,
                          HeaderOf("SHA256SUMS.cms") + 512 + 200, archive_.size() - 1}) {
    std::string changed = archive_;
    changed[at] ^= 1;
    EXPECT_EQ(Verify(changed), kRefused) << at;
    EXPECT_THAT(said_, HasSubstr("BUNDLE_INVALID")) << at;
  }
}

TEST_F(BundleTest, ARemovedMemberIsNamed) {
  const size_t qr = HeaderOf("/qr.svg");
  EXPECT_EQ(Verify(archive_.substr(0, qr) + archive_.substr(EndOf(qr))), kRefused);
  EXPECT_THAT(printed_, HasSubstr("/qr.svg"));
  EXPECT_THAT(printed_, HasSubstr("missing"));
}

TEST_F(BundleTest, AnAddedMemberIsNamed) {
  Put("more.bin", "more");
  ASSERT_EQ(std::system(("cd " + folder_.string() +
                         " && cp lot.tar grown.tar && tar --format=ustar --owner=0 --group=0 "
                         "--numeric-owner --mtime=@0 --mode=0600 -rf grown.tar more.bin")
                            .c_str()),
            0);
  EXPECT_EQ(Run("lot verify-bundle " + Path("grown.tar") + " --certificate " + Path("image.pem")),
            kRefused);
  // The same member once more, in Assay's own form.
  const size_t qr = HeaderOf("/qr.svg");
  EXPECT_EQ(Verify(archive_.substr(0, EndOf(qr)) + archive_.substr(qr, EndOf(qr) - qr) +
                   archive_.substr(EndOf(qr))),
            kRefused);
  EXPECT_THAT(printed_, HasSubstr("there twice"));
  // One that was never listed: a member under another name, its checksum made right.
  std::string renamed = archive_.substr(qr, EndOf(qr) - qr);
  const size_t letter = std::string(renamed.data()).size() - 1;
  renamed[letter] = static_cast<char>(renamed[letter] + 1);
  unsigned sum = 8 * ' ';
  for (size_t i = 0; i < 512; ++i) {
    if (i < 148 || i >= 156) sum += static_cast<unsigned char>(renamed[i]);
  }
  char text[8];
  std::snprintf(text, sizeof text, "%06o", sum);
  renamed.replace(148, 6, text, 6);
  EXPECT_EQ(Verify(archive_.substr(0, EndOf(qr)) + renamed + archive_.substr(EndOf(qr))), kRefused);
  EXPECT_THAT(printed_, HasSubstr("added"));
}

TEST_F(BundleTest, AnotherSignerIsRefused) {
  ASSERT_EQ(std::system(("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes "
                         "-subj /CN=other -keyout " +
                         Path("other.key") + " -out " + Path("other.pem") + " 2>/dev/null")
                            .c_str()),
            0);
  EXPECT_EQ(Verify(archive_, "other.pem"), kRefused);
  EXPECT_THAT(said_, HasSubstr("not what the owner of this certificate signed"));
  // Signed with one's own key, in the place of the real signature.
  ASSERT_EQ(std::system(("cd " + folder_.string() +
                         " && tar xf lot.tar SHA256SUMS && openssl cms -sign -binary -noattr -in "
                         "SHA256SUMS -signer other.pem -inkey other.key -md sha256 -outform DER "
                         "-out own.cms 2>/dev/null")
                            .c_str()),
            0);
  auto reader = client::TarReader::Open(Path("lot.tar"));
  auto writer = client::TarWriter::Create(Path("forged.tar"));
  ASSERT_TRUE(reader.ok() && writer.ok());
  while (true) {
    auto member = reader->Next([](std::string_view) { return true; });
    ASSERT_TRUE(member.ok()) << member.status();
    if (!member->has_value()) break;
    const bool is_signature = (*member)->name == "SHA256SUMS.cms";
    const std::string content = is_signature ? *ReadTextFile(Path("own.cms")) : (*member)->content;
    ASSERT_TRUE(writer->Add((*member)->name, AsBytes(content)).ok());
  }
  ASSERT_TRUE(writer->Finish().ok());
  EXPECT_EQ(Run("lot verify-bundle " + Path("forged.tar") + " --certificate " + Path("image.pem")),
            kRefused);
  EXPECT_THAT(said_, HasSubstr("not what the owner of this certificate signed"));
}

TEST_F(BundleTest, ATruncatedArchiveIsRefusedWhereverItEnds) {
  const size_t member = HeaderOf("/factory.bin");
  for (const size_t size : {size_t{0}, size_t{100}, member, member + 512 + 7,
                            HeaderOf("SHA256SUMS"), archive_.size() - 512, archive_.size() - 1}) {
    EXPECT_EQ(Verify(archive_.substr(0, size)), kRefused) << size;
    EXPECT_THAT(said_, HasSubstr("BUNDLE_INVALID")) << size;
  }
}

TEST_F(BundleTest, AUnitWhoseImageWasWipedIsNamedAndNoFileIsLeft) {
  office_.OpenLot("bundle-wiped", office_.Light(), 2);
  ASSERT_EQ(Run("issue --lot bundle-wiped -n 2 --ticket-prefix w --out " + Path("wiped")), kOk)
      << said_;
  ASSERT_EQ(Run("confirm --lot bundle-wiped --ticket w000002"), kOk) << said_;
  EXPECT_EQ(Run("lot bundle bundle-wiped --out " + Path("wiped.tar")), kRefused);
  EXPECT_THAT(said_, HasSubstr("IDENTITY_WIPED"));
  EXPECT_THAT(said_, HasSubstr("w000002"));
  EXPECT_FALSE(fs::exists(folder_ / "wiped.tar"));
  EXPECT_FALSE(fs::exists(folder_ / "wiped.tar.part"));
}

TEST_F(BundleTest, ScrappedUnitsAreLeftOut) {
  office_.OpenLot("bundle-scrap", office_.Light(), 2);
  ASSERT_EQ(Run("issue --lot bundle-scrap -n 2 --ticket-prefix s --out " + Path("scrap")), kOk);
  ASSERT_EQ(Run("confirm --lot bundle-scrap --ticket s000001 --outcome scrapped"), kOk) << said_;
  ASSERT_EQ(Run("lot bundle bundle-scrap --out " + Path("scrap.tar")), kOk) << said_;
  EXPECT_THAT(said_, HasSubstr("1 unit(s)"));
}

TEST_F(BundleTest, OnlyALineOfTheLotGetsTheUnits) {
  EXPECT_EQ(Run("--as plain lot bundle bundle --out " + Path("x.tar")), kRefused);
  EXPECT_THAT(said_, HasSubstr("TICKET_OF_ANOTHER_LINE"));
  EXPECT_EQ(Run("--as auditor lot bundle bundle --out " + Path("x.tar")), kRefused);
  EXPECT_THAT(said_, HasSubstr("ROLE_MISSING"));
  EXPECT_EQ(Run("lot bundle nowhere --out " + Path("x.tar")), kRefused);
}

TEST_F(BundleTest, TheKeySignsNothingButAListOfTheLot) {
  const auto stub = v1::BundleService::NewStub(office_.ChannelAs(kLine));
  const auto sign = [&](const std::string& lot, const std::string& list) {
    const auto context = Context();
    v1::SignBundleResponse response;
    const auto writer = stub->SignBundle(context.get(), &response);
    v1::SignBundleRequest request;
    request.set_lot(lot);
    request.set_list(list);
    writer->Write(request);
    writer->WritesDone();
    return ReasonIn(writer->Finish());
  };
  const std::string line = image::BundleListLine(Sha256(AsBytes("x")), "x");
  EXPECT_EQ(sign("bundle", image::BundleListHead("bundle") + line), "");
  EXPECT_EQ(sign("bundle", archive_), "FIELD_MALFORMED");
  EXPECT_EQ(sign("bundle", image::BundleListHead("other") + line), "FIELD_MALFORMED");
  EXPECT_EQ(sign("bundle", image::BundleListHead("bundle")), "FIELD_MALFORMED");
  EXPECT_EQ(sign("", line), "FIELD_REQUIRED");
}

}  // namespace
}  // namespace assay::integration
