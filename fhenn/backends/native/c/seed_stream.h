/* The stream of numbers that SEAL makes of a seed: BLAKE2Xb ("BLAKE2X", Aumasson, Neves, O'Hearn & Winnerlein, 2016),
   4,096 bytes for each value of a counter. BLAKE2b is as RFC 7693 has it.

   A block of the stream is 64 digests of the same message, which differ in a parameter: LANES of them are made at once.
   Whoever includes this file has defined LANES and the type Lanes of as many words; and may have defined TURNED, which
   rotates each word to the right by a constant number of bits. */
#pragma once
#include <string.h>

#include "modulus.h"
#include "seed.h"

enum { DIGEST_BYTES = 64, BLOCK_BYTES = 8 * BLOCK_WORDS, MESSAGE_WORDS = 16, MESSAGE_BYTES = 128 };

static const u64 START[8] = {0x6a09e667f3bcc908, 0xbb67ae8584caa73b, 0x3c6ef372fe94f82b, 0xa54ff53a5f1d36f1,
                             0x510e527fade682d1, 0x9b05688c2b3e6c1f, 0x1f83d9abfb41bd6b, 0x5be0cd19137e2179};

#define TURNED_WORD(x, by) ((x) >> (by) | (x) << (64 - (by))) /* of a word, or of each in Lanes */
#ifndef TURNED
#define TURNED TURNED_WORD
#endif

/* The same text for one state and for several. All places are constants, so that no word is looked up in a table. */
#define MIX(turn, v, a, b, c, d, x, y) \
  v[a] += v[b] + (x);                  \
  v[d] = turn(v[d] ^ v[a], 32);        \
  v[c] += v[d];                        \
  v[b] = turn(v[b] ^ v[c], 24);        \
  v[a] += v[b] + (y);                  \
  v[d] = turn(v[d] ^ v[a], 16);        \
  v[c] += v[d];                        \
  v[b] = turn(v[b] ^ v[c], 63);

#define ROUND(turn, v, m, a, b, c, d, e, f, g, h, i, j, k, l, n, o, p, q) \
  MIX(turn, v, 0, 4, 8, 12, m[a], m[b])                                   \
  MIX(turn, v, 1, 5, 9, 13, m[c], m[d])                                   \
  MIX(turn, v, 2, 6, 10, 14, m[e], m[f])                                  \
  MIX(turn, v, 3, 7, 11, 15, m[g], m[h])                                  \
  MIX(turn, v, 0, 5, 10, 15, m[i], m[j])                                  \
  MIX(turn, v, 1, 6, 11, 12, m[k], m[l])                                  \
  MIX(turn, v, 2, 7, 8, 13, m[n], m[o])                                   \
  MIX(turn, v, 3, 4, 9, 14, m[p], m[q])

/* RFC 7693, section 2.7 */
#define ALL_ROUNDS(turn, v, m)                                               \
  ROUND(turn, v, m, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)    \
  ROUND(turn, v, m, 14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3)    \
  ROUND(turn, v, m, 11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4)    \
  ROUND(turn, v, m, 7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8)    \
  ROUND(turn, v, m, 9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13)    \
  ROUND(turn, v, m, 2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9)    \
  ROUND(turn, v, m, 12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11)    \
  ROUND(turn, v, m, 13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10)    \
  ROUND(turn, v, m, 6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5)    \
  ROUND(turn, v, m, 10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0)    \
  ROUND(turn, v, m, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)    \
  ROUND(turn, v, m, 14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3)

/* Take a part of a message into a state. bytes: that are taken by then. */
static void compress(u64* state, const u64* message, u64 bytes, int last) {
  u64 v[16];
  memcpy(v, state, 8 * sizeof *v);
  memcpy(v + 8, START, sizeof START);
  v[12] ^= bytes;
  if (last) v[14] = ~v[14];
  ALL_ROUNDS(TURNED_WORD, v, message)
  for (int i = 0; i < 8; i++) state[i] ^= v[i] ^ v[8 + i];
}

/* The message that all digests of a block are of: the digest of the counter, keyed by the seed. What is xored into the
   start are parameters: lengths of digest and key, fanout and depth; length of the block. */
static void root_of(const u64* seed, u64 counter, u64* root) {
  u64 message[MESSAGE_WORDS] = {0};
  memcpy(root, START, sizeof START);
  root[0] ^= DIGEST_BYTES | SEED_BYTES << 8 | 1 << 16 | 1 << 24;
  root[1] ^= (u64)BLOCK_BYTES << 32;
  memcpy(message, seed, SEED_BYTES);
  compress(root, message, MESSAGE_BYTES, 0);
  memset(message, 0, sizeof message);
  message[0] = counter;
  compress(root, message, MESSAGE_BYTES + sizeof counter, 1);
}

/* A block of the stream. Parameters of each digest: its length and that of a leaf; its place, and the length of the
   block; the length of inner digests. */
static inline void block_of(const u64* seed, u64 counter, u64* result) {
  u64 root[8];
  root_of(seed, counter, root);
  /* those that are zero are known to be when this is compiled, and not added */
  const u64 message[MESSAGE_WORDS] = {root[0], root[1], root[2], root[3], root[4], root[5], root[6], root[7]};
  for (int digest = 0; digest < BLOCK_BYTES / DIGEST_BYTES; digest += LANES) {
    Lanes v[16], state[8];
    for (int i = 0; i < 8; i++) {
      state[i] = (Lanes){0} + START[i];
      v[8 + i] = state[i];
    }
    state[0] ^= (u64)DIGEST_BYTES | (u64)DIGEST_BYTES << 32;
    for (int lane = 0; lane < LANES; lane++) state[1][lane] ^= (u64)(digest + lane) | (u64)BLOCK_BYTES << 32;
    state[2] ^= (u64)DIGEST_BYTES << 8;
    memcpy(v, state, sizeof state);
    v[12] ^= DIGEST_BYTES;
    v[14] = ~v[14];
    ALL_ROUNDS(TURNED, v, message)
    for (int i = 0; i < 8; i++) {
      state[i] ^= v[i] ^ v[8 + i];
      for (int lane = 0; lane < LANES; lane++) result[(digest + lane) * 8 + i] = state[i][lane];
    }
  }
}
