// The AVX-512 kernel: word i of all sixteen lanes in one register. Runs at the two vector ports'
// limit, so the rounds are written plainly and left to the compiler to order.
#if defined(__x86_64__)

#include <immintrin.h>

#include "matter/pbkdf2_lanes.h"

namespace assay::matter {
namespace {

#define ASSAY_INLINE inline __attribute__((always_inline))

struct Words {
  __m512i word[8];
};

ASSAY_INLINE __m512i Xor3(__m512i a, __m512i b, __m512i c) {
  return _mm512_ternarylogic_epi32(a, b, c, 0x96);
}

// Round R with the state's letters in their places for this round; the caller turns the letters
// instead of moving registers.
template <int R>
ASSAY_INLINE void Round(__m512i a, __m512i b, __m512i c, __m512i& d, __m512i e, __m512i f,
                        __m512i g, __m512i& h, __m512i (&w)[16]) {
  if constexpr (R >= 16) {
    const __m512i w1 = w[(R + 1) % 16];
    const __m512i w14 = w[(R + 14) % 16];
    const __m512i s0 =
        Xor3(_mm512_ror_epi32(w1, 7), _mm512_ror_epi32(w1, 18), _mm512_srli_epi32(w1, 3));
    const __m512i s1 =
        Xor3(_mm512_ror_epi32(w14, 17), _mm512_ror_epi32(w14, 19), _mm512_srli_epi32(w14, 10));
    w[R % 16] =
        _mm512_add_epi32(_mm512_add_epi32(w[R % 16], s0), _mm512_add_epi32(w[(R + 9) % 16], s1));
  }
  const __m512i k = _mm512_set1_epi32(static_cast<int>(kSha256Constants[R]));
  const __m512i sum1 =
      Xor3(_mm512_ror_epi32(e, 6), _mm512_ror_epi32(e, 11), _mm512_ror_epi32(e, 25));
  const __m512i choice = _mm512_ternarylogic_epi32(e, f, g, 0xCA);
  const __m512i t1 = _mm512_add_epi32(
      _mm512_add_epi32(_mm512_add_epi32(h, _mm512_add_epi32(w[R % 16], k)), choice), sum1);
  const __m512i sum0 =
      Xor3(_mm512_ror_epi32(a, 2), _mm512_ror_epi32(a, 13), _mm512_ror_epi32(a, 22));
  const __m512i majority = _mm512_ternarylogic_epi32(a, b, c, 0xE8);
  d = _mm512_add_epi32(d, t1);
  h = _mm512_add_epi32(t1, _mm512_add_epi32(sum0, majority));
}

template <int R>
ASSAY_INLINE void EightRounds(__m512i (&s)[8], __m512i (&w)[16]) {
  Round<R>(s[0], s[1], s[2], s[3], s[4], s[5], s[6], s[7], w);
  Round<R + 1>(s[7], s[0], s[1], s[2], s[3], s[4], s[5], s[6], w);
  Round<R + 2>(s[6], s[7], s[0], s[1], s[2], s[3], s[4], s[5], w);
  Round<R + 3>(s[5], s[6], s[7], s[0], s[1], s[2], s[3], s[4], w);
  Round<R + 4>(s[4], s[5], s[6], s[7], s[0], s[1], s[2], s[3], w);
  Round<R + 5>(s[3], s[4], s[5], s[6], s[7], s[0], s[1], s[2], w);
  Round<R + 6>(s[2], s[3], s[4], s[5], s[6], s[7], s[0], s[1], w);
  Round<R + 7>(s[1], s[2], s[3], s[4], s[5], s[6], s[7], s[0], w);
}

// w[0..7] hold the message on entry and the new state on return.
ASSAY_INLINE void CompressMessage(const Words& from, __m512i (&w)[16]) {
  __m512i s[8];
  for (int i = 0; i < 8; ++i) s[i] = from.word[i];
  w[8] = _mm512_set1_epi32(static_cast<int>(kPaddingWord));
  for (int i = 9; i < 15; ++i) w[i] = _mm512_setzero_si512();
  w[15] = _mm512_set1_epi32(static_cast<int>(kMessageBits));
  EightRounds<0>(s, w);
  EightRounds<8>(s, w);
  EightRounds<16>(s, w);
  EightRounds<24>(s, w);
  EightRounds<32>(s, w);
  EightRounds<40>(s, w);
  EightRounds<48>(s, w);
  EightRounds<56>(s, w);
  for (int i = 0; i < 8; ++i) w[i] = _mm512_add_epi32(s[i], from.word[i]);
}

// Lanes that are not there count as zeros; their results go nowhere.
Words Gather(Pbkdf2Lane* const* lanes, int count, uint32_t (Pbkdf2Lane::*member)[8]) {
  alignas(64) uint32_t turned[8][kAvx512Width] = {};
  for (int lane = 0; lane < count; ++lane) {
    for (int i = 0; i < 8; ++i) turned[i][lane] = (lanes[lane]->*member)[i];
  }
  Words words;
  for (int i = 0; i < 8; ++i) words.word[i] = _mm512_load_si512(turned[i]);
  return words;
}

void Scatter(const Words& words, Pbkdf2Lane* const* lanes, int count,
             uint32_t (Pbkdf2Lane::*member)[8]) {
  alignas(64) uint32_t turned[8][kAvx512Width];
  for (int i = 0; i < 8; ++i) _mm512_store_si512(turned[i], words.word[i]);
  for (int lane = 0; lane < count; ++lane) {
    for (int i = 0; i < 8; ++i) (lanes[lane]->*member)[i] = turned[i][lane];
  }
}

#undef ASSAY_INLINE

}  // namespace

void IterateLanesAvx512(Pbkdf2Lane* const* lanes, int count, uint32_t steps) {
  const Words inner = Gather(lanes, count, &Pbkdf2Lane::inner);
  const Words outer = Gather(lanes, count, &Pbkdf2Lane::outer);
  Words u = Gather(lanes, count, &Pbkdf2Lane::u);
  Words t = Gather(lanes, count, &Pbkdf2Lane::t);
  __m512i w[16];
  for (int i = 0; i < 8; ++i) w[i] = u.word[i];
  for (uint32_t step = 0; step < steps; ++step) {
    CompressMessage(inner, w);
    CompressMessage(outer, w);
    for (int i = 0; i < 8; ++i) t.word[i] = _mm512_xor_si512(t.word[i], w[i]);
  }
  for (int i = 0; i < 8; ++i) u.word[i] = w[i];
  Scatter(u, lanes, count, &Pbkdf2Lane::u);
  Scatter(t, lanes, count, &Pbkdf2Lane::t);
}

}  // namespace assay::matter

#endif  // defined(__x86_64__)
