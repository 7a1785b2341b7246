#include "maps.h"

#include <string.h>

enum {
  BLOCK = 2048,      /* pairs that are in work together: what they take stays in the second cache */
  LEAST_BLOCK = 32,
  MADE = 1 << 16,    /* words of plaintexts that are made together, as far as they are not fewer than LEAST_MADE */
  LEAST_MADE = 8,
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

/* Giant steps of all results. */
static int giants_of(const Map* map) { return map->results * map->giants; }

/* What a giant step adds to, before it is turned: [2][parts] polynomials, pitch_of(ring) words apart. */
static size_t polynomials_of_products(const Map* map) {
  return (size_t)giants_of(map) * 2 * (size_t)(map->k + map->lifted);
}

/* Places of each half. */
static long block_of(const Ring* ring, const Map* map) {
  long block = BLOCK / 2;
  while (block > LEAST_BLOCK && 2 * block * map->babies > BLOCK) block /= 2;
  return block < ring->n / 2 ? block : ring->n / 2;
}

/* Plaintexts of a giant step that are made together: they stay in the second cache until they are multiplied. */
static int made_together(const Ring* ring) {
  long most = MADE / (ring->n / 2);
  return most > LEAST_MADE ? (int)most : LEAST_MADE;
}

/* Whether plaintexts are made at each use. */
static int makes_plain(const Map* map) {
  for (int g = 0; g < giants_of(map); g++)
    if (map->giant[g].coefficients.first) return 1;
  return 0;
}

/* Places of each half of a prime whose pairs are in work together: all, where plaintexts are made, as transforms are of
   all. */
static long piece_of(const Ring* ring, const Map* map) {
  return makes_plain(map) ? ring->n / 2 : block_of(ring, map);
}

/* Words from one baby step's pairs to the next, and from one group of eight places to the next. Pairs of a group stand
   together, as they are read; those of a baby step where a few of them are read at a time, in whole. */
typedef struct Pace {
  long baby, group;
} Pace;

static Pace pace_of(const Ring* ring, const Map* map) {
  return makes_plain(map) ? (Pace){pitch_of(ring), 16} : (Pace){16, 16L * map->babies};
}

/* Words of the pairs of a piece. */
static long words_of_pairs(const Ring* ring, const Map* map) {
  return map->babies * (makes_plain(map) ? pitch_of(ring) : 2 * piece_of(ring, map));
}

/* Polynomials that hold the pairs of a piece of each half. */
static size_t polynomials_of_pairs(const Ring* ring, const Map* map) {
  return (size_t)(2 * words_of_pairs(ring, map) / pitch_of(ring) + 1);
}

/* Words from one plaintext that is made to the next (`pitch_of`). */
static long pitch_of_made(const Ring* ring) { return pitch_of(ring) - ring->n / 2; }

/* Polynomials that hold plaintexts that are made, and what that takes. */
static size_t polynomials_of_made(const Ring* ring, const Map* map) {
  return makes_plain(map) ? (size_t)((made_together(ring) + 1) * pitch_of_made(ring) / pitch_of(ring) + 1) : 0;
}

/* The pairs of baby step b that is not rotated: its ciphertext, times P where products are over QP.
   pace: words from one group to the next. */
static void copy_pairs(const Ring* ring, const Map* map, int i, int b, long at, long block, long pace, u64* lifted,
                       u64* pairs) {
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
      u64* to = pairs + group * pace + 8 * h;
      if (x)
        memcpy(to, x + at + 8 * group, 8 * sizeof *to);
      else
        memset(to, 0, 8 * sizeof *to); /* P times anything, modulo P */
    }
  }
}

/* Whether baby step b is the first of its ciphertext that is rotated: whose digits have to be made. */
static int opens(const Map* map, int b) {
  if (!map->baby[b].permutation) return 0;
  for (int before = b - 1; before >= 0 && map->x[before] == map->x[b]; before--)
    if (map->baby[before].permutation) return 0;
  return 1;
}

/* Polynomials of scratch that hold which digits each baby step has. */
static size_t polynomials_of_list(const Ring* ring, const Map* map) {
  return (size_t)map->babies * sizeof(Digits) / ((size_t)ring->n * sizeof(u64)) + 1;
}

/* Polynomials of scratch for the digits of all ciphertexts that are rotated, and that list. */
static size_t polynomials_of_all_digits(const Ring* ring, const Map* map) {
  size_t opened = 0;
  for (int b = 0; b < map->babies; b++) opened += (size_t)opens(map, b);
  return opened * polynomials_of_digits(map->k) + polynomials_of_list(ring, map);
}

typedef struct Multiplications {
  const Ring* ring;
  const Map* map;
  Digits* digits; /* of the ciphertext of each baby step that is rotated */
  long piece;
  u64 *products, *pairs, *lifted, *made; /* but for products, of each worker */
} Multiplications;

/* The pairs of all baby steps modulo the prime of part i, from place `at` on. */
static void make_pairs(const Multiplications* p, int i, long at, u64* lifted, u64* pairs) {
  const Map* map = p->map;
  const Pace pace = pace_of(p->ring, map);
  for (int b = 0; b < map->babies; b++, pairs += pace.baby) {
    const Rotation* by = &map->baby[b];
    if (by->permutation)
      switch_part(p->ring, &p->digits[b], i, by->permutation, by->key, map->x[b], pairs, pairs + 8, pace.group, at,
                  p->piece);
    else
      copy_pairs(p->ring, map, i, b, at, p->piece, pace.group, lifted, pairs);
  }
}

/* The products of pairs of both halves with plaintexts, whose values are the same in both, summed. */
static void multiply_pairs(const Modulus* m, int terms, const Pairs* pairs, const uint16_t* which, Factors plain,
                           int accumulate, u64* const result[2][2], long piece) {
  for (int side = 0; side < 2; side++) {
    plain.mirrored = side;
    m->kernels->pair_dot(m, terms, &pairs[side], which, &plain, accumulate, result[side][0], result[side][1], piece);
  }
}

/* The products of a giant step whose plaintexts are made, some at a time. */
static void multiply_made(const Ring* ring, const Map* map, int i, const Giant* giant, const Pairs* pairs, u64* made,
                          u64* const result[2][2]) {
  long pitch = pitch_of_made(ring);
  int together = made_together(ring);
  for (int t = 0; t < giant->terms; t += together) {
    int some = giant->terms - t < together ? giant->terms - t : together;
    for (int s = 0; s < some; s++)
      encode_real(real_at(ring, map->k, i), giant->coefficients, t + s, made + together * pitch, made + s * pitch);
    Pairs from[] = {pairs[0], pairs[1]};
    for (int side = 0; side < 2 && !giant->which; side++) from[side].words += t * pairs[side].pair;
    multiply_pairs(modulus_at(ring, map->k, i), some, from, giant->which ? giant->which + t : NULL,
                   (Factors){made, pitch, 8, 0}, t > 0, result, ring->n / 2);
  }
}

static void multiply_piece(void* argument, int index, int worker) {
  const Multiplications* p = argument;
  const Ring* ring = p->ring;
  const Map* map = p->map;
  int pieces = (int)(ring->n / 2 / p->piece), i = index / pieces, parts = map->k + map->lifted;
  long pitch = pitch_of(ring), starts[2] = {index % pieces * p->piece, 0};
  starts[1] = ring->n - starts[0] - p->piece;
  u64* left = p->pairs + worker * (long)polynomials_of_pairs(ring, map) * pitch;
  u64* right = left + words_of_pairs(ring, map);
  const Pace pace = pace_of(ring, map);
  const Pairs pairs[] = {{left, pace.baby, pace.group}, {right, pace.baby, pace.group}};
  make_pairs(p, i, starts[0], p->lifted + worker * pitch, left);
  make_pairs(p, i, starts[1], p->lifted + worker * pitch, right);
  for (int g = 0; g < giants_of(map); g++) {
    const Giant* giant = &map->giant[g];
    if (!giant->terms) continue;
    u64 *first = p->products + (2L * g * parts + i) * pitch, *second = first + parts * pitch;
    u64* const result[2][2] = {{first + starts[0], second + starts[0]}, {first + starts[1], second + starts[1]}};
    if (giant->coefficients.first) {
      u64* made = p->made + worker * (long)polynomials_of_made(ring, map) * pitch;
      multiply_made(ring, map, i, giant, pairs, made, result);
    } else {
      const u64* plain = giant->plain + (i * ring->n / 2 + starts[0]) * giant->terms;
      multiply_pairs(modulus_at(ring, map->k, i), giant->terms, pairs, giant->which,
                     (Factors){plain, 8, 8L * giant->terms, 0}, 0, result, p->piece);
    }
  }
}

/* The products of every giant step, summed. */
static u64* products_of(const Ring* ring, const Map* map, Scratch* scratch) {
  int k = map->k, threads = threads_of(ring);
  Multiplications p = {ring, map, NULL, piece_of(ring, map), NULL, NULL, NULL, NULL};
  p.products = scratch_polynomials(ring, scratch, polynomials_of_products(map));
  p.pairs = scratch_polynomials(ring, scratch, (size_t)threads * polynomials_of_pairs(ring, map));
  p.lifted = scratch_polynomials(ring, scratch, (size_t)threads);
  p.made = scratch_polynomials(ring, scratch, (size_t)threads * polynomials_of_made(ring, map));
  p.digits = (Digits*)scratch_polynomials(ring, scratch, polynomials_of_list(ring, map));
  Digits last = {0};
  for (int b = 0; b < map->babies; b++) {
    if (opens(map, b)) last = digits_of(ring, k, map->x[b] + k * ring->n, ring->n, 1, scratch);
    p.digits[b] = last;
  }
  pool_run(ring->pool, (k + map->lifted) * (int)(ring->n / 2 / p.piece), multiply_piece, &p);
  return p.products;
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
  size_t work = (size_t)threads_of(ring) * (polynomials_of_pairs(ring, map) + 1 + polynomials_of_made(ring, map));
  size_t divisions = polynomials_to_divide(ring, 2), turning = polynomials_to_turn(ring, map->k);
  return polynomials_of_products(map) + work + polynomials_of_all_digits(ring, map) + sum +
         (turning > divisions ? turning : divisions);
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
