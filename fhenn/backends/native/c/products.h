/* Products of ciphertexts, and rotations. Ciphertexts at k primes: polynomials one after another, k*n residues each. */
#pragma once
#include "switching.h"

/* result = a*b, of three polynomials. */
void multiply(const Ring* ring, int k, const u64* a, const u64* b, u64* result);

/* A ciphertext of three polynomials as one of two. result may be x. */
void relinearise(const Ring* ring, int k, const u64* x, SwitchingKey key, int centred, u64* result, Scratch* scratch);

/* The same, divided by its last prime; k - 1 primes. */
void relinearise_and_rescale(const Ring* ring, int k, const u64* x, SwitchingKey key, int centred, u64* result,
                             Scratch* scratch);

/* x rotated several times. Centred digits are made once: negation keeps them centred, so that permuted digits are the
   digits of what is permuted (S. Halevi & V. Shoup, "Faster homomorphic linear transformations in HElib", 2018). SEAL's
   are not, and are made of the permuted polynomial. */
void rotate(const Ring* ring, int k, const u64* x, int count, const uint32_t* const* permutations,
            const SwitchingKey* keys, int centred, u64* const* results, Scratch* scratch);

/* Scratch that each of these takes. */
static inline size_t polynomials_to_switch(const Ring* ring, int k) {
  size_t several = polynomials_of_digits(k) + (size_t)k, once = polynomials_to_switch_once(ring, k);
  return (several > once ? several : once) + 2 * (size_t)(k + 1) + polynomials_to_divide(ring, 2);
}
