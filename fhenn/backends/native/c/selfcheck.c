/* Whether kernels compute what portable C computes: every operation is done by both, on the same residues. */
#include <stdlib.h>
#include <string.h>

#include "kernels_portable.h"

enum {
  PLACES = 64, /* of a polynomial, where n does not matter */
  TERMS = 12,
  DIGITS = 5,
  MANY = 70,
  PAIRS = 9,
  POLYNOMIALS = 2 * TERMS + 1,
  RESULTS = 3, /* polynomials of result */
  KEY = 2 * DIGITS,
  PLAIN = MANY, /* polynomials of plain factors */
  WORDS = (POLYNOMIALS + KEY + PLAIN + 2 + 2 * RESULTS) * PLACES,
};

/* What is computed on, all residues but for `lazy`. */
typedef struct Sample {
  Modulus few; /* the prime, with PLACES for n */
  u64* words;
  const u64 *x[POLYNOMIALS], *key, *plain;
  u64 *lazy, *others, *ours, *theirs;
  uint32_t permutation[PLACES];
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

/* The largest, whose sums are largest; or random, one in four at an edge. */
static u64 value_below(u64 bound, int largest, u64* state) {
  u64 random = next_random(state);
  if (largest) return bound - 1;
  switch (random % 16) {
    case 0:
      return 0;
    case 1:
      return 1 % bound;
    case 2:
      return bound - 1;
    case 3:
      return bound / 2;
    default:
      return next_random(state) % bound;
  }
}

static void fill(u64* words, long count, u64 bound, int largest, u64* state) {
  for (long i = 0; i < count; i++) words[i] = value_below(bound, largest, state);
}

static u64 lazy_bound(const Modulus* m) { return m->q >> 50 ? 4 * m->q : 1ULL << 52; }

static int sample_init(Sample* sample, const Modulus* m, int largest) {
  u64 state = m->q;
  sample->few = *m, sample->few.n = PLACES;
  sample->words = malloc((size_t)WORDS * sizeof(u64));
  if (!sample->words) return -1;
  u64* next = sample->words;
  fill(next, WORDS, m->q, largest, &state);
  for (int i = 0; i < POLYNOMIALS; i++, next += PLACES) sample->x[i] = next;
  sample->key = next, next += KEY * PLACES;
  sample->plain = next, next += PLAIN * PLACES;
  sample->lazy = next, next += PLACES;
  sample->others = next, next += PLACES;
  sample->ours = next, next += RESULTS * PLACES;
  sample->theirs = next;
  fill(sample->lazy, PLACES, lazy_bound(m), largest, &state);
  /* groups go to groups, and pairs within them to pairs, as automorphisms have it */
  for (int i = 0; i < PLACES; i++)
    sample->permutation[i] = (uint32_t)((5 * (i / 8) + 3) % (PLACES / 8) * 8 + ((i % 8) ^ (i / 8 * 3 % 8)));
  fill(sample->numbers, MANY, m->q, largest, &state);
  for (int i = 0; i < MANY; i++) sample->which[i] = (uint16_t)(next_random(&state) % PAIRS);
  return 0;
}

/* An operation on a sample, in the variant that the number names; 0 past the last of them. RESULTS polynomials of
   result, which start as the first of the sample. */
typedef int Check(const Kernels* k, const Modulus* m, const Sample* s, int variant, u64* result);

/* Residues modulo another number, at its edges as well. */
static const u64 FROM[] = {3,
                            (1ULL << 31) - 1,
                            1ULL << 32,
                            (1ULL << 50) - 27,
                            1ULL << 51,
                            (1ULL << 52) - 1,
                            (1ULL << 61) - 1};
enum { FROMS = sizeof FROM / sizeof *FROM };

static void fill_others(const Sample* s, u64 from) {
  for (int j = 0; j < PLACES; j++) s->others[j] = ((s->x[3][j] << 30) + s->x[4][j]) % from;
  s->others[0] = from - 1, s->others[1] = from / 2, s->others[2] = from / 2 + 1, s->others[3] = 0;
}

static int check_reduce(const Kernels* k, const Modulus* m, const Sample* s, int variant, u64* result) {
  if (variant >= 2 * FROMS) return 0;
  fill_others(s, FROM[variant / 2]);
  k->reduce(m, s->others, FROM[variant / 2], variant % 2, result);
  k->reduce(m, s->x[0], m->q, variant % 2, result + PLACES);
  return 1;
}

static int check_reduce_sum(const Kernels* k, const Modulus* m, const Sample* s, int variant, u64* result) {
  if (variant >= FROMS) return 0;
  u64 from = FROM[variant], factor = s->numbers[variant];
  fill_others(s, from);
  k->reduce_sum(m, s->others, from, factor, NULL, 1, result);
  k->reduce_sum(m, s->others, from, factor, result, m->q, result);
  k->reduce_sum(m, result, m->q, factor, s->others, from, result + PLACES);
  k->reduce_sum(m, s->others, from, factor, s->others, from, result + 2 * PLACES);
  return 1;
}

static int check_dot(const Kernels* k, const Modulus* m, const Sample* s, int variant, u64* result) {
  static const int terms[] = {1, 2, 3, TERMS};
  if (variant >= 8) return 0;
  k->dot(m, terms[variant / 2], s->x, s->x + TERMS, variant % 2, result, 8 * (variant % 2), PLACES - 16);
  return 1;
}

static int check_switch_dot(const Kernels* k, const Modulus* m, const Sample* s, int variant, u64* result) {
  int digits = variant / 4 + 1;
  if (digits > DIGITS) return 0;
  k->switch_dot(m, digits, s->x, s->key, DIGITS, variant & 1 ? s->permutation : NULL, variant & 2 ? s->x[TERMS] : NULL,
                s->numbers[0], result, result + 8, 16, 8, PLACES - 16);
  return 1;
}

static int check_pair_dot(const Kernels* k, const Modulus* m, const Sample* s, int variant, u64* result) {
  int many = variant / 4 == PAIRS, terms = many ? MANY : variant / 4 + 1, apart = variant / 2 % 2;
  if (variant >= 4 * (PAIRS + 1)) return 0;
  /* terms apart from one another, and next to one another; of many, pairs too */
  const Pairs pairs = {s->words, apart && many ? 2 * PLACES : 16, apart && many ? 16 : 16 * (many ? PAIRS : terms)};
  const Factors plain = {s->plain, apart ? PLACES : 8, apart ? 8 : 8 * terms, variant % 2};
  k->pair_dot(m, terms, &pairs, many ? s->which : NULL, &plain, apart, result, result + PLACES, PLACES);
  return 1;
}

static int check_combine(const Kernels* k, const Modulus* m, const Sample* s, int variant, u64* result) {
  if (variant >= 4) return 0;
  k->combine(m, s->x[3], s->numbers[0], variant & 1 ? s->x[4] : NULL, s->numbers[1], variant & 2 ? s->lazy : NULL,
             result);
  return 1;
}

static int check_subtract_scale(const Kernels* k, const Modulus* m, const Sample* s, int variant, u64* result) {
  if (variant >= 2) return 0;
  k->subtract_scale(m, s->x[3], s->lazy, s->numbers[0], variant, result);
  return 1;
}

static int check_permute(const Kernels* k, const Modulus* m, const Sample* s, int variant, u64* result) {
  if (variant >= 2) return 0;
  k->permute(m, s->x[3], s->permutation, variant, result);
  return 1;
}

static int check_sums(const Kernels* k, const Modulus* m, const Sample* s, int variant, u64* result) {
  if (variant >= 4) return 0;
  if (variant == 0) k->add(m, s->x[3], s->x[4], result);
  if (variant == 1) k->subtract(m, s->x[3], s->x[4], result);
  if (variant == 2) k->negate(m, s->x[3], result);
  if (variant == 3) k->add_number(m, s->x[3], s->numbers[0], result);
  return 1;
}

static int check_number_dot(const Kernels* k, const Modulus* m, const Sample* s, int variant, u64* result) {
  static const int terms[] = {1, 5, MANY};
  const u64* x[MANY];
  if (variant >= 6) return 0;
  for (int t = 0; t < MANY; t++) x[t] = s->x[t % POLYNOMIALS];
  k->number_dot(m, terms[variant / 2], x, s->numbers, variant % 2, result, 8 * (variant % 2), PLACES - 16);
  return 1;
}

static int check_all_below(const Kernels* k, const Modulus* m, const Sample* s, int variant, u64* result) {
  (void)s;
  if (variant >= 4) return 0;
  if (variant == 1) result[5] = m->q;
  if (variant == 2) result[PLACES - 1] = ~(u64)0;
  if (variant == 3) result[8] = 1ULL << 63;
  result[0] = k->all_below(m, result) != 0;
  return 1;
}

static Check* const CHECKS[] = {check_reduce,   check_reduce_sum,     check_dot,     check_switch_dot, check_pair_dot,
                                check_combine,  check_subtract_scale, check_permute, check_sums,       check_number_dot,
                                check_all_below};

static int agree_on(const Kernels* kernels, const Sample* s) {
  size_t bytes = RESULTS * PLACES * sizeof(u64);
  for (size_t c = 0; c < sizeof CHECKS / sizeof *CHECKS; c++)
    for (int variant = 0;; variant++) {
      memcpy(s->ours, s->words, bytes);
      memcpy(s->theirs, s->words, bytes);
      if (!CHECKS[c](&KERNELS_PORTABLE, &s->few, s, variant, s->ours)) break;
      CHECKS[c](kernels, &s->few, s, variant, s->theirs);
      if (memcmp(s->ours, s->theirs, bytes)) return 0;
    }
  return 1;
}

/* Of lazy results, which of the numbers that stand for a residue they are is left open. */
static int same_lazy(const Modulus* m, const u64* ours, const u64* theirs) {
  for (long j = 0; j < m->n; j++)
    if (theirs[j] >= lazy_bound(m) || reduce64(m, theirs[j]) != ours[j]) return 0;
  return 1;
}

/* Forward to what portable C gives, and back to what it was. */
static int transforms_agree(const Kernels* kernels, const Modulus* m, int largest, u64* values) {
  u64 state = m->q, *x = values, *ours = x + m->n, *theirs = ours + m->n, *lazy = theirs + m->n;
  size_t bytes = (size_t)m->n * sizeof *values;
  fill(x, m->n, m->q, largest, &state);
  memcpy(ours, x, bytes), memcpy(theirs, x, bytes), memcpy(lazy, x, bytes);
  portable_forward(m, ours, 0), kernels->forward(m, theirs, 0), kernels->forward(m, lazy, 1);
  if (memcmp(ours, theirs, bytes) || !same_lazy(m, ours, lazy)) return 0;
  kernels->inverse(m, theirs);
  return !memcmp(x, theirs, bytes);
}

int forwards_agree(const Kernels* kernels, const Modulus* m) {
  if (kernels == &KERNELS_PORTABLE) return 1;
  u64 state = m->q, *ours = malloc(2 * (size_t)m->n * sizeof *ours), *theirs = ours + m->n;
  if (!ours) return 0;
  size_t bytes = (size_t)m->n * sizeof *ours;
  int agree = 1;
  for (int largest = 0; largest < 2 && agree; largest++) {
    fill(ours, m->n, m->q, largest, &state);
    memcpy(theirs, ours, bytes);
    portable_forward(m, ours, 0), kernels->forward(m, theirs, 0);
    agree = !memcmp(ours, theirs, bytes);
  }
  free(ours);
  return agree;
}

int kernels_agree(const Kernels* kernels, const Modulus* m) {
  if (kernels == &KERNELS_PORTABLE) return 1;
  u64* values = malloc(4 * (size_t)m->n * sizeof *values);
  int agree = values != NULL;
  for (int largest = 0; largest < 2 && agree; largest++) {
    Sample sample;
    agree = !sample_init(&sample, m, largest) && agree_on(kernels, &sample);
    agree = agree && transforms_agree(kernels, m, largest, values);
    free(sample.words);
  }
  free(values);
  return agree;
}
