/* Kernels in 64-bit integers for primes below 2^61: what every CPU runs, and what the others are compared with. */
#include "kernels_portable.h"

/* Products of two residues are below 2^122, so that 63 of them and one number below 2^122 more fit in 128 bits. */
enum { PRODUCTS_IN_128_BITS = 63 };

/* x + 2q - y would do for residues; this much, a multiple of q, outweighs lazy ones as well, and x + it is below
   5q + 2^52 < 2^64. */
static u64 above_lazy(const Modulus* m) { return m->q >> 50 ? 4 * m->q : m->q * ((1ULL << 52) / m->q + 1); }

static inline u64 mul_canonical(u64 x, u64 w, u64 quotient, u64 q) {
  return reduce_once(mul_lazy(x, w, quotient, q), q);
}

/* Residues modulo one prime brought to another. */
typedef struct Source {
  u64 half;       /* residues above it stand for negative numbers */
  u64 correction; /* -from modulo q, which those take */
} Source;

static Source source_of(const Modulus* m, u64 from, int centred) {
  return (Source){centred ? from / 2 : ~(u64)0, m->q - from % m->q};
}

static inline u64 bring(const Modulus* m, Source source, u64 x) {
  u64 r = reduce64(m, x);
  return x > source.half ? reduce_once(r + source.correction, m->q) : r;
}

void portable_reduce(const Modulus* m, const u64* x, u64 from, int centred, u64* result) {
  const Source source = source_of(m, from, centred);
  for (long j = 0; j < m->n; j++) result[j] = bring(m, source, x[j]);
}

void portable_reduce_sum(const Modulus* m, const u64* x, u64 from, u64 factor, const u64* y, u64 from_y, u64* result) {
  const Source source = source_of(m, from, 1), source_y = source_of(m, from_y, 1);
  const u64 q = m->q, quotient = quotient64(factor, q);
  for (long j = 0; j < m->n; j++) {
    u64 r = mul_canonical(bring(m, source, x[j]), factor, quotient, q);
    result[j] = y ? reduce_once(r + bring(m, source_y, y[j]), q) : r;
  }
}

void portable_dot(const Modulus* m, int terms, const u64* const* a, const u64* const* b, int accumulate, u64* result,
                  long at, long length) {
  for (long j = at; j < at + length; j++) {
    u128 sum = accumulate ? result[j] : 0;
    for (int t = 0; t < terms; t++) sum += (u128)a[t][j] * b[t][j];
    result[j] = reduce128(m, sum);
  }
}

void portable_switch_dot(const Modulus* m, int digits, const u64* const* digit, const u64* key, int key_digits,
                         const uint32_t* permutation, const u64* add, u64 factor, u64* result0, u64* result1,
                         long stride, long at, long length) {
  for (long j = at; j < at + length; j++) {
    const u64* of_place = key + j / 8 * 16 * key_digits + j % 8;
    long from = permutation ? (long)permutation[j] : j, to = (j - at) / 8 * stride + j % 8;
    u128 sum0 = add ? (u128)add[from] * factor : 0, sum1 = 0;
    for (int d = 0; d < digits; d++) {
      u64 value = digit[d][from];
      sum0 += (u128)value * of_place[16 * d];
      sum1 += (u128)value * of_place[16 * d + 8];
    }
    result0[to] = reduce128(m, sum0);
    result1[to] = reduce128(m, sum1);
  }
}

void portable_pair_dot(const Modulus* m, int terms, const Pairs* pairs, const uint16_t* which, const Factors* plain,
                       int accumulate, u64* result0, u64* result1, long length) {
  for (long j = 0; j < length; j++) {
    long place = plain->mirrored ? length - 1 - j : j;
    const u64* pair = pairs->words + j / 8 * pairs->group + j % 8;
    const u64* factor = plain->words + place / 8 * plain->group + place % 8;
    u128 sum0 = accumulate ? result0[j] : 0, sum1 = accumulate ? result1[j] : 0;
    for (int t = 0; t < terms; t++, factor += plain->term) {
      const u64* taken = pair + pairs->pair * (which ? which[t] : t);
      if (t && t % PRODUCTS_IN_128_BITS == 0) sum0 = reduce128(m, sum0), sum1 = reduce128(m, sum1);
      sum0 += (u128)taken[0] * *factor;
      sum1 += (u128)taken[8] * *factor;
    }
    result0[j] = reduce128(m, sum0);
    result1[j] = reduce128(m, sum1);
  }
}

/* The sum is below 4q + 4q <= 2^64, or 4q + 2^52 + q, before it is reduced. */
void portable_combine(const Modulus* m, const u64* x, u64 f, const u64* b, u64 g, const u64* y, u64* result) {
  const u64 q = m->q, f_quotient = quotient64(f, q), g_quotient = quotient64(g, q), above = above_lazy(m);
  for (long j = 0; j < m->n; j++) {
    u64 sum = mul_lazy(x[j], f, f_quotient, q);
    if (b) sum += mul_lazy(b[j], g, g_quotient, q);
    if (y) sum += above - y[j];
    result[j] = reduce64(m, sum);
  }
}

void portable_subtract_scale(const Modulus* m, const u64* x, const u64* y, u64 factor, int accumulate, u64* result) {
  const u64 q = m->q, quotient = quotient64(factor, q), above = above_lazy(m);
  for (long j = 0; j < m->n; j++) {
    u64 r = mul_canonical(x[j] + above - y[j], factor, quotient, q);
    result[j] = accumulate ? reduce_once(r + result[j], q) : r;
  }
}

void portable_permute(const Modulus* m, const u64* x, const uint32_t* permutation, int accumulate, u64* result) {
  for (long j = 0; j < m->n; j++) {
    u64 value = x[permutation[j]];
    result[j] = accumulate ? reduce_once(value + result[j], m->q) : value;
  }
}

void portable_add(const Modulus* m, const u64* x, const u64* y, u64* result) {
  for (long j = 0; j < m->n; j++) result[j] = reduce_once(x[j] + y[j], m->q);
}

void portable_subtract(const Modulus* m, const u64* x, const u64* y, u64* result) {
  for (long j = 0; j < m->n; j++) result[j] = reduce_once(x[j] + m->q - y[j], m->q);
}

void portable_negate(const Modulus* m, const u64* x, u64* result) {
  for (long j = 0; j < m->n; j++) result[j] = reduce_once(m->q - x[j], m->q);
}

void portable_add_number(const Modulus* m, const u64* x, u64 number, u64* result) {
  for (long j = 0; j < m->n; j++) result[j] = reduce_once(x[j] + number, m->q);
}

void portable_number_dot(const Modulus* m, int terms, const u64* const* x, const u64* number, int accumulate,
                         u64* result, long at, long length) {
  for (long j = at; j < at + length; j++) {
    u128 sum = accumulate ? result[j] : 0;
    for (int t = 0; t < terms; t++) {
      if (t && t % PRODUCTS_IN_128_BITS == 0) sum = reduce128(m, sum);
      sum += (u128)x[t][j] * number[t];
    }
    result[j] = reduce128(m, sum);
  }
}

int portable_all_below(const Modulus* m, const u64* x) {
  int above = 0;
  for (long j = 0; j < m->n; j++) above |= x[j] >= m->q;
  return !above;
}

const Kernels KERNELS_PORTABLE = {
    .name = "portable",
    .bits = 61,
    .forward = portable_forward,
    .inverse = portable_inverse,
    .reduce = portable_reduce,
    .reduce_sum = portable_reduce_sum,
    .dot = portable_dot,
    .switch_dot = portable_switch_dot,
    .pair_dot = portable_pair_dot,
    .combine = portable_combine,
    .subtract_scale = portable_subtract_scale,
    .permute = portable_permute,
    .add = portable_add,
    .subtract = portable_subtract,
    .negate = portable_negate,
    .add_number = portable_add_number,
    .number_dot = portable_number_dot,
    .all_below = portable_all_below,
};
