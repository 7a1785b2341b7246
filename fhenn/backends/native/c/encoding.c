#include "encoding.h"

#include <math.h>
#include <string.h>

u64 residue_of(const Modulus* m, double integer) {
  double size = fabs(integer);
  u64 residue;
  if (size < 0x1p63)
    residue = reduce64(m, (u64)size);
  else {
    /* a double is 53 bits times a power of two */
    int exponent;
    residue = reduce64(m, (u64)ldexp(frexp(size, &exponent), 53));
    for (int bit = 53; bit < exponent; bit++) residue = reduce_once(2 * residue, m->q);
  }
  return integer < 0 && residue ? m->q - residue : residue;
}

/* Numbers below 2^51 in magnitude, and below q, rounded by the addition of 1.5*2^52, where doubles are integers. */
static void encode_small(u64 q, long n, const double* coefficients, u64* result) {
  const double shift = 0x1.8p52;
  u64 zero;
  memcpy(&zero, &shift, sizeof zero);
  for (long j = 0; j < n; j++) {
    double shifted = coefficients[j] + shift;
    u64 bits;
    memcpy(&bits, &shifted, sizeof bits);
    bits -= zero;
    result[j] = bits + (q & (0 - (bits >> 63)));
  }
}

void encode_modulo(const Modulus* m, long n, const double* coefficients, u64* result) {
  double most = 0;
  for (long j = 0; j < n; j++) most = fabs(coefficients[j]) > most ? fabs(coefficients[j]) : most;
  if (most < 0x1p51 && most < (double)m->q - 1)
    encode_small(m->q, n, coefficients, result);
  else
    for (long j = 0; j < n; j++) result[j] = residue_of(m, nearbyint(coefficients[j]));
  m->kernels->forward(m, result, 0);
}

void encode(const Ring* ring, const double* coefficients, int count, const int* places, u64* result, long pitch) {
  for (int p = 0; p < count; p++)
    encode_modulo(&ring->moduli[places[p]], ring->n, coefficients, result + p * pitch);
}
