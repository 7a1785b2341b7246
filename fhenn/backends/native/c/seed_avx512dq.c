/* The stream of a seed, eight digests at once. */
#if defined(__AVX512F__)
#include <immintrin.h>

#include "modulus.h"

enum { LANES = 8 };
typedef u64 Lanes __attribute__((vector_size(8 * LANES)));

#define turned(x, by) ((Lanes)_mm512_ror_epi64((__m512i)(x), by)) /* a macro: `by` must be a constant without optimising too */

#include "seed_stream.h"

void seed_block_avx512dq(const u64* seed, u64 counter, u64* result) { block_of(seed, counter, result); }
#endif
