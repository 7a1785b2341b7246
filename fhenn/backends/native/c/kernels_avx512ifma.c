/* Kernels on the 52-bit products of AVX-512 IFMA, for primes below 2^50. */
#if (defined(__AVX512F__) && defined(__AVX512DQ__) && defined(__AVX512IFMA__)) || defined(FHENN_EMULATED_AVX512)
#include "words_avx512.h"

enum { BLOCK = 4096, PREFETCHED_GROUPS = 4, DIGITS_AT_ONCE = 14 };

typedef struct Field {
  Words q, bound; /* q and 2q, below which products are */
  Words minus_q;  /* 2^52 - q */
  Words mask;     /* 2^52 - 1 */
  Words barrett;  /* floor(2^52 / q) */
} Field;

INLINE Field field_of(const Modulus* m) {
  return (Field){all(m->q), all(2 * m->q), all((1ULL << 52) - m->q), all((1ULL << 52) - 1), all(m->barrett52)};
}

/* A factor, and floor(factor * 2^52 / q) */
typedef struct Factor {
  Words w, quotient;
} Factor;

INLINE Factor factor_of(u64 w, u64 q) { return (Factor){all(w), all(quotient52(w, q))}; }

/* low - quotient*q in 52 bits, which is exact for what is below 2q < 2^52: the quotient is short by less than 2. */
INLINE Words less_quotient(Words low, Words quotient, Field field) {
  return _mm512_and_si512(_mm512_madd52lo_epu64(low, quotient, field.minus_q), field.mask);
}

/* x*w modulo q below 2q, for x below 2^52 (V. Shoup) */
INLINE Words multiply(Words x, Words w, Words quotient, Field field) {
  const Words zero = _mm512_setzero_si512();
  return less_quotient(_mm512_madd52lo_epu64(zero, x, w), _mm512_madd52hi_epu64(zero, x, quotient), field);
}
INLINE Words times(Words x, Factor f, Field field) { return multiply(x, f.w, f.quotient, field); }

/* x modulo q below 2q, for x below 2^52 (P. Barrett) */
INLINE Words barrett52(Words x, Field field) {
  return less_quotient(x, _mm512_madd52hi_epu64(_mm512_setzero_si512(), x, field.barrett), field);
}

/* x modulo q, of x below 4q */
INLINE Words residue(Words x, Field field) { return less_once(less_once(x, field.bound), field.q); }

/* Values are below 4q < 2^52 between stages. */
#define NAME(x) ifma_##x
#define QUOTIENTS quotients52
#define INVERSE_QUOTIENTS inverse_quotients52
#define N_INVERSE_QUOTIENT n_inverse_quotient52
#define LAST_QUOTIENT last_quotient52
#define MULTIPLY multiply
#define SETTLE(x, field) less_once(x, (field).bound)
#define RESIDUE(x, field) less_once(x, (field).q)
#define LAZY(x, field) (x)
#define FINISH residue
#include "ntt_avx512.h"
#undef NAME
#undef LAZY
#undef FINISH

/* Below 2^47, up to 15 stages: values grow by 2q a stage, to below 31q < 2^52, and are only reduced at the end. Until
   then words are values modulo 2^52: products take no more of a word, and sums carry what is above it along. So a
   product is added as it is made: u + v, and 2u + 2q - (u + v). */
enum { UNSETTLED_BITS = 47, UNSETTLED_STAGES = 15 };
INLINE void unsettled_butterfly(Words* x, Words* y, Words w, Words quotient, Field field) {
  Words u = *x, times_q = _mm512_madd52hi_epu64(_mm512_setzero_si512(), *y, quotient);
  Words sum = _mm512_madd52lo_epu64(_mm512_madd52lo_epu64(u, *y, w), times_q, field.minus_q);
  *x = sum;
  *y = minus(plus(plus(u, field.bound), u), sum);
}
#define NAME(x) ifma_unsettled_##x
#define OWN_BUTTERFLY unsettled_butterfly
#define LAZY(x, field) _mm512_and_si512(x, (field).mask)
#define FINISH(x, field) less_once(barrett52(LAZY(x, field), field), (field).q)
#define FORWARD_ONLY
#include "ntt_avx512.h"

static void forward(const Modulus* m, u64* a, int lazy) {
  if (m->q >> UNSETTLED_BITS || m->log_n > UNSETTLED_STAGES)
    ifma_forward(m, a, lazy);
  else
    ifma_unsettled_forward(m, a, lazy);
}

/* Residues modulo one prime brought to another: `half` is what residues that stand for negative numbers are above, and
   `correction`, -from modulo q, what those take. */
typedef struct Source {
  Words half, correction, barrett64;
  int shorter, longer; /* than q, and than 52 bits */
} Source;

INLINE Source source_of(const Modulus* m, u64 from, int centred) {
  return (Source){all(centred ? from / 2 : ~(u64)0), all(m->q - from % m->q), all(m->barrett_high), from <= m->q,
                  from >> 52 != 0};
}
/* Below 3q */
INLINE Words bring(const u64* x, Source s, Field field) {
  Words value = load(x), r = value;
  if (!s.shorter) r = s.longer ? barrett64(value, field.q, s.barrett64) : barrett52(value, field);
  return _mm512_mask_add_epi64(r, _mm512_cmpgt_epu64_mask(value, s.half), r, s.correction);
}

static void reduce(const Modulus* m, const u64* x, u64 from, int centred, u64* result) {
  const Field field = field_of(m);
  const Source source = source_of(m, from, centred);
  for (long j = 0; j < m->n; j += GROUP) store(result + j, residue(bring(x + j, source, field), field));
}

static void reduce_sum(const Modulus* m, const u64* x, u64 from, u64 factor, const u64* y, u64 from_y, u64* result) {
  const Field field = field_of(m);
  const Source source = source_of(m, from, 1), source_y = source_of(m, from_y, 1);
  const Factor f = factor_of(factor, m->q);
  for (long j = 0; j < m->n; j += GROUP) {
    Words r = times(bring(x + j, source, field), f, field);
    if (y) r = plus(r, less_once(bring(y + j, source_y, field), field.bound)); /* below 4q */
    store(result + j, residue(r, field));
  }
}

/* A sum of products, in two words: of their lower 52 bits, and of their upper ones.
   A product is below q^2, so that its upper part is below 2^48, and below 2^46 for q < 2^49. `most_terms` of those, and
   what the lower parts carry, stay below 2^52; the lower parts below 2^64. */
typedef struct Sum {
  Words low, high;
} Sum;

typedef struct Summation {
  Field field;
  Factor two52; /* 2^52 modulo q */
  int most_terms;
} Summation;

INLINE Summation summation_of(const Modulus* m) {
  return (Summation){field_of(m), {all(m->two52), all(m->two52_quotient)}, m->q >> 49 ? 15 : 63};
}

INLINE Sum sum_from(Words value) { return (Sum){value, _mm512_setzero_si512()}; }
INLINE void sum_product(Sum* sum, Words x, Words y) {
  sum->low = _mm512_madd52lo_epu64(sum->low, x, y);
  sum->high = _mm512_madd52hi_epu64(sum->high, x, y);
}
/* high*2^52 + low modulo q */
INLINE Words residue_of(Sum sum, Summation s) {
  Words high = plus(sum.high, _mm512_srli_epi64(sum.low, 52)), low = _mm512_and_si512(sum.low, s.field.mask);
  return residue(plus(times(high, s.two52, s.field), barrett52(low, s.field)), s.field);
}
INLINE void restart(Sum* sum, Summation s) { *sum = sum_from(residue_of(*sum, s)); }

static int at_most(int terms, int most) { return terms < most ? terms : most; }

static void dot(const Modulus* m, int terms, const u64* const* a, const u64* const* b, int accumulate, u64* result,
                long at, long length) {
  const Summation s = summation_of(m);
  for (long j = at; j < at + length; j += GROUP) {
    Sum sum = sum_from(accumulate ? load(result + j) : _mm512_setzero_si512());
    for (int t = 0; t < terms; t++) sum_product(&sum, load(a[t] + j), load(b[t] + j)); /* 12 at most */
    store(result + j, residue_of(sum, s));
  }
}

INLINE void switch_dot_from(const Modulus* m, int digits, const u64* const* digit, const u64* key, int key_digits,
                            const uint32_t* permutation, const u64* add, u64 factor, u64* result0, u64* result1,
                            long stride, long at, long length) {
  const Summation s = summation_of(m);
  const Words zero = _mm512_setzero_si512(), f = all(factor);
  key += at * 2 * key_digits;
  for (long j = at; j < at + length; j += GROUP, key += 16 * key_digits, result0 += stride, result1 += stride) {
    const Origin origin = origin_of(permutation, j);
    const int permuted = permutation != NULL;
    Sum sum0 = sum_from(zero), sum1 = sum_from(zero);
    /* the key is as much as is read in all, and past its end it does no harm */
    for (int word = 0; word < 16 * digits; word += 8)
      _mm_prefetch((const char*)(key + PREFETCHED_GROUPS * 16 * key_digits + word), _MM_HINT_T0);
    if (add) sum_product(&sum0, take(add, origin, permuted), f);
    for (int d = 0; d < digits; d++) {
      Words value = take(digit[d], origin, permuted);
      if (d && d % DIGITS_AT_ONCE == 0) restart(&sum0, s), restart(&sum1, s);
      sum_product(&sum0, value, load(key + 16 * d));
      sum_product(&sum1, value, load(key + 16 * d + 8));
    }
    store(result0, residue_of(sum0, s)), store(result1, residue_of(sum1, s));
  }
}

/* Unrolled for the usual numbers of digits */
static void switch_dot(const Modulus* m, int digits, const u64* const* digit, const u64* key, int key_digits,
                       const uint32_t* permutation, const u64* add, u64 factor, u64* result0, u64* result1, long stride,
                       long at, long length) {
#define OF_DIGITS(count) \
  switch_dot_from(m, count, digit, key, key_digits, permutation, add, factor, result0, result1, stride, at, length)
  switch (digits) {
    case 1:
      OF_DIGITS(1);
      break;
    case 2:
      OF_DIGITS(2);
      break;
    case 3:
      OF_DIGITS(3);
      break;
    case 4:
      OF_DIGITS(4);
      break;
    case 5:
      OF_DIGITS(5);
      break;
    default:
      OF_DIGITS(digits);
  }
#undef OF_DIGITS
}

INLINE void pair_dot_from(const Modulus* m, int terms, const Pairs* pairs, const uint16_t* which, const Factors* plain,
                          int mirrored, int accumulate, u64* result0, u64* result1, long length) {
  const long pair = pairs->pair, term = plain->term;
  const Summation s = summation_of(m);
  const Words zero = _mm512_setzero_si512(), backwards = _mm512_set_epi64(0, 1, 2, 3, 4, 5, 6, 7);
  for (long j = 0; j < length; j += GROUP) {
    const u64 *first = pairs->words + j / GROUP * pairs->group;
    const u64* factors = plain->words + (mirrored ? length - GROUP - j : j) / GROUP * plain->group;
    Sum sum0 = sum_from(accumulate ? load(result0 + j) : zero), sum1 = sum_from(accumulate ? load(result1 + j) : zero);
    for (int t = 0, end = at_most(terms, s.most_terms);; end = at_most(terms, end + s.most_terms)) {
      for (; t < end; t++, factors += term) {
        const u64* x = first + pair * (which ? which[t] : t);
        Words factor = load(factors);
        if (mirrored) factor = _mm512_permutexvar_epi64(backwards, factor);
        sum_product(&sum0, load(x), factor), sum_product(&sum1, load(x + 8), factor);
      }
      if (t == terms) break;
      restart(&sum0, s), restart(&sum1, s);
    }
    store(result0 + j, residue_of(sum0, s)), store(result1 + j, residue_of(sum1, s));
  }
}

static void pair_dot(const Modulus* m, int terms, const Pairs* pairs, const uint16_t* which, const Factors* plain,
                     int accumulate, u64* result0, u64* result1, long length) {
  if (plain->mirrored)
    pair_dot_from(m, terms, pairs, which, plain, 1, accumulate, result0, result1, length);
  else
    pair_dot_from(m, terms, pairs, which, plain, 0, accumulate, result0, result1, length);
}

static void combine(const Modulus* m, const u64* x, u64 f, const u64* b, u64 g, const u64* y, u64* result) {
  const Field field = field_of(m);
  const Factor of_x = factor_of(f, m->q), of_b = factor_of(g, m->q);
  for (long j = 0; j < m->n; j += GROUP) {
    Words r = times(load(x + j), of_x, field);
    if (b) r = less_once(plus(r, times(load(b + j), of_b, field)), field.bound);
    if (y) r = less_once(minus(plus(r, field.bound), barrett52(load(y + j), field)), field.bound);
    store(result + j, less_once(r, field.q));
  }
}

static void subtract_scale(const Modulus* m, const u64* x, const u64* y, u64 factor, int accumulate, u64* result) {
  const Field field = field_of(m);
  const Factor f = factor_of(factor, m->q);
  for (long j = 0; j < m->n; j += GROUP) {
    Words r = minus(plus(load(x + j), field.bound), barrett52(load(y + j), field)); /* below 3q */
    r = times(r, f, field);
    if (accumulate) r = plus(r, load(result + j)); /* below 3q */
    store(result + j, residue(r, field));
  }
}

static void permute(const Modulus* m, const u64* x, const uint32_t* permutation, int accumulate, u64* result) {
  permute_words(m, x, permutation, accumulate, result);
}
static void add(const Modulus* m, const u64* x, const u64* y, u64* result) { add_words(m, x, y, result); }
static void subtract(const Modulus* m, const u64* x, const u64* y, u64* result) { subtract_words(m, x, y, result); }
static void negate(const Modulus* m, const u64* x, u64* result) { negate_words(m, x, result); }
static void add_number(const Modulus* m, const u64* x, u64 number, u64* result) {
  add_number_to_words(m, x, number, result);
}
static int all_below(const Modulus* m, const u64* x) { return words_below(m, x); }

/* Sums of a piece of a polynomial, to which a few products are added at a time: polynomials often stand at the same
   places of their pages, whose lines a cache holds few of at once, and a CPU foresees few streams. */
enum { PIECE = 512, NUMBERS_AT_ONCE = 4 };

typedef struct Partial {
  u64 low[PIECE], high[PIECE];
} Partial;

INLINE void sum_numbers(Partial* sums, int count, const u64* const* x, const u64* number, long at, long length) {
  Words factor[NUMBERS_AT_ONCE];
  for (int t = 0; t < count; t++) factor[t] = all(number[t]);
  for (long j = 0; j < length; j += GROUP) {
    Sum sum = {load(sums->low + j), load(sums->high + j)};
    for (int t = 0; t < count; t++) sum_product(&sum, load(x[t] + at + j), factor[t]);
    store(sums->low + j, sum.low), store(sums->high + j, sum.high);
  }
}

static void number_dot(const Modulus* m, int terms, const u64* const* x, const u64* number, int accumulate, u64* result,
                       long at, long length) {
  const Summation s = summation_of(m);
  const Words zero = _mm512_setzero_si512();
  for (long end = at + length; at < end; at += PIECE) {
    Partial sums;
    long some = end - at < PIECE ? end - at : PIECE;
    for (long j = 0; j < some; j += GROUP)
      store(sums.low + j, accumulate ? load(result + at + j) : zero), store(sums.high + j, zero);
    for (int t = 0, summed = 0; t < terms; t += NUMBERS_AT_ONCE, summed += NUMBERS_AT_ONCE) {
      if (summed + NUMBERS_AT_ONCE > s.most_terms) {
        for (long j = 0; j < some; j += GROUP)
          store(sums.low + j, residue_of((Sum){load(sums.low + j), load(sums.high + j)}, s)), store(sums.high + j, zero);
        summed = 0;
      }
      if (terms - t >= NUMBERS_AT_ONCE)
        sum_numbers(&sums, NUMBERS_AT_ONCE, x + t, number + t, at, some);
      else
        sum_numbers(&sums, terms - t, x + t, number + t, at, some);
    }
    for (long j = 0; j < some; j += GROUP)
      store(result + at + j, residue_of((Sum){load(sums.low + j), load(sums.high + j)}, s));
  }
}

const Kernels KERNELS_AVX512IFMA = {
    .name = "avx512ifma",
    .bits = 50,
    .forward = forward,
    .inverse = ifma_inverse,
    .reduce = reduce,
    .reduce_sum = reduce_sum,
    .dot = dot,
    .switch_dot = switch_dot,
    .pair_dot = pair_dot,
    .combine = combine,
    .subtract_scale = subtract_scale,
    .permute = permute,
    .add = add,
    .subtract = subtract,
    .negate = negate,
    .add_number = add_number,
    .number_dot = number_dot,
    .all_below = all_below,
};
#endif
