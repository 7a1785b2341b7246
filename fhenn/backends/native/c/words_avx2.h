/* Arithmetic modulo primes below 2^61 on four words of 64 bits in AVX2, which multiplies halves of 32 bits. */
#pragma once
#include "places_avx2.h"

typedef __m256i Words;

INLINE Words load(const u64* x) { return _mm256_loadu_si256((const __m256i*)x); }
INLINE void store(u64* x, Words value) { _mm256_storeu_si256((__m256i*)x, value); }
INLINE Words all(u64 x) { return _mm256_set1_epi64x((long long)x); }
INLINE Words plus(Words x, Words y) { return _mm256_add_epi64(x, y); }
INLINE Words minus(Words x, Words y) { return _mm256_sub_epi64(x, y); }
INLINE Words high_half(Words x) { return _mm256_srli_epi64(x, 32); }
INLINE Words swapped(Words x) { return _mm256_shuffle_epi32(x, 0xb1); } /* halves of each word */

/* x where it is not negative, otherwise y */
INLINE Words where_negative(Words x, Words y) {
  return _mm256_castpd_si256(_mm256_blendv_pd(_mm256_castsi256_pd(x), _mm256_castsi256_pd(y), _mm256_castsi256_pd(x)));
}

/* x - y, or x where that is negative, for x below y + 2^63 and y <= 2^63: the sign of the difference tells. */
INLINE Words less_once(Words x, Words y) { return where_negative(minus(x, y), x); }

typedef struct Field {
  Words q, q_swapped;
  Words twice, bound; /* 2q, and 4q, below which products are */
} Field;

INLINE Field field_of(const Modulus* m) { return (Field){all(m->q), swapped(all(m->q)), all(2 * m->q), all(4 * m->q)}; }

/* A factor below q, its halves swapped, and floor(factor * 2^64 / q) with its upper half. */
typedef struct Factor {
  Words w, swapped, quotient, quotient_high;
} Factor;

INLINE Factor factor_from(Words w, Words quotient) { return (Factor){w, swapped(w), quotient, high_half(quotient)}; }
INLINE Factor factor_of(u64 w, u64 q) { return factor_from(all(w), all(quotient64(w, q))); }

/* x*w modulo q below 4q, for any x (V. Shoup).
   The quotient leaves out the product of the lower halves and the carries of the middle ones, each less than 1: it is
   short by up to 2, which adds 2q to what is below 2q. Of x*w and quotient*q only the lower 64 bits are needed: those
   of the products of lower halves, and above them the lower 32 bits of the middle ones. */
INLINE Words multiply(Words x, Factor f, Field field) {
  Words x_high = high_half(x);
  Words middle = plus(high_half(_mm256_mul_epu32(x_high, f.quotient)), high_half(_mm256_mul_epu32(x, f.quotient_high)));
  Words quotient = plus(_mm256_mul_epu32(x_high, f.quotient_high), middle);
  Words low = minus(_mm256_mul_epu32(x, f.w), _mm256_mul_epu32(quotient, field.q));
  Words middles = _mm256_sub_epi32(_mm256_mullo_epi32(x, f.swapped), _mm256_mullo_epi32(quotient, field.q_swapped));
  Words both = plus(middles, _mm256_slli_epi64(middles, 32)); /* their sum in the upper half */
  return plus(low, _mm256_blend_epi32(_mm256_setzero_si256(), both, 0xaa));
}

/* x modulo q, of x below 4q, and below 8q */
INLINE Words residue(Words x, Field field) { return less_once(less_once(x, field.twice), field.q); }
INLINE Words residue_of_sum(Words x, Field field) { return residue(less_once(x, field.bound), field); }

void wide_forward(const Modulus* m, u64* a, int lazy);
void wide_inverse(const Modulus* m, u64* a);
