/* The table of kernels as the tests see it: they call its functions themselves, and put broken ones into copies. */
#include <stdlib.h>

#include "cpu.h"
#include "export.h"
#include "kernels.h"

/* The i-th of all kernels, NULL past the last. */
EXPORT const Kernels* fhenn_kernel_table(int i) {
  for (int at = 0; ALL_KERNELS[at]; at++)
    if (at == i) return ALL_KERNELS[i];
  return NULL;
}

/* The name of the i-th of those that this CPU runs, NULL past the last. */
EXPORT const char* fhenn_runnable_kernels(int i) {
  for (int at = 0; ALL_KERNELS[at]; at++)
    if (kernels_runnable(ALL_KERNELS[at]) && !i--) return ALL_KERNELS[at]->name;
  return NULL;
}

EXPORT int fhenn_kernels_runnable(const Kernels* kernels) { return kernels_runnable(kernels); }
EXPORT const Kernels* fhenn_kernels_for(u64 q, const char* wanted) { return kernels_for(q, wanted); }
EXPORT int fhenn_forwards_agree(const Kernels* kernels, const Modulus* m) { return forwards_agree(kernels, m); }
EXPORT int fhenn_kernels_agree(const Kernels* kernels, const Modulus* m) { return kernels_agree(kernels, m); }

EXPORT int fhenn_cpu_features(void) { return cpu_features(); }
EXPORT void fhenn_cpu_mask(int features) { cpu_mask(features); }

/* NULL where there is no memory, or q does not serve. */
EXPORT Modulus* fhenn_modulus_new(u64 q, int log_n) {
  Modulus* m = malloc(sizeof *m);
  if (m && modulus_init(m, q, log_n)) {
    free(m);
    return NULL;
  }
  return m;
}
EXPORT void fhenn_modulus_free(Modulus* m) {
  modulus_free(m);
  free(m);
}
EXPORT const u64* fhenn_modulus_powers(const Modulus* m) { return m->powers; }
EXPORT const u64* fhenn_modulus_inverse_powers(const Modulus* m) { return m->inverse_powers; }
