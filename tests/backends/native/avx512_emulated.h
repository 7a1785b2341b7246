/* The AVX-512 intrinsics that the kernels use, in plain C after Intel's guide to intrinsics: with
   -DFHENN_EMULATED_AVX512 those kernels run, and are tested, on any CPU. */
#pragma once
#include <stdint.h>
#include <string.h>

typedef struct __m512i {
  uint64_t word[8];
} __m512i;
typedef struct __m256i {
  uint64_t word[4];
} __m256i;
typedef struct __m128i {
  uint64_t word[2];
} __m128i;
typedef uint8_t __mmask8;

/* not inlined: compilers take minutes for what becomes of the kernels otherwise */
#define EMULATED static __attribute__((unused, noinline))
#define EACH_WORD for (int i = 0; i < 8; i++)

enum { _MM_HINT_T0 = 0 };
EMULATED void _mm_prefetch(const char* address, int hint) { (void)address, (void)hint; }

EMULATED __m128i _mm_loadu_si128(const __m128i* from) {
  __m128i r;
  memcpy(&r, from, sizeof r);
  return r;
}
EMULATED __m256i _mm256_loadu_si256(const __m256i* from) {
  __m256i r;
  memcpy(&r, from, sizeof r);
  return r;
}
EMULATED __m512i _mm512_loadu_si512(const void* from) {
  __m512i r;
  memcpy(&r, from, sizeof r);
  return r;
}
EMULATED void _mm512_storeu_si512(void* to, __m512i a) { memcpy(to, &a, sizeof a); }

EMULATED __m512i _mm512_set1_epi64(long long a) {
  __m512i r;
  EACH_WORD r.word[i] = (uint64_t)a;
  return r;
}
EMULATED __m512i _mm512_setzero_si512(void) { return _mm512_set1_epi64(0); }
EMULATED __m512i _mm512_set_epi64(long long h, long long g, long long f, long long e, long long d, long long c,
                                  long long b, long long a) {
  return (__m512i){
      {(uint64_t)a, (uint64_t)b, (uint64_t)c, (uint64_t)d, (uint64_t)e, (uint64_t)f, (uint64_t)g, (uint64_t)h}};
}
/* The upper words are undefined: anything, so that a use of them shows. */
EMULATED __m512i _mm512_castsi128_si512(__m128i a) {
  __m512i r = _mm512_set1_epi64(-0x5a5a5a5a);
  memcpy(&r, &a, sizeof a);
  return r;
}
EMULATED __m512i _mm512_castsi256_si512(__m256i a) {
  __m512i r = _mm512_set1_epi64(-0x5a5a5a5a);
  memcpy(&r, &a, sizeof a);
  return r;
}
EMULATED __m512i _mm512_cvtepu32_epi64(__m256i a) {
  __m512i r;
  uint32_t halves[8];
  memcpy(halves, &a, sizeof halves);
  EACH_WORD r.word[i] = halves[i];
  return r;
}

#define OPERATION(name, expression)             \
  EMULATED __m512i name(__m512i a, __m512i b) { \
    __m512i r;                                  \
    EACH_WORD {                                 \
      uint64_t x = a.word[i], y = b.word[i];    \
      r.word[i] = expression;                   \
    }                                           \
    return r;                                   \
  }
OPERATION(_mm512_add_epi64, x + y)
OPERATION(_mm512_sub_epi64, x - y)
OPERATION(_mm512_and_si512, x& y)
OPERATION(_mm512_min_epu64, x < y ? x : y)
OPERATION(_mm512_mul_epu32, (x & 0xffffffff) * (y & 0xffffffff))
OPERATION(_mm512_mullo_epi64, x* y)
EMULATED __m512i _mm512_srli_epi64(__m512i a, unsigned bits) {
  EACH_WORD a.word[i] >>= bits;
  return a;
}

static const uint64_t EMULATED_52 = ((uint64_t)1 << 52) - 1;
EMULATED __m512i _mm512_madd52lo_epu64(__m512i a, __m512i b, __m512i c) {
  EACH_WORD {
    unsigned __int128 product = (unsigned __int128)(b.word[i] & EMULATED_52) * (c.word[i] & EMULATED_52);
    a.word[i] += (uint64_t)product & EMULATED_52;
  }
  return a;
}
EMULATED __m512i _mm512_madd52hi_epu64(__m512i a, __m512i b, __m512i c) {
  EACH_WORD {
    unsigned __int128 product = (unsigned __int128)(b.word[i] & EMULATED_52) * (c.word[i] & EMULATED_52);
    a.word[i] += (uint64_t)(product >> 52);
  }
  return a;
}

EMULATED __m512i _mm512_permutexvar_epi64(__m512i order, __m512i a) {
  __m512i r;
  EACH_WORD r.word[i] = a.word[order.word[i] & 7];
  return r;
}
EMULATED __m512i _mm512_permutex2var_epi64(__m512i a, __m512i order, __m512i b) {
  __m512i r;
  EACH_WORD r.word[i] = order.word[i] & 8 ? b.word[order.word[i] & 7] : a.word[order.word[i] & 7];
  return r;
}
EMULATED __m512i _mm512_unpacklo_epi64(__m512i a, __m512i b) {
  __m512i r;
  EACH_WORD r.word[i] = i % 2 ? b.word[i - 1] : a.word[i];
  return r;
}
EMULATED __m512i _mm512_unpackhi_epi64(__m512i a, __m512i b) {
  __m512i r;
  EACH_WORD r.word[i] = i % 2 ? b.word[i] : a.word[i + 1];
  return r;
}

EMULATED __mmask8 _mm512_cmpgt_epu64_mask(__m512i a, __m512i b) {
  unsigned mask = 0;
  EACH_WORD mask |= (unsigned)(a.word[i] > b.word[i]) << i;
  return (__mmask8)mask;
}
EMULATED __mmask8 _mm512_cmpge_epu64_mask(__m512i a, __m512i b) {
  unsigned mask = 0;
  EACH_WORD mask |= (unsigned)(a.word[i] >= b.word[i]) << i;
  return (__mmask8)mask;
}
EMULATED __m512i _mm512_mask_add_epi64(__m512i otherwise, __mmask8 mask, __m512i a, __m512i b) {
  EACH_WORD if (mask >> i & 1) otherwise.word[i] = a.word[i] + b.word[i];
  return otherwise;
}
