/* Kernels on doubles with FMA, for primes below 2^50 (reals_avx2.h). */
#if defined(__AVX2__) && defined(__FMA__)
#include "reals_avx2.h"

enum { PIECE = 512, NUMBERS_AT_ONCE = 4 };

/* Residues modulo one prime brought to another, below 2^52 in magnitude. */
typedef struct Source {
  Reals half, from;    /* as doubles, for residues below 2^52 */
  __m256i long_half;   /* for longer ones, which are high*2^32 + low */
  Reals from_modulo_q; /* what is taken from those above half */
  Factor two32;
} Source;

static Source source_of(const Modulus* m, u64 from, int centred) {
  u64 half = centred ? from / 2 : ~(u64)0 >> 1; /* as signed, and as a double, above every residue */
  return (Source){all((double)half), all((double)from), _mm256_set1_epi64x((long long)half), all((double)(from % m->q)),
                  factor_of((1ULL << 32) % m->q, m->q)};
}

static int is_long(u64 from) { return from >> 52 != 0; }

INLINE Reals bring(const u64* x, Source s, int longer, Field field) {
  __m256i residues = _mm256_loadu_si256((const __m256i*)x);
  if (!longer) {
    Reals value = to_reals(residues);
    return _mm256_sub_pd(value, _mm256_and_pd(s.from, _mm256_cmp_pd(value, s.half, _CMP_GT_OQ)));
  }
  Reals above = _mm256_castsi256_pd(_mm256_cmpgt_epi64(residues, s.long_half));
  Reals high = to_reals(_mm256_srli_epi64(residues, 32));
  Reals low = to_reals(_mm256_and_si256(residues, _mm256_set1_epi64x(0xffffffff)));
  low = _mm256_sub_pd(low, _mm256_and_pd(s.from_modulo_q, above));
  return _mm256_add_pd(multiply(high, s.two32, field), low); /* below 2^32 + 2q */
}

INLINE void reduce_from(const Modulus* m, const u64* x, u64 from, int centred, int longer, u64* result) {
  const Field field = field_of(m);
  const Source source = source_of(m, from, centred);
  for (long j = 0; j < m->n; j += LANES)
    store_residues(result + j, reduced(bring(x + j, source, longer, field), field), field);
}

static void reduce(const Modulus* m, const u64* x, u64 from, int centred, u64* result) {
  if (is_long(from))
    reduce_from(m, x, from, centred, 1, result);
  else
    reduce_from(m, x, from, centred, 0, result);
}

/* The sum is below q + 2^52 in magnitude before it is reduced. */
INLINE void reduce_sum_from(const Modulus* m, const u64* x, u64 from, int longer, u64 factor, const u64* y, u64 from_y,
                            int longer_y, u64* result) {
  const Field field = field_of(m);
  const Source source = source_of(m, from, 1), source_y = source_of(m, from_y, 1);
  const Factor f = factor_of(factor, m->q);
  for (long j = 0; j < m->n; j += LANES) {
    Reals sum = multiply(bring(x + j, source, longer, field), f, field);
    if (y) sum = reduced(_mm256_add_pd(sum, bring(y + j, source_y, longer_y, field)), field);
    store_residues(result + j, sum, field);
  }
}

static void reduce_sum(const Modulus* m, const u64* x, u64 from, u64 factor, const u64* y, u64 from_y, u64* result) {
  if (!y) {
    if (is_long(from))
      reduce_sum_from(m, x, from, 1, factor, NULL, 1, 0, result);
    else
      reduce_sum_from(m, x, from, 0, factor, NULL, 1, 0, result);
  } else if (is_long(from_y)) {
    reduce_sum_from(m, x, from, is_long(from), factor, y, from_y, 1, result);
  } else {
    if (is_long(from))
      reduce_sum_from(m, x, from, 1, factor, y, from_y, 0, result);
    else
      reduce_sum_from(m, x, from, 0, factor, y, from_y, 0, result);
  }
}

/* Sums of products, in two parts: `high` sums them in multiples of 2^k, rounded, and `low` what the roundings left.

   With q < 2^b and k = b + 1, `high` starts at 2^(52+k) and stays below 2^(53+k), where doubles are the multiples of
   2^k, for up to 2^(53-b) products. So the difference of two of its values is exact, and so is what a product differs
   from that by, an integer of at most 2^(k-1) = 2^b. Of 2^(53-b) - 2 of those, with a residue or reduced number, `low`
   stays below 2^53 - 2^b. */
typedef struct Sum {
  Reals high, low;
} Sum;

typedef struct Summation {
  Field field;
  Reals start;    /* 2^(52+k) */
  Factor scaled;  /* 2^k modulo q, over 2^k: takes multiples of 2^k, the lower 52 bits above being what it multiplies */
  int most_terms; /* between reductions */
} Summation;

static Summation summation_of(const Modulus* m) {
  int b = 64 - __builtin_clzll(m->q), k = b + 1;
  double unit = 1.0 / (double)(1ULL << k), residue = centred_real((1ULL << k) % m->q, m->q);
  long most = (1L << (b < 30 ? 23 : 53 - b)) - 2;
  return (Summation){field_of(m),
                     all(0x1p52 * (double)(1ULL << k)),
                     {all(residue * unit), all(residue / (double)m->q * unit)},
                     (int)most};
}

INLINE Sum sum_from(Summation s, Reals value) { return (Sum){s.start, value}; }
INLINE void sum_product(Sum* sum, Reals x, Reals y) {
  Reals high = _mm256_fmadd_pd(x, y, sum->high), taken = _mm256_sub_pd(high, sum->high);
  sum->low = _mm256_add_pd(sum->low, _mm256_fmsub_pd(x, y, taken));
  sum->high = high;
}

/* The sum modulo q, in magnitude at most q/2 + 1: the parts are below 2^b*(5/8) and 2^53 - 2^b. */
INLINE Reals reduced_sum(Sum sum, Summation s) {
  Reals high = multiply(_mm256_sub_pd(sum.high, s.start), s.scaled, s.field);
  return reduced(_mm256_add_pd(high, sum.low), s.field);
}
INLINE void restart(Sum* sum, Summation s) { *sum = sum_from(s, reduced_sum(*sum, s)); }
INLINE void store_sum(u64* result, Sum sum, Summation s) { store_residues(result, reduced_sum(sum, s), s.field); }

static int at_most(int terms, int most) { return terms < most ? terms : most; }

static void dot(const Modulus* m, int terms, const u64* const* a, const u64* const* b, int accumulate, u64* result,
                long at, long length) {
  const Summation s = summation_of(m);
  for (long j = at; j < at + length; j += GROUP) {
    Sum left = sum_from(s, _mm256_setzero_pd()), right = left;
    if (accumulate) left.low = load_residues(result + j), right.low = load_residues(result + j + LANES);
    for (int t = 0, end = at_most(terms, s.most_terms);; end = at_most(terms, end + s.most_terms)) {
      for (; t < end; t++) {
        sum_product(&left, load_residues(a[t] + j), load_residues(b[t] + j));
        sum_product(&right, load_residues(a[t] + j + LANES), load_residues(b[t] + j + LANES));
      }
      if (t == terms) break;
      restart(&left, s), restart(&right, s);
    }
    store_sum(result + j, left, s), store_sum(result + j + LANES, right, s);
  }
}

/* Sums of a group of eight for two results. */
typedef struct Sums {
  Sum left0, right0, left1, right1;
} Sums;

INLINE Sums sums_from_zero(Summation s) {
  Sum zero = sum_from(s, _mm256_setzero_pd());
  return (Sums){zero, zero, zero, zero};
}
INLINE void sum_products(Sums* sums, Reals left, Reals right, const u64* pair) {
  sum_product(&sums->left0, left, load_residues(pair));
  sum_product(&sums->right0, right, load_residues(pair + 4));
  sum_product(&sums->left1, left, load_residues(pair + 8));
  sum_product(&sums->right1, right, load_residues(pair + 12));
}
INLINE void restart_sums(Sums* sums, Summation s) {
  restart(&sums->left0, s), restart(&sums->right0, s), restart(&sums->left1, s), restart(&sums->right1, s);
}
INLINE void store_sums(u64* result0, u64* result1, Sums sums, Summation s) {
  store_sum(result0, sums.left0, s), store_sum(result0 + LANES, sums.right0, s);
  store_sum(result1, sums.left1, s), store_sum(result1 + LANES, sums.right1, s);
}

INLINE void switch_dot_from(const Modulus* m, int digits, const u64* const* digit, const u64* key, int key_digits,
                            const uint32_t* permutation, const u64* add, u64 factor, u64* result0, u64* result1,
                            long stride, long at, long length) {
  const Summation s = summation_of(m);
  const Factor f = factor_of(factor, m->q);
  key += at * 2 * key_digits;
  for (long j = at; j < at + length; j += GROUP, key += 16 * key_digits, result0 += stride, result1 += stride) {
    Sums sums = sums_from_zero(s);
    Origin origin = {0};
    if (permutation) origin = origin_of(permutation + j);
    for (int d = 0, end = at_most(digits, s.most_terms);; end = at_most(digits, end + s.most_terms)) {
      for (; d < end; d++) {
        Reals left, right;
        if (permutation)
          left = to_reals(take_left(digit[d], origin)), right = to_reals(take_right(digit[d], origin));
        else
          left = load_residues(digit[d] + j), right = load_residues(digit[d] + j + LANES);
        sum_products(&sums, left, right, key + 16 * d);
      }
      if (d == digits) break;
      restart_sums(&sums, s);
    }
    if (add) {
      Reals left, right;
      if (permutation)
        left = to_reals(take_left(add, origin)), right = to_reals(take_right(add, origin));
      else
        left = load_residues(add + j), right = load_residues(add + j + LANES);
      sums.left0.low = _mm256_add_pd(reduced(sums.left0.low, s.field), multiply(left, f, s.field));
      sums.right0.low = _mm256_add_pd(reduced(sums.right0.low, s.field), multiply(right, f, s.field));
    }
    store_sums(result0, result1, sums, s);
  }
}

static void switch_dot(const Modulus* m, int digits, const u64* const* digit, const u64* key, int key_digits,
                       const uint32_t* permutation, const u64* add, u64 factor, u64* result0, u64* result1, long stride,
                       long at, long length) {
  if (permutation)
    switch_dot_from(m, digits, digit, key, key_digits, permutation, add, factor, result0, result1, stride, at, length);
  else
    switch_dot_from(m, digits, digit, key, key_digits, NULL, add, factor, result0, result1, stride, at, length);
}

INLINE Reals load_backwards(const u64* x) { return to_reals(_mm256_permute4x64_epi64(load_integers(x), 0x1b)); }

INLINE void pair_dot_from(const Modulus* m, int terms, const Pairs* pairs, const uint16_t* which, const Factors* plain,
                          int mirrored, int accumulate, u64* result0, u64* result1, long length) {
  const long pair = pairs->pair, term = plain->term;
  const Summation s = summation_of(m);
  for (long j = 0; j < length; j += GROUP) {
    const u64* first = pairs->words + j / GROUP * pairs->group;
    const u64* factors = plain->words + (mirrored ? length - GROUP - j : j) / GROUP * plain->group;
    Sums sums = sums_from_zero(s);
    if (accumulate) {
      sums.left0.low = load_residues(result0 + j), sums.right0.low = load_residues(result0 + j + LANES);
      sums.left1.low = load_residues(result1 + j), sums.right1.low = load_residues(result1 + j + LANES);
    }
    for (int t = 0, end = at_most(terms, s.most_terms);; end = at_most(terms, end + s.most_terms)) {
      for (; t < end; t++, factors += term)
        sum_products(&sums, mirrored ? load_backwards(factors + LANES) : load_residues(factors),
                     mirrored ? load_backwards(factors) : load_residues(factors + LANES),
                     first + pair * (which ? which[t] : t));
      if (t == terms) break;
      restart_sums(&sums, s);
    }
    store_sums(result0 + j, result1 + j, sums, s);
  }
}

static void pair_dot(const Modulus* m, int terms, const Pairs* pairs, const uint16_t* which, const Factors* plain,
                     int accumulate, u64* result0, u64* result1, long length) {
  if (plain->mirrored)
    pair_dot_from(m, terms, pairs, which, plain, 1, accumulate, result0, result1, length);
  else
    pair_dot_from(m, terms, pairs, which, plain, 0, accumulate, result0, result1, length);
}

/* The sum is below 5/4*q + 2^52 in magnitude before it is reduced. */
INLINE void combine_from(const Modulus* m, const u64* x, u64 f, const u64* b, u64 g, const u64* y, u64* result) {
  const Field field = field_of(m);
  const Factor of_x = factor_of(f, m->q), of_b = factor_of(g, m->q);
  for (long j = 0; j < m->n; j += LANES) {
    Reals sum = multiply(load_residues(x + j), of_x, field);
    if (b) sum = _mm256_add_pd(sum, multiply(load_residues(b + j), of_b, field));
    if (y) sum = _mm256_sub_pd(sum, load_residues(y + j));
    if (b || y) sum = reduced(sum, field);
    store_residues(result + j, sum, field);
  }
}

static void combine(const Modulus* m, const u64* x, u64 f, const u64* b, u64 g, const u64* y, u64* result) {
  if (b && y)
    combine_from(m, x, f, b, g, y, result);
  else if (b)
    combine_from(m, x, f, b, g, NULL, result);
  else if (y)
    combine_from(m, x, f, NULL, 0, y, result);
  else
    combine_from(m, x, f, NULL, 0, NULL, result);
}

static void subtract_scale(const Modulus* m, const u64* x, const u64* y, u64 factor, int accumulate, u64* result) {
  const Field field = field_of(m);
  const Factor f = factor_of(factor, m->q);
  for (long j = 0; j < m->n; j += LANES) {
    Reals value = multiply(_mm256_sub_pd(load_residues(x + j), load_residues(y + j)), f, field);
    if (accumulate) value = reduced(_mm256_add_pd(value, load_residues(result + j)), field);
    store_residues(result + j, value, field);
  }
}

/* Of a few numbers, as doubles */
/* Sums of a piece of a polynomial, to which a few products are added at a time: polynomials often stand at the same
   places of their pages, whose lines a cache holds few of at once, and a CPU foresees few streams. */
typedef struct Partial {
  double high[PIECE], low[PIECE];
} Partial;

INLINE Sum sum_at(const Partial* sums, long j) { return (Sum){load(sums->high + j), load(sums->low + j)}; }
INLINE void put_sum(Partial* sums, long j, Sum sum) { store(sums->high + j, sum.high), store(sums->low + j, sum.low); }

INLINE void sum_numbers(Partial* sums, int count, const u64* const* x, const u64* number, long at, long length) {
  Reals factor[NUMBERS_AT_ONCE];
  for (int t = 0; t < count; t++) factor[t] = all((double)number[t]);
  for (long j = 0; j < length; j += LANES) {
    Sum sum = sum_at(sums, j);
    for (int t = 0; t < count; t++) sum_product(&sum, load_residues(x[t] + at + j), factor[t]);
    put_sum(sums, j, sum);
  }
}

static void number_dot(const Modulus* m, int terms, const u64* const* x, const u64* number, int accumulate, u64* result,
                       long at, long length) {
  const Summation s = summation_of(m);
  for (long end = at + length; at < end; at += PIECE) {
    Partial sums;
    long some = end - at < PIECE ? end - at : PIECE;
    for (long j = 0; j < some; j += LANES)
      put_sum(&sums, j, sum_from(s, accumulate ? load_residues(result + at + j) : _mm256_setzero_pd()));
    for (int t = 0, summed = 0; t < terms; t += NUMBERS_AT_ONCE, summed += NUMBERS_AT_ONCE) {
      if (summed + NUMBERS_AT_ONCE > s.most_terms) {
        for (long j = 0; j < some; j += LANES) put_sum(&sums, j, sum_from(s, reduced_sum(sum_at(&sums, j), s)));
        summed = 0;
      }
      if (terms - t >= NUMBERS_AT_ONCE)
        sum_numbers(&sums, NUMBERS_AT_ONCE, x + t, number + t, at, some);
      else
        sum_numbers(&sums, terms - t, x + t, number + t, at, some);
    }
    for (long j = 0; j < some; j += LANES) store_sum(result + at + j, sum_at(&sums, j), s);
  }
}

const Kernels KERNELS_AVX2 = {
    .name = "avx2",
    .bits = 50,
    .forward = avx2_forward,
    .inverse = avx2_inverse,
    .reduce = reduce,
    .reduce_sum = reduce_sum,
    .dot = dot,
    .switch_dot = switch_dot,
    .pair_dot = pair_dot,
    .combine = combine,
    .subtract_scale = subtract_scale,
    .permute = avx2_permute,
    .add = avx2_add,
    .subtract = avx2_subtract,
    .negate = avx2_negate,
    .add_number = avx2_add_number,
    .number_dot = number_dot,
    .all_below = avx2_all_below,
};
#endif
