/* Residues in as many bits as their prime has, as messages hold them (fhenn/ckks/bits.py): one after another, lowest bits
   first. Eight of b bits are b bytes. */
#pragma once
#include <stdint.h>

#include "modulus.h"

/* x: n numbers below 2^bits, n a multiple of 8, bits from 9 to 64. packed: n/8*bits bytes. */
void pack_bits(const u64* x, long n, int bits, uint8_t* packed);
void unpack_bits(const uint8_t* packed, long n, int bits, u64* x);
