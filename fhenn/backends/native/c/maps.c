#include "maps.h"

#include <string.h>

enum {
  BLOCK = 2048,      /* pairs that are in work together: what they take stays in the second cache */
  LEAST_BLOCK = 64,
  ROW_BLOCK = 512,   /* residues of every input that rows of numbers share */
};

/* A sum, two polynomials: base + lifted/P. Either part may be missing. */
typedef struct Sum {
  u64 *base, *lifted;
  int has_base, has_lifted;
} Sum;

static Sum sum_new(const Ring* ring, int k, Scratch* scratch) {
  u64* base = scratch_polynomials(ring, scratch, 2 * (size_t)k);
  return (Sum){base, scratch_polynomials(ring, scratch, 2 * (size_t)(k + 1)), 0, 0};
}

/* Work space of `turned`: digits, the second polynomial over Q, the product with the key. */
static size_t polynomials_to_turn(int k) {
  return polynomials_of_digits(k) + (size_t)k + 2 * (size_t)(k + 1) + POLYNOMIALS_TO_DIVIDE;
}

/* A sum rotated. in_place: whether it takes the place of the sum; otherwise it is added to it. */
static void turn(const Ring* ring, int k, Sum* sum, Rotation by, int in_place, Scratch* scratch) {
  size_t used = scratch->used;
  long n = ring->n, pitch = pitch_of(ring), over_qp = (k + 1) * pitch;
  u64* second = scratch_polynomials(ring, scratch, (size_t)k);
  u64* switched = scratch_polynomials(ring, scratch, 2 * (size_t)(k + 1));
  if (sum->has_base) memcpy(second, sum->base + k * n, (size_t)(k * n) * sizeof *second);
  if (sum->has_lifted) divide_by_special(ring, k, sum->lifted + over_qp, sum->has_base, second, scratch);
  Digits digits = digits_of(ring, k, second, n, 1, scratch);
  /* the first polynomial of the base enters times P, and so the rotated sum has no base */
  switch_digits(ring, &digits, by.permutation, by.key, sum->has_base ? sum->base : NULL, switched);
  for (int i = 0; i <= k; i++) {
    const Modulus* m = modulus_at(ring, k, i);
    for (int h = 0; h < 2; h++) {
      u64 *new = switched + h * over_qp + i * pitch, *old = sum->lifted + h * over_qp + i * pitch;
      if (sum->has_lifted && h == 0) m->kernels->permute(m, old, by.permutation, 1, new);
      if (in_place || !sum->has_lifted)
        memcpy(old, new, (size_t)n * sizeof *old);
      else
        m->kernels->add(m, old, new, old);
    }
  }
  sum->has_lifted = 1;
  if (in_place) sum->has_base = 0;
  scratch->used = used;
}

/* The sum as a ciphertext; divided by its last prime where rescaled. */
static void settle(const Ring* ring, int k, const Sum* sum, int rescaled, u64* result, Scratch* scratch) {
  long n = ring->n, over_qp = (k + 1) * pitch_of(ring);
  for (int h = 0; h < 2; h++) {
    const u64 *base = sum->base + h * k * n, *lifted = sum->lifted + h * over_qp;
    u64* out = result + h * (k - rescaled) * n;
    if (rescaled && sum->has_lifted)
      divide_by_both(ring, k, lifted, sum->has_base ? base : NULL, out, scratch);
    else if (rescaled)
      divide_by_last(ring, k, base, out, scratch);
    else {
      if (sum->has_base) memcpy(out, base, (size_t)(k * n) * sizeof *out);
      if (sum->has_lifted) divide_by_special(ring, k, lifted, sum->has_base, out, scratch);
    }
  }
}

/* What a giant step adds to, before it is turned: [2][parts] polynomials, pitch_of(ring) words apart. */
static size_t polynomials_of_products(const Map* map) {
  return (size_t)map->giants * 2 * (size_t)(map->k + map->lifted);
}

static long block_of(const Ring* ring, const Map* map) {
  long block = BLOCK;
  while (block > LEAST_BLOCK && block * map->babies > BLOCK) block /= 2;
  return block < ring->n ? block : ring->n;
}

/* Polynomials that hold the pairs of a block. */
static size_t polynomials_of_pairs(const Ring* ring, const Map* map) {
  return (size_t)(2 * map->babies * block_of(ring, map) / ring->n + 1);
}

/* The place of baby step b in pairs that is not rotated: its ciphertext, times P where products are over QP. */
static void copy_pairs(const Ring* ring, const Map* map, int i, int b, long at, long block, u64* lifted, u64* pairs) {
  long n = ring->n;
  const Modulus* m = modulus_at(ring, map->k, i);
  u64 factor = special(ring)->q % m->q;
  for (int h = 0; h < 2; h++) {
    const u64* x = NULL;
    if (i < map->k) {
      x = map->x[b] + (h * map->k + i) * n;
      if (map->lifted) {
        m->kernels->number_dot(m, 1, &x, &factor, 0, lifted, at, block);
        x = lifted;
      }
    }
    for (long group = 0; group < block / 8; group++) {
      u64* to = pairs + (group * map->babies + b) * 16 + 8 * h;
      if (x)
        memcpy(to, x + at + 8 * group, 8 * sizeof *to);
      else
        memset(to, 0, 8 * sizeof *to); /* P times anything, modulo P */
    }
  }
}

/* The products of every giant step, summed. */
static u64* products_of(const Ring* ring, const Map* map, Scratch* scratch) {
  int k = map->k, parts = k + map->lifted;
  long pitch = pitch_of(ring), block = block_of(ring, map);
  u64* products = scratch_polynomials(ring, scratch, polynomials_of_products(map));
  u64* pairs = scratch_polynomials(ring, scratch, polynomials_of_pairs(ring, map));
  u64* lifted = scratch_polynomials(ring, scratch, 1);
  Digits digits = {0};
  for (int b = 0; b < map->babies && !digits.k; b++)
    if (map->baby[b].permutation) digits = digits_of(ring, k, map->x[b] + k * ring->n, ring->n, 1, scratch);
  for (int i = 0; i < parts; i++) {
    const Modulus* m = modulus_at(ring, k, i);
    for (long at = 0; at < ring->n; at += block) {
      for (int b = 0; b < map->babies; b++) {
        const Rotation* by = &map->baby[b];
        if (by->permutation)
          switch_part(ring, &digits, i, by->permutation, by->key, map->x[b], pairs + 16 * b, pairs + 16 * b + 8,
                      16L * map->babies, at, block);
        else
          copy_pairs(ring, map, i, b, at, block, lifted, pairs);
      }
      for (int g = 0; g < map->giants; g++) {
        const Giant* giant = &map->giant[g];
        if (!giant->terms) continue;
        u64* first = products + (2L * g * parts + i) * pitch + at;
        m->kernels->pair_dot(m, giant->terms, pairs, map->babies, giant->which,
                             giant->plain + (i * ring->n + at) * giant->terms, first, first + parts * pitch, block);
      }
    }
  }
  return products;
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
  return polynomials_of_products(map) + polynomials_of_pairs(ring, map) + 1 + polynomials_of_digits(map->k) + sum +
         polynomials_to_turn(map->k);
}

void apply_map(const Ring* ring, const Map* map, u64* result, Scratch* scratch) {
  int k = map->k;
  Sum sum = sum_new(ring, k, scratch);
  size_t used = scratch->used;
  const u64* products = products_of(ring, map, scratch);
  for (int g = 0; g < map->giants; g++) {
    const Giant* giant = &map->giant[g];
    if (giant->terms) gather(ring, map, products + 2L * g * (k + map->lifted) * pitch_of(ring), &sum);
    if (giant->turn.permutation && (sum.has_base || sum.has_lifted)) turn(ring, k, &sum, giant->turn, 1, scratch);
  }
  for (int f = 0; f < map->folds_before; f++) turn(ring, k, &sum, map->fold[f], 0, scratch);
  settle(ring, k, &sum, map->rescaled, result, scratch);
  k -= map->rescaled;
  if (map->folds_after) {
    scratch->used = used; /* the products are no longer needed */
    memcpy(sum.base, result, 2 * (size_t)(k * ring->n) * sizeof *result);
    sum.has_base = 1, sum.has_lifted = 0;
    for (int f = 0; f < map->folds_after; f++)
      turn(ring, k, &sum, map->fold[map->folds_before + f], 0, scratch);
    settle(ring, k, &sum, 0, result, scratch);
  }
  for (int i = 0; map->bias && i < k; i++) {
    const Modulus* m = &ring->moduli[i];
    m->kernels->add(m, result + i * ring->n, map->bias + i * ring->n, result + i * ring->n);
  }
}

void number_rows(const Ring* ring, int k, int rows, const long* start, const int* column, const u64* number,
                 const u64* const* x, u64* const* result, const u64** some) {
  long n = ring->n;
  long terms = start[rows];
  for (int i = 0; i < k; i++) {
    const Modulus* m = &ring->moduli[i];
    for (int h = 0; h < 2; h++) {
      for (long t = 0; t < terms; t++) some[t] = x[column[t]] + (h * k + i) * n;
      for (long at = 0; at < n; at += ROW_BLOCK)
        for (int r = 0; r < rows; r++)
          m->kernels->number_dot(m, (int)(start[r + 1] - start[r]), some + start[r], number + i * terms + start[r], 0,
                                 result[r] + (h * k + i) * n, at, ROW_BLOCK);
    }
  }
}
