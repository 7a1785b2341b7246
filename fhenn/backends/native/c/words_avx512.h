/* Eight residues in a register, and what both AVX-512 kernels do to them. */
#pragma once
#if defined(FHENN_EMULATED_AVX512)
#include "avx512_emulated.h" /* of the tests, which run these kernels on CPUs without AVX-512 */
#define INLINE static inline __attribute__((unused))
#else
#include <immintrin.h>
#define INLINE static inline __attribute__((always_inline))
#endif

#include "kernels.h"

enum { GROUP = 8 };

typedef __m512i Words;

INLINE Words load(const u64* x) { return _mm512_loadu_si512(x); }
INLINE void store(u64* x, Words value) { _mm512_storeu_si512(x, value); }
INLINE Words all(u64 x) { return _mm512_set1_epi64((long long)x); }
INLINE Words plus(Words x, Words y) { return _mm512_add_epi64(x, y); }
INLINE Words minus(Words x, Words y) { return _mm512_sub_epi64(x, y); }

/* x - y where it is not negative, x where it is: the other is above 2^63 */
INLINE Words less_once(Words x, Words y) { return _mm512_min_epu64(x, minus(x, y)); }

/* Two words, each four times, and four words, each twice */
INLINE Words two(const u64* x) {
  return _mm512_permutexvar_epi64(_mm512_set_epi64(1, 1, 1, 1, 0, 0, 0, 0),
                                  _mm512_castsi128_si512(_mm_loadu_si128((const __m128i*)x)));
}
INLINE Words four(const u64* x) {
  return _mm512_permutexvar_epi64(_mm512_set_epi64(3, 3, 2, 2, 1, 1, 0, 0),
                                  _mm512_castsi256_si512(_mm256_loadu_si256((const __m256i*)x)));
}

/* Where a group takes its values from: a group, and the order in it, in the low three bits of each place. */
typedef struct Origin {
  long group;
  Words order;
} Origin;

INLINE Origin origin_of(const uint32_t* permutation, long j) {
  if (!permutation) return (Origin){j, _mm512_setzero_si512()};
  __m256i places = _mm256_loadu_si256((const __m256i*)(permutation + j));
  return (Origin){permutation[j] & ~7L, _mm512_cvtepu32_epi64(places)};
}
INLINE Words take(const u64* x, Origin origin, int permuted) {
  Words group = load(x + origin.group);
  return permuted ? _mm512_permutexvar_epi64(origin.order, group) : group;
}

/* The upper half of a product of two words, exactly, from products of halves. */
INLINE Words high_product(Words a, Words b) {
  const Words low_half = all(0xffffffff);
  Words a_high = _mm512_srli_epi64(a, 32), b_high = _mm512_srli_epi64(b, 32);
  Words low = _mm512_mul_epu32(a, b), middle = _mm512_mul_epu32(a_high, b), other = _mm512_mul_epu32(a, b_high);
  Words high = _mm512_mul_epu32(a_high, b_high);
  middle = plus(middle, _mm512_srli_epi64(low, 32));
  other = plus(other, _mm512_and_si512(middle, low_half));
  return plus(high, plus(_mm512_srli_epi64(middle, 32), _mm512_srli_epi64(other, 32)));
}

/* x modulo q, below 2q, for any word x (as `reduce64`) */
INLINE Words barrett64(Words x, Words q, Words barrett) {
  return minus(x, _mm512_mullo_epi64(high_product(x, barrett), q));
}

/* The operations on sums and places, which have no products: for primes below 2^61. */
INLINE void permute_words(const Modulus* m, const u64* x, const uint32_t* permutation, int accumulate, u64* result) {
  const Words q = all(m->q);
  for (long j = 0; j < m->n; j += GROUP) {
    Words value = take(x, origin_of(permutation, j), 1);
    if (accumulate) value = less_once(plus(value, load(result + j)), q);
    store(result + j, value);
  }
}

INLINE void add_words(const Modulus* m, const u64* x, const u64* y, u64* result) {
  const Words q = all(m->q);
  for (long j = 0; j < m->n; j += GROUP) store(result + j, less_once(plus(load(x + j), load(y + j)), q));
}

INLINE void subtract_words(const Modulus* m, const u64* x, const u64* y, u64* result) {
  const Words q = all(m->q);
  for (long j = 0; j < m->n; j += GROUP) store(result + j, less_once(plus(load(x + j), minus(q, load(y + j))), q));
}

INLINE void negate_words(const Modulus* m, const u64* x, u64* result) {
  const Words q = all(m->q);
  for (long j = 0; j < m->n; j += GROUP) store(result + j, less_once(minus(q, load(x + j)), q));
}

INLINE void add_number_to_words(const Modulus* m, const u64* x, u64 number, u64* result) {
  const Words q = all(m->q), y = all(number);
  for (long j = 0; j < m->n; j += GROUP) store(result + j, less_once(plus(load(x + j), y), q));
}

INLINE int words_below(const Modulus* m, const u64* x) {
  const Words q = all(m->q);
  unsigned above = 0;
  for (long j = 0; j < m->n; j += GROUP) above |= _mm512_cmpge_epu64_mask(load(x + j), q);
  return !above;
}
