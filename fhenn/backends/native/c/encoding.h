/* Plaintexts: real coefficients as residues in NTT form. */
#pragma once
#include "ring.h"

/* coefficients: n real numbers, rounded here to the nearest integer, halves to even; finite, below 2^1000.
   places: of the primes in the chain.
   result: [count][n], pitch words apart. */
void encode(const Ring* ring, const double* coefficients, int count, const int* places, u64* result, long pitch);

/* The same modulo one prime. */
void encode_modulo(const Modulus* m, long n, const double* coefficients, u64* result);

/* Plaintexts of real slots: the first half of their coefficients (`RealModulus`), term by term. */
typedef enum CoefficientKind {
  SHORT_COEFFICIENTS, /* int32_t, above -2^31 */
  LONG_COEFFICIENTS,  /* int64_t, below 2^50 in magnitude */
  REAL_COEFFICIENTS,  /* double, integers below 2^1000 */
} CoefficientKind;

typedef struct Coefficients {
  CoefficientKind kind;
  const void* first; /* [terms][n/2], NULL for none */
} Coefficients;

/* The first half of the NTT values of a term.
   work, result: n/2 words each. */
void encode_real(const RealModulus* real, Coefficients coefficients, long term, u64* work, u64* result);

/* The residue of an integer that is given as a double. */
u64 residue_of(const Modulus* m, double integer);
