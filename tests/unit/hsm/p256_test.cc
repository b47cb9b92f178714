#include "hsm/p256.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace assay::hsm {
namespace {

template <size_t kSize>
std::array<uint8_t, kSize> Hex(std::string_view text) {
  std::array<uint8_t, kSize> out{};
  std::ranges::copy(*FromHex(text), out.begin());
  return out;
}

// RFC 6979 A.2.5: P-256, SHA-256, message "sample".
const PublicPoint kPoint = Hex<65>(
    "0460fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6"
    "7903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299");
const RawSignature kSignature = Hex<64>(
    "efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716"
    "f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8");

TEST(VerifySignature, AcceptsTheExampleOfRfc6979) {
  EXPECT_TRUE(VerifySignature(kPoint, Sha256(AsBytes("sample")), kSignature));
}

TEST(VerifySignature, RejectsAnythingElse) {
  EXPECT_FALSE(VerifySignature(kPoint, Sha256(AsBytes("Sample")), kSignature));
  RawSignature turned = kSignature;
  turned[63] ^= 1;
  EXPECT_FALSE(VerifySignature(kPoint, Sha256(AsBytes("sample")), turned));
  EXPECT_FALSE(VerifySignature(kPoint, Sha256(AsBytes("sample")), RawSignature{}));
  PublicPoint off = kPoint;
  off[64] ^= 1;
  EXPECT_FALSE(VerifySignature(off, Sha256(AsBytes("sample")), kSignature));
  EXPECT_FALSE(IsOnP256(off));
  EXPECT_FALSE(IsOnP256(PublicPoint{}));
  EXPECT_TRUE(IsOnP256(kPoint));
}

}  // namespace
}  // namespace assay::hsm
