#include "matter/csr.h"

#include <gtest/gtest.h>

#include "base/refusal.h"
#include "cert_vectors.h"
#include "matter/der.h"
#include "matter/name.h"
#include "software_key.h"

namespace assay::matter {
namespace {

Bytes MakeCsr(const SoftwareKey& key, const Bytes& point) {
  const Bytes info = EncodeCsrInfo(EncodeName(MatterName("Device", {}, {})), point);
  return AssembleCsr(info, key.Sign(info));
}

TEST(Csr, ProvesTheKeyAndGivesItsPoint) {
  const SoftwareKey key = SoftwareKey::Fresh();
  const Bytes csr = MakeCsr(key, key.Point());
  absl::StatusOr<Csr> read = ParseCsr(csr);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(ToBytes(read->public_key), key.Point());
  EXPECT_EQ(*CsrDerFrom(AsBytes(ToPem("CERTIFICATE REQUEST", csr))), csr);
  EXPECT_EQ(*CsrDerFrom(csr), csr);
}

TEST(Csr, ReadsTheSdksOwn) {
  ASSAY_NEED_VECTORS();
  const auto vectors = ReadVectorJson("attestation_info/nocsr_vectors.json");
  EXPECT_TRUE(ParseCsr(Hex(vectors["construct"]["csr_hex"])).ok());
}

TEST(Csr, IsRefusedForEachFaultWithItsReason) {
  const SoftwareKey key = SoftwareKey::Fresh();
  const SoftwareKey other = SoftwareKey::Fresh();
  const Bytes good = MakeCsr(key, key.Point());
  EXPECT_TRUE(HasReason(ParseCsr(MakeCsr(other, key.Point())).status(), Reason::CSR_SIGNATURE));
  EXPECT_TRUE(HasReason(ParseCsr(Bytes(1025, 0)).status(), Reason::CSR_TOO_LARGE));
  EXPECT_TRUE(HasReason(ParseCsr(good, good.size() - 1).status(), Reason::CSR_TOO_LARGE));
  EXPECT_TRUE(HasReason(ParseCsr({}).status(), Reason::CSR_MALFORMED));
  Bytes off_curve = key.Point();
  off_curve[64] ^= 1;
  EXPECT_TRUE(HasReason(ParseCsr(MakeCsr(key, off_curve)).status(), Reason::CSR_CURVE));
  // secp256k1's identifier in place of prime256v1's.
  const std::string p256 = "06082a8648ce3d030107";
  std::string text = ToHex(good);
  text.replace(text.find(p256), p256.size(), "06082b8104000a0a0a0a");
  EXPECT_TRUE(HasReason(ParseCsr(Hex(text)).status(), Reason::CSR_CURVE));
  for (size_t at = 0; at < good.size(); ++at) {
    Bytes changed = good;
    changed[at] ^= 0x01;
    EXPECT_FALSE(ParseCsr(changed).ok()) << at;
    EXPECT_FALSE(ParseCsr(ByteView(good).first(at)).ok()) << at;
  }
  EXPECT_FALSE(CsrDerFrom(AsBytes("-----BEGIN CERTIFICATE-----\n")).ok());
}

}  // namespace
}  // namespace assay::matter
