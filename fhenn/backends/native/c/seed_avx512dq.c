/* The stream of a seed, eight digests at once. Compilers make one instruction of a rotation. */
#if (defined(__AVX512F__) && defined(__AVX512DQ__)) || defined(FHENN_EMULATED_AVX512)
#include "modulus.h"

enum { LANES = 8 };
typedef u64 Lanes __attribute__((vector_size(8 * LANES)));

#include "seed_stream.h"

void seed_block_avx512dq(const u64* seed, u64 counter, u64* result) { block_of(seed, counter, result); }
#endif
