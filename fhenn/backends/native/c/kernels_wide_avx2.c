/* Kernels on words of 64 bits in AVX2, for primes below 2^61. */
#if defined(__AVX2__)
#include "kernels_wide_avx2.h"

#include "words_avx2.h"

/* Residues modulo one prime brought to another, below 2q: `half` is what residues that stand for negative numbers are
   above, as signed words, and `correction`, -from modulo q, what those take. */
typedef struct Source {
  Words half, correction;
  Factor one;
} Source;

static Source source_of(const Modulus* m, u64 from, int centred) {
  return (Source){all(centred ? from / 2 : ~(u64)0 >> 1), all(m->q - from % m->q), factor_of(1, m->q)};
}
/* Below 5q */
INLINE Words bring(const u64* x, Source s, Field field) {
  Words value = load(x), negative = _mm256_cmpgt_epi64(value, s.half);
  return plus(multiply(value, s.one, field), _mm256_and_si256(negative, s.correction));
}

static void reduce(const Modulus* m, const u64* x, u64 from, int centred, u64* result) {
  const Field field = field_of(m);
  const Source source = source_of(m, from, centred);
  for (long j = 0; j < m->n; j += LANES) store(result + j, residue_of_sum(bring(x + j, source, field), field));
}

void wide_reduce_sum(const Modulus* m, const u64* x, u64 from, u64 factor, const u64* y, u64 from_y, u64* result) {
  const Field field = field_of(m);
  const Source source = source_of(m, from, 1), source_y = source_of(m, from_y, 1);
  const Factor f = factor_of(factor, m->q);
  for (long j = 0; j < m->n; j += LANES) {
    Words sum = multiply(bring(x + j, source, field), f, field);
    if (y) sum = plus(sum, less_once(bring(y + j, source_y, field), field.bound)); /* below 8q */
    store(result + j, residue_of_sum(sum, field));
  }
}

/* A sum of products of x = x1*2^30 + x0 and y alike, in four parts: of x0*y0, x0*y1, x1*y0 and x1*y1. For q < 2^60 all
   are below 2^60, so that 15 of them, with a residue at the start, and what the parts carry over at the end, stay below
   2^64; for q < 2^61, where they may be below 2^62, three. */
typedef struct Sum {
  Words low, middle, other, high;
} Sum;

enum { PART = 30 };

typedef struct Summation {
  Field field;
  Words part;                 /* 2^30 - 1 */
  Factor one, part30, part60; /* 1, 2^30 and 2^60 modulo q */
  int short_prime;            /* below 2^28 */
  int most_terms;             /* between reductions */
} Summation;

static Summation summation_of(const Modulus* m) {
  u64 part = 1ULL << PART;
  return (Summation){.field = field_of(m),
                     .part = all(part - 1),
                     .one = factor_of(1, m->q),
                     .part30 = factor_of(part % m->q, m->q),
                     .part60 = factor_of((1ULL << 2 * PART) % m->q, m->q),
                     .short_prime = m->q >> 28 == 0,
                     .most_terms = m->q >> 60 ? 3 : 15};
}

typedef struct Parts {
  Words low, high;
} Parts;

INLINE Parts parts_of(Words x, Summation s) { return (Parts){_mm256_and_si256(x, s.part), _mm256_srli_epi64(x, PART)}; }
INLINE Parts load_parts(const u64* x, Summation s) { return parts_of(load(x), s); }

INLINE Sum sum_from(Words value) {
  const Words zero = _mm256_setzero_si256();
  return (Sum){value, zero, zero, zero};
}
INLINE void sum_product(Sum* sum, Parts x, Parts y) {
  sum->low = plus(sum->low, _mm256_mul_epu32(x.low, y.low));
  sum->middle = plus(sum->middle, _mm256_mul_epu32(x.low, y.high));
  sum->other = plus(sum->other, _mm256_mul_epu32(x.high, y.low));
  sum->high = plus(sum->high, _mm256_mul_epu32(x.high, y.high));
}

/* The sum modulo q: parts carry over so that the middle ones can be added, and are multiplied by what they stand for. */
INLINE Words residue_of_parts(Sum sum, Summation s) {
  Words high = plus(sum.high, _mm256_srli_epi64(sum.other, PART));
  Words middle = plus(plus(sum.middle, _mm256_and_si256(sum.other, s.part)), _mm256_srli_epi64(sum.low, PART));
  Words low = _mm256_and_si256(sum.low, s.part); /* below 4q, but for short primes */
  if (s.short_prime) low = multiply(low, s.one, s.field);
  Words result = less_once(plus(multiply(middle, s.part30, s.field), low), s.field.bound);
  result = plus(result, less_once(multiply(high, s.part60, s.field), s.field.twice));
  return residue_of_sum(result, s.field);
}
INLINE void restart(Sum* sum, Summation s) { *sum = sum_from(residue_of_parts(*sum, s)); }

static int at_most(int terms, int most) { return terms < most ? terms : most; }

void wide_dot(const Modulus* m, int terms, const u64* const* a, const u64* const* b, int accumulate, u64* result,
              long at, long length) {
  const Summation s = summation_of(m);
  for (long j = at; j < at + length; j += LANES) {
    Sum sum = sum_from(accumulate ? load(result + j) : _mm256_setzero_si256());
    for (int t = 0, end = at_most(terms, s.most_terms);; end = at_most(terms, end + s.most_terms)) {
      for (; t < end; t++) sum_product(&sum, load_parts(a[t] + j, s), load_parts(b[t] + j, s));
      if (t == terms) break;
      restart(&sum, s);
    }
    store(result + j, residue_of_parts(sum, s));
  }
}

/* Sums of four places for two results. */
typedef struct Sums {
  Sum first, second;
} Sums;

INLINE void sum_pair(Sums* sums, Parts x, const u64* pair, Summation s) {
  sum_product(&sums->first, x, load_parts(pair, s));
  sum_product(&sums->second, x, load_parts(pair + GROUP, s));
}

/* Half a group: `side` is 0 or 4. */
INLINE void switch_half(int digits, const u64* const* digit, const u64* key, const Origin* origin, long j, long side,
                        const u64* add, Factor f, u64* result0, u64* result1, Summation s) {
  const Words zero = _mm256_setzero_si256();
  Sums sums = {sum_from(zero), sum_from(zero)};
#define TAKE(x) (!origin ? load((x) + j + side) : side ? take_right(x, *origin) : take_left(x, *origin))
  for (int d = 0, end = at_most(digits, s.most_terms);; end = at_most(digits, end + s.most_terms)) {
    for (; d < end; d++) sum_pair(&sums, parts_of(TAKE(digit[d]), s), key + 16 * d + side, s);
    if (d == digits) break;
    restart(&sums.first, s), restart(&sums.second, s);
  }
  Words first = residue_of_parts(sums.first, s);
  if (add) first = residue_of_sum(plus(multiply(TAKE(add), f, s.field), first), s.field);
#undef TAKE
  store(result0 + side, first), store(result1 + side, residue_of_parts(sums.second, s));
}

void wide_switch_dot(const Modulus* m, int digits, const u64* const* digit, const u64* key, int key_digits,
                     const uint32_t* permutation, const u64* add, u64 factor, u64* result0, u64* result1, long stride,
                     long at, long length) {
  const Summation s = summation_of(m);
  const Factor f = factor_of(factor, m->q);
  key += at * 2 * key_digits;
  for (long j = at; j < at + length; j += GROUP, key += 16 * key_digits, result0 += stride, result1 += stride) {
    if (permutation) {
      const Origin origin = origin_of(permutation + j);
      switch_half(digits, digit, key, &origin, j, 0, add, f, result0, result1, s);
      switch_half(digits, digit, key, &origin, j, LANES, add, f, result0, result1, s);
    } else {
      switch_half(digits, digit, key, NULL, j, 0, add, f, result0, result1, s);
      switch_half(digits, digit, key, NULL, j, LANES, add, f, result0, result1, s);
    }
  }
}

INLINE void pair_half(int terms, const u64* pairs, long pair, const uint16_t* which, const u64* factors, long term,
                      int mirrored, int accumulate, u64* result0, u64* result1, Summation s) {
  const Words zero = _mm256_setzero_si256();
  Sums sums = {sum_from(accumulate ? load(result0) : zero), sum_from(accumulate ? load(result1) : zero)};
  for (int t = 0, end = at_most(terms, s.most_terms);; end = at_most(terms, end + s.most_terms)) {
    for (; t < end; t++, factors += term) {
      Words factor = load(factors);
      if (mirrored) factor = _mm256_permute4x64_epi64(factor, 0x1b);
      sum_pair(&sums, parts_of(factor, s), pairs + pair * (which ? which[t] : t), s);
    }
    if (t == terms) break;
    restart(&sums.first, s), restart(&sums.second, s);
  }
  store(result0, residue_of_parts(sums.first, s)), store(result1, residue_of_parts(sums.second, s));
}

void wide_pair_dot(const Modulus* m, int terms, const Pairs* pairs, const uint16_t* which, const Factors* plain,
                   int accumulate, u64* result0, u64* result1, long length) {
  const Summation s = summation_of(m);
  for (long j = 0; j < length; j += GROUP) {
    const u64* first = pairs->words + j / GROUP * pairs->group;
    const u64* factors = plain->words + (plain->mirrored ? length - GROUP - j : j) / GROUP * plain->group;
    for (long side = 0; side < GROUP; side += LANES) {
      u64 *at0 = result0 + j + side, *at1 = result1 + j + side;
      const u64* x = first + side;
      if (plain->mirrored)
        pair_half(terms, x, pairs->pair, which, factors + LANES - side, plain->term, 1, accumulate, at0, at1, s);
      else
        pair_half(terms, x, pairs->pair, which, factors + side, plain->term, 0, accumulate, at0, at1, s);
    }
  }
}

void wide_number_dot(const Modulus* m, int terms, const u64* const* x, const u64* number, int accumulate, u64* result,
                     long at, long length) {
  const Summation s = summation_of(m);
  for (long j = at; j < at + length; j += GROUP) {
    Sum left = sum_from(accumulate ? load(result + j) : _mm256_setzero_si256());
    Sum right = sum_from(accumulate ? load(result + j + LANES) : _mm256_setzero_si256());
    for (int t = 0, end = at_most(terms, s.most_terms);; end = at_most(terms, end + s.most_terms)) {
      for (; t < end; t++) {
        Parts factor = parts_of(all(number[t]), s);
        sum_product(&left, load_parts(x[t] + j, s), factor);
        sum_product(&right, load_parts(x[t] + j + LANES, s), factor);
      }
      if (t == terms) break;
      restart(&left, s), restart(&right, s);
    }
    store(result + j, residue_of_parts(left, s)), store(result + j + LANES, residue_of_parts(right, s));
  }
}

/* Lazy residues, below 4q or 2^52, brought below 4q */
INLINE Words settled(Words y, int long_prime, Factor one, Field field) {
  return long_prime ? y : multiply(y, one, field);
}

void wide_combine(const Modulus* m, const u64* x, u64 f, const u64* b, u64 g, const u64* y, u64* result) {
  const Field field = field_of(m);
  const Factor of_x = factor_of(f, m->q), of_b = factor_of(g, m->q), one = factor_of(1, m->q);
  const int long_prime = m->q >> 50 != 0;
  for (long j = 0; j < m->n; j += LANES) {
    Words sum = multiply(load(x + j), of_x, field);
    if (b) sum = less_once(plus(sum, multiply(load(b + j), of_b, field)), field.bound);
    if (y) sum = minus(plus(sum, field.bound), settled(load(y + j), long_prime, one, field)); /* below 8q */
    store(result + j, residue_of_sum(sum, field));
  }
}

void wide_subtract_scale(const Modulus* m, const u64* x, const u64* y, u64 factor, int accumulate, u64* result) {
  const Field field = field_of(m);
  const Factor f = factor_of(factor, m->q), one = factor_of(1, m->q);
  const int long_prime = m->q >> 50 != 0;
  for (long j = 0; j < m->n; j += LANES) {
    Words difference = minus(plus(load(x + j), field.bound), settled(load(y + j), long_prime, one, field));
    Words r = multiply(difference, f, field);
    if (accumulate) r = plus(r, load(result + j));
    store(result + j, residue_of_sum(r, field));
  }
}

const Kernels KERNELS_AVX2WIDE = {
    .name = "avx2wide",
    .bits = 61,
    .forward = wide_forward,
    .inverse = wide_inverse,
    .reduce = reduce,
    .reduce_sum = wide_reduce_sum,
    .dot = wide_dot,
    .switch_dot = wide_switch_dot,
    .pair_dot = wide_pair_dot,
    .combine = wide_combine,
    .subtract_scale = wide_subtract_scale,
    .permute = avx2_permute,
    .add = avx2_add,
    .subtract = avx2_subtract,
    .negate = avx2_negate,
    .add_number = avx2_add_number,
    .number_dot = wide_number_dot,
    .all_below = avx2_all_below,
};
#endif
