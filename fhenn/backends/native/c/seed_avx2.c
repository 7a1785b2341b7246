/* The stream of a seed, four digests at once. Rotations by whole bytes are shuffles. */
#if defined(__AVX2__)
#include <immintrin.h>

#include "modulus.h"

enum { LANES = 4 };
typedef u64 Lanes __attribute__((vector_size(8 * LANES)));

static inline Lanes turned(Lanes x, int by) {
  const __m256i by_16 = _mm256_setr_epi8(2, 3, 4, 5, 6, 7, 0, 1, 10, 11, 12, 13, 14, 15, 8, 9, 2, 3, 4, 5, 6, 7, 0, 1, 10,
                                         11, 12, 13, 14, 15, 8, 9);
  const __m256i by_24 = _mm256_setr_epi8(3, 4, 5, 6, 7, 0, 1, 2, 11, 12, 13, 14, 15, 8, 9, 10, 3, 4, 5, 6, 7, 0, 1, 2, 11,
                                         12, 13, 14, 15, 8, 9, 10);
  switch (by) {
    case 16:
      return (Lanes)_mm256_shuffle_epi8((__m256i)x, by_16);
    case 24:
      return (Lanes)_mm256_shuffle_epi8((__m256i)x, by_24);
    case 32:
      return (Lanes)_mm256_shuffle_epi32((__m256i)x, _MM_SHUFFLE(2, 3, 0, 1));
    default: /* 63 */
      return x >> 63 | (x + x);
  }
}

#define TURNED turned
#include "seed_stream.h"

void seed_block_avx2(const u64* seed, u64 counter, u64* result) { block_of(seed, counter, result); }
#endif
