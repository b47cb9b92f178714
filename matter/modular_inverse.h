// Inverses modulo an odd number of 256 bits, for values that are no secret: the time depends on the
// value. A fifth of what BN_mod_inverse takes.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "base/bytes.h"

namespace assay::matter {

// Immutable and thread-safe. By Bernstein and Yang's division steps (Fast constant-time gcd
// computation and modular inversion, TCHES 2019), 62 at a time, skipping what is even at once.
class ModularInverter {
 public:
  using Number = std::array<uint8_t, 32>;  // big-endian

  // `modulus` is odd and above 1.
  explicit ModularInverter(const Number& modulus);

  // `value` has 32 bytes, big-endian. Nothing where it has no inverse: zero, or a common divisor
  // with the modulus.
  std::optional<Number> Invert(ByteView value) const;

 private:
  // Sum of limb i times 2^(62 i). All limbs but the last are in 0 .. 2^62 - 1 between steps.
  using Limbs = std::array<int64_t, 5>;
  struct Transition {
    int64_t u, v, q, r;
  };

  static Limbs Load(ByteView value);
  static Number Store(const Limbs& limbs);
  static int64_t Step(int64_t eta, uint64_t f, uint64_t g, Transition& out);
  static void Apply(const Transition& t, size_t size, Limbs& f, Limbs& g);
  void ApplyModulo(const Transition& t, Limbs& d, Limbs& e) const;
  void AddModulusIfNegative(Limbs& number) const;

  Limbs modulus_;
  uint64_t modulus_inverse_;  // modulo 2^62
};

}  // namespace assay::matter
