/* The NTT in 64-bit integers, two stages at a time: half the memory traffic of one.

   The butterflies are those of D. Harvey, "Faster arithmetic for number-theoretic transforms", 2014, whose values stay
   in the same range whatever the number of stages, for q below 2^62:
   - forward (algorithm 2), below 4q: u is below 2q once reduced, v as `mul_lazy` gives it, so u + v and u + 2q - v are
     below 4q;
   - inverse (algorithm 3), below 2q: u + v is once reduced, and the other is a product. */
#include "kernels_portable.h"

typedef struct Power {
  u64 w, quotient;
} Power;

static inline Power power_at(const Modulus* m, long i) { return (Power){m->powers[i], m->quotients64[i]}; }
static inline Power inverse_power_at(const Modulus* m, long i) {
  return (Power){m->inverse_powers[i], m->inverse_quotients64[i]};
}

static inline void butterfly(u64* x, u64* y, Power p, u64 q) {
  u64 u = reduce_once(*x, 2 * q), v = mul_lazy(*y, p.w, p.quotient, q);
  *x = u + v;
  *y = u + 2 * q - v;
}

static inline void inverse_butterfly(u64* x, u64* y, Power p, u64 q) {
  u64 u = *x, v = *y;
  *x = reduce_once(u + v, 2 * q);
  *y = mul_lazy(u + 2 * q - v, p.w, p.quotient, q);
}

/* The butterflies of one stage between two halves of a block. */
static void forward_two(const Modulus* m, u64* a, long half, long place) {
  const Power p = power_at(m, place);
  for (long j = 0; j < half; j++) butterfly(a + j, a + half + j, p, m->q);
}

/* Two stages of one block, whose power is `place` of the table. */
static inline void forward_four(const Modulus* m, u64* a, long quarter, long place) {
  const Power p = power_at(m, place), left = power_at(m, 2 * place), right = power_at(m, 2 * place + 1);
  const u64 q = m->q;
  u64 *a1 = a + quarter, *a2 = a1 + quarter, *a3 = a2 + quarter;
  for (long j = 0; j < quarter; j++) {
    u64 x0 = a[j], x1 = a1[j], x2 = a2[j], x3 = a3[j];
    butterfly(&x0, &x2, p, q), butterfly(&x1, &x3, p, q);
    butterfly(&x0, &x1, left, q), butterfly(&x2, &x3, right, q);
    a[j] = x0, a1[j] = x1, a2[j] = x2, a3[j] = x3;
  }
}

void portable_forward(const Modulus* m, u64* a, int lazy) {
  long blocks = 1;
  if (m->log_n % 2) forward_two(m, a, m->n / 2, 1), blocks = 2;
  for (; blocks < m->n / 4; blocks *= 4)
    for (long block = 0, quarter = m->n / blocks / 4; block < blocks; block++)
      forward_four(m, a + 4 * block * quarter, quarter, blocks + block);
  for (long block = 0; block < blocks; block++) forward_four(m, a + 4 * block, 1, blocks + block);
  if (lazy) return;
  for (long j = 0; j < m->n; j++) a[j] = reduce_once(reduce_once(a[j], 2 * m->q), m->q);
}

static inline void inverse_four(const Modulus* m, u64* a, long quarter, long place) {
  const Power p = inverse_power_at(m, place);
  const Power left = inverse_power_at(m, 2 * place), right = inverse_power_at(m, 2 * place + 1);
  const u64 q = m->q;
  u64 *a1 = a + quarter, *a2 = a1 + quarter, *a3 = a2 + quarter;
  for (long j = 0; j < quarter; j++) {
    u64 x0 = a[j], x1 = a1[j], x2 = a2[j], x3 = a3[j];
    inverse_butterfly(&x0, &x1, left, q), inverse_butterfly(&x2, &x3, right, q);
    inverse_butterfly(&x0, &x2, p, q), inverse_butterfly(&x1, &x3, p, q);
    a[j] = x0, a1[j] = x1, a2[j] = x2, a3[j] = x3;
  }
}

/* The last stage, which divides by n as well: x by 1/n, y by w/n. */
static inline void last_butterfly(const Modulus* m, u64* x, u64* y) {
  const u64 q = m->q, u = *x, v = *y;
  *x = reduce_once(mul_lazy(u + v, m->n_inverse, m->n_inverse_quotient64, q), q);
  *y = reduce_once(mul_lazy(u + 2 * q - v, m->last, m->last_quotient64, q), q);
}

static void inverse_last_two(const Modulus* m, u64* a) {
  for (long j = 0, half = m->n / 2; j < half; j++) last_butterfly(m, a + j, a + half + j);
}

static void inverse_last_four(const Modulus* m, u64* a) {
  const Power left = inverse_power_at(m, 2), right = inverse_power_at(m, 3);
  const long quarter = m->n / 4;
  u64 *a1 = a + quarter, *a2 = a1 + quarter, *a3 = a2 + quarter;
  for (long j = 0; j < quarter; j++) {
    inverse_butterfly(a + j, a1 + j, left, m->q), inverse_butterfly(a2 + j, a3 + j, right, m->q);
    last_butterfly(m, a + j, a2 + j), last_butterfly(m, a1 + j, a3 + j);
  }
}

void portable_inverse(const Modulus* m, u64* a) {
  long blocks = m->n / 4;
  for (long block = 0; block < blocks; block++) inverse_four(m, a + 4 * block, 1, blocks + block);
  for (blocks /= 4; blocks >= 2; blocks /= 4)
    for (long block = 0, quarter = m->n / blocks / 4; block < blocks; block++)
      inverse_four(m, a + 4 * block * quarter, quarter, blocks + block);
  if (blocks == 1)
    inverse_last_four(m, a);
  else
    inverse_last_two(m, a);
}
