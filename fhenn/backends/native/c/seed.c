/* The second half of a seeded ciphertext, as SEAL makes it of the seed (`sample_poly_uniform` of SEAL 4). */
#include "seed.h"

#include "cpu.h"
#include "export.h"

enum { LANES = 2 }; /* registers of all CPUs of 64 bits are that wide */
typedef u64 Lanes __attribute__((vector_size(8 * LANES)));

#include "seed_stream.h"

static void seed_block_portable(const u64* seed, u64 counter, u64* result) { block_of(seed, counter, result); }

static SeedBlock* fastest(void) {
#if defined(__x86_64__)
  int features = cpu_features();
#if !defined(FHENN_EMULATED_AVX512)
  if (features & CPU_AVX512) return seed_block_avx512dq;
#endif
  if (features & CPU_AVX2) return seed_block_avx2;
#endif
  return seed_block_portable;
}

/* The words of the stream modulo each prime, where they lie below its largest multiple; others make way for the words that
   follow after all blocks, so that each residue is as likely.
   seed: 8 words; result: [primes][n], where n is a multiple of 512. */
void expand_seed(const u64* seed, long n, int primes, const u64* q, u64* result) {
  SeedBlock* block_at = fastest();
  u64 counter = 0, more[BLOCK_WORDS];
  int left = 0;
  for (long at = 0; at < n * primes; at += BLOCK_WORDS) block_at(seed, counter++, result + at);
  for (int i = 0; i < primes; i++) {
    u64 limit = UINT64_MAX - UINT64_MAX % q[i] - 1, reciprocal = UINT64_MAX / q[i];
    for (u64* word = result + i * n; word < result + (i + 1) * n; word++) {
      while (*word >= limit) { /* about once in 2^(64 - bits of q) words */
        if (!left) {
          block_at(seed, counter++, more);
          left = BLOCK_WORDS;
        }
        *word = more[BLOCK_WORDS - left--];
      }
      *word = reduce_once(*word - mulhi64(*word, reciprocal) * q[i], q[i]);
    }
  }
}
