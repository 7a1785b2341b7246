/* Kernels in 64-bit integers with AVX-512 DQ, for primes below 2^61. Products of two residues are those of AVX2, which
   every CPU with AVX-512 has. */
#if (defined(__AVX512F__) && defined(__AVX512DQ__)) || defined(FHENN_EMULATED_AVX512)
#include "kernels_wide_avx2.h"
#include "words_avx512.h"

enum { BLOCK = 4096 }; /* words, of which the first cache holds as many */

typedef struct Field {
  Words q, twice, bound; /* q, 2q and 4q */
} Field;

INLINE Field field_of(const Modulus* m) { return (Field){all(m->q), all(2 * m->q), all(4 * m->q)}; }

/* x*w modulo q below 4q, for x below 8q: the quotient is floor(x*quotient / 2^64) or up to 2 less, as the product of
   the lower halves and the carries of the middle ones are left out (each less than 1), which adds 2q to what is below
   2q. */
INLINE Words multiply(Words x, Words w, Words quotient, Field field) {
  Words x_high = _mm512_srli_epi64(x, 32), quotient_high = _mm512_srli_epi64(quotient, 32);
  Words middle = plus(_mm512_srli_epi64(_mm512_mul_epu32(x_high, quotient), 32),
                      _mm512_srli_epi64(_mm512_mul_epu32(x, quotient_high), 32));
  Words high = plus(_mm512_mul_epu32(x_high, quotient_high), middle);
  return minus(_mm512_mullo_epi64(x, w), _mm512_mullo_epi64(high, field.q));
}

INLINE Words residue(Words x, Field field) { return less_once(less_once(x, field.twice), field.q); }

/* Values are below 8q < 2^64 between stages. */
#define NAME(x) dq_##x
#define QUOTIENTS quotients64
#define INVERSE_QUOTIENTS inverse_quotients64
#define N_INVERSE_QUOTIENT n_inverse_quotient64
#define LAST_QUOTIENT last_quotient64
#define MULTIPLY multiply
#define SETTLE(x, field) less_once(x, (field).bound)
#define RESIDUE residue
#define LAZY(x, field) (x)
#define FINISH(x, field) residue(less_once(x, (field).bound), field)
#include "ntt_avx512.h"

/* Lazy results would be below 8q, more than others take. */
static void forward(const Modulus* m, u64* a, int lazy) {
  (void)lazy;
  dq_forward(m, a, 0);
}

/* Residues modulo one prime brought to another: `half` is what residues that stand for negative numbers are above, and
   `correction`, -from modulo q, what those take. */
typedef struct Source {
  Words half, correction, barrett;
  int shorter; /* than q */
} Source;

INLINE Source source_of(const Modulus* m, u64 from, int centred) {
  return (Source){all(centred ? from / 2 : ~(u64)0), all(m->q - from % m->q), all(m->barrett_high), from <= m->q};
}
/* Below 3q */
INLINE Words bring(const u64* x, Source s, Field field) {
  Words value = load(x), r = s.shorter ? value : barrett64(value, field.q, s.barrett);
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
  const Words w = all(factor), quotient = all(quotient64(factor, m->q));
  for (long j = 0; j < m->n; j += GROUP) {
    Words r = multiply(bring(x + j, source, field), w, quotient, field);
    if (y) r = less_once(plus(r, bring(y + j, source_y, field)), field.bound); /* below 7q */
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

const Kernels KERNELS_AVX512DQ = {
    .name = "avx512dq",
    .bits = 61,
    .forward = forward,
    .inverse = dq_inverse,
    .reduce = reduce,
    .reduce_sum = reduce_sum,
    .dot = wide_dot,
    .switch_dot = wide_switch_dot,
    .pair_dot = wide_pair_dot,
    .combine = wide_combine,
    .subtract_scale = wide_subtract_scale,
    .permute = permute,
    .add = add,
    .subtract = subtract,
    .negate = negate,
    .add_number = add_number,
    .number_dot = wide_number_dot,
    .all_below = all_below,
};
#endif
