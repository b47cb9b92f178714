#include "matter/test_credentials.h"

#include <gtest/gtest.h>

#include "cert_vectors.h"
#include "matter/certificate_format.h"
#include "software_key.h"

namespace assay::matter {
namespace {

TEST(TestCredentials, EveryPublishedAuthorityIsKnownByItsKey) {
  ASSAY_NEED_VECTORS();
  int found = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(MatterVectors())) {
    const std::string path = std::filesystem::relative(entry.path(), MatterVectors());
    if (entry.path().extension() != ".pem" || path.starts_with("cd/")) continue;
    absl::StatusOr<Certificate> read = Certificate::ParsePem(ReadVectorFile(path));
    if (!read.ok() || !read->IsP256()) continue;
    const auto constraints = read->basic_constraints();
    if (!constraints.ok() || !constraints->has_value() || !(**constraints).ca) continue;
    EXPECT_TRUE(IsTestAuthorityKey(read->public_key())) << path;
    ++found;
  }
  EXPECT_GT(found, 22);
}

TEST(TestCredentials, OthersAreNot) {
  EXPECT_FALSE(IsTestAuthorityKey(SoftwareKey::Fresh().Point()));
  EXPECT_FALSE(IsTestCdSigner(Bytes(20, 0)));
  EXPECT_TRUE(IsTestVendor(0xFFF1));
  EXPECT_TRUE(IsTestVendor(0xFFF4));
  EXPECT_FALSE(IsTestVendor(0xFFF0));
  EXPECT_FALSE(IsTestVendor(0xFFF5));
}

}  // namespace
}  // namespace assay::matter
