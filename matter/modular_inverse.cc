#include "matter/modular_inverse.h"

#include <algorithm>
#include <bit>
#include <utility>

namespace assay::matter {
namespace {

// GCC's and Clang's; ISO C++ has none.
__extension__ using Wide = __int128;

constexpr int kLimbBits = 62;
constexpr uint64_t kLimbMask = ~uint64_t{0} >> 2;

int64_t LowLimb(Wide number) {
  return static_cast<int64_t>(static_cast<uint64_t>(number) & kLimbMask);
}

// All ones where negative.
int64_t SignMask(int64_t number) { return number >> 63; }

// Brings all limbs but the last back into their range.
void Carry(std::array<int64_t, 5>& limbs) {
  for (size_t i = 0; i + 1 < limbs.size(); ++i) {
    limbs[i + 1] += limbs[i] >> kLimbBits;
    limbs[i] &= static_cast<int64_t>(kLimbMask);
  }
}

}  // namespace

ModularInverter::ModularInverter(const Number& modulus) : modulus_(Load(modulus)) {
  // Newton: each round doubles the bits that are right, from three on.
  const auto low = static_cast<uint64_t>(modulus_[0]);
  uint64_t inverse = low;
  for (int round = 0; round < 5; ++round) inverse *= 2 - low * inverse;
  modulus_inverse_ = inverse & kLimbMask;
}

ModularInverter::Limbs ModularInverter::Load(ByteView value) {
  Limbs limbs{};
  for (size_t byte = 0; byte < 32; ++byte) {
    const size_t bit = 8 * byte;
    const auto part = static_cast<uint64_t>(value[31 - byte]);
    const size_t at = bit / kLimbBits, shift = bit % kLimbBits;
    limbs[at] |= static_cast<int64_t>((part << shift) & kLimbMask);
    if (shift > kLimbBits - 8) {
      limbs[at + 1] |= static_cast<int64_t>(part >> (kLimbBits - shift));
    }
  }
  return limbs;
}

ModularInverter::Number ModularInverter::Store(const Limbs& limbs) {
  Number number{};
  for (size_t byte = 0; byte < 32; ++byte) {
    const size_t bit = 8 * byte;
    const size_t at = bit / kLimbBits, shift = bit % kLimbBits;
    uint64_t part = static_cast<uint64_t>(limbs[at]) >> shift;
    if (shift > kLimbBits - 8) part |= static_cast<uint64_t>(limbs[at + 1]) << (kLimbBits - shift);
    number[31 - byte] = static_cast<uint8_t>(part);
  }
  return number;
}

// 62 division steps on the low bits of f (odd) and g. `out` is what they did to f and g, times
// 2^62; the answer is the new eta.
int64_t ModularInverter::Step(int64_t eta, uint64_t f, uint64_t g, Transition& out) {
  uint64_t u = 1, v = 0, q = 0, r = 1;
  int left = kLimbBits;
  for (;;) {
    const int zeros = std::countr_zero(g | (~uint64_t{0} << left));
    g >>= zeros;
    u <<= zeros;
    v <<= zeros;
    eta -= zeros;
    left -= zeros;
    if (left == 0) break;
    // Both are odd now. A multiple of f is added to g that clears as many low bits as steps of one
    // kind can follow: at most six after a swap, else at most four.
    uint64_t multiple = 0;
    if (eta < 0) {
      eta = -eta;
      f = std::exchange(g, -f);
      u = std::exchange(q, -u);
      v = std::exchange(r, -v);
      const uint64_t mask = (~uint64_t{0} >> (64 - std::min<int64_t>(eta + 1, left))) & 63;
      multiple = (f * g * (f * f - 2)) & mask;
    } else {
      const uint64_t mask = (~uint64_t{0} >> (64 - std::min<int64_t>(eta + 1, left))) & 15;
      const uint64_t inverse = f + (((f + 1) & 4) << 1);
      multiple = (-inverse * g) & mask;
    }
    g += f * multiple;
    q += u * multiple;
    r += v * multiple;
  }
  out = {static_cast<int64_t>(u), static_cast<int64_t>(v), static_cast<int64_t>(q),
         static_cast<int64_t>(r)};
  return eta;
}

// (f, g) = t (f, g) / 2^62, which divides without rest. Only the first `size` limbs count.
void ModularInverter::Apply(const Transition& t, size_t size, Limbs& f, Limbs& g) {
  Wide next_f = Wide{t.u} * f[0] + Wide{t.v} * g[0];
  Wide next_g = Wide{t.q} * f[0] + Wide{t.r} * g[0];
  next_f >>= kLimbBits;
  next_g >>= kLimbBits;
  for (size_t i = 1; i < size; ++i) {
    next_f += Wide{t.u} * f[i] + Wide{t.v} * g[i];
    next_g += Wide{t.q} * f[i] + Wide{t.r} * g[i];
    f[i - 1] = LowLimb(next_f);
    g[i - 1] = LowLimb(next_g);
    next_f >>= kLimbBits;
    next_g >>= kLimbBits;
  }
  f[size - 1] = static_cast<int64_t>(next_f);
  g[size - 1] = static_cast<int64_t>(next_g);
}

// (d, e) = t (d, e) / 2^62 modulo the modulus; both stay above -2 moduli and below one.
void ModularInverter::ApplyModulo(const Transition& t, Limbs& d, Limbs& e) const {
  const int64_t negative_d = SignMask(d[4]), negative_e = SignMask(e[4]);
  // Multiples of the modulus: for what is negative, and so that the low limbs become zero.
  int64_t add_d = (t.u & negative_d) + (t.v & negative_e);
  int64_t add_e = (t.q & negative_d) + (t.r & negative_e);
  Wide next_d = Wide{t.u} * d[0] + Wide{t.v} * e[0];
  Wide next_e = Wide{t.q} * d[0] + Wide{t.r} * e[0];
  add_d -= static_cast<int64_t>(
      (modulus_inverse_ * static_cast<uint64_t>(next_d) + static_cast<uint64_t>(add_d)) &
      kLimbMask);
  add_e -= static_cast<int64_t>(
      (modulus_inverse_ * static_cast<uint64_t>(next_e) + static_cast<uint64_t>(add_e)) &
      kLimbMask);
  next_d = (next_d + Wide{modulus_[0]} * add_d) >> kLimbBits;
  next_e = (next_e + Wide{modulus_[0]} * add_e) >> kLimbBits;
  for (size_t i = 1; i < 5; ++i) {
    next_d += Wide{t.u} * d[i] + Wide{t.v} * e[i] + Wide{modulus_[i]} * add_d;
    next_e += Wide{t.q} * d[i] + Wide{t.r} * e[i] + Wide{modulus_[i]} * add_e;
    d[i - 1] = LowLimb(next_d);
    e[i - 1] = LowLimb(next_e);
    next_d >>= kLimbBits;
    next_e >>= kLimbBits;
  }
  d[4] = static_cast<int64_t>(next_d);
  e[4] = static_cast<int64_t>(next_e);
}

void ModularInverter::AddModulusIfNegative(Limbs& number) const {
  const int64_t negative = SignMask(number[4]);
  for (size_t i = 0; i < 5; ++i) number[i] += modulus_[i] & negative;
}

std::optional<ModularInverter::Number> ModularInverter::Invert(ByteView value) const {
  // f and g are d and e times the value, modulo the modulus, up to a power of two that each
  // Transition takes out again. In the end g is 0 and f the greatest common divisor or its
  // negative.
  Limbs d{}, e{1}, f = modulus_, g = Load(value);
  size_t size = 5;
  int64_t eta = -1;
  for (;;) {
    Transition t{};
    eta = Step(eta, static_cast<uint64_t>(f[0]), static_cast<uint64_t>(g[0]), t);
    ApplyModulo(t, d, e);
    Apply(t, size, f, g);
    if (std::all_of(g.begin(), g.begin() + static_cast<ptrdiff_t>(size),
                    [](int64_t limb) { return limb == 0; })) {
      break;
    }
    // The last limbs are nothing but sign: they go into the ones before.
    const int64_t top_f = f[size - 1], top_g = g[size - 1];
    if (size > 1 && top_f == SignMask(top_f) && top_g == SignMask(top_g)) {
      f[size - 2] |= static_cast<int64_t>(static_cast<uint64_t>(top_f) << kLimbBits);
      g[size - 2] |= static_cast<int64_t>(static_cast<uint64_t>(top_g) << kLimbBits);
      --size;
    }
  }
  const bool negative = f[size - 1] < 0;
  for (size_t i = 0; i < size; ++i) {
    const int64_t unit = negative ? (i + 1 == size ? -1 : static_cast<int64_t>(kLimbMask)) : i == 0;
    if (f[i] != unit) return std::nullopt;
  }
  AddModulusIfNegative(d);
  if (negative) {
    for (int64_t& limb : d) limb = -limb;
  }
  Carry(d);
  AddModulusIfNegative(d);
  Carry(d);
  return Store(d);
}

}  // namespace assay::matter
