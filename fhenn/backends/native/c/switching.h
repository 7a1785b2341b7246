/* Key switching: digits of a polynomial, their product with a key, and divisions by primes with rounding.

   Every function takes k, the primes under the ciphertext. Polynomials "over QP" have k + 1 parts, that of the special
   prime last, pitch_of(ring) words apart; those of ciphertexts have k parts, n words apart. Several polynomials stand
   one after another. All are in NTT form. */
#pragma once
#include "ring.h"

/* A switching key as it is packed (`pack_key`): [digits + 1][n/8][digits][2][8]; the last row is the special prime's. */
typedef struct SwitchingKey {
  const u64* words;
  int digits; /* the most primes that a ciphertext may have */
} SwitchingKey;

/* The digits of a polynomial: its residues modulo one prime each, brought to all primes of QP. */
typedef struct Digits {
  int k;
  const u64* own; /* the polynomial itself: digit j modulo prime j */
  long own_pitch;
  u64* others; /* [k][k + 1], pitch_of(ring) words apart; what stands in `own` is not filled in */
} Digits;

static inline size_t polynomials_of_digits(int k) { return (size_t)k * (size_t)(k + 1) + (size_t)k; }

/* Words from one polynomial over QP to the next. */
static inline long over_qp(const Ring* ring, int k) { return (k + 1) * pitch_of(ring); }

/* What k primes need of SEAL's key, [digit][2][prime][n], into k*(k + 1)*2*n words. The last of its primes is the special
   one; of the others it may lack those that it is not used for. */
void pack_key(const Ring* ring, int k, int primes, const u64* key, u64* packed);

/* The digits of x, of k parts, pitch words apart, which must live as long as they do.
   centred: digits in (-q/2, q/2), whose products with a key err less; otherwise SEAL's, in [0, q). */
Digits digits_of(const Ring* ring, int k, const u64* x, long pitch, int centred, Scratch* scratch);

/* result[h] = (h == 0 && add ? P*add : 0) + sum of digits times key, all but the key permuted: two polynomials over QP.
   `switch_part` gives part i alone, from place `at` on, in groups `stride` words apart. */
void switch_part(const Ring* ring, const Digits* digits, int i, const uint32_t* permutation, SwitchingKey key,
                 const u64* add, u64* result0, u64* result1, long stride, long at, long length);
void switch_digits(const Ring* ring, const Digits* digits, const uint32_t* permutation, SwitchingKey key,
                   const u64* add, u64* result);

/* The same for a polynomial x, of k parts n words apart, that is switched once: its digits are made prime by prime. */
void switch_polynomial(const Ring* ring, int k, const u64* x, int centred, SwitchingKey key, u64* result,
                       Scratch* scratch);

/* Scratch that it takes. */
static inline size_t polynomials_to_switch_once(const Ring* ring, int k) {
  return (size_t)k + (size_t)(k * threads_of(ring));
}

/* result (+)= round(x/P), for polynomials x over QP. */
void divide_by_special(const Ring* ring, int k, int polynomials, const u64* x, int accumulate, u64* result,
                       Scratch* scratch);

/* result = round(x/q) for the last prime q of x's k; k - 1 parts. */
void divide_by_last(const Ring* ring, int k, int polynomials, const u64* x, u64* result, Scratch* scratch);

/* result = round((base + round(x/P))/q): what the two divisions give one after another, to the bit, in fewer transforms.
   x: over QP. base: k parts, NULL for zero. */
void divide_by_both(const Ring* ring, int k, int polynomials, const u64* x, const u64* base, u64* result,
                    Scratch* scratch);

/* Scratch that a division of so many polynomials takes. */
static inline size_t polynomials_to_divide(const Ring* ring, int polynomials) {
  return 2 * (size_t)polynomials + (size_t)threads_of(ring);
}
