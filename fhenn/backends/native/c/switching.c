#include "switching.h"

#include <string.h>

void pack_key(const Ring* ring, int k, const u64* key, u64* packed) {
  long n = ring->n;
  for (int i = 0; i <= k; i++)
    for (int j = 0; j < k; j++)
      for (int h = 0; h < 2; h++) {
        int place = i == k ? ring->count - 1 : i;
        const u64* from = key + ((long)(2 * j + h) * ring->count + place) * n;
        u64* to = packed + (long)i * n * 2 * k + 16 * j + 8 * h;
        for (long group = 0; group < n / 8; group++) memcpy(to + group * 16 * k, from + 8 * group, 8 * sizeof *to);
      }
}

/* Digit j modulo the i-th prime of QP. */
static const u64* digit_at(const Ring* ring, const Digits* digits, int j, int i) {
  if (i == j) return digits->own + j * digits->own_pitch;
  return digits->others + ((long)j * (digits->k + 1) + i) * pitch_of(ring);
}

Digits digits_of(const Ring* ring, int k, const u64* x, long pitch, int centred, Scratch* scratch) {
  Digits digits = {k, x, pitch, scratch_polynomials(ring, scratch, polynomials_of_digits(k) - 1)};
  u64* coefficients = scratch_polynomials(ring, scratch, 1);
  for (int j = 0; j < k; j++) {
    const Modulus* from = modulus_at(ring, k, j);
    memcpy(coefficients, x + j * pitch, (size_t)ring->n * sizeof *x);
    from->kernels->inverse(from, coefficients);
    for (int i = 0; i <= k; i++) {
      if (i == j) continue;
      const Modulus* m = modulus_at(ring, k, i);
      u64* digit = digits.others + ((long)j * (k + 1) + i) * pitch_of(ring);
      m->kernels->reduce(m, coefficients, from->q, centred, digit);
      m->kernels->forward(m, digit, 0);
    }
  }
  return digits;
}

void switch_part(const Ring* ring, const Digits* digits, int i, const uint32_t* permutation, SwitchingKey key,
                 const u64* add, u64* result0, u64* result1, long stride, long at, long length) {
  const u64* digit[MOST_PRIMES];
  int k = digits->k, row = i == k ? key.digits : i;
  const Modulus* m = modulus_at(ring, k, i);
  for (int j = 0; j < k; j++) digit[j] = digit_at(ring, digits, j, i);
  /* P times what is added vanishes modulo P */
  const u64* added = add && i < k ? add + i * ring->n : NULL;
  m->kernels->switch_dot(m, k, digit, key.words + (long)row * ring->n * 2 * key.digits, key.digits, permutation, added,
                         special(ring)->q % m->q, result0, result1, stride, at, length);
}

void switch_digits(const Ring* ring, const Digits* digits, const uint32_t* permutation, SwitchingKey key,
                   const u64* add, u64* result) {
  long pitch = pitch_of(ring);
  int parts = digits->k + 1;
  for (int i = 0; i < parts; i++)
    switch_part(ring, digits, i, permutation, key, add, result + i * pitch, result + (parts + i) * pitch, 8, 0,
                ring->n);
}

/* result (+)= (x - [x]_last)/last for the k primes, where [x]_last is centred: x/last, rounded. */
static void divide(const Ring* ring, int k, const u64* x, long pitch, const u64* modulo_last, int last, int accumulate,
                   u64* result, Scratch* scratch) {
  const Modulus* from = &ring->moduli[last];
  u64 *remainder = scratch_polynomials(ring, scratch, 1), *reduced = scratch_polynomials(ring, scratch, 1);
  memcpy(remainder, modulo_last, (size_t)ring->n * sizeof *remainder);
  from->kernels->inverse(from, remainder);
  for (int i = 0; i < k; i++) {
    const Modulus* m = &ring->moduli[i];
    m->kernels->reduce(m, remainder, from->q, 1, reduced);
    m->kernels->forward(m, reduced, 1);
    m->kernels->subtract_scale(m, x + i * pitch, reduced, inverse_of(ring, last, i), accumulate, result + i * ring->n);
  }
}

void divide_by_special(const Ring* ring, int k, const u64* x, int accumulate, u64* result, Scratch* scratch) {
  size_t used = scratch->used;
  divide(ring, k, x, pitch_of(ring), x + k * pitch_of(ring), ring->count - 1, accumulate, result, scratch);
  scratch->used = used;
}

void divide_by_last(const Ring* ring, int k, const u64* x, u64* result, Scratch* scratch) {
  size_t used = scratch->used;
  divide(ring, k - 1, x, ring->n, x + (k - 1) * ring->n, k - 1, 0, result, scratch);
  scratch->used = used;
}

/* With t = [x]_P centred, y = base + (x - t)/P is the first quotient, and with u = [y]_q centred, (y - u)/q the second:
   base/q + x/(P*q) - t/(P*q) - u/q, of which only t and u have to be transformed. */
void divide_by_both(const Ring* ring, int k, const u64* x, const u64* base, u64* result, Scratch* scratch) {
  size_t used = scratch->used;
  int top = ring->count - 1, last = k - 1;
  long n = ring->n, pitch = pitch_of(ring);
  const Modulus *p = special(ring), *q = &ring->moduli[last];
  u64* t = scratch_polynomials(ring, scratch, 1);
  u64* u = scratch_polynomials(ring, scratch, 1);
  u64* both = scratch_polynomials(ring, scratch, 1);

  memcpy(t, x + k * pitch, (size_t)n * sizeof *t);
  p->kernels->inverse(p, t);
  u64 inverse = inverse_of(ring, top, last);
  q->kernels->combine(q, x + last * pitch, inverse, base ? base + last * n : NULL, 1, NULL, both);
  q->kernels->inverse(q, both);
  q->kernels->reduce_sum(q, t, p->q, q->q - inverse, both, q->q, u);
  for (int i = 0; i < last; i++) {
    const Modulus* m = &ring->moduli[i];
    u64 by_last = inverse_of(ring, last, i), by_both = mulmod(inverse_of(ring, top, i), by_last, m->q);
    m->kernels->reduce_sum(m, u, q->q, by_last, NULL, 1, both);
    /* `both` is canonical modulo m already: as a remainder by m, centred or not, it stays itself */
    m->kernels->reduce_sum(m, t, p->q, by_both, both, m->q, both);
    m->kernels->forward(m, both, 1);
    m->kernels->combine(m, x + i * pitch, by_both, base ? base + i * n : NULL, by_last, both, result + i * n);
  }
  scratch->used = used;
}
