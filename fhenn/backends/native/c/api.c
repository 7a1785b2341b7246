/* What Python calls. Sizes are checked there; what returns an int returns 0, or -1 where there is no memory. Arrays are
   [polynomial][prime][n], contiguous. */
#include <stdlib.h>
#include <string.h>

#include "encoding.h"
#include "export.h"
#include "maps.h"
#include "packing.h"
#include "products.h"
#include "seed.h"

EXPORT Ring* fhenn_ring_new(int log_n, int count, const u64* primes, const char* kernels, int threads) {
  return ring_new(log_n, count, primes, kernels, threads);
}

EXPORT void fhenn_ring_free(Ring* ring) { ring_free(ring); }

EXPORT const char* fhenn_ring_kernels(const Ring* ring, int place) { return ring->moduli[place].kernels->name; }

EXPORT void fhenn_permutation(const Ring* ring, u64 element, uint32_t* result) {
  permutation_of(ring, element, result);
}

EXPORT void fhenn_transform(const Ring* ring, int place, int inverse, u64* a) {
  const Modulus* m = &ring->moduli[place];
  if (inverse)
    m->kernels->inverse(m, a);
  else
    m->kernels->forward(m, a, 0);
}

EXPORT void fhenn_pack_key(const Ring* ring, int k, int primes, const u64* key, u64* packed) {
  pack_key(ring, k, primes, key, packed);
}

/* Plaintexts of coefficients, as `Giant` has them. */
typedef struct Packing {
  const Ring* ring;
  const int* places;
  int terms;
  Coefficients coefficients;
  u64 *packed, *work;
} Packing;

static void pack_part(void* argument, int part, int worker) {
  const Packing* p = argument;
  long half = p->ring->n / 2;
  u64 *work = p->work + worker * pitch_of(p->ring), *plain = work + half, *packed = p->packed + part * half * p->terms;
  for (int t = 0; t < p->terms; t++) {
    encode_real(&p->ring->reals[p->places[part]], p->coefficients, t, work, plain);
    for (long group = 0; group < half / 8; group++)
      memcpy(packed + 8 * (group * p->terms + t), plain + 8 * group, 8 * sizeof *packed);
  }
}

/* places: of the primes in the chain. coefficients: of a kind (encoding.h), [terms][n/2].
   packed: [parts][n/16][terms][8]. */
EXPORT int fhenn_pack_plain(Ring* ring, int parts, const int* places, int terms, int kind, const void* coefficients,
                            u64* packed) {
  size_t threads = (size_t)threads_of(ring);
  Scratch* scratch = scratch_take(ring, threads);
  if (!scratch) return -1;
  Packing p = {ring, places, terms, {(CoefficientKind)kind, coefficients}, packed, NULL};
  p.work = scratch_polynomials(ring, scratch, threads);
  pool_run(ring->pool, parts, pack_part, &p);
  scratch_return(scratch);
  return 0;
}

EXPORT void fhenn_encode(const Ring* ring, const double* coefficients, int count, const int* places, u64* result) {
  encode(ring, coefficients, count, places, result, ring->n);
}

/* numbers: integers as doubles; result: [count]. */
EXPORT void fhenn_residues(const Ring* ring, int place, long count, const double* numbers, u64* result) {
  for (long j = 0; j < count; j++) result[j] = residue_of(&ring->moduli[place], numbers[j]);
}

EXPORT void fhenn_pack(const u64* x, long n, int bits, uint8_t* packed) { pack_bits(x, n, bits, packed); }

EXPORT void fhenn_unpack(const uint8_t* packed, long n, int bits, u64* x) { unpack_bits(packed, n, bits, x); }

EXPORT void fhenn_expand_seed(const u64* seed, long n, int primes, const u64* q, u64* result) {
  expand_seed(seed, n, primes, q, result);
}

/* Ciphertexts in messages that hold the same but for their residues and seeds. */
typedef struct Reading {
  const Ring* ring;
  int k, polynomials; /* of which there are residues: where it is one, there is a seed for the other */
  const uint8_t* const* bodies;
  long start, seed; /* where in a body these begin */
  u64* result;      /* [count][2][k][n] */
  atomic_int wrong;
} Reading;

static void read_one(void* argument, int index, int worker) {
  (void)worker;
  Reading* r = argument;
  const uint8_t* packed = r->bodies[index] + r->start;
  long n = r->ring->n;
  u64 *result = r->result + index * 2L * r->k * n, q[MOST_PRIMES], seed[SEED_BYTES / 8];
  for (int part = 0; part < r->polynomials * r->k; part++) {
    const Modulus* m = &r->ring->moduli[part % r->k];
    int bits = 64 - __builtin_clzll(m->q);
    unpack_bits(packed, n, bits, result + part * n);
    if (!m->kernels->all_below(m, result + part * n)) atomic_store(&r->wrong, 1);
    packed += n / 8 * bits;
  }
  if (r->polynomials == 2) return;
  for (int i = 0; i < r->k; i++) q[i] = r->ring->moduli[i].q;
  memcpy(seed, r->bodies[index] + r->seed, SEED_BYTES);
  expand_seed(seed, n, r->k, q, result + r->k * n);
}

/* Whether all residues are below their primes. */
EXPORT int fhenn_read(const Ring* ring, int count, int k, int polynomials, const uint8_t* const* bodies, long start,
                      long seed, u64* result) {
  Reading r = {ring, k, polynomials, bodies, start, seed, result, 0};
  pool_run(ring->pool, count, read_one, &r);
  return !atomic_load(&r.wrong);
}

EXPORT int fhenn_residues_below(const Ring* ring, int k, const int* places, int polynomials, const u64* x) {
  for (int h = 0; h < polynomials; h++)
    for (int i = 0; i < k; i++) {
      const Modulus* m = &ring->moduli[places[i]];
      if (!m->kernels->all_below(m, x + (long)(h * k + i) * ring->n)) return 0;
    }
  return 1;
}

typedef void (*OfTwo)(const Modulus*, const u64*, const u64*, u64*);

static void each_of_two(const Ring* ring, int k, int polynomials, int which, const u64* x, const u64* y, u64* result) {
  for (int h = 0; h < polynomials; h++)
    for (int i = 0; i < k; i++) {
      const Modulus* m = &ring->moduli[i];
      OfTwo of_two = which ? m->kernels->subtract : m->kernels->add;
      long at = (long)(h * k + i) * ring->n;
      of_two(m, x + at, y + at, result + at);
    }
}

EXPORT void fhenn_add(const Ring* ring, int k, int polynomials, const u64* x, const u64* y, u64* result) {
  each_of_two(ring, k, polynomials, 0, x, y, result);
}

EXPORT void fhenn_subtract(const Ring* ring, int k, int polynomials, const u64* x, const u64* y, u64* result) {
  each_of_two(ring, k, polynomials, 1, x, y, result);
}

EXPORT void fhenn_negate(const Ring* ring, int k, int polynomials, const u64* x, u64* result) {
  for (int h = 0; h < polynomials; h++)
    for (int i = 0; i < k; i++) {
      const Modulus* m = &ring->moduli[i];
      long at = (long)(h * k + i) * ring->n;
      m->kernels->negate(m, x + at, result + at);
    }
}

/* One polynomial plus a number in every slot. number: an integer, as a double. */
EXPORT void fhenn_add_number(const Ring* ring, int k, const u64* x, double number, u64* result) {
  for (int i = 0; i < k; i++) {
    const Modulus* m = &ring->moduli[i];
    m->kernels->add_number(m, x + i * ring->n, residue_of(m, number), result + i * ring->n);
  }
}

/* x times a number in every slot, an integer as a double. */
EXPORT void fhenn_times_number(const Ring* ring, int k, int polynomials, const u64* x, double number, u64* result) {
  for (int i = 0; i < k; i++) {
    const Modulus* m = &ring->moduli[i];
    u64 factor = residue_of(m, number);
    for (int h = 0; h < polynomials; h++) {
      const u64* from = x + (h * k + i) * ring->n;
      m->kernels->number_dot(m, 1, &from, &factor, 0, result + (h * k + i) * ring->n, 0, ring->n);
    }
  }
}

/* result = sum of x[t]*plain[t], each x of some polynomials. */
EXPORT void fhenn_sum_of_products(const Ring* ring, int k, int polynomials, int terms, const u64* const* x,
                                  const u64* const* plain, u64* result) {
  enum { TOGETHER = 12, BLOCK = 1024 };
  const u64 *a[TOGETHER], *b[TOGETHER];
  for (int i = 0; i < k; i++)
    for (int h = 0; h < polynomials; h++)
      for (long at = 0; at < ring->n; at += BLOCK)
        for (int t = 0; t < terms; t += TOGETHER) {
          const Modulus* m = &ring->moduli[i];
          int some = terms - t < TOGETHER ? terms - t : TOGETHER;
          for (int s = 0; s < some; s++) {
            a[s] = x[t + s] + (h * k + i) * ring->n;
            b[s] = plain[t + s] + i * ring->n;
          }
          m->kernels->dot(m, some, a, b, t > 0, result + (h * k + i) * ring->n, at, BLOCK);
        }
}

EXPORT void fhenn_multiply(const Ring* ring, int k, const u64* a, const u64* b, u64* result) {
  multiply(ring, k, a, b, result);
}

EXPORT int fhenn_relinearise(Ring* ring, int k, const u64* x, const SwitchingKey* key, int centred, u64* result) {
  Scratch* scratch = scratch_take(ring, polynomials_to_switch(ring, k));
  if (!scratch) return -1;
  relinearise(ring, k, x, *key, centred, result, scratch);
  scratch_return(scratch);
  return 0;
}

EXPORT int fhenn_relinearise_and_rescale(Ring* ring, int k, const u64* x, const SwitchingKey* key, int centred,
                                         u64* result) {
  Scratch* scratch = scratch_take(ring, polynomials_to_switch(ring, k));
  if (!scratch) return -1;
  relinearise_and_rescale(ring, k, x, *key, centred, result, scratch);
  scratch_return(scratch);
  return 0;
}

EXPORT int fhenn_rescale(Ring* ring, int k, int polynomials, const u64* x, u64* result) {
  Scratch* scratch = scratch_take(ring, polynomials_to_divide(ring, polynomials));
  if (!scratch) return -1;
  divide_by_last(ring, k, polynomials, x, result, scratch);
  scratch_return(scratch);
  return 0;
}

EXPORT int fhenn_rotate(Ring* ring, int k, const u64* x, int count, const uint32_t* const* permutations,
                        const SwitchingKey* keys, int centred, u64* const* results) {
  Scratch* scratch = scratch_take(ring, polynomials_to_switch(ring, k));
  if (!scratch) return -1;
  rotate(ring, k, x, count, permutations, keys, centred, results, scratch);
  scratch_return(scratch);
  return 0;
}

EXPORT int fhenn_apply_map(Ring* ring, const Map* map, u64* const* result) {
  Scratch* scratch = scratch_take(ring, polynomials_of_map(ring, map));
  if (!scratch) return -1;
  apply_map(ring, map, result, scratch);
  scratch_return(scratch);
  return 0;
}

EXPORT int fhenn_number_rows(const Ring* ring, int k, int rows, const long* start, const int* column,
                             const u64* number, const u64* const* x, u64* const* result) {
  const u64** some = malloc(((size_t)start[rows] + 1) * (size_t)threads_of(ring) * sizeof *some);
  if (!some) return -1;
  number_rows(ring, k, rows, start, column, number, x, result, some);
  free(some);
  return 0;
}
