/* Arithmetic modulo primes below 2^50 on doubles with FMA: residues are integers that a double holds exactly, a product
   is a pair (high, low) whose sum is exact (J. van der Hoeven, G. Lecerf, G. Quintin, "Modular SIMD arithmetic in
   Mathemagix", 2016; FLINT's fft_small). */
#pragma once
#include "places_avx2.h"

typedef __m256d Reals; /* four numbers */

typedef struct Field {
  Reals q, q_inverse;
} Field;

/* A factor modulo q, in (-q/2, q/2), and over q. */
typedef struct Factor {
  Reals w, quotient;
} Factor;

INLINE Reals all(double x) { return _mm256_set1_pd(x); }
INLINE Field field_of(const Modulus* m) { return (Field){all((double)m->q), all(1.0 / (double)m->q)}; }
INLINE Factor factor_of(u64 w, u64 q) {
  double centred = centred_real(w, q);
  return (Factor){all(centred), all(centred / (double)q)};
}
INLINE Reals load(const double* x) { return _mm256_loadu_pd(x); }
INLINE void store(double* x, Reals value) { _mm256_storeu_pd(x, value); }

/* The integer nearest to x*y, which must be below 2^51 in magnitude: doubles from 2^52 to 2^53 are the integers. */
INLINE Reals rounded_product(Reals x, Reals y) {
  const Reals integers = all(0x1.8p52);
  return _mm256_sub_pd(_mm256_fmadd_pd(x, y, integers), integers);
}

/* Integers from 0 to 2^52 - 1: the mantissa of 2^52 + x is x. */
INLINE Reals to_reals(__m256i x) {
  const Reals integers = all(0x1p52);
  return _mm256_sub_pd(_mm256_castsi256_pd(_mm256_or_si256(x, _mm256_castpd_si256(integers))), integers);
}
INLINE Reals load_residues(const u64* x) { return to_reals(_mm256_loadu_si256((const __m256i*)x)); }

/* x*w mod q for integers |x| <= 2^52, in magnitude at most q*(1/2 + |x|/2^55), exactly.
   The quotient is w/q within 2^-55, so that c is within 1/2 + |x|/2^55 of x*w/q. |x*w| < 2^101, so that |low| <= 2^47;
   high - c*q is the result less low, an integer below 2^53: no rounding there, nor in the last sum. */
INLINE Reals multiply(Reals x, Factor f, Field field) {
  Reals high = _mm256_mul_pd(x, f.w), low = _mm256_fmsub_pd(x, f.w, high), c = rounded_product(x, f.quotient);
  return _mm256_add_pd(_mm256_fnmadd_pd(c, field.q, high), low);
}

/* x mod q for integers |x| <= 2^53, in magnitude at most q/2 + 1: c is within 1/2 + |x|/q*2^-53 of x/q. */
INLINE Reals reduced(Reals x, Field field) { return _mm256_fnmadd_pd(rounded_product(x, field.q_inverse), field.q, x); }

/* From (-q, q) to [0, q), as integers */
INLINE __m256i to_residues(Reals x, Field field) {
  const Reals integers = all(0x1p52);
  x = _mm256_add_pd(x, _mm256_and_pd(field.q, _mm256_cmp_pd(x, _mm256_setzero_pd(), _CMP_LT_OQ)));
  return _mm256_xor_si256(_mm256_castpd_si256(_mm256_add_pd(x, integers)), _mm256_castpd_si256(integers));
}
INLINE void store_residues(u64* x, Reals value, Field field) {
  _mm256_storeu_si256((__m256i*)x, to_residues(value, field));
}

void avx2_forward(const Modulus* m, u64* a, int lazy);
void avx2_inverse(const Modulus* m, u64* a);
