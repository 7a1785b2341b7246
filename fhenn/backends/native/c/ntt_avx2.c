/* The NTT on doubles, two stages at a time, in blocks that stay in the first cache.

   Bounds are in units of q. q < 2^50, so that values may grow to 4 (`multiply` takes 2^52), and a product of a value y
   is at most 1/2 + y/32. Below 2^48 they may grow to 16, and a product is at most 1/2 + y/128.

   Forward, a stage x + w*y, x - w*y takes values from Y to (1 + 1/32)*Y + 1/2. From residues, at most 1, five stages
   stay below 3.83. Where the x are reduced first, to 1/2, two stages that begin with at most 3.83 end with
   (1/2 + 1/2 + 3.83/32)*33/32 + 1/2 < 1.66, and two more below 2.78: so one pass in two reduces, and the last three
   stages do. Below 2^48, n <= 2^20 and no reduction at all: 65*(1 + 1/128)^s - 64 < 13 for s <= 20.

   Inverse, a stage is x + y, w*(x - y). From residues in [0, 1], two stages give at most 4, in [0, 4]; the third
   has differences of at most 4 and sums below 8, reduced to 1/2, so that all are at most 1/2 + 4/32 = 0.625. From there
   on, two stages have sums of at most 2.5, and of 2*(1/2 + 1.25/32), both reduced, and products below 0.625 again.
   Below 2^48 only the former are reduced: the latter are at most 2*(1/2 + 2.16/128) < 1.08, the former 4.32. */
#if defined(__AVX2__) && defined(__FMA__)
#include "reals_avx2.h"

enum { BLOCK = 4096 }; /* numbers, of which the first cache holds as many */

static void forward_from(const Modulus* m, double* a, long length, long place, int pass);

static int is_wide(const Modulus* m) { return m->q >> 48 != 0; }

INLINE Factor power_at(const Modulus* m, long i) {
  return (Factor){_mm256_broadcast_sd(m->real_powers + i), _mm256_broadcast_sd(m->real_quotients + i)};
}
INLINE Factor inverse_power_at(const Modulus* m, long i) {
  return (Factor){_mm256_broadcast_sd(m->real_inverse_powers + i), _mm256_broadcast_sd(m->real_inverse_quotients + i)};
}

/* Two powers, each twice */
INLINE Reals two(const double* x) { return _mm256_permute4x64_pd(_mm256_castpd128_pd256(_mm_loadu_pd(x)), 0x50); }

INLINE void butterfly(Reals* x, Reals* y, Factor f, Field field) {
  Reals product = multiply(*y, f, field);
  *y = _mm256_sub_pd(*x, product);
  *x = _mm256_add_pd(*x, product);
}
INLINE void inverse_butterfly(Reals* x, Reals* y, Factor f, Field field) {
  Reals difference = _mm256_sub_pd(*x, *y);
  *x = _mm256_add_pd(*x, *y);
  *y = multiply(difference, f, field);
}

/* What stands in memory before the first pass, and after the last, are integers. */
INLINE Reals load_value(const double* x, int integers) { return integers ? load_residues((const u64*)x) : load(x); }

/* The first stage, where the number of stages is odd */
static void forward_two(const Modulus* m, double* a, long length) {
  const Field field = field_of(m);
  const Factor f = power_at(m, 1);
  double* a1 = a + length / 2;
  for (long j = 0; j < length / 2; j += 4) {
    Reals x = load_value(a + j, 1), y = load_value(a1 + j, 1);
    butterfly(&x, &y, f, field);
    store(a + j, x), store(a1 + j, y);
  }
}

/* Two stages on a block whose power is `place` of the table */
INLINE void forward_four(const Modulus* m, double* a, long length, long place, int first, int reduce) {
  const Field field = field_of(m);
  const Factor f = power_at(m, place), left = power_at(m, 2 * place), right = power_at(m, 2 * place + 1);
  double *a1 = a + length / 4, *a2 = a1 + length / 4, *a3 = a2 + length / 4;
  for (long j = 0; j < length / 4; j += 4) {
    Reals x0 = load_value(a + j, first), x1 = load_value(a1 + j, first);
    Reals x2 = load_value(a2 + j, first), x3 = load_value(a3 + j, first);
    if (reduce) x0 = reduced(x0, field), x1 = reduced(x1, field);
    butterfly(&x0, &x2, f, field), butterfly(&x1, &x3, f, field);
    butterfly(&x0, &x1, left, field), butterfly(&x2, &x3, right, field);
    store(a + j, x0), store(a1 + j, x1), store(a2 + j, x2), store(a3 + j, x3);
  }
}

/* The last three stages, on groups of eight */
INLINE void forward_tail(const Modulus* m, double* a, long length, long place, int reduce) {
  const Field field = field_of(m);
  const double *w = m->real_powers, *quotient = m->real_quotients;
  for (long end = place + length / 8; place < end; place++, a += 8) {
    Reals x = load(a), y = load(a + 4); /* 0 1 2 3, 4 5 6 7 */
    if (reduce) x = reduced(x, field);
    butterfly(&x, &y, power_at(m, place), field);
    Reals x2 = _mm256_permute2f128_pd(x, y, 0x20), y2 = _mm256_permute2f128_pd(x, y, 0x31); /* 0 1 4 5, 2 3 6 7 */
    butterfly(&x2, &y2, (Factor){two(w + 2 * place), two(quotient + 2 * place)}, field);
    Reals x1 = _mm256_unpacklo_pd(x2, y2), y1 = _mm256_unpackhi_pd(x2, y2); /* 0 2 4 6, 1 3 5 7 */
    butterfly(&x1, &y1, (Factor){load(w + 4 * place), load(quotient + 4 * place)}, field);
    __m256i even = to_residues(reduced(x1, field), field), odd = to_residues(reduced(y1, field), field);
    __m256i low = _mm256_unpacklo_epi64(even, odd), high = _mm256_unpackhi_epi64(even, odd);
    _mm256_storeu_si256((__m256i*)a, _mm256_permute2x128_si256(low, high, 0x20));
    _mm256_storeu_si256((__m256i*)(a + 4), _mm256_permute2x128_si256(low, high, 0x31));
  }
}

/* Depth first above the size of a block, so that each block is finished while it is in the cache. An even number of
   stages stands before the last three. */
INLINE void forward_parts(const Modulus* m, double* a, long length, long place, int pass, int wide) {
  if (length > BLOCK) {
    if (wide && pass % 2)
      forward_four(m, a, length, place, 0, 1);
    else
      forward_four(m, a, length, place, 0, 0);
    for (int p = 0; p < 4; p++) forward_from(m, a + p * (length / 4), length / 4, 4 * place + p, pass + 1);
    return;
  }
  long part = length;
  for (; part > 8; part /= 4, pass++)
    for (long p = 0; p < length / part; p++) {
      if (wide && pass % 2)
        forward_four(m, a + p * part, part, length / part * place + p, 0, 1);
      else
        forward_four(m, a + p * part, part, length / part * place + p, 0, 0);
    }
  forward_tail(m, a, length, length / 8 * place, wide);
}

static void forward_from(const Modulus* m, double* a, long length, long place, int pass) {
  if (is_wide(m))
    forward_parts(m, a, length, place, pass, 1);
  else
    forward_parts(m, a, length, place, pass, 0);
}

/* The first pass, of one stage or two, leaves an even number of stages before the last three.
   Lazy results would gain nothing: one reduction has to be, and it gives residues. */
void avx2_forward(const Modulus* m, u64* values, int lazy) {
  (void)lazy;
  double* a = (double*)values;
  int parts = m->log_n % 2 ? 4 : 2;
  if (parts == 4)
    forward_four(m, a, m->n, 1, 1, 0);
  else
    forward_two(m, a, m->n);
  for (int p = 0; p < parts; p++) forward_from(m, a + p * (m->n / parts), m->n / parts, parts + p, parts == 4);
}

/* The first three stages of the way back */
INLINE void inverse_tail(const Modulus* m, double* a, long length, long place) {
  const Field field = field_of(m);
  const double *w = m->real_inverse_powers, *quotient = m->real_inverse_quotients;
  for (long end = place + length / 8; place < end; place++, a += 8) {
    __m256i left = _mm256_loadu_si256((const __m256i*)a), right = _mm256_loadu_si256((const __m256i*)(a + 4));
    __m256i low = _mm256_permute2x128_si256(left, right, 0x20), high = _mm256_permute2x128_si256(left, right, 0x31);
    Reals x1 = to_reals(_mm256_unpacklo_epi64(low, high)), y1 = to_reals(_mm256_unpackhi_epi64(low, high));
    inverse_butterfly(&x1, &y1, (Factor){load(w + 4 * place), load(quotient + 4 * place)}, field);
    Reals x2 = _mm256_unpacklo_pd(x1, y1), y2 = _mm256_unpackhi_pd(x1, y1);
    inverse_butterfly(&x2, &y2, (Factor){two(w + 2 * place), two(quotient + 2 * place)}, field);
    Reals x = _mm256_permute2f128_pd(x2, y2, 0x20), y = _mm256_permute2f128_pd(x2, y2, 0x31);
    inverse_butterfly(&x, &y, inverse_power_at(m, place), field);
    store(a, reduced(x, field)), store(a + 4, y);
  }
}

/* Two stages; the last of all divide by n as well and give residues. */
INLINE void inverse_four(const Modulus* m, double* a, long length, long place, int wide, int final) {
  const Field field = field_of(m);
  const Factor f = inverse_power_at(m, place), left = inverse_power_at(m, 2 * place);
  const Factor right = inverse_power_at(m, 2 * place + 1);
  const Factor n_inverse = factor_of(m->n_inverse, m->q), last = factor_of(m->last, m->q);
  double *a1 = a + length / 4, *a2 = a1 + length / 4, *a3 = a2 + length / 4;
  for (long j = 0; j < length / 4; j += 4) {
    Reals x0 = load(a + j), x1 = load(a1 + j), x2 = load(a2 + j), x3 = load(a3 + j);
    inverse_butterfly(&x0, &x1, left, field), inverse_butterfly(&x2, &x3, right, field);
    inverse_butterfly(&x0, &x2, final ? last : f, field), inverse_butterfly(&x1, &x3, final ? last : f, field);
    if (final) {
      store_residues((u64*)a + j, multiply(x0, n_inverse, field), field);
      store_residues((u64*)a1 + j, multiply(x1, n_inverse, field), field);
      store_residues((u64*)a2 + j, x2, field), store_residues((u64*)a3 + j, x3, field);
    } else {
      store(a + j, reduced(x0, field)), store(a1 + j, wide ? reduced(x1, field) : x1);
      store(a2 + j, x2), store(a3 + j, x3);
    }
  }
}

/* The last stage, where their number is odd */
static void inverse_two(const Modulus* m, double* a, long length) {
  const Field field = field_of(m);
  const Factor n_inverse = factor_of(m->n_inverse, m->q), last = factor_of(m->last, m->q);
  double* a1 = a + length / 2;
  for (long j = 0; j < length / 2; j += 4) {
    Reals x = load(a + j), y = load(a1 + j);
    inverse_butterfly(&x, &y, last, field);
    store_residues((u64*)a + j, multiply(x, n_inverse, field), field), store_residues((u64*)a1 + j, y, field);
  }
}

static void inverse_from(const Modulus* m, double* a, long length, long place) {
  int wide = is_wide(m);
  long part = 32;
  if (length > BLOCK) {
    for (int p = 0; p < 4; p++) inverse_from(m, a + p * (length / 4), length / 4, 4 * place + p);
    part = length;
  } else {
    inverse_tail(m, a, length, length / 8 * place);
  }
  for (; part <= length; part *= 4)
    for (long p = 0; p < length / part; p++) {
      if (wide)
        inverse_four(m, a + p * part, part, length / part * place + p, 1, 0);
      else
        inverse_four(m, a + p * part, part, length / part * place + p, 0, 0);
    }
}

void avx2_inverse(const Modulus* m, u64* values) {
  double* a = (double*)values;
  int parts = m->log_n % 2 ? 4 : 2;
  for (int p = 0; p < parts; p++) inverse_from(m, a + p * (m->n / parts), m->n / parts, parts + p);
  if (parts == 4)
    inverse_four(m, a, m->n, 1, 0, 1);
  else
    inverse_two(m, a, m->n);
}
#endif
