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

/* The coefficients of a term, and those backwards from n/2, of which the first, a[n/2], is 0: residues modulo what is
   returned, which may have any sign then (`Kernels.reduce_sum`). */
static u64 spread_short(long n, const int32_t* a, u64* forwards, u64* backwards) {
  for (long k = 0; k < n; k++) forwards[k] = (uint32_t)a[k];
  for (long k = 1; k < n; k++) backwards[k] = (uint32_t)a[n - k];
  return 1ULL << 32;
}

static u64 spread_long(long n, const int64_t* a, u64* forwards, u64* backwards) {
  const u64 mask = (1ULL << 51) - 1;
  for (long k = 0; k < n; k++) forwards[k] = (u64)a[k] & mask;
  for (long k = 1; k < n; k++) backwards[k] = (u64)a[n - k] & mask;
  return mask + 1;
}

static u64 spread_real(const Modulus* m, long n, const double* a, u64* forwards, u64* backwards) {
  for (long k = 0; k < n; k++) forwards[k] = residue_of(m, a[k]);
  for (long k = 1; k < n; k++) backwards[k] = forwards[n - k];
  return m->q;
}

static u64 spread(const Modulus* half, Coefficients c, long term, u64* forwards, u64* backwards) {
  long n = half->n;
  backwards[0] = 0;
  switch (c.kind) {
    case SHORT_COEFFICIENTS:
      return spread_short(n, (const int32_t*)c.first + term * n, forwards, backwards);
    case LONG_COEFFICIENTS:
      return spread_long(n, (const int64_t*)c.first + term * n, forwards, backwards);
    default:
      return spread_real(half, n, (const double*)c.first + term * n, forwards, backwards);
  }
}

void encode_real(const RealModulus* real, Coefficients coefficients, long term, u64* work, u64* result) {
  const Modulus* half = &real->half;
  u64 from = spread(half, coefficients, term, result, work);
  half->kernels->reduce_sum(half, work, from, real->minus_i, result, from, result);
  half->kernels->forward(half, result, 0);
}

void encode(const Ring* ring, const double* coefficients, int count, const int* places, u64* result, long pitch) {
  for (int p = 0; p < count; p++)
    encode_modulo(&ring->moduli[places[p]], ring->n, coefficients, result + p * pitch);
}
