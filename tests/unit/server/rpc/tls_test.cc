#include "server/rpc/tls.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>

#include "base/refusal.h"
#include "tests/support/test_pki.h"

namespace assay::rpc {
namespace {

TEST(TlsTest, BadFilesAreNamed) {
  const test_support::TestPki pki, other;
  char pattern[] = "/tmp/assay-tls-XXXXXX";
  const std::string folder = mkdtemp(pattern);
  const TlsFiles files{folder + "/cert", folder + "/key", folder + "/ca"};
  const auto write = [&](const test_support::TlsIdentity& server) {
    test_support::WritePrivateFile(files.certificate, server.certificate);
    test_support::WritePrivateFile(files.key, server.key);
    test_support::WritePrivateFile(files.client_ca, pki.ca());
  };
  const auto field = [&] { return RefusalOf(ReadTls(files, absl::Now()).status()); };
  EXPECT_EQ(field()->reason, Reason::FIELD_REQUIRED);
  write(pki.Server());
  EXPECT_TRUE(ReadTls(files, absl::Now()).ok());
  std::filesystem::permissions(files.key, std::filesystem::perms::others_read,
                               std::filesystem::perm_options::add);
  EXPECT_EQ(field()->reason, Reason::FIELD_NOT_ALLOWED);
  write(pki.Server());
  test_support::WritePrivateFile(files.key, other.Server().key);
  EXPECT_EQ(field()->reason, Reason::FIELDS_CONTRADICT);
  write(pki.Leaf({.dns = "localhost", .begins_in_seconds = -7200, .ends_in_seconds = -3600}));
  EXPECT_EQ(field()->field, "certificate");
  EXPECT_EQ(field()->reason, Reason::FIELD_OUT_OF_RANGE);
  write(pki.Leaf({.dns = "localhost", .begins_in_seconds = 3600, .ends_in_seconds = 7200}));
  EXPECT_EQ(field()->reason, Reason::FIELD_OUT_OF_RANGE);
  write(pki.Server());
  test_support::WritePrivateFile(files.client_ca, "nothing");
  EXPECT_EQ(field()->field, "client_ca");
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace assay::rpc
