#include "products.h"

#include <string.h>

enum { BLOCK = 1024 }; /* residues: what three products read and write stays in the first cache */

typedef struct Multiplication {
  const Ring* ring;
  int k;
  const u64 *a, *b;
  u64* result;
} Multiplication;

static void multiply_part(void* argument, int i, int worker) {
  (void)worker;
  const Multiplication* p = argument;
  long n = p->ring->n, polynomial = p->k * n;
  const Modulus* m = &p->ring->moduli[i];
  const u64 *a0 = p->a + i * n, *a1 = a0 + polynomial, *b0 = p->b + i * n, *b1 = b0 + polynomial;
  u64* result = p->result + i * n;
  for (long at = 0; at < n; at += BLOCK) {
    m->kernels->dot(m, 1, (const u64*[]){a0}, (const u64*[]){b0}, 0, result, at, BLOCK);
    m->kernels->dot(m, 2, (const u64*[]){a0, a1}, (const u64*[]){b1, b0}, 0, result + polynomial, at, BLOCK);
    m->kernels->dot(m, 1, (const u64*[]){a1}, (const u64*[]){b1}, 0, result + 2 * polynomial, at, BLOCK);
  }
}

void multiply(const Ring* ring, int k, const u64* a, const u64* b, u64* result) {
  pool_run(ring->pool, k, multiply_part, &(Multiplication){ring, k, a, b, result});
}

/* The third polynomial of x, switched: two polynomials over QP. */
static u64* switched(const Ring* ring, int k, const u64* x, SwitchingKey key, int centred, Scratch* scratch) {
  u64* result = scratch_polynomials(ring, scratch, 2 * (size_t)(k + 1));
  switch_polynomial(ring, k, x + 2 * k * ring->n, centred, key, result, scratch);
  return result;
}

void relinearise(const Ring* ring, int k, const u64* x, SwitchingKey key, int centred, u64* result, Scratch* scratch) {
  const u64* third = switched(ring, k, x, key, centred, scratch);
  memmove(result, x, 2 * (size_t)(k * ring->n) * sizeof *x);
  divide_by_special(ring, k, 2, third, 1, result, scratch);
}

void relinearise_and_rescale(const Ring* ring, int k, const u64* x, SwitchingKey key, int centred, u64* result,
                             Scratch* scratch) {
  divide_by_both(ring, k, 2, switched(ring, k, x, key, centred, scratch), x, result, scratch);
}

/* Each part of a polynomial of a ciphertext, permuted. */
static void permute(const Ring* ring, int k, const u64* x, const uint32_t* permutation, u64* result) {
  for (int i = 0; i < k; i++) {
    const Modulus* m = &ring->moduli[i];
    m->kernels->permute(m, x + i * ring->n, permutation, 0, result + i * ring->n);
  }
}

void rotate(const Ring* ring, int k, const u64* x, int count, const uint32_t* const* permutations,
            const SwitchingKey* keys, int centred, u64* const* results, Scratch* scratch) {
  long polynomial = k * ring->n;
  u64* sum = scratch_polynomials(ring, scratch, 2 * (size_t)(k + 1));
  u64* permuted = scratch_polynomials(ring, scratch, (size_t)k);
  size_t used = scratch->used;
  Digits digits = {0};
  if (centred) digits = digits_of(ring, k, x + polynomial, ring->n, 1, scratch);
  for (int r = 0; r < count; r++) {
    if (!centred) {
      scratch->used = used;
      permute(ring, k, x + polynomial, permutations[r], permuted);
      digits = digits_of(ring, k, permuted, ring->n, 0, scratch);
    }
    switch_digits(ring, &digits, centred ? permutations[r] : NULL, keys[r], NULL, sum);
    permute(ring, k, x, permutations[r], results[r]);
    memset(results[r] + polynomial, 0, (size_t)polynomial * sizeof *x);
    divide_by_special(ring, k, 2, sum, 1, results[r], scratch);
  }
}
