#include "encoding.h"

#include <math.h>

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

void encode(const Ring* ring, const double* coefficients, int count, const int* places, u64* result, long pitch) {
  for (int p = 0; p < count; p++) {
    const Modulus* m = &ring->moduli[places[p]];
    u64* out = result + p * pitch;
    for (long j = 0; j < ring->n; j++) out[j] = residue_of(m, nearbyint(coefficients[j]));
    m->kernels->forward(m, out, 0);
  }
}
