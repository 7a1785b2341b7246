#include "switching.h"

#include <string.h>

enum { PIECES = 2 }; /* of a polynomial, so that few primes keep several threads at work */

void pack_key(const Ring* ring, int k, int primes, const u64* key, u64* packed) {
  long n = ring->n;
  for (int i = 0; i <= k; i++)
    for (int j = 0; j < k; j++)
      for (int h = 0; h < 2; h++) {
        int place = i == k ? primes - 1 : i;
        const u64* from = key + ((long)(2 * j + h) * primes + place) * n;
        u64* to = packed + (long)i * n * 2 * k + 16 * j + 8 * h;
        for (long group = 0; group < n / 8; group++) memcpy(to + group * 16 * k, from + 8 * group, 8 * sizeof *to);
      }
}

/* Digit j modulo the i-th prime of QP. */
static u64* digit_at(const Ring* ring, const Digits* digits, int j, int i) {
  return digits->others + ((long)j * (digits->k + 1) + i) * pitch_of(ring);
}

typedef struct Decomposition {
  const Ring* ring;
  Digits digits;
  int centred;
  u64* coefficients; /* of each digit */
} Decomposition;

static void find_coefficients(void* argument, int j, int worker) {
  (void)worker;
  const Decomposition* d = argument;
  const Modulus* from = modulus_at(d->ring, d->digits.k, j);
  u64* coefficients = d->coefficients + j * pitch_of(d->ring);
  memcpy(coefficients, d->digits.own + j * d->digits.own_pitch, (size_t)d->ring->n * sizeof *coefficients);
  from->kernels->inverse(from, coefficients);
}

/* Digit j modulo the i-th prime of QP, where that is another than its own. */
static void bring_to(const Decomposition* d, int j, int i, u64* digit) {
  int k = d->digits.k;
  const Modulus *from = modulus_at(d->ring, k, j), *m = modulus_at(d->ring, k, i);
  m->kernels->reduce(m, d->coefficients + j * pitch_of(d->ring), from->q, d->centred, digit);
  m->kernels->forward(m, digit, 0);
}

static void bring_digit(void* argument, int index, int worker) {
  (void)worker;
  const Decomposition* d = argument;
  int k = d->digits.k, j = index / (k + 1), i = index % (k + 1);
  if (i != j) bring_to(d, j, i, digit_at(d->ring, &d->digits, j, i));
}

Digits digits_of(const Ring* ring, int k, const u64* x, long pitch, int centred, Scratch* scratch) {
  u64* others = scratch_polynomials(ring, scratch, (size_t)k * (size_t)(k + 1));
  u64* coefficients = scratch_polynomials(ring, scratch, (size_t)k);
  Decomposition d = {ring, {k, x, pitch, others}, centred, coefficients};
  pool_run(ring->pool, k, find_coefficients, &d);
  pool_run(ring->pool, k * (k + 1), bring_digit, &d);
  return d.digits;
}

/* Part i of the product of digits, which are given modulo its prime, with a key. */
static void multiply_by_key(const Ring* ring, int k, int i, const u64* const* digit, const uint32_t* permutation,
                            SwitchingKey key, const u64* add, u64* result0, u64* result1, long stride, long at,
                            long length) {
  int row = i == k ? key.digits : i;
  const Modulus* m = modulus_at(ring, k, i);
  /* P times what is added vanishes modulo P */
  const u64* added = add && i < k ? add + i * ring->n : NULL;
  m->kernels->switch_dot(m, k, digit, key.words + (long)row * ring->n * 2 * key.digits, key.digits, permutation, added,
                         special(ring)->q % m->q, result0, result1, stride, at, length);
}

void switch_part(const Ring* ring, const Digits* digits, int i, const uint32_t* permutation, SwitchingKey key,
                 const u64* add, u64* result0, u64* result1, long stride, long at, long length) {
  const u64* digit[MOST_PRIMES];
  for (int j = 0; j < digits->k; j++)
    digit[j] = i == j ? digits->own + j * digits->own_pitch : digit_at(ring, digits, j, i);
  multiply_by_key(ring, digits->k, i, digit, permutation, key, add, result0, result1, stride, at, length);
}

typedef struct Switch {
  const Ring* ring;
  const Digits* digits;
  const uint32_t* permutation;
  SwitchingKey key;
  const u64* add;
  u64* result;
} Switch;

static void switch_piece(void* argument, int index, int worker) {
  (void)worker;
  const Switch* s = argument;
  int i = index / PIECES;
  long length = s->ring->n / PIECES, at = index % PIECES * length;
  u64* first = s->result + i * pitch_of(s->ring) + at;
  switch_part(s->ring, s->digits, i, s->permutation, s->key, s->add, first, first + over_qp(s->ring, s->digits->k), 8,
              at, length);
}

void switch_digits(const Ring* ring, const Digits* digits, const uint32_t* permutation, SwitchingKey key,
                   const u64* add, u64* result) {
  Switch s = {ring, digits, permutation, key, add, result};
  pool_run(ring->pool, (digits->k + 1) * PIECES, switch_piece, &s);
}

typedef struct SwitchOnce {
  Decomposition decomposition;
  SwitchingKey key;
  u64 *work, *result;
} SwitchOnce;

/* The digits modulo one prime, and their products with the key while they are in the cache. */
static void switch_to_prime(void* argument, int i, int worker) {
  const SwitchOnce* s = argument;
  const Decomposition* d = &s->decomposition;
  const Ring* ring = d->ring;
  int k = d->digits.k;
  long pitch = pitch_of(ring);
  const u64* digit[MOST_PRIMES];
  for (int j = 0; j < k; j++) {
    u64* made = s->work + (worker * k + j) * pitch;
    digit[j] = i == j ? d->digits.own + j * d->digits.own_pitch : made;
    if (i != j) bring_to(d, j, i, made);
  }
  u64* first = s->result + i * pitch;
  multiply_by_key(ring, k, i, digit, NULL, s->key, NULL, first, first + over_qp(ring, k), 8, 0, ring->n);
}

void switch_polynomial(const Ring* ring, int k, const u64* x, int centred, SwitchingKey key, u64* result,
                       Scratch* scratch) {
  size_t used = scratch->used;
  Decomposition d = {ring, {k, x, ring->n, NULL}, centred, scratch_polynomials(ring, scratch, (size_t)k)};
  pool_run(ring->pool, k, find_coefficients, &d);
  SwitchOnce s = {d, key, scratch_polynomials(ring, scratch, (size_t)(k * threads_of(ring))), result};
  pool_run(ring->pool, k + 1, switch_to_prime, &s);
  scratch->used = used;
}

/* (x - [x]_last)/last, where [x]_last is centred: x/last, rounded. */
typedef struct Division {
  const Ring* ring;
  int k, last; /* parts of the result; place of the prime in the chain */
  const u64 *x, *modulo_last;
  long pitch, from_next, to_next; /* words from a part of x to the next; from a polynomial to the next */
  int accumulate;
  u64 *result, *remainders, *work;
} Division;

static void find_remainder(void* argument, int h, int worker) {
  (void)worker;
  const Division* d = argument;
  const Modulus* last = &d->ring->moduli[d->last];
  u64* remainder = d->remainders + h * pitch_of(d->ring);
  memcpy(remainder, d->modulo_last + h * d->from_next, (size_t)d->ring->n * sizeof *remainder);
  last->kernels->inverse(last, remainder);
}

static void divide_part(void* argument, int index, int worker) {
  const Division* d = argument;
  int h = index / d->k, i = index % d->k;
  const Modulus *last = &d->ring->moduli[d->last], *m = &d->ring->moduli[i];
  u64* reduced = d->work + worker * pitch_of(d->ring);
  m->kernels->reduce(m, d->remainders + h * pitch_of(d->ring), last->q, 1, reduced);
  m->kernels->forward(m, reduced, 1);
  m->kernels->subtract_scale(m, d->x + h * d->from_next + i * d->pitch, reduced, inverse_of(d->ring, d->last, i),
                             d->accumulate, d->result + h * d->to_next + i * d->ring->n);
}

static void divide(Division d, int polynomials, Scratch* scratch) {
  size_t used = scratch->used;
  d.remainders = scratch_polynomials(d.ring, scratch, (size_t)polynomials);
  d.work = scratch_polynomials(d.ring, scratch, (size_t)threads_of(d.ring));
  pool_run(d.ring->pool, polynomials, find_remainder, &d);
  pool_run(d.ring->pool, polynomials * d.k, divide_part, &d);
  scratch->used = used;
}

void divide_by_special(const Ring* ring, int k, int polynomials, const u64* x, int accumulate, u64* result,
                       Scratch* scratch) {
  long pitch = pitch_of(ring);
  Division d = {ring,  k,          ring->count - 1, x,    x + k * pitch, pitch, over_qp(ring, k),
                k * ring->n, accumulate, result,          NULL, NULL};
  divide(d, polynomials, scratch);
}

void divide_by_last(const Ring* ring, int k, int polynomials, const u64* x, u64* result, Scratch* scratch) {
  long n = ring->n;
  Division d = {ring, k - 1, k - 1, x, x + (k - 1) * n, n, k * n, (k - 1) * n, 0, result, NULL, NULL};
  divide(d, polynomials, scratch);
}

/* With t = [x]_P centred, y = base + (x - t)/P is the first quotient, and with u = [y]_q centred, (y - u)/q the second:
   base/q + x/(P*q) - t/(P*q) - u/q, of which only t and u have to be transformed. */
typedef struct DoubleDivision {
  const Ring* ring;
  int k;
  const u64 *x, *base;
  u64 *result, *t, *u, *work;
} DoubleDivision;

static void find_remainders(void* argument, int h, int worker) {
  const DoubleDivision* d = argument;
  const Ring* ring = d->ring;
  int last = d->k - 1;
  long n = ring->n, pitch = pitch_of(ring);
  const Modulus *p = special(ring), *q = &ring->moduli[last];
  const u64* x = d->x + h * over_qp(ring, d->k);
  u64 *t = d->t + h * pitch, *u = d->u + h * pitch, *y = d->work + worker * pitch;
  memcpy(t, x + d->k * pitch, (size_t)n * sizeof *t);
  p->kernels->inverse(p, t);
  u64 inverse = inverse_of(ring, ring->count - 1, last);
  q->kernels->combine(q, x + last * pitch, inverse, d->base ? d->base + (h * d->k + last) * n : NULL, 1, NULL, y);
  q->kernels->inverse(q, y);
  q->kernels->reduce_sum(q, t, p->q, q->q - inverse, y, q->q, u);
}

static void divide_part_by_both(void* argument, int index, int worker) {
  const DoubleDivision* d = argument;
  const Ring* ring = d->ring;
  int last = d->k - 1, h = index / last, i = index % last;
  long n = ring->n, pitch = pitch_of(ring);
  const Modulus *p = special(ring), *q = &ring->moduli[last], *m = &ring->moduli[i];
  u64* both = d->work + worker * pitch;
  u64 by_last = inverse_of(ring, last, i), by_both = mulmod(inverse_of(ring, ring->count - 1, i), by_last, m->q);
  m->kernels->reduce_sum(m, d->u + h * pitch, q->q, by_last, NULL, 1, both);
  /* `both` is reduced modulo m already: centred or not, it stays itself */
  m->kernels->reduce_sum(m, d->t + h * pitch, p->q, by_both, both, m->q, both);
  m->kernels->forward(m, both, 1);
  m->kernels->combine(m, d->x + h * over_qp(ring, d->k) + i * pitch, by_both,
                      d->base ? d->base + (h * d->k + i) * n : NULL, by_last, both, d->result + (h * last + i) * n);
}

void divide_by_both(const Ring* ring, int k, int polynomials, const u64* x, const u64* base, u64* result,
                    Scratch* scratch) {
  size_t used = scratch->used;
  u64* t = scratch_polynomials(ring, scratch, (size_t)polynomials);
  u64* u = scratch_polynomials(ring, scratch, (size_t)polynomials);
  DoubleDivision d = {ring, k, x, base, result, t, u, scratch_polynomials(ring, scratch, (size_t)threads_of(ring))};
  pool_run(ring->pool, polynomials, find_remainders, &d);
  pool_run(ring->pool, polynomials * (k - 1), divide_part_by_both, &d);
  scratch->used = used;
}
