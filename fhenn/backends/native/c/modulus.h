/* A prime of the modulus chain, with what arithmetic modulo it takes. */
#pragma once
#include <stddef.h>
#include <stdint.h>

typedef uint64_t u64;
typedef unsigned __int128 u128;

struct Kernels;

/* q is 1 modulo 2n. Powers stand where SEAL has them: the power i of the least primitive 2n-th root at the bit-reversed
   i. A quotient is floor(power * 2^bits / q), which makes a product modulo q two multiplications (V. Shoup, NTL;
   D. Harvey, "Faster arithmetic for number-theoretic transforms", 2014). Tables of 52 bits and of doubles, and what is
   named after 52, are there where q is below 2^50. */
typedef struct Modulus {
  u64 q;
  long n;
  int log_n;
  u64 *powers, *quotients64, *quotients52;                         /* of the root */
  u64 *inverse_powers, *inverse_quotients64, *inverse_quotients52; /* of its inverse */
  double *real_powers, *real_quotients;                            /* in (-q/2, q/2) and over q, as doubles */
  double *real_inverse_powers, *real_inverse_quotients;
  u64 n_inverse, n_inverse_quotient64, n_inverse_quotient52; /* 1/n */
  u64 last, last_quotient64, last_quotient52;                /* inverse_powers[1]/n: the last stage, with 1/n in it */
  u64 barrett_high, barrett_low;                             /* floor(2^128 / q) */
  u64 barrett52;                                             /* floor(2^52 / q) */
  u64 two52, two52_quotient;                                 /* 2^52 mod q */
  const struct Kernels* kernels;
  void* memory; /* that holds the tables */
} Modulus;

/* 0, or -1 where there is no memory or q is no prime that is 1 modulo 2n. q must be below 2^61. */
int modulus_init(Modulus* m, u64 q, int log_n);
void modulus_free(Modulus* m);

/* What transforms plaintexts of real slots takes, which are half as many numbers.

   X -> 1/X leaves such a polynomial as it is: its coefficient n - k is minus its coefficient k, and its values at a
   root and at the inverse of that are one. X^n + 1 is (X^(n/2) - i)*(X^(n/2) + i), with i the root's power n/2, whose roots are
   the inverses of one another. So the first half of the NTT values are those of a(X) mod X^(n/2) - i, whose coefficient
   k is a[k] + i*a[k + n/2] = a[k] - i*a[n/2 - k]; and they are the second half, from its end.

   half: a modulus of n/2 for forward transforms of that, whose powers are those of that half of the stages.
   minus_i: q - i. */
typedef struct RealModulus {
  Modulus half;
  u64 minus_i;
} RealModulus;

/* 0, or -1 where there is no memory. The kernels are left to the caller. */
int real_modulus_init(RealModulus* real, const Modulus* m);

static inline u64 mulhi64(u64 a, u64 b) { return (u64)(((u128)a * b) >> 64); }
static inline u64 quotient64(u64 w, u64 q) { return (u64)(((u128)w << 64) / q); }
static inline u64 quotient52(u64 w, u64 q) { return (u64)(((u128)w << 52) / q); }
static inline u64 mulmod(u64 a, u64 b, u64 q) { return (u64)((u128)a * b % q); }

/* base^exponent mod q */
static inline u64 power_modulo(u64 base, u64 exponent, u64 q) {
  u64 result = 1;
  for (; exponent; exponent >>= 1, base = mulmod(base, base, q))
    if (exponent & 1) result = mulmod(result, base, q);
  return result;
}

/* w < q as the representative in (-q/2, q/2) */
static inline double centred_real(u64 w, u64 q) { return w > q / 2 ? -(double)(q - w) : (double)w; }

/* x mod q for x < 2q */
static inline u64 reduce_once(u64 x, u64 q) { return x >= q ? x - q : x; }

/* x*w mod q in [0, 2q), for any x and w < q with its quotient */
static inline u64 mul_lazy(u64 x, u64 w, u64 quotient, u64 q) { return x * w - mulhi64(x, quotient) * q; }

/* x mod q, for any x below 2^64 */
static inline u64 reduce64(const Modulus* m, u64 x) {
  return reduce_once(x - mulhi64(x, m->barrett_high) * m->q, m->q);
}

/* x mod q, for any x below 2^128 (P. Barrett, 1986, with the quotient to 128 bits) */
static inline u64 reduce128(const Modulus* m, u128 x) {
  u64 low = (u64)x, high = (u64)(x >> 64);
  u128 middle = (u128)low * m->barrett_high + mulhi64(low, m->barrett_low); /* below 2^128: both are */
  u128 other = (u128)high * m->barrett_low + (u64)middle;
  u64 quotient = high * m->barrett_high + (u64)(middle >> 64) + (u64)(other >> 64);
  return reduce_once(low - quotient * m->q, m->q);
}
