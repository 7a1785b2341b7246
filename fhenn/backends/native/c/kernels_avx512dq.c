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
#define FINISH(x, field) residue(less_once(x, (field).bound), field)
#include "ntt_avx512.h"

/* Lazy results would be below 8q, more than others take. */
static void forward(const Modulus* m, u64* a, int lazy) {
  (void)lazy;
  dq_forward(m, a, 0);
}

static void reduce(const Modulus* m, const u64* x, u64 from, int centred, u64* result) {
  const Words q = all(m->q), twice = all(2 * m->q), barrett = all(m->barrett_high);
  const Words half = all(centred ? from / 2 : ~(u64)0), correction = all(m->q - from % m->q);
  for (long j = 0; j < m->n; j += GROUP) {
    Words value = load(x + j), r = barrett64(value, q, barrett);
    r = _mm512_mask_add_epi64(r, _mm512_cmpgt_epu64_mask(value, half), r, correction); /* below 3q */
    store(result + j, less_once(less_once(r, twice), q));
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
    .reduce_sum = wide_reduce_sum,
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
