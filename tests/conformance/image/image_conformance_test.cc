// What every image format must do, run over each format and each kind of image it makes. A new
// format joins by adding its option sets to Variants().
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "base/refusal.h"
#include "image/image.h"
#include "tests/unit/image/factory_fixture.h"
#include "tests/unit/image/image_vectors.h"

namespace assay::image {
namespace {

struct Variant {
  std::string name;
  ImageOptions options;
  Placement placement;
};

std::vector<Variant> Variants() {
  std::vector<Variant> variants;
  const Placement kNvsOnly, kAttestation{true, false, false}, kAll{true, true, true};
  const auto add = [&](std::string name, const Placement& placement,
                       const std::function<void(ImageOptions&)>& set) {
    Variant variant{std::move(name), {}, placement};
    set(variant.options);
    variants.push_back(std::move(variant));
  };
  add("esp32_plain", kNvsOnly, [](auto&) {});
  add("esp32_read_only", kNvsOnly, [](auto& o) { o.nvs_options.size = 0x2000; });
  add("esp32_version_1", kNvsOnly, [](auto& o) { o.nvs_options.version = NvsVersion::kV1; });
  add("esp32_encrypted", kNvsOnly, [](auto& o) { o.protection = NvsProtection::kKeyPartition; });
  add("esp32_hmac", kNvsOnly, [](auto& o) { o.protection = NvsProtection::kHmac; });
  add("esp32_dac_in_secure_cert", kAttestation, [](auto&) {});
  add("esp32_all_in_secure_cert", kAll, [](auto&) {});
  add("esp32_all_in_short_secure_cert", kAll, [](auto& o) {
    o.secure_cert.tail = SecureCertTail::kShort;
    o.secure_cert.integrity = true;
  });
  add("esp32_all_in_secure_cert_encrypted", kAll,
      [](auto& o) { o.protection = NvsProtection::kKeyPartition; });
  add("esp32_efuse_key", kAttestation, [](auto& o) { o.efuse_key_id = 1; });
  add("esp32_efuse_key_hmac", kAll, [](auto& o) {
    o.efuse_key_id = 5;
    o.protection = NvsProtection::kHmac;
  });
  add("esp32_secure_cert_alone", kAttestation, [](auto& o) { o.nvs = false; });
  add("esp32_all_secure_cert_alone", kAll, [](auto& o) { o.nvs = false; });
  return variants;
}

class ImageConformance : public ::testing::TestWithParam<Variant> {
 protected:
  void SetUp() override {
    format_ = FindImageFormat(options_.format);
    ASSERT_NE(format_, nullptr);
    content_ = FullContent();
    content_.placement = GetParam().placement;
    content_.extra = {{"mine", "u64", ~uint64_t{0}}, {"chip-factory", "own", std::string("text")}};
  }

  std::vector<ImageFile> Build(uint64_t seed = 1) {
    RepeatableRandom random(seed);
    auto files = format_->Build(content_, options_, "unit-1", random);
    EXPECT_TRUE(files.ok()) << files.status();
    return files.ok() ? *std::move(files) : std::vector<ImageFile>();
  }
  std::vector<ImageFile> Copy(const std::vector<ImageFile>& files) {
    std::vector<ImageFile> copy;
    for (const ImageFile& file : files) copy.push_back(file.Clone());
    return copy;
  }

  ImageOptions options_ = GetParam().options;
  const ImageFormat* format_ = nullptr;
  FactoryContent content_;
};

TEST_P(ImageConformance, ReadsBackWhatWasPutIn) {
  const auto files = Build();
  const auto found = format_->ReadBack(files, options_);
  ASSERT_TRUE(found.ok()) << found.status();
  const absl::Status same = CompareFactoryContent(ContentInImage(content_, options_), *found);
  EXPECT_TRUE(same.ok()) << same;
  RepeatableRandom random(2);
  EXPECT_TRUE(BuildProvenImage(content_, options_, "unit-1", random).ok());
}

TEST_P(ImageConformance, ReadsBackAUnitThatMadeItsOwnKey) {
  content_.dac_key = SecretBytes();
  RepeatableRandom random(2);
  const auto files = BuildProvenImage(content_, options_, "unit-1", random);
  ASSERT_TRUE(files.ok()) << files.status();
  EXPECT_TRUE(std::none_of(files->begin(), files->end(), [](const ImageFile& file) {
    return file.kind == ImageFileKind::kEcdsaEfuseKey;
  }));
}

TEST_P(ImageConformance, ReadsBackADynamicPasscode) {
  content_.verifier.clear();
  RepeatableRandom random(2);
  const auto files = BuildProvenImage(content_, options_, "unit-1", random);
  EXPECT_TRUE(files.ok()) << files.status();
}

TEST_P(ImageConformance, IsTheSameForTheSameRandomness) {
  const auto a = Build(7), b = Build(7), c = Build(8);
  ASSERT_EQ(a.size(), b.size());
  bool any_differs = false;
  for (size_t i = 0; i < a.size(); ++i) {
    EXPECT_EQ(ToBytes(a[i].bytes.view()), ToBytes(b[i].bytes.view()));
    any_differs |= ToBytes(a[i].bytes.view()) != ToBytes(c[i].bytes.view());
  }
  const bool draws = options_.protection != NvsProtection::kPlain ||
                     content_.placement.commissioning_in_secure_cert;
  EXPECT_EQ(any_differs, draws);
}

TEST_P(ImageConformance, NamesItsFilesApartAndMarksKeyMaterial) {
  const auto files = Build();
  ASSERT_FALSE(files.empty());
  std::set<std::string> names;
  for (const ImageFile& file : files) {
    EXPECT_TRUE(names.insert(file.name).second);
    EXPECT_TRUE(file.name.starts_with("unit-1"));
    EXPECT_EQ(ImageFileKindOf(ImageFileKindName(file.kind)), file.kind);
    const bool key = file.kind == ImageFileKind::kNvsKeys ||
                     file.kind == ImageFileKind::kHmacEfuseKey ||
                     file.kind == ImageFileKind::kEcdsaEfuseKey;
    EXPECT_EQ(file.key_material, key);
  }
  EXPECT_FALSE(files.front().key_material) << "the flashable image comes first";
}

TEST_P(ImageConformance, HidesTheKeyWhereItIsEncryptedOrInTheEfuse) {
  const Bytes key = TestBytes(kTestDacKey);
  for (const ImageFile& file : Build()) {
    const ByteView bytes = file.bytes.view();
    const bool holds =
        std::search(bytes.begin(), bytes.end(), key.begin(), key.end()) != bytes.end();
    if (options_.efuse_key_id) {
      EXPECT_FALSE(holds) << file.name << " holds a key that belongs to the eFuse";
    }
    if (file.kind == ImageFileKind::kNvs && options_.protection != NvsProtection::kPlain) {
      EXPECT_FALSE(holds) << file.name;
    }
  }
}

TEST_P(ImageConformance, RefusesFilesThatAreMissing) {
  const auto files = Build();
  for (size_t leave = 0; leave < files.size(); ++leave) {
    std::vector<ImageFile> rest;
    for (size_t i = 0; i < files.size(); ++i) {
      if (i != leave) rest.push_back(files[i].Clone());
    }
    const auto found = format_->ReadBack(rest, options_);
    const bool same =
        found.ok() && CompareFactoryContent(ContentInImage(content_, options_), *found).ok();
    EXPECT_FALSE(same) << "without " << files[leave].name;
  }
}

TEST_P(ImageConformance, RefusesFilesThatAreCutOff) {
  const auto files = Build();
  for (size_t which = 0; which < files.size(); ++which) {
    for (const size_t less :
         {size_t{1}, size_t{16}, files[which].bytes.size() / 2, files[which].bytes.size()}) {
      std::vector<ImageFile> cut = Copy(files);
      const ByteView whole = files[which].bytes.view();
      cut[which].bytes = SecretBytes::CopyOf(whole.first(whole.size() - less));
      const auto found = format_->ReadBack(cut, options_);
      const bool padding_only = found.ok() && files[which].kind == ImageFileKind::kSecureCert &&
                                options_.secure_cert.tail == SecureCertTail::kPadded &&
                                less < whole.size() / 2 + 1;
      // Empty pages behind the last entry carry nothing.
      const bool spare_pages =
          found.ok() && files[which].kind == ImageFileKind::kNvs && less % 4096 == 0;
      EXPECT_TRUE(!found.ok() || padding_only || spare_pages)
          << files[which].name << " less " << less;
    }
  }
}

TEST_P(ImageConformance, NoChangedByteGivesOtherContent) {
  const auto files = Build();
  RepeatableRandom random(5);
  const FactoryContent expected = ContentInImage(content_, options_);
  for (size_t which = 0; which < files.size(); ++which) {
    std::vector<ImageFile> changed = Copy(files);
    const size_t size = files[which].bytes.size();
    for (int round = 0; round < 400; ++round) {
      const size_t at = random.Below(std::min<size_t>(size, 0x1200));
      const auto flip = static_cast<uint8_t>(1 << random.Below(8));
      changed[which].bytes.data()[at] ^= flip;
      const auto found = format_->ReadBack(changed, options_);
      // The eFuse block has no check sum: there the comparison sees the change.
      if (found.ok() && files[which].kind != ImageFileKind::kEcdsaEfuseKey) {
        EXPECT_TRUE(CompareFactoryContent(expected, *found).ok())
            << files[which].name << " byte " << at;
      }
      changed[which].bytes.data()[at] ^= flip;
    }
  }
}

TEST_P(ImageConformance, RefusesForbiddenContentBeforeAnythingIsMade) {
  RepeatableRandom random(1);
  content_.discriminator = 4096;
  EXPECT_TRUE(HasReason(format_->Build(content_, options_, "unit-1", random).status(),
                        Reason::FIELD_OUT_OF_RANGE));
  content_.discriminator = 1;
  for (const char* name : {"", "../x", "a/b", ".hidden", "a b"}) {
    EXPECT_TRUE(HasReason(format_->Build(content_, options_, name, random).status(),
                          Reason::FIELD_MALFORMED))
        << name;
  }
}

INSTANTIATE_TEST_SUITE_P(Formats, ImageConformance, ::testing::ValuesIn(Variants()),
                         [](const auto& info) { return info.param.name; });

TEST(ImageFormats, EachHasOptionSetsInThisSuite) {
  std::set<std::string> tried;
  for (const Variant& variant : Variants()) tried.insert(variant.options.format);
  for (const std::string& name : ImageFormatNames()) {
    EXPECT_TRUE(tried.contains(name)) << name << " is registered, and nothing here tries it";
    ASSERT_NE(FindImageFormat(name), nullptr);
    EXPECT_EQ(FindImageFormat(name)->name(), name);
  }
}

TEST(ImageOptions, ThatContradictAreRefused) {
  RepeatableRandom random(1);
  const auto reason = [&](const std::function<void(ImageOptions&, FactoryContent&)>& change) {
    ImageOptions options;
    FactoryContent content = FullContent();
    change(options, content);
    const auto refusal = RefusalOf(BuildProvenImage(content, options, "u", random).status());
    return refusal ? refusal->reason : Reason::INTERNAL;
  };
  EXPECT_EQ(reason([](auto& o, auto&) { o.efuse_key_id = 1; }), Reason::FIELDS_CONTRADICT);
  EXPECT_EQ(reason([](auto& o, auto& c) {
              o.efuse_key_id = 6, c.placement = {true, false, false};
            }),
            Reason::FIELD_OUT_OF_RANGE);
  EXPECT_EQ(reason([](auto& o, auto&) { o.nvs = false; }), Reason::FIELDS_CONTRADICT);
  EXPECT_EQ(reason([](auto& o, auto&) { o.nvs_label = ""; }), Reason::FIELD_OUT_OF_RANGE);
  EXPECT_EQ(reason([](auto& o, auto&) { o.format = "abacus"; }), Reason::FIELD_OUT_OF_RANGE);
  EXPECT_EQ(reason([](auto& o, auto& c) {
              o.nvs_options.size = 0x1000, c.extra.emplace_back("x", "blob", Bytes(4096));
            }),
            Reason::IMAGE_TOO_SMALL);
  EXPECT_EQ(reason([](auto&, auto& c) {
              c.placement.attestation_in_secure_cert = true, c.dac.clear(), c.pai.clear(),
              c.dac_key = SecretBytes();
            }),
            Reason::FIELDS_CONTRADICT);
}

TEST(Esp32Image, IsTheReferenceToolsWithTheSameRandomFillers) {
  ASSAY_NEED_VECTORS();
  // The tool's two random fillers are all that differs from ours.
  ImageOptions options;
  FactoryContent content = FullContent();
  content.placement = {true, true, true};
  RepeatableRandom random(1);
  const auto files = BuildProvenImage(content, options, "u", random);
  ASSERT_TRUE(files.ok()) << files.status();
  Bytes ours = ToBytes((*files)[1].bytes.view());
  Bytes theirs = *MfgVector("tlv/full.tool2.3.6.bin");
  ASSERT_EQ(ours.size(), theirs.size());
  ours.resize(0x5a0);
  theirs.resize(0x5a0);
  EXPECT_EQ(ours, theirs);
}

}  // namespace
}  // namespace assay::image
