/* What is done to the residues of one polynomial modulo one prime: the only code that differs from CPU to CPU.

   A polynomial is n residues, in NTT form unless "coefficients" are said, each below q ("canonical") unless said to be
   lazy. Lazy residues are below 4q, or below 2^52 where q < 2^50. n is a power of two, 1024 at least. Pointers are
   aligned to 8 bytes; outputs do not overlap inputs unless said. Groups are runs of eight residues. */
#pragma once
#include "modulus.h"

/* Factors of the places of a polynomial, term by term: place j takes words[t*term + j/8*group + j%8] of term t.
   mirrored: place j of `length` takes what place length - 1 - j would. */
typedef struct Factors {
  const u64* words;
  long term, group;
  int mirrored;
} Factors;

/* Pairs of polynomials, of which a term takes one: place j of the first polynomial of the b-th stands at
   words[b*pair + j/8*group + j%8], that of the second eight words farther. */
typedef struct Pairs {
  const u64* words;
  long pair, group;
} Pairs;

typedef struct Kernels {
  const char* name;
  int bits; /* for primes below 2^bits */

  /* coefficients to NTT form, in place; lazy: the result may be below 4q, or below 2^52 where q < 2^50 */
  void (*forward)(const Modulus*, u64* a, int lazy);
  /* NTT form to coefficients, in place, canonical */
  void (*inverse)(const Modulus*, u64* a);

  /* result = x mod q, for x canonical modulo `from`; centred: of the representative in (-from/2, from/2) */
  void (*reduce)(const Modulus*, const u64* x, u64 from, int centred, u64* result);
  /* result = factor*(x mod from, centred) + (y mod from_y, centred; y may be NULL) mod q; result may be y */
  void (*reduce_sum)(const Modulus*, const u64* x, u64 from, u64 factor, const u64* y, u64 from_y, u64* result);

  /* result[j] = (accumulate ? result[j] : 0) + sum over terms t of a[t][j]*b[t][j], for j from at to at + length;
     at most 12 terms; at and length multiples of 8 */
  void (*dot)(const Modulus*, int terms, const u64* const* a, const u64* const* b, int accumulate, u64* result, long at,
              long length);
  /* The inner product of digits with a switching key.
     key: packed [n/8][key_digits][2][8], of which the first `digits` are used.
     digits: at most 63.
     permutation: entry j names the place that place j takes its value from, NULL for j itself. Each aligned group of
     two, four or eight places takes from one such group, as automorphisms in NTT form do: the low bits of a place are
     the high ones of the root's exponent, bit-reversed, and those of element*exponent depend on no other bits of it but
     for a carry, which is the same within a group.
     result[h] = (h == 0 && add ? add[permutation]*factor : 0) + sum of digit[d][permutation]*key[d][h].
     Groups of the results are `stride` words apart, the first of them, for place `at`, at result[h]; canonical. */
  void (*switch_dot)(const Modulus*, int digits, const u64* const* digit, const u64* key, int key_digits,
                     const uint32_t* permutation, const u64* add, u64 factor, u64* result0, u64* result1, long stride,
                     long at, long length);
  /* result[h] = (accumulate ? result[h] : 0) + sum over terms t of pairs[which[t]][h]*plain[t], for places below
     length.
     which: which of the pairs each term takes, NULL for the first ones in order.
     Any number of terms. */
  void (*pair_dot)(const Modulus*, int terms, const Pairs* pairs, const uint16_t* which, const Factors* plain,
                   int accumulate, u64* result0, u64* result1, long length);

  /* result = x*f + (b ? b*g : 0) - (y ? y : 0); y may be lazy; result may be any of the inputs */
  void (*combine)(const Modulus*, const u64* x, u64 f, const u64* b, u64 g, const u64* y, u64* result);
  /* result = (x - y)*factor + (accumulate ? result : 0); y may be lazy */
  void (*subtract_scale)(const Modulus*, const u64* x, const u64* y, u64 factor, int accumulate, u64* result);
  /* result[j] = x[permutation[j]] + (accumulate ? result[j] : 0); the permutation as for switch_dot */
  void (*permute)(const Modulus*, const u64* x, const uint32_t* permutation, int accumulate, u64* result);

  /* result = x + y, x - y, -x, x + number; result may be x or y */
  void (*add)(const Modulus*, const u64* x, const u64* y, u64* result);
  void (*subtract)(const Modulus*, const u64* x, const u64* y, u64* result);
  void (*negate)(const Modulus*, const u64* x, u64* result);
  void (*add_number)(const Modulus*, const u64* x, u64 number, u64* result);
  /* result[j] = sum over terms of x[t][j]*number[t], plus result[j] where accumulate, for j from at to at + length; any
     number of terms; at and length multiples of 8; result may not be an x */
  void (*number_dot)(const Modulus*, int terms, const u64* const* x, const u64* number, int accumulate, u64* result,
                     long at, long length);
  /* whether every residue is below q */
  int (*all_below)(const Modulus*, const u64* x);
} Kernels;

/* Kernels that this build has, fastest last for primes that they serve; NULL ends the list. Which of them the CPU can
   run is told by `kernels_runnable`. */
extern const Kernels* const ALL_KERNELS[];

/* Whether the CPU and the system have what kernels were compiled for. */
int kernels_runnable(const Kernels* kernels);

/* The fastest runnable kernels for a prime. wanted: the name of others, which are taken where they can run and serve
   the prime, portable C where not. */
const Kernels* kernels_for(u64 q, const char* wanted);

/* Whether kernels give what portable C gives, on residues at the edges and random ones, modulo the prime of m, whose
   tables are used. A kernel that does not is never used: a miscompiled one would spoil results in silence. */
int kernels_agree(const Kernels* kernels, const Modulus* m);

/* The same of forward transforms alone, for moduli without tables of the way back. */
int forwards_agree(const Kernels* kernels, const Modulus* m);
