#include "matter/modular_inverse.h"

#include <gtest/gtest.h>
#include <openssl/bn.h>
#include <openssl/rand.h>

#include <memory>

namespace assay::matter {
namespace {

using Number = ModularInverter::Number;
using Big = std::unique_ptr<BIGNUM, decltype(&BN_free)>;

Number Of(std::string_view hex) {
  const Bytes bytes = *FromHex(hex);
  Number number{};
  std::copy(bytes.begin(), bytes.end(), number.end() - static_cast<ptrdiff_t>(bytes.size()));
  return number;
}
Number RandomNumber() {
  Number number;
  EXPECT_EQ(RAND_bytes(number.data(), static_cast<int>(number.size())), 1);
  return number;
}
Big ToBig(const Number& number) { return Big(BN_bin2bn(number.data(), 32, nullptr), BN_free); }

std::optional<Number> ByOpenSsl(const Number& value, const Number& modulus) {
  const std::unique_ptr<BN_CTX, decltype(&BN_CTX_free)> context(BN_CTX_new(), BN_CTX_free);
  const Big inverse(
      BN_mod_inverse(nullptr, ToBig(value).get(), ToBig(modulus).get(), context.get()), BN_free);
  if (inverse == nullptr) return std::nullopt;
  Number number{};
  EXPECT_EQ(BN_bn2binpad(inverse.get(), number.data(), 32), 32);
  return number;
}

const Number kOrder = Of("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551");
const Number kField = Of("ffffffff00000001000000000000000000000000ffffffffffffffffffffffff");

TEST(ModularInverter, IsOpenSslsInverseForRandomNumbers) {
  for (const Number& modulus : {kOrder, kField}) {
    const ModularInverter inverter(modulus);
    for (int i = 0; i < 5000; ++i) {
      Number value = RandomNumber();
      // Short ones as well.
      std::fill_n(value.begin(), i % 32, uint8_t{0});
      ASSERT_EQ(inverter.Invert(value), ByOpenSsl(value, modulus)) << ToHex(value);
    }
  }
}

TEST(ModularInverter, IsOpenSslsInverseForRandomModuliAlsoWhereThereIsNone) {
  int none = 0;
  for (int i = 0; i < 5000; ++i) {
    Number modulus = RandomNumber(), value = RandomNumber();
    std::fill_n(modulus.begin(), i % 31, uint8_t{0});
    modulus[31] |= 3;  // odd and above 1
    const auto expected = ByOpenSsl(value, modulus);
    none += !expected;
    ASSERT_EQ(ModularInverter(modulus).Invert(value), expected)
        << ToHex(value) << " modulo " << ToHex(modulus);
  }
  EXPECT_GT(none, 100);
}

TEST(ModularInverter, HoldsAtTheEdges) {
  for (const Number& modulus : {kOrder, kField, Of("03"), Of("ff"), Of("010001")}) {
    const ModularInverter inverter(modulus);
    EXPECT_EQ(inverter.Invert(Number{}), std::nullopt);
    EXPECT_EQ(inverter.Invert(modulus), std::nullopt);
    EXPECT_EQ(inverter.Invert(Of("01")), Of("01"));
    Number last = modulus;
    last[31] -= 1;
    EXPECT_EQ(inverter.Invert(last), last);  // -1 is its own
    Number all;
    all.fill(0xFF);
    EXPECT_EQ(inverter.Invert(all), ByOpenSsl(all, modulus));
    for (int bit = 0; bit < 256; ++bit) {
      Number power{};
      power[31 - static_cast<size_t>(bit) / 8] = static_cast<uint8_t>(1 << (bit % 8));
      ASSERT_EQ(inverter.Invert(power), ByOpenSsl(power, modulus)) << bit;
    }
  }
}

}  // namespace
}  // namespace assay::matter
