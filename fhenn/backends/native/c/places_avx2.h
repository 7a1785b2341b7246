/* Integers below 2^63 in AVX2, and places that permutations take them from: what both kernels of AVX2 share. */
#pragma once
#include <immintrin.h>

#include "kernels.h"

#define INLINE static inline __attribute__((always_inline))

enum { GROUP = 8, LANES = 4 };

/* Where a group of eight takes its values from: four aligned pairs, and which of each. */
typedef struct Origin {
  uint32_t pairs[4];
  __m256i left, right; /* bit 1 of each says which of its pair */
} Origin;

INLINE Origin origin_of(const uint32_t* permutation) {
  Origin origin;
  for (int i = 0; i < 4; i++) origin.pairs[i] = permutation[2 * i] & ~1U;
  __m256i places = _mm256_loadu_si256((const __m256i*)permutation);
  origin.left = _mm256_slli_epi64(_mm256_cvtepu32_epi64(_mm256_castsi256_si128(places)), 1);
  origin.right = _mm256_slli_epi64(_mm256_cvtepu32_epi64(_mm256_extracti128_si256(places, 1)), 1);
  return origin;
}

INLINE __m256i take(const u64* x, uint32_t first, uint32_t second, __m256i which) {
  __m256d pairs = _mm256_loadu2_m128d((const double*)(x + second), (const double*)(x + first));
  return _mm256_castpd_si256(_mm256_permutevar_pd(pairs, which));
}
INLINE __m256i take_left(const u64* x, Origin o) { return take(x, o.pairs[0], o.pairs[1], o.left); }
INLINE __m256i take_right(const u64* x, Origin o) { return take(x, o.pairs[2], o.pairs[3], o.right); }

INLINE __m256i load_integers(const u64* x) { return _mm256_loadu_si256((const __m256i*)x); }
INLINE void store_integers(u64* x, __m256i value) { _mm256_storeu_si256((__m256i*)x, value); }

/* x from (-q, q) to [0, q): x + q where x is negative */
INLINE __m256i raised(__m256i x, __m256i q) {
  return _mm256_castpd_si256(
      _mm256_blendv_pd(_mm256_castsi256_pd(x), _mm256_castsi256_pd(_mm256_add_epi64(x, q)), _mm256_castsi256_pd(x)));
}
/* x + y mod q */
INLINE __m256i sum_modulo(__m256i x, __m256i y, __m256i q) {
  return raised(_mm256_sub_epi64(_mm256_add_epi64(x, y), q), q);
}

/* Operations without products, for primes below 2^61 */
void avx2_permute(const Modulus* m, const u64* x, const uint32_t* permutation, int accumulate, u64* result);
void avx2_add(const Modulus* m, const u64* x, const u64* y, u64* result);
void avx2_subtract(const Modulus* m, const u64* x, const u64* y, u64* result);
void avx2_negate(const Modulus* m, const u64* x, u64* result);
void avx2_add_number(const Modulus* m, const u64* x, u64 number, u64* result);
int avx2_all_below(const Modulus* m, const u64* x);
