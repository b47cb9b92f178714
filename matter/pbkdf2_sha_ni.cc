// The SHA-NI kernel. Built with -msha -msse4.1 and nothing wider: the SHA instructions have no VEX
// form, and in code compiled for AVX each of them pays for the upper register halves (measured: 180
// times slower).
#if defined(__x86_64__)

#include <immintrin.h>

#include "matter/pbkdf2_lanes.h"

namespace assay::matter {
namespace {

#define ASSAY_INLINE inline __attribute__((always_inline))

// The order the SHA instructions want: words A B E F and C D G H.
struct State {
  __m128i abef;
  __m128i cdgh;
};

ASSAY_INLINE State LoadState(const uint32_t* words) {
  const __m128i abcd = _mm_loadu_si128(reinterpret_cast<const __m128i*>(words));
  const __m128i efgh = _mm_loadu_si128(reinterpret_cast<const __m128i*>(words + 4));
  const __m128i cdab = _mm_shuffle_epi32(abcd, 0xB1);
  const __m128i hgfe = _mm_shuffle_epi32(efgh, 0x1B);
  return {_mm_alignr_epi8(cdab, hgfe, 8), _mm_blend_epi16(hgfe, cdab, 0xF0)};
}

ASSAY_INLINE void ToWords(State state, __m128i& abcd, __m128i& efgh) {
  const __m128i feba = _mm_shuffle_epi32(state.abef, 0x1B);
  const __m128i dchg = _mm_shuffle_epi32(state.cdgh, 0xB1);
  abcd = _mm_blend_epi16(feba, dchg, 0xF0);
  efgh = _mm_alignr_epi8(dchg, feba, 8);
}

// Rounds 4*G .. 4*G+3 of all N streams; the streams hide each other's latency.
template <int G, int N>
ASSAY_INLINE void FourRounds(State (&state)[N], __m128i (&w)[N][4]) {
  const __m128i k = _mm_loadu_si128(reinterpret_cast<const __m128i*>(kSha256Constants + 4 * G));
  for (int s = 0; s < N; ++s) {
    if constexpr (G >= 4) {
      __m128i next = _mm_sha256msg1_epu32(w[s][G % 4], w[s][(G + 1) % 4]);
      next = _mm_add_epi32(next, _mm_alignr_epi8(w[s][(G + 3) % 4], w[s][(G + 2) % 4], 4));
      w[s][G % 4] = _mm_sha256msg2_epu32(next, w[s][(G + 3) % 4]);
    }
    const __m128i wk = _mm_add_epi32(w[s][G % 4], k);
    state[s].cdgh = _mm_sha256rnds2_epu32(state[s].cdgh, state[s].abef, wk);
    state[s].abef =
        _mm_sha256rnds2_epu32(state[s].abef, state[s].cdgh, _mm_shuffle_epi32(wk, 0x0E));
  }
}

// One block each: w[..][0..1] hold the message on entry and the new state on return.
template <int N>
ASSAY_INLINE void CompressMessage(const State (&from)[N], __m128i (&w)[N][4]) {
  State state[N];
  for (int s = 0; s < N; ++s) {
    state[s] = from[s];
    w[s][2] = _mm_set_epi32(0, 0, 0, static_cast<int>(kPaddingWord));
    w[s][3] = _mm_set_epi32(static_cast<int>(kMessageBits), 0, 0, 0);
  }
  FourRounds<0>(state, w);
  FourRounds<1>(state, w);
  FourRounds<2>(state, w);
  FourRounds<3>(state, w);
  FourRounds<4>(state, w);
  FourRounds<5>(state, w);
  FourRounds<6>(state, w);
  FourRounds<7>(state, w);
  FourRounds<8>(state, w);
  FourRounds<9>(state, w);
  FourRounds<10>(state, w);
  FourRounds<11>(state, w);
  FourRounds<12>(state, w);
  FourRounds<13>(state, w);
  FourRounds<14>(state, w);
  FourRounds<15>(state, w);
  for (int s = 0; s < N; ++s) {
    state[s].abef = _mm_add_epi32(state[s].abef, from[s].abef);
    state[s].cdgh = _mm_add_epi32(state[s].cdgh, from[s].cdgh);
    ToWords(state[s], w[s][0], w[s][1]);
  }
}

template <int N>
void Iterate(Pbkdf2Lane* const* lanes, uint32_t steps) {
  State inner[N], outer[N];
  __m128i w[N][4], t[N][2];
  for (int s = 0; s < N; ++s) {
    inner[s] = LoadState(lanes[s]->inner);
    outer[s] = LoadState(lanes[s]->outer);
    for (int half = 0; half < 2; ++half) {
      w[s][half] = _mm_loadu_si128(reinterpret_cast<const __m128i*>(lanes[s]->u + 4 * half));
      t[s][half] = _mm_loadu_si128(reinterpret_cast<const __m128i*>(lanes[s]->t + 4 * half));
    }
  }
  for (uint32_t step = 0; step < steps; ++step) {
    CompressMessage<N>(inner, w);
    CompressMessage<N>(outer, w);
    for (int s = 0; s < N; ++s) {
      t[s][0] = _mm_xor_si128(t[s][0], w[s][0]);
      t[s][1] = _mm_xor_si128(t[s][1], w[s][1]);
    }
  }
  for (int s = 0; s < N; ++s) {
    for (int half = 0; half < 2; ++half) {
      _mm_storeu_si128(reinterpret_cast<__m128i*>(lanes[s]->u + 4 * half), w[s][half]);
      _mm_storeu_si128(reinterpret_cast<__m128i*>(lanes[s]->t + 4 * half), t[s][half]);
    }
  }
}

#undef ASSAY_INLINE

}  // namespace

void IterateLanesShaNi(Pbkdf2Lane* const* lanes, int count, uint32_t steps) {
  switch (count) {
    case 1:
      return Iterate<1>(lanes, steps);
    case 2:
      return Iterate<2>(lanes, steps);
    case kShaNiWidth:
      return Iterate<kShaNiWidth>(lanes, steps);
  }
}

}  // namespace assay::matter

#endif  // defined(__x86_64__)
