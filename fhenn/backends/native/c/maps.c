#include "maps.h"

#include <string.h>

#include "map_products.h"

enum { ROW_BLOCK = 512 }; /* residues of every input that rows of numbers share */

/* A sum, two polynomials: base + lifted/P. Either part may be missing. */
typedef struct Sum {
  u64 *base, *lifted;
  int has_base, has_lifted;
} Sum;

static Sum sum_new(const Ring* ring, int k, Scratch* scratch) {
  u64* base = scratch_polynomials(ring, scratch, 2 * (size_t)k);
  return (Sum){base, scratch_polynomials(ring, scratch, 2 * (size_t)(k + 1)), 0, 0};
}

/* Scratch of `turn`: digits, the second polynomial over Q, the product with the key, the first polynomial as it was. */
static size_t polynomials_to_turn(const Ring* ring, int k) {
  return polynomials_of_digits(k) + (size_t)k + 3 * (size_t)(k + 1) + polynomials_to_divide(ring, 1);
}

typedef struct Turning {
  const Ring* ring;
  int k;
  Sum* sum;
  u64* switched;
  const u64* before; /* the first polynomial of the lifted sum, which is rotated as it is; NULL for none */
  const uint32_t* permutation;
  int in_place;
} Turning;

static void turn_part(void* argument, int i, int worker) {
  (void)worker;
  const Turning* t = argument;
  const Modulus* m = modulus_at(t->ring, t->k, i);
  for (int h = 0; h < 2; h++) {
    long at = i * pitch_of(t->ring), polynomial = h * over_qp(t->ring, t->k);
    u64 *new = t->switched + polynomial + at, *old = t->sum->lifted + polynomial + at;
    if (t->before && h == 0) m->kernels->permute(m, t->before + at, t->permutation, 1, new);
    if (t->in_place || !t->sum->has_lifted)
      memcpy(old, new, (size_t)t->ring->n * sizeof *old);
    else
      m->kernels->add(m, old, new, old);
  }
}

/* Rotations of a sum, which are made of one decomposition. in_place: whether the one rotation takes the place of the
   sum; otherwise they are added to it. */
static void turn(const Ring* ring, int k, Sum* sum, Fold by, int in_place, Scratch* scratch) {
  size_t used = scratch->used;
  long n = ring->n;
  u64* second = scratch_polynomials(ring, scratch, (size_t)k);
  u64* switched = scratch_polynomials(ring, scratch, 2 * (size_t)(k + 1));
  u64* before = NULL;
  if (sum->has_base) memcpy(second, sum->base + k * n, (size_t)(k * n) * sizeof *second);
  if (sum->has_lifted) {
    divide_by_special(ring, k, 1, sum->lifted + over_qp(ring, k), sum->has_base, second, scratch);
    before = scratch_polynomials(ring, scratch, (size_t)(k + 1));
    memcpy(before, sum->lifted, (size_t)over_qp(ring, k) * sizeof *before);
  }
  Digits digits = digits_of(ring, k, second, n, 1, scratch);
  for (int r = 0; r < by.rotations; r++) {
    const Rotation* rotation = &by.rotation[r];
    /* the first polynomial of the base enters times P, and so what is rotated has no base */
    switch_digits(ring, &digits, rotation->permutation, rotation->key, sum->has_base ? sum->base : NULL, switched);
    Turning turning = {ring, k, sum, switched, before, rotation->permutation, in_place};
    pool_run(ring->pool, k + 1, turn_part, &turning);
    sum->has_lifted = 1;
  }
  if (in_place) sum->has_base = 0;
  scratch->used = used;
}

/* The sum as a ciphertext; divided by its last prime where rescaled. */
static void settle(const Ring* ring, int k, const Sum* sum, int rescaled, u64* result, Scratch* scratch) {
  if (rescaled && sum->has_lifted)
    divide_by_both(ring, k, 2, sum->lifted, sum->has_base ? sum->base : NULL, result, scratch);
  else if (rescaled)
    divide_by_last(ring, k, 2, sum->base, result, scratch);
  else {
    if (sum->has_base) memcpy(result, sum->base, 2 * (size_t)(k * ring->n) * sizeof *result);
    if (sum->has_lifted) divide_by_special(ring, k, 2, sum->lifted, sum->has_base, result, scratch);
  }
}

/* The products of a giant step onto a sum. */
static void gather(const Ring* ring, const Map* map, const u64* products, Sum* sum) {
  int parts = map->k + map->lifted;
  long pitch = pitch_of(ring), to_pitch = map->lifted ? pitch : ring->n;
  int* present = map->lifted ? &sum->has_lifted : &sum->has_base;
  u64* target = map->lifted ? sum->lifted : sum->base;
  for (int h = 0; h < 2; h++)
    for (int i = 0; i < parts; i++) {
      const Modulus* m = modulus_at(ring, map->k, i);
      const u64* from = products + (h * parts + i) * pitch;
      u64* to = target + (h * parts + i) * to_pitch;
      if (*present)
        m->kernels->add(m, to, from, to);
      else
        memcpy(to, from, (size_t)ring->n * sizeof *to);
    }
  *present = 1;
}

size_t polynomials_of_map(const Ring* ring, const Map* map) {
  size_t k = (size_t)map->k, sum = 2 * k + 2 * (k + 1);
  size_t divisions = polynomials_to_divide(ring, 2), turning = polynomials_to_turn(ring, map->k);
  return polynomials_to_multiply(ring, map) + sum + (turning > divisions ? turning : divisions);
}

/* A result, of the products of its giant steps. bias: NULL for none. */
static void finish_map(const Ring* ring, const Map* map, const Giant* giant, const u64* products, const u64* bias,
                       Sum sum, u64* result, Scratch* scratch) {
  int k = map->k;
  for (int g = 0; g < map->giants; g++, giant++) {
    if (giant->terms) gather(ring, map, products + 2L * g * (k + map->lifted) * pitch_of(ring), &sum);
    if (giant->turn.permutation && (sum.has_base || sum.has_lifted)) turn(ring, k, &sum, (Fold){1, &giant->turn}, 1, scratch);
  }
  for (int f = 0; f < map->folds_before; f++) turn(ring, k, &sum, map->fold[f], 0, scratch);
  settle(ring, k, &sum, map->rescaled, result, scratch);
  k -= map->rescaled;
  if (map->folds_after) {
    memcpy(sum.base, result, 2 * (size_t)(k * ring->n) * sizeof *result);
    sum.has_base = 1, sum.has_lifted = 0;
    for (int f = 0; f < map->folds_after; f++)
      turn(ring, k, &sum, map->fold[map->folds_before + f], 0, scratch);
    settle(ring, k, &sum, 0, result, scratch);
  }
  for (int i = 0; bias && i < k; i++) {
    const Modulus* m = &ring->moduli[i];
    m->kernels->add(m, result + i * ring->n, bias + i * ring->n, result + i * ring->n);
  }
}

void apply_map(const Ring* ring, const Map* map, u64* const* result, Scratch* scratch) {
  const Sum empty = sum_new(ring, map->k, scratch); /* results take turns in it */
  const u64* products = products_of(ring, map, scratch);
  long each = 2L * map->giants * (map->k + map->lifted) * pitch_of(ring);
  for (int r = 0; r < map->results; r++)
    finish_map(ring, map, map->giant + r * map->giants, products + r * each, map->bias[r], empty, result[r], scratch);
}

typedef struct Rows {
  const Ring* ring;
  int k, rows;
  const long* start;
  const int* column;
  const u64* number;
  const u64* const* x;
  u64* const* result;
  const u64** some; /* of each worker */
} Rows;

static void multiply_rows(void* argument, int index, int worker) {
  const Rows* p = argument;
  long n = p->ring->n, terms = p->start[p->rows];
  int blocks = (int)(n / ROW_BLOCK), i = index / blocks % p->k, h = index / blocks / p->k;
  const Modulus* m = &p->ring->moduli[i];
  const u64** x = p->some + worker * terms;
  for (long t = 0; t < terms; t++) x[t] = p->x[p->column[t]] + (h * p->k + i) * n;
  for (int r = 0; r < p->rows; r++)
    m->kernels->number_dot(m, (int)(p->start[r + 1] - p->start[r]), x + p->start[r],
                           p->number + i * terms + p->start[r], 0, p->result[r] + (h * p->k + i) * n,
                           index % blocks * ROW_BLOCK, ROW_BLOCK);
}

void number_rows(const Ring* ring, int k, int rows, const long* start, const int* column, const u64* number,
                 const u64* const* x, u64* const* result, const u64** some) {
  Rows p = {ring, k, rows, start, column, number, x, result, some};
  pool_run(ring->pool, 2 * k * (int)(ring->n / ROW_BLOCK), multiply_rows, &p);
}
