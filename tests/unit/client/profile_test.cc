#include "client/profile.h"

#include "base/refusal.h"
#include "gtest/gtest.h"

namespace assay::client {
namespace {

constexpr const char* kGood = R"(
server: localhost:7443
server_name: assayd
ca: tls/ca.pem
factory: demo
identities:
  line: {certificate: tls/line.pem, key: /keys/line.key}
)";

TEST(ProfileTest, PathsAreRelativeToTheFile) {
  const auto profile = ParseProfile(kGood, "/etc/assay/client.yaml");
  ASSERT_TRUE(profile.ok()) << profile.status();
  EXPECT_EQ(profile->server, "localhost:7443");
  EXPECT_EQ(profile->ca_file, "/etc/assay/tls/ca.pem");
  EXPECT_EQ(profile->IdentityOf("line")->certificate_file, "/etc/assay/tls/line.pem");
  EXPECT_EQ(profile->IdentityOf("line")->key_file, "/keys/line.key");
}

TEST(ProfileTest, AMissingRoleIsNamed) {
  const auto identity = ParseProfile(kGood, "p.yaml")->IdentityOf("auditor");
  ASSERT_FALSE(identity.ok());
  EXPECT_EQ(RefusalOf(identity.status())->field, "p.yaml: identities.auditor");
}

TEST(ProfileTest, UnknownKeysAndMissingOnesAreRefusedWithTheirPath) {
  EXPECT_EQ(RefusalOf(ParseProfile("server: a\nca: b\nport: 1\n", "p").status())->field, "p: port");
  EXPECT_EQ(RefusalOf(ParseProfile("ca: b\n", "p").status())->field, "p: server");
  EXPECT_EQ(RefusalOf(ParseProfile("server: a\n", "p").status())->field, "p: ca");
  EXPECT_EQ(
      RefusalOf(ParseProfile("server: a\nca: b\nidentities: {line: {pem: x}}\n", "p").status())
          ->field,
      "p: identities.line.pem");
  EXPECT_FALSE(ParseProfile("server: [", "p").ok());
}

}  // namespace
}  // namespace assay::client
