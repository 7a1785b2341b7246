/* The second half of a seeded ciphertext, as SEAL makes it of the seed: the stream of BLAKE2Xb ("BLAKE2X", Aumasson,
   Neves, O'Hearn & Winnerlein, 2016), 4,096 bytes for each value of a counter, whose words are taken modulo each prime
   where they lie below its largest multiple. */
#include <stdint.h>
#include <string.h>

#include "export.h"
#include "modulus.h"

enum { ROUNDS = 12, WORDS = 512, LANES = 8, SEED_BYTES = 64, BLOCK_BYTES = 4096, DIGEST_BYTES = 64 };

/* One word of eight states: eight parts of the stream are made at once. */
typedef u64 Lanes __attribute__((vector_size(8 * LANES)));

static const u64 START[8] = {0x6a09e667f3bcc908, 0xbb67ae8584caa73b, 0x3c6ef372fe94f82b, 0xa54ff53a5f1d36f1,
                             0x510e527fade682d1, 0x9b05688c2b3e6c1f, 0x1f83d9abfb41bd6b, 0x5be0cd19137e2179};

static const unsigned char ORDER[10][16] = {
    {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}, {14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3},
    {11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4}, {7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8},
    {9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13}, {2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9},
    {12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11}, {13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10},
    {6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5}, {10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0}};

/* The same text for one state and for eight. */
#define TURNED(x, by) (((x) >> (by)) | ((x) << (64 - (by))))
#define MIX(v, a, b, c, d, x, y)      \
  v[a] += v[b] + (x);                 \
  v[d] = TURNED(v[d] ^ v[a], 32);     \
  v[c] += v[d];                       \
  v[b] = TURNED(v[b] ^ v[c], 24);     \
  v[a] += v[b] + (y);                 \
  v[d] = TURNED(v[d] ^ v[a], 16);     \
  v[c] += v[d];                       \
  v[b] = TURNED(v[b] ^ v[c], 63)
#define MIX_ALL(v, m)                                        \
  for (int round = 0; round < ROUNDS; round++) {             \
    const unsigned char* at = ORDER[round % 10];             \
    MIX(v, 0, 4, 8, 12, (m)[at[0]], (m)[at[1]]);             \
    MIX(v, 1, 5, 9, 13, (m)[at[2]], (m)[at[3]]);             \
    MIX(v, 2, 6, 10, 14, (m)[at[4]], (m)[at[5]]);            \
    MIX(v, 3, 7, 11, 15, (m)[at[6]], (m)[at[7]]);            \
    MIX(v, 0, 5, 10, 15, (m)[at[8]], (m)[at[9]]);            \
    MIX(v, 1, 6, 11, 12, (m)[at[10]], (m)[at[11]]);          \
    MIX(v, 2, 7, 8, 13, (m)[at[12]], (m)[at[13]]);           \
    MIX(v, 3, 4, 9, 14, (m)[at[14]], (m)[at[15]]);           \
  }

/* One block of BLAKE2b. bytes: that are digested by then. */
static void compress(u64* state, const u64* message, u64 bytes, int last) {
  u64 v[16];
  memcpy(v, state, 8 * sizeof *v);
  memcpy(v + 8, START, 8 * sizeof *v);
  v[12] ^= bytes;
  if (last) v[14] = ~v[14];
  MIX_ALL(v, message)
  for (int i = 0; i < 8; i++) state[i] ^= v[i] ^ v[8 + i];
}

/* The digest that all parts of the stream are made of: BLAKE2b of the counter, keyed by the seed. What is xored into the
   start are parameters: lengths of digest and key, fanout and depth; length of the stream. */
static void root_of(const u64* seed, u64 counter, u64* root) {
  u64 message[16] = {0};
  memcpy(root, START, sizeof START);
  root[0] ^= DIGEST_BYTES | SEED_BYTES << 8 | 1 << 16 | 1 << 24;
  root[1] ^= (u64)BLOCK_BYTES << 32;
  memcpy(message, seed, SEED_BYTES);
  compress(root, message, 128, 0);
  memset(message, 0, sizeof message);
  message[0] = counter;
  compress(root, message, 128 + sizeof counter, 1);
}

/* 4,096 bytes of the stream. Parameters of each part: lengths of digest and leaf; its place, and the length of the
   stream; length of inner digests. */
static void block_of(const u64* seed, u64 counter, u64* result) {
  u64 root[8], message[16] = {0};
  root_of(seed, counter, root);
  memcpy(message, root, sizeof root);
  for (int node = 0; node < BLOCK_BYTES / DIGEST_BYTES; node += LANES) {
    Lanes v[16], state[8];
    for (int i = 0; i < 8; i++) {
      state[i] = (Lanes){0} + START[i];
      v[8 + i] = state[i];
    }
    state[0] ^= (u64)DIGEST_BYTES | (u64)DIGEST_BYTES << 32;
    for (int lane = 0; lane < LANES; lane++) state[1][lane] ^= (u64)(node + lane) | (u64)BLOCK_BYTES << 32;
    state[2] ^= (u64)DIGEST_BYTES << 8;
    memcpy(v, state, sizeof state);
    v[12] ^= DIGEST_BYTES;
    v[14] = ~v[14];
    MIX_ALL(v, message)
    for (int i = 0; i < 8; i++) {
      state[i] ^= v[i] ^ v[8 + i];
      for (int lane = 0; lane < LANES; lane++) result[(node + lane) * 8 + i] = state[i][lane];
    }
  }
}

/* result: [primes][n]; n is a multiple of 512. */
EXPORT void fhenn_expand_seed(const u64* seed, long n, int primes, const u64* q, u64* result) {
  u64 counter = 0, more[WORDS];
  int left = 0;
  for (long block = 0; block < n * primes / WORDS; block++) block_of(seed, counter++, result + WORDS * block);
  for (int i = 0; i < primes; i++) {
    u64 limit = UINT64_MAX - UINT64_MAX % q[i] - 1, reciprocal = UINT64_MAX / q[i];
    for (u64* word = result + i * n; word < result + (i + 1) * n; word++) {
      while (*word >= limit) { /* once in 2^(64 - bits of q) words */
        if (!left) {
          block_of(seed, counter++, more);
          left = WORDS;
        }
        *word = more[WORDS - left--];
      }
      *word = reduce_once(*word - mulhi64(*word, reciprocal) * q[i], q[i]);
    }
  }
}
