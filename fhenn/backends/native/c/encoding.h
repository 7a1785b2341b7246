/* Plaintexts: real coefficients as residues in NTT form. */
#pragma once
#include "ring.h"

/* coefficients: n real numbers, rounded here to the nearest integer, halves to even; finite, below 2^1000.
   places: of the primes in the chain.
   result: [count][n], pitch words apart. */
void encode(const Ring* ring, const double* coefficients, int count, const int* places, u64* result, long pitch);

/* The same modulo one prime. */
void encode_modulo(const Modulus* m, long n, const double* coefficients, u64* result);

/* The residue of an integer that is given as a double. */
u64 residue_of(const Modulus* m, double integer);
