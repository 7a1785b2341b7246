/* The stream of numbers that SEAL makes of a seed, block by block (seed_stream.h). */
#pragma once
#include "modulus.h"

enum { SEED_BYTES = 64, BLOCK_WORDS = 512 };

/* seed: 8 words; result: BLOCK_WORDS of them. */
typedef void SeedBlock(const u64* seed, u64 counter, u64* result);

/* The polynomial that SEAL makes of a seed, [primes][n]. q: primes. */
void expand_seed(const u64* seed, long n, int primes, const u64* q, u64* result);

SeedBlock seed_block_avx2, seed_block_avx512dq;
