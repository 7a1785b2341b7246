/* Whether kernels compute what portable C computes: each operation is done by both, on the same residues. */
#include <stdlib.h>
#include <string.h>

#include "kernels_portable.h"

enum { TERMS = 12, DIGITS = 5, MANY = 70, PAIRS = 9, POLYNOMIALS = 2 * TERMS + 1 };

/* What is computed on: x are residues, others are modulo another number, lazy ones are below 4q or 2^52. */
typedef struct Sample {
  u64* words;
  const u64* x[POLYNOMIALS];
  const u64 *lazy, *key, *plain;
  u64 *ours, *theirs, *others;
  uint32_t* permutation;
  u64 numbers[MANY];
  uint16_t which[MANY];
} Sample;

/* S. Vigna's splitmix64 */
static u64 next_random(u64* state) {
  u64 z = *state += 0x9e3779b97f4a7c15;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

/* All at the upper edge, where sums are largest; or random, one in four at an edge. */
static u64 value_below(u64 bound, int largest, u64* state) {
  u64 random = next_random(state);
  if (largest || random % 16 == 0) return bound - 1;
  if (random % 16 < 4) return bound / 2 + random % 16 - 1 < bound ? bound / 2 + random % 16 - 1 : 0;
  if (random % 16 < 6) return bound > 1 ? random % 2 : 0;
  return next_random(state) % bound;
}

static void fill(u64* words, long count, u64 bound, int largest, u64* state) {
  for (long i = 0; i < count; i++) words[i] = value_below(bound, largest, state);
}

static int sample_init(Sample* sample, const Modulus* m, int largest) {
  long n = m->n, rest = n * (2 * DIGITS + 2 * PAIRS + 8);
  u64 state = m->q, lazy_bound = m->q >> 50 ? 4 * m->q : 1ULL << 52;
  sample->words = malloc(((size_t)(POLYNOMIALS * n + rest) * sizeof(u64)));
  sample->permutation = malloc((size_t)n * sizeof *sample->permutation);
  if (!sample->words || !sample->permutation) return -1;
  u64* next = sample->words;
  fill(next, POLYNOMIALS * n + rest, m->q, largest, &state);
  for (int i = 0; i < POLYNOMIALS; i++, next += n) sample->x[i] = next;
  sample->key = next, next += 2 * DIGITS * n;
  sample->plain = next, next += 2 * PAIRS * n;
  sample->lazy = next, fill(next, n, lazy_bound, largest, &state), next += n;
  sample->others = next, next += n;
  sample->ours = next, sample->theirs = next + 3 * n;
  /* aligned pairs go to aligned pairs, as automorphisms have it */
  for (long i = 0; i < n; i++)
    sample->permutation[i] = (uint32_t)((5 * (i / 8) + 3) % (n / 8) * 8 + ((i % 8) ^ (i / 8 * 3 % 8)));
  for (int i = 0; i < MANY; i++) {
    sample->numbers[i] = value_below(m->q, largest, &state);
    sample->which[i] = (uint16_t)(next_random(&state) % PAIRS);
  }
  return 0;
}

static void sample_free(Sample* sample) {
  free(sample->words);
  free(sample->permutation);
}

/* One operation by one set of kernels, in the variant that the number names; 3n words of result, which start as x[0..2].
   0 past the last variant. */
typedef int Operation(const Kernels* k, const Modulus* m, const Sample* s, int variant, u64* result);

static int check_forward(const Kernels* k, const Modulus* m, const Sample* s, int variant, u64* result) {
  (void)s;
  k->forward(m, result, variant);
  if (variant) /* which lazy representative it is may differ */
    for (long j = 0; j < m->n; j++) result[j] = result[j] < (m->q >> 50 ? 4 * m->q : 1ULL << 52) ? result[j] % m->q : ~(u64)0;
  return variant < 2;
}

static int check_inverse(const Kernels* k, const Modulus* m, const Sample* s, int variant, u64* result) {
  (void)s;
  k->inverse(m, result);
  return variant < 1;
}

static const u64 FROM[] = {3, (1ULL << 31) - 1, (1ULL << 50) - 27, (1ULL << 61) - 1};
enum { FROMS = sizeof FROM / sizeof *FROM };

static void bring_below(const Modulus* m, const Sample* s, u64 bound) {
  for (long j = 0; j < m->n; j++) s->others[j] = (s->x[3][j] + ((s->x[4][j] & 3) << 59)) % bound;
  s->others[0] = bound - 1, s->others[1] = bound / 2, s->others[2] = bound / 2 + 1, s->others[3] = 0;
}

static int check_reduce(const Kernels* k, const Modulus* m, const Sample* s, int variant, u64* result) {
  u64 from = variant < 2 ? m->q : FROM[variant / 2 % FROMS];
  bring_below(m, s, from);
  k->reduce(m, s->others, from, variant % 2, result);
  return variant < 2 * FROMS;
}

static int check_reduce_sum(const Kernels* k, const Modulus* m, const Sample* s, int variant, u64* result) {
  u64 from = FROM[variant % FROMS];
  bring_below(m, s, from);
  k->reduce_sum(m, s->others, from, s->numbers[variant], NULL, 1, result);
  k->reduce_sum(m, s->others, from, s->numbers[variant], result, m->q, result);
  k->reduce_sum(m, result, m->q, s->numbers[variant], s->others, from, result + m->n);
  return variant < FROMS;
}

static int check_dot(const Kernels* k, const Modulus* m, const Sample* s, int variant, u64* result) {
  static const int terms[] = {1, 2, 3, TERMS};
  k->dot(m, terms[variant / 2 % 4], s->x, s->x + TERMS, variant % 2, result, variant % 2 ? 8 : 0, m->n - 16);
  return variant < 8;
}

static int check_switch_dot(const Kernels* k, const Modulus* m, const Sample* s, int variant, u64* result) {
  int digits = variant / 4 + 1;
  if (digits > DIGITS) return 0;
  k->switch_dot(m, digits, s->x, s->key, DIGITS, variant & 1 ? s->permutation : NULL, variant & 2 ? s->x[TERMS] : NULL,
                s->numbers[0], result, result + 8, 16, 8, m->n - 16);
  return 1;
}

static int check_pair_dot(const Kernels* k, const Modulus* m, const Sample* s, int variant, u64* result) {
  if (variant < PAIRS) k->pair_dot(m, variant + 1, s->words, variant + 1, NULL, s->plain, result, result + m->n, m->n);
  else k->pair_dot(m, MANY, s->words, PAIRS, s->which, s->plain, result, result + m->n, m->n / 8);
  return variant <= PAIRS;
}

static int check_combine(const Kernels* k, const Modulus* m, const Sample* s, int variant, u64* result) {
  k->combine(m, s->x[3], s->numbers[0], variant & 1 ? s->x[4] : NULL, s->numbers[1], variant & 2 ? s->lazy : NULL,
             result);
  return variant < 4;
}

static int check_subtract_scale(const Kernels* k, const Modulus* m, const Sample* s, int variant, u64* result) {
  k->subtract_scale(m, s->x[3], s->lazy, s->numbers[0], variant, result);
  return variant < 2;
}

static int check_permute(const Kernels* k, const Modulus* m, const Sample* s, int variant, u64* result) {
  k->permute(m, s->x[3], s->permutation, variant, result);
  return variant < 2;
}

static int check_sums(const Kernels* k, const Modulus* m, const Sample* s, int variant, u64* result) {
  if (variant == 0) k->add(m, s->x[3], s->x[4], result);
  if (variant == 1) k->subtract(m, s->x[3], s->x[4], result);
  if (variant == 2) k->negate(m, s->x[3], result);
  if (variant == 3) k->add_number(m, s->x[3], s->numbers[0], result);
  return variant < 4;
}

static int check_number_dot(const Kernels* k, const Modulus* m, const Sample* s, int variant, u64* result) {
  const u64* x[MANY];
  for (int t = 0; t < MANY; t++) x[t] = s->x[t % POLYNOMIALS];
  k->number_dot(m, variant < 2 ? MANY : variant, x, s->numbers, variant % 2, result, 8, m->n - 16);
  return variant < 6;
}

static int check_all_below(const Kernels* k, const Modulus* m, const Sample* s, int variant, u64* result) {
  (void)s;
  if (variant) result[variant == 1 ? m->n - 1 : 5] = variant == 1 ? m->q : ~(u64)0;
  result[0] = k->all_below(m, result) != 0;
  return variant < 3;
}

static Operation* const OPERATIONS[] = {
    check_forward, check_inverse, check_reduce,        check_reduce_sum, check_dot,  check_switch_dot, check_pair_dot,
    check_combine, check_permute, check_subtract_scale, check_sums,       check_number_dot, check_all_below,
};

static int agree_on(const Kernels* kernels, const Modulus* m, const Sample* sample) {
  size_t bytes = 3 * (size_t)m->n * sizeof(u64);
  for (size_t o = 0; o < sizeof OPERATIONS / sizeof *OPERATIONS; o++)
    for (int variant = 0, more = 1; more; variant++) {
      memcpy(sample->ours, sample->words, bytes);
      memcpy(sample->theirs, sample->words, bytes);
      more = OPERATIONS[o](&KERNELS_PORTABLE, m, sample, variant, sample->ours);
      if (more) OPERATIONS[o](kernels, m, sample, variant, sample->theirs);
      if (more && memcmp(sample->ours, sample->theirs, bytes)) return 0;
    }
  return 1;
}

int kernels_agree(const Kernels* kernels, const Modulus* m) {
  int agree = 1;
  for (int largest = 0; largest < 2 && agree; largest++) {
    Sample sample = {0};
    agree = !sample_init(&sample, m, largest) && agree_on(kernels, m, &sample);
    sample_free(&sample);
  }
  return agree;
}
