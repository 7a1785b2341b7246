/* The NTT on words of 64 bits in AVX2, two stages at a time, in blocks that stay in the first cache.

   Forward, a butterfly of u, settled below 4q, and a product v below 4q gives u + v and u + 4q - v, below 8q < 2^64.
   Inverse, one of u and v below 4q gives u + v, settled again, and a product of u + 4q - v < 8q. */
#if defined(__AVX2__)
#include "words_avx2.h"

enum { BLOCK = 4096 }; /* words, of which the first cache holds as many */

INLINE Factor power_at(const Modulus* m, long i) { return factor_from(all(m->powers[i]), all(m->quotients64[i])); }
INLINE Factor inverse_power_at(const Modulus* m, long i) {
  return factor_from(all(m->inverse_powers[i]), all(m->inverse_quotients64[i]));
}
/* Two powers, each twice; and four */
INLINE Words two(const u64* x) {
  return _mm256_permute4x64_epi64(_mm256_castsi128_si256(_mm_loadu_si128((const __m128i*)x)), 0x50);
}
INLINE Factor two_powers(const u64* w, const u64* quotient) { return factor_from(two(w), two(quotient)); }
INLINE Factor four_powers(const u64* w, const u64* quotient) { return factor_from(load(w), load(quotient)); }

INLINE void butterfly(Words* x, Words* y, Factor f, Field field) {
  Words u = less_once(*x, field.bound), v = multiply(*y, f, field);
  *x = plus(u, v);
  *y = minus(plus(u, field.bound), v);
}
INLINE void inverse_butterfly(Words* x, Words* y, Factor f, Field field) {
  Words difference = minus(plus(*x, field.bound), *y);
  *x = less_once(plus(*x, *y), field.bound);
  *y = multiply(difference, f, field);
}

/* The first stage, where the number of stages is odd */
static void forward_two(const Modulus* m, u64* a) {
  const Field field = field_of(m);
  const Factor f = power_at(m, 1);
  u64* a1 = a + m->n / 2;
  for (long j = 0; j < m->n / 2; j += 4) {
    Words x = load(a + j), y = load(a1 + j);
    butterfly(&x, &y, f, field);
    store(a + j, x), store(a1 + j, y);
  }
}

/* Two stages on a block whose power is `place` of the table */
static void forward_four(const Modulus* m, u64* a, long length, long place) {
  const Field field = field_of(m);
  const Factor f = power_at(m, place), left = power_at(m, 2 * place), right = power_at(m, 2 * place + 1);
  u64 *a1 = a + length / 4, *a2 = a1 + length / 4, *a3 = a2 + length / 4;
  for (long j = 0; j < length / 4; j += 4) {
    Words x0 = load(a + j), x1 = load(a1 + j), x2 = load(a2 + j), x3 = load(a3 + j);
    butterfly(&x0, &x2, f, field), butterfly(&x1, &x3, f, field);
    butterfly(&x0, &x1, left, field), butterfly(&x2, &x3, right, field);
    store(a + j, x0), store(a1 + j, x1), store(a2 + j, x2), store(a3 + j, x3);
  }
}

/* The last three stages, on groups of eight */
static void forward_tail(const Modulus* m, u64* a, long length, long place) {
  const Field field = field_of(m);
  const u64 *w = m->powers, *quotient = m->quotients64;
  for (long end = place + length / 8; place < end; place++, a += 8) {
    Words x = load(a), y = load(a + 4); /* 0 1 2 3, 4 5 6 7 */
    butterfly(&x, &y, power_at(m, place), field);
    Words x2 = _mm256_permute2x128_si256(x, y, 0x20), y2 = _mm256_permute2x128_si256(x, y, 0x31); /* 0 1 4 5, 2 3 6 7 */
    butterfly(&x2, &y2, two_powers(w + 2 * place, quotient + 2 * place), field);
    Words x1 = _mm256_unpacklo_epi64(x2, y2), y1 = _mm256_unpackhi_epi64(x2, y2); /* 0 2 4 6, 1 3 5 7 */
    butterfly(&x1, &y1, four_powers(w + 4 * place, quotient + 4 * place), field);
    x1 = residue_of_sum(x1, field), y1 = residue_of_sum(y1, field);
    Words low = _mm256_unpacklo_epi64(x1, y1), high = _mm256_unpackhi_epi64(x1, y1);
    store(a, _mm256_permute2x128_si256(low, high, 0x20)), store(a + 4, _mm256_permute2x128_si256(low, high, 0x31));
  }
}

/* Depth first above the size of a block. An even number of stages stands before the last three. */
static void forward_from(const Modulus* m, u64* a, long length, long place) {
  if (length > BLOCK) {
    forward_four(m, a, length, place);
    for (int p = 0; p < 4; p++) forward_from(m, a + p * (length / 4), length / 4, 4 * place + p);
    return;
  }
  for (long part = length; part > 8; part /= 4)
    for (long p = 0; p < length / part; p++) forward_four(m, a + p * part, part, length / part * place + p);
  forward_tail(m, a, length, length / 8 * place);
}

/* Lazy results would be below 8q, more than others take. */
void wide_forward(const Modulus* m, u64* a, int lazy) {
  (void)lazy;
  int parts = m->log_n % 2 ? 1 : 2;
  if (parts == 2) forward_two(m, a);
  for (int p = 0; p < parts; p++) forward_from(m, a + p * (m->n / parts), m->n / parts, parts + p);
}

/* The first three stages of the way back */
static void inverse_tail(const Modulus* m, u64* a, long length, long place) {
  const Field field = field_of(m);
  const u64 *w = m->inverse_powers, *quotient = m->inverse_quotients64;
  for (long end = place + length / 8; place < end; place++, a += 8) {
    Words left = load(a), right = load(a + 4);
    Words low = _mm256_permute2x128_si256(left, right, 0x20), high = _mm256_permute2x128_si256(left, right, 0x31);
    Words x1 = _mm256_unpacklo_epi64(low, high), y1 = _mm256_unpackhi_epi64(low, high);
    inverse_butterfly(&x1, &y1, four_powers(w + 4 * place, quotient + 4 * place), field);
    Words x2 = _mm256_unpacklo_epi64(x1, y1), y2 = _mm256_unpackhi_epi64(x1, y1);
    inverse_butterfly(&x2, &y2, two_powers(w + 2 * place, quotient + 2 * place), field);
    Words x = _mm256_permute2x128_si256(x2, y2, 0x20), y = _mm256_permute2x128_si256(x2, y2, 0x31);
    inverse_butterfly(&x, &y, inverse_power_at(m, place), field);
    store(a, x), store(a + 4, y);
  }
}

/* The last stage of all, which divides by n as well and gives residues: x by 1/n, y by w/n */
INLINE void last_butterfly(Words* x, Words* y, Factor n_inverse, Factor last, Field field) {
  Words sum = plus(*x, *y), difference = minus(plus(*x, field.bound), *y);
  *x = residue(multiply(sum, n_inverse, field), field);
  *y = residue(multiply(difference, last, field), field);
}

INLINE void inverse_four(const Modulus* m, u64* a, long length, long place, int final) {
  const Field field = field_of(m);
  const Factor n_inverse = factor_from(all(m->n_inverse), all(m->n_inverse_quotient64));
  const Factor last = factor_from(all(m->last), all(m->last_quotient64)), f = inverse_power_at(m, place);
  const Factor left = inverse_power_at(m, 2 * place), right = inverse_power_at(m, 2 * place + 1);
  u64 *a1 = a + length / 4, *a2 = a1 + length / 4, *a3 = a2 + length / 4;
  for (long j = 0; j < length / 4; j += 4) {
    Words x0 = load(a + j), x1 = load(a1 + j), x2 = load(a2 + j), x3 = load(a3 + j);
    inverse_butterfly(&x0, &x1, left, field), inverse_butterfly(&x2, &x3, right, field);
    if (final) {
      last_butterfly(&x0, &x2, n_inverse, last, field), last_butterfly(&x1, &x3, n_inverse, last, field);
    } else {
      inverse_butterfly(&x0, &x2, f, field), inverse_butterfly(&x1, &x3, f, field);
    }
    store(a + j, x0), store(a1 + j, x1), store(a2 + j, x2), store(a3 + j, x3);
  }
}

/* The last stage, where their number is odd */
static void inverse_two(const Modulus* m, u64* a) {
  const Field field = field_of(m);
  const Factor n_inverse = factor_from(all(m->n_inverse), all(m->n_inverse_quotient64));
  const Factor last = factor_from(all(m->last), all(m->last_quotient64));
  u64* a1 = a + m->n / 2;
  for (long j = 0; j < m->n / 2; j += 4) {
    Words x = load(a + j), y = load(a1 + j);
    last_butterfly(&x, &y, n_inverse, last, field);
    store(a + j, x), store(a1 + j, y);
  }
}

static void inverse_from(const Modulus* m, u64* a, long length, long place) {
  long part = 32;
  if (length > BLOCK) {
    for (int p = 0; p < 4; p++) inverse_from(m, a + p * (length / 4), length / 4, 4 * place + p);
    part = length;
  } else {
    inverse_tail(m, a, length, length / 8 * place);
  }
  for (; part <= length; part *= 4)
    for (long p = 0; p < length / part; p++) {
      if (part == m->n)
        inverse_four(m, a, part, 1, 1);
      else
        inverse_four(m, a + p * part, part, length / part * place + p, 0);
    }
}

void wide_inverse(const Modulus* m, u64* a) {
  int parts = m->log_n % 2 ? 1 : 2;
  for (int p = 0; p < parts; p++) inverse_from(m, a + p * (m->n / parts), m->n / parts, parts + p);
  if (parts == 2) inverse_two(m, a);
}
#endif
