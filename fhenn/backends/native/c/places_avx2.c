#if defined(__AVX2__)
#include "places_avx2.h"

void avx2_permute(const Modulus* m, const u64* x, const uint32_t* permutation, int accumulate, u64* result) {
  const __m256i q = _mm256_set1_epi64x((long long)m->q);
  for (long j = 0; j < m->n; j += GROUP) {
    Origin origin = origin_of(permutation + j);
    __m256i left = take_left(x, origin), right = take_right(x, origin);
    if (accumulate) {
      left = sum_modulo(left, load_integers(result + j), q);
      right = sum_modulo(right, load_integers(result + j + LANES), q);
    }
    store_integers(result + j, left), store_integers(result + j + LANES, right);
  }
}

void avx2_add(const Modulus* m, const u64* x, const u64* y, u64* result) {
  const __m256i q = _mm256_set1_epi64x((long long)m->q);
  for (long j = 0; j < m->n; j += LANES)
    store_integers(result + j, sum_modulo(load_integers(x + j), load_integers(y + j), q));
}

void avx2_subtract(const Modulus* m, const u64* x, const u64* y, u64* result) {
  const __m256i q = _mm256_set1_epi64x((long long)m->q);
  for (long j = 0; j < m->n; j += LANES)
    store_integers(result + j, raised(_mm256_sub_epi64(load_integers(x + j), load_integers(y + j)), q));
}

void avx2_negate(const Modulus* m, const u64* x, u64* result) {
  const __m256i q = _mm256_set1_epi64x((long long)m->q), zero = _mm256_setzero_si256();
  for (long j = 0; j < m->n; j += LANES)
    store_integers(result + j, raised(_mm256_sub_epi64(zero, load_integers(x + j)), q));
}

void avx2_add_number(const Modulus* m, const u64* x, u64 number, u64* result) {
  const __m256i q = _mm256_set1_epi64x((long long)m->q), y = _mm256_set1_epi64x((long long)number);
  for (long j = 0; j < m->n; j += LANES) store_integers(result + j, sum_modulo(load_integers(x + j), y, q));
}

int avx2_all_below(const Modulus* m, const u64* x) {
  const __m256i q = _mm256_set1_epi64x((long long)m->q);
  __m256i below = _mm256_set1_epi64x(-1), either = _mm256_setzero_si256();
  for (long j = 0; j < m->n; j += LANES) {
    __m256i values = load_integers(x + j);
    below = _mm256_and_si256(below, _mm256_sub_epi64(values, q)); /* the sign stays where all were below, and */
    either = _mm256_or_si256(either, values);                     /* none has a sign of its own */
  }
  return _mm256_movemask_pd(_mm256_castsi256_pd(_mm256_andnot_si256(either, below))) == 0xf;
}
#endif
