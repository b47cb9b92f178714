// The AVX-512 IFMA kernel: limb i of all eight lanes in one register. Numbers modulo the prime of
// P-256 are five limbs of 52 bits, times 2^260 (Montgomery's form). That is 16 times the prime, so
// sums are carried and not reduced: each function says between which multiples of the prime its
// operands and its result are.
#if defined(__x86_64__)

#include <immintrin.h>

#include "matter/ecdsa_lanes.h"

namespace assay::matter {
namespace {

#define ASSAY_INLINE inline __attribute__((always_inline))

constexpr int kLimbBits = 52;
constexpr uint64_t kLimb = (uint64_t{1} << kLimbBits) - 1;
// p = 2^256 - 2^224 + 2^192 + 2^96 - 1
constexpr uint64_t kPrime[5] = {0xFFFFFFFFFFFFF, 0x00FFFFFFFFFFF, 0, 0x0001000000000,
                                0x0FFFFFFFF0000};
// 2^260 modulo p
constexpr uint64_t kOne[5] = {0x0000000000010, 0xF000000000000, 0xFFFFFFFFFFFFF, 0xFFEFFFFFFFFFF,
                              0x00000000FFFFF};

// Limbs 0 to 3 are below 2^52, and so is the last, where nothing else is said.
struct Field {
  __m512i limb[5];
};
struct Jacobian {
  Field x, y, z;
};

ASSAY_INLINE __m512i Spread(uint64_t value) {
  return _mm512_set1_epi64(static_cast<long long>(value));
}
ASSAY_INLINE __m512i Zero() { return _mm512_setzero_si512(); }
ASSAY_INLINE __m512i Add(__m512i a, __m512i b) { return _mm512_add_epi64(a, b); }
ASSAY_INLINE __m512i Sub(__m512i a, __m512i b) { return _mm512_sub_epi64(a, b); }
ASSAY_INLINE __m512i LowOf(__m512i a) { return _mm512_and_si512(a, Spread(kLimb)); }
// The low and the high 52 bits of a product, added.
ASSAY_INLINE __m512i AddLow(__m512i sum, __m512i a, __m512i b) {
  return _mm512_madd52lo_epu64(sum, a, b);
}
ASSAY_INLINE __m512i AddHigh(__m512i sum, __m512i a, __m512i b) {
  return _mm512_madd52hi_epu64(sum, a, b);
}

ASSAY_INLINE Field SpreadField(const uint64_t (&limbs)[5]) {
  Field out;
  for (int i = 0; i < 5; ++i) out.limb[i] = Spread(limbs[i]);
  return out;
}

// Limbs of any sign to limbs below 2^52; the number itself is not negative and below 2^260.
ASSAY_INLINE Field Carried(Field a) {
  for (int i = 0; i < 4; ++i) {
    a.limb[i + 1] = Add(a.limb[i + 1], _mm512_srai_epi64(a.limb[i], kLimbBits));
    a.limb[i] = LowOf(a.limb[i]);
  }
  return a;
}

// a - b + TIMES p, which must not be negative.
template <uint64_t TIMES>
ASSAY_INLINE Field Difference(const Field& a, const Field& b) {
  Field out;
  for (int i = 0; i < 5; ++i) {
    out.limb[i] = Add(Sub(a.limb[i], b.limb[i]), Spread(TIMES * kPrime[i]));
  }
  return Carried(out);
}

// The product's ten limbs, not carried, to its fifth part by 2^260 modulo p: at most a sixteenth of
// the product in units of p^2, and one p more. p is -1 modulo 2^52, so that the lowest limb itself
// is how often p is added; and p's two lowest limbs add up to q 2^44 in the next one.
ASSAY_INLINE Field Reduced(__m512i (&t)[10]) {
  const __m512i second = Spread(uint64_t{1} << 44), fourth = Spread(kPrime[3]),
                fifth = Spread(kPrime[4]);
#pragma GCC unroll 5
  for (int i = 0; i < 5; ++i) {
    const __m512i q = LowOf(t[i]);
    t[i + 1] = AddLow(Add(t[i + 1], _mm512_srli_epi64(t[i], kLimbBits)), q, second);
    t[i + 2] = AddHigh(t[i + 2], q, second);
    t[i + 3] = AddLow(t[i + 3], q, fourth);
    t[i + 4] = AddLow(AddHigh(t[i + 4], q, fourth), q, fifth);
    t[i + 5] = AddHigh(t[i + 5], q, fifth);
  }
  return Carried({t[5], t[6], t[7], t[8], t[9]});
}

ASSAY_INLINE Field Product(const Field& a, const Field& b) {
  __m512i t[10];
  for (__m512i& limb : t) limb = Zero();
#pragma GCC unroll 5
  for (int i = 0; i < 5; ++i) {
#pragma GCC unroll 5
    for (int j = 0; j < 5; ++j) {
      t[i + j] = AddLow(t[i + j], a.limb[i], b.limb[j]);
      t[i + j + 1] = AddHigh(t[i + j + 1], a.limb[i], b.limb[j]);
    }
  }
  return Reduced(t);
}

ASSAY_INLINE Field Square(const Field& a) {
  __m512i t[10];
  for (__m512i& limb : t) limb = Zero();
#pragma GCC unroll 5
  for (int i = 0; i < 5; ++i) {
#pragma GCC unroll 5
    for (int j = i + 1; j < 5; ++j) {
      t[i + j] = AddLow(t[i + j], a.limb[i], a.limb[j]);
      t[i + j + 1] = AddHigh(t[i + j + 1], a.limb[i], a.limb[j]);
    }
  }
#pragma GCC unroll 10
  for (int i = 0; i < 10; ++i) t[i] = Add(t[i], t[i]);
#pragma GCC unroll 5
  for (int i = 0; i < 5; ++i) {
    t[2 * i] = AddLow(t[2 * i], a.limb[i], a.limb[i]);
    t[2 * i + 1] = AddHigh(t[2 * i + 1], a.limb[i], a.limb[i]);
  }
  return Reduced(t);
}

// Below 16 p to below 1.01 p: the prime is nearly 2^256, so that the bits above tell how often to
// take it off.
ASSAY_INLINE Field Lowered(Field a) {
  const __m512i times = _mm512_srli_epi64(a.limb[4], 48);
  a.limb[0] = Add(a.limb[0], times);
  a.limb[1] = Sub(a.limb[1], _mm512_slli_epi64(times, 44));
  a.limb[3] = Sub(a.limb[3], _mm512_slli_epi64(times, 36));
  a.limb[4] = Add(Sub(a.limb[4], _mm512_slli_epi64(times, 48)), _mm512_slli_epi64(times, 16));
  return Carried(a);
}

// Whether a number below 4 p is a multiple of p.
ASSAY_INLINE __mmask8 IsMultipleOfPrime(const Field& a) {
  __mmask8 any = 0;
  for (uint64_t times = 0; times < 4; ++times) {
    __mmask8 same = 0xFF;
    uint64_t carry = 0;
    for (int i = 0; i < 5; ++i) {
      const uint64_t sum = times * kPrime[i] + carry;
      carry = i < 4 ? sum >> kLimbBits : 0;
      const uint64_t limb = i < 4 ? sum & kLimb : sum;
      same &= _mm512_cmpeq_epu64_mask(a.limb[i], Spread(limb));
    }
    any |= same;
  }
  return any;
}

// Four words of 64 bits to five limbs of 52.
ASSAY_INLINE Field Split(__m512i w0, __m512i w1, __m512i w2, __m512i w3) {
  Field out;
  out.limb[0] = LowOf(w0);
  out.limb[1] = LowOf(_mm512_or_si512(_mm512_srli_epi64(w0, 52), _mm512_slli_epi64(w1, 12)));
  out.limb[2] = LowOf(_mm512_or_si512(_mm512_srli_epi64(w1, 40), _mm512_slli_epi64(w2, 24)));
  out.limb[3] = LowOf(_mm512_or_si512(_mm512_srli_epi64(w2, 28), _mm512_slli_epi64(w3, 36)));
  out.limb[4] = _mm512_srli_epi64(w3, 16);
  return out;
}

ASSAY_INLINE Field LoadWords(const uint64_t (&words)[4][kEcdsaLanes]) {
  return Split(_mm512_loadu_si512(words[0]), _mm512_loadu_si512(words[1]),
               _mm512_loadu_si512(words[2]), _mm512_loadu_si512(words[3]));
}

struct Affine {
  Field x, y;
};

// A point a lane: each is one register's width, and the eight are turned so that a register has the
// same word of all.
ASSAY_INLINE Affine Gather(const TablePoint* const (&points)[kEcdsaLanes]) {
  __m512i row[8], pair[8], four[8];
#pragma GCC unroll 8
  for (int i = 0; i < 8; ++i) row[i] = _mm512_load_si512(points[i]);
#pragma GCC unroll 4
  for (int i = 0; i < 8; i += 2) {
    pair[i] = _mm512_unpacklo_epi64(row[i], row[i + 1]);
    pair[i + 1] = _mm512_unpackhi_epi64(row[i], row[i + 1]);
  }
#pragma GCC unroll 2
  for (int i = 0; i < 2; ++i) {
    // Of lanes 0 to 3, and of 4 to 7: words 0/1 and 4/5, words 2/3 and 6/7.
    four[i] = _mm512_shuffle_i64x2(pair[i], pair[i + 2], 0x88);
    four[i + 2] = _mm512_shuffle_i64x2(pair[i], pair[i + 2], 0xDD);
    four[i + 4] = _mm512_shuffle_i64x2(pair[i + 4], pair[i + 6], 0x88);
    four[i + 6] = _mm512_shuffle_i64x2(pair[i + 4], pair[i + 6], 0xDD);
  }
  __m512i word[8];
#pragma GCC unroll 2
  for (int i = 0; i < 2; ++i) {
    word[i] = _mm512_shuffle_i64x2(four[i], four[i + 4], 0x88);
    word[i + 4] = _mm512_shuffle_i64x2(four[i], four[i + 4], 0xDD);
    word[i + 2] = _mm512_shuffle_i64x2(four[i + 2], four[i + 6], 0x88);
    word[i + 6] = _mm512_shuffle_i64x2(four[i + 2], four[i + 6], 0xDD);
  }
  return {Split(word[0], word[1], word[2], word[3]), Split(word[4], word[5], word[6], word[7])};
}

// sum + point, or sum - point in the lanes of `minus`, in Jacobian coordinates (the mixed addition
// of Cohen, Miyaji and Ono). Where the two are the same, each other's inverse or at infinity, z
// becomes 0 and stays so. Bounds in units of p, before and after: x 1.01, y 5, z 2.
ASSAY_INLINE Jacobian Sum(const Jacobian& sum, const Affine& point, __mmask8 minus) {
  const Field zz = Square(sum.z);
  const Field u = Product(point.x, zz);
  const Field zzz = Product(sum.z, zz);
  Field s = Product(point.y, zzz);
  for (__m512i& limb : s.limb) limb = _mm512_mask_sub_epi64(limb, minus, Zero(), limb);
  const Field h = Difference<2>(u, sum.x);  // below 3.1
  const Field r = Difference<7>(s, sum.y);  // below 8.1
  const Field hh = Square(h);               // below 1.7
  const Field hhh = Product(h, hh);         // below 1.4
  const Field v = Product(sum.x, hh);       // below 1.2
  const Field rr = Square(r);               // below 5.1
  Jacobian out;
  Field twice;
  for (int i = 0; i < 5; ++i) twice.limb[i] = Add(hhh.limb[i], Add(v.limb[i], v.limb[i]));
  out.x = Lowered(Difference<4>(rr, twice));
  out.y = Difference<2>(Product(r, Difference<2>(v, out.x)), Product(sum.y, hhh));  // below 4.6
  out.z = Product(sum.z, h);                                                        // below 1.4
  return out;
}

ASSAY_INLINE Field Chosen(__mmask8 second, const Field& a, const Field& b) {
  Field out;
  for (int i = 0; i < 5; ++i) out.limb[i] = _mm512_mask_mov_epi64(a.limb[i], second, b.limb[i]);
  return out;
}

// Adds a digit's multiple in each lane; not inlined, as it is large and called twice a digit.
__attribute__((noinline)) void AddDigits(Jacobian& sum,
                                         const TablePoint* const (&rows)[kEcdsaLanes],
                                         const int8_t (&digits)[kEcdsaLanes]) {
  const TablePoint* points[kEcdsaLanes];
  unsigned minus = 0, some = 0;
  for (int i = 0; i < kEcdsaLanes; ++i) {
    const int digit = digits[i];
    const int size = digit < 0 ? -digit : digit;
    minus |= static_cast<unsigned>(digit < 0) << i;
    some |= static_cast<unsigned>(digit != 0) << i;
    points[i] = rows[i] + (size == 0 ? 0 : size - 1);
  }
  const Jacobian added = Sum(sum, Gather(points), static_cast<__mmask8>(minus));
  if (some == 0xFF) {
    sum = added;
    return;
  }
  const auto taken = static_cast<__mmask8>(some);
  sum = {Chosen(taken, sum.x, added.x), Chosen(taken, sum.y, added.y),
         Chosen(taken, sum.z, added.z)};
}

}  // namespace

EcdsaVerdicts CheckLanesIfma(const EcdsaLanes& lanes) {
  const TablePoint* rows[kEcdsaLanes];
  for (const TablePoint*& row : rows) row = &lanes.start;
  const Affine start = Gather(rows);
  Jacobian sum{start.x, start.y, SpreadField(kOne)};
  for (int digit = 0; digit < kDigits; ++digit) {
    for (const TablePoint*& row : rows) row = lanes.base->row[digit];
    AddDigits(sum, rows, lanes.base_digits[digit]);
    for (int i = 0; i < kEcdsaLanes; ++i) rows[i] = lanes.key[i]->row[digit];
    AddDigits(sum, rows, lanes.key_digits[digit]);
  }
  for (const TablePoint*& row : rows) row = &lanes.end;
  sum = Sum(sum, Gather(rows), 0);

  // x = X / Z^2, so what is asked for is compared, times Z^2, with X, and nothing is divided.
  constexpr uint64_t kPlainOne[5] = {1, 0, 0, 0, 0};
  const Field zz = Square(sum.z);
  const Field x = Product(sum.x, SpreadField(kPlainOne));
  const __mmask8 right = IsMultipleOfPrime(Difference<2>(Product(LoadWords(lanes.x), zz), x)) |
                         IsMultipleOfPrime(Difference<2>(Product(LoadWords(lanes.other_x), zz), x));
  const __mmask8 unclear = IsMultipleOfPrime(sum.z);
  return {static_cast<uint8_t>(right & ~unclear), static_cast<uint8_t>(unclear)};
}

}  // namespace assay::matter

#endif
