#include "packing.h"

#include <string.h>

/* Words are little-endian on every system that this is built for. */
static inline u64 word_at(const uint8_t* bytes) {
  u64 word;
  memcpy(&word, bytes, sizeof word);
  return word;
}

/* The number that starts at a bit of a byte; of more than 57 bits it may reach into a ninth byte. */
static inline u64 number_at(const uint8_t* bytes, int bits, int start) {
  const uint8_t* at = bytes + start / 8;
  int shift = start % 8;
  u64 number = word_at(at) >> shift;
  if (shift + bits > 64) number |= (u64)at[8] << (64 - shift);
  return number & (~0ULL >> (64 - bits));
}

static inline void unpack_group(const uint8_t* packed, int bits, u64* x) {
  for (int j = 0; j < 8; j++) x[j] = number_at(packed, bits, j * bits);
}

static inline void unpack_from(const uint8_t* packed, long n, int bits, u64* x) {
  long groups = n / 8, safe = groups * bits >= 16 ? (groups * bits - 16) / bits : 0;
  for (long group = 0; group < safe; group++) unpack_group(packed + group * bits, bits, x + 8 * group);
  for (long group = safe; group < groups; group++) { /* whose words reach beyond the end */
    uint8_t last[64 + 16] = {0};
    memcpy(last, packed + group * bits, (size_t)bits);
    unpack_group(last, bits, x + 8 * group);
  }
}

static inline void pack_from(const u64* x, long n, int bits, uint8_t* packed) {
  for (long group = 0; group < n / 8; group++, x += 8) {
    u64 word = 0;
    int filled = 0;
    for (int j = 0; j < 8; j++) {
      word |= x[j] << filled;
      filled += bits;
      if (filled < 64) continue;
      memcpy(packed, &word, sizeof word);
      packed += sizeof word;
      filled -= 64;
      word = filled ? x[j] >> (bits - filled) : 0;
    }
    memcpy(packed, &word, (size_t)filled / 8); /* eight numbers end with a byte */
    packed += filled / 8;
  }
}

/* A body of its own for each width, whose shifts are constants */
#define EACH_WIDTH(CASE)                                                                                       \
  CASE(20) CASE(21) CASE(22) CASE(23) CASE(24) CASE(25) CASE(26) CASE(27) CASE(28) CASE(29) CASE(30) CASE(31)   \
  CASE(32) CASE(33) CASE(34) CASE(35) CASE(36) CASE(37) CASE(38) CASE(39) CASE(40) CASE(41) CASE(42) CASE(43)   \
  CASE(44) CASE(45) CASE(46) CASE(47) CASE(48) CASE(49) CASE(50) CASE(51) CASE(52) CASE(53) CASE(54) CASE(55)   \
  CASE(56) CASE(57) CASE(58) CASE(59) CASE(60)

void unpack_bits(const uint8_t* packed, long n, int bits, u64* x) {
#define OF_WIDTH(width)               \
  case width:                         \
    unpack_from(packed, n, width, x); \
    return;
  switch (bits) {
    EACH_WIDTH(OF_WIDTH)
    default:
      unpack_from(packed, n, bits, x);
  }
#undef OF_WIDTH
}

void pack_bits(const u64* x, long n, int bits, uint8_t* packed) {
#define OF_WIDTH(width)             \
  case width:                       \
    pack_from(x, n, width, packed); \
    return;
  switch (bits) {
    EACH_WIDTH(OF_WIDTH)
    default:
      pack_from(x, n, bits, packed);
  }
#undef OF_WIDTH
}
