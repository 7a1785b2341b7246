/* The products of a map: baby steps, in pairs of polynomials, times the plaintexts of every giant step, summed. */
#include "map_products.h"

#include <string.h>

enum {
  BLOCK = 2048,    /* pairs that are in work together: what they take stays in the second cache */
  LEAST_BLOCK = 32,
  MADE = 1 << 16,  /* words of plaintexts that are made together, as far as they are not fewer than LEAST_MADE */
  LEAST_MADE = 8,
};

/* Giant steps of all results. */
static int giants_of(const Map* map) { return map->results * map->giants; }

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

/* How many terms from t on take a baby step from `baby` on, before that plus `together`; `together` at most. */
static int terms_among(const Giant* giant, int t, int baby, int together) {
  int some = 0;
  while (some < together && t + some < giant->terms) {
    int taken = giant->which ? giant->which[t + some] : t + some;
    if (taken < baby || taken >= baby + together) break;
    some++;
  }
  return some;
}

/* The products of a giant step with some baby steps, whose plaintexts are made, onto what there is. */
static void multiply_made(const Ring* ring, const Map* map, int i, const Giant* giant, int baby, const Pairs* pairs,
                          u64* made, u64* const result[2][2]) {
  long pitch = pitch_of_made(ring);
  int together = made_together(ring);
  for (int t = 0, some; t < giant->terms; t += some ? some : 1) {
    some = terms_among(giant, t, baby, together);
    if (!some) continue;
    for (int s = 0; s < some; s++)
      encode_real(real_at(ring, map->k, i), giant->coefficients, t + s, made + together * pitch, made + s * pitch);
    Pairs from[] = {pairs[0], pairs[1]};
    for (int side = 0; side < 2 && !giant->which; side++) from[side].words += t * pairs[side].pair;
    multiply_pairs(modulus_at(ring, map->k, i), some, from, giant->which ? giant->which + t : NULL,
                   (Factors){made, pitch, 8, 0}, 1, result, ring->n / 2);
  }
}

/* The products of all giant steps whose plaintexts are made, modulo the prime of part i: with some baby steps at a
   time, whose pairs stay in the third cache. */
static void multiply_all_made(const Multiplications* p, int i, const Pairs* pairs, u64* made) {
  const Ring* ring = p->ring;
  const Map* map = p->map;
  int parts = map->k + map->lifted, together = made_together(ring);
  long pitch = pitch_of(ring), half = ring->n / 2;
  for (int baby = 0; baby < map->babies; baby += together)
    for (int g = 0; g < giants_of(map); g++) {
      if (!map->giant[g].terms || !map->giant[g].coefficients.first) continue;
      u64 *first = p->products + (2L * g * parts + i) * pitch, *second = first + parts * pitch;
      u64* const result[2][2] = {{first, second}, {first + half, second + half}};
      for (int h = 0; h < 2 && !baby; h++) memset(h ? second : first, 0, (size_t)ring->n * sizeof *first);
      multiply_made(ring, map, i, &map->giant[g], baby, pairs, made, result);
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
    if (!giant->terms || giant->coefficients.first) continue;
    u64 *first = p->products + (2L * g * parts + i) * pitch, *second = first + parts * pitch;
    u64* const result[2][2] = {{first + starts[0], second + starts[0]}, {first + starts[1], second + starts[1]}};
    const u64* plain = giant->plain + (i * ring->n / 2 + starts[0]) * giant->terms;
    multiply_pairs(modulus_at(ring, map->k, i), giant->terms, pairs, giant->which,
                   (Factors){plain, 8, 8L * giant->terms, 0}, 0, result, p->piece);
  }
  if (makes_plain(map)) multiply_all_made(p, i, pairs, p->made + worker * (long)polynomials_of_made(ring, map) * pitch);
}

size_t polynomials_to_multiply(const Ring* ring, const Map* map) {
  size_t each = polynomials_of_pairs(ring, map) + 1 + polynomials_of_made(ring, map);
  return polynomials_of_products(map) + (size_t)threads_of(ring) * each + polynomials_of_all_digits(ring, map);
}

u64* products_of(const Ring* ring, const Map* map, Scratch* scratch) {
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
