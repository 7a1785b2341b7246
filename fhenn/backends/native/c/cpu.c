#include "cpu.h"

#include <stdatomic.h>
#include <string.h>

#include "kernels.h"
#if defined(__x86_64__)
#include <cpuid.h>
#endif

static atomic_int masked;

void cpu_mask(int features) { atomic_store(&masked, features); }

#if defined(FHENN_EMULATED_AVX512)
enum { EMULATED = CPU_AVX512 | CPU_IFMA };
#else
enum { EMULATED = 0 };
#endif

#if defined(__x86_64__)
/* Bits as Intel's manual names them, volume 2, CPUID and volume 1, 13.3 (XCR0). */
enum { OSXSAVE = 1 << 27, AVX = 1 << 28, FMA = 1 << 12 };                            /* leaf 1, ecx */
enum { AVX2 = 1 << 5, AVX512F = 1 << 16, AVX512DQ = 1 << 17, AVX512IFMA = 1 << 21 }; /* leaf 7, ebx */
static const unsigned AVX512VL = 1U << 31;
enum { XCR0_SSE_AVX = 0x06, XCR0_AVX512 = 0xe6 };

static int has(unsigned word, unsigned bits) { return (word & bits) == bits; }

static unsigned saved_registers(void) {
  unsigned low, high;
  __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return low;
}

static int detected(void) {
  unsigned a, b, c, d;
  if (!__get_cpuid(1, &a, &b, &c, &d) || !has(c, OSXSAVE | AVX | FMA)) return 0;
  unsigned saved = saved_registers();
  if (!has(saved, XCR0_SSE_AVX) || !__get_cpuid_count(7, 0, &a, &b, &c, &d) || !has(b, AVX2)) return 0;
  if (!has(saved, XCR0_AVX512) || !has(b, AVX512F | AVX512DQ | AVX512VL)) return CPU_AVX2;
  return CPU_AVX2 | CPU_AVX512 | (has(b, AVX512IFMA) ? CPU_IFMA : 0);
}
#else
static int detected(void) { return 0; }
#endif

int cpu_features(void) { return (detected() | EMULATED) & ~atomic_load(&masked); }

extern const Kernels KERNELS_PORTABLE;
#if defined(__x86_64__)
extern const Kernels KERNELS_AVX2WIDE, KERNELS_AVX2, KERNELS_AVX512DQ, KERNELS_AVX512IFMA;
#endif

/* Fastest last, for the primes that they serve: for those below 2^50 doubles are faster than DQ. */
const Kernels* const ALL_KERNELS[] = {
    &KERNELS_PORTABLE,
#if defined(__x86_64__)
    &KERNELS_AVX2WIDE,
    &KERNELS_AVX512DQ,
    &KERNELS_AVX2,
    &KERNELS_AVX512IFMA,
#endif
    NULL,
};

static int needed_features(const Kernels* kernels) {
#if defined(__x86_64__)
  if (kernels == &KERNELS_AVX2 || kernels == &KERNELS_AVX2WIDE) return CPU_AVX2;
  if (kernels == &KERNELS_AVX512DQ) return CPU_AVX2 | CPU_AVX512;
  if (kernels == &KERNELS_AVX512IFMA) return CPU_AVX512 | CPU_IFMA;
#endif
  (void)kernels;
  return 0;
}

int kernels_runnable(const Kernels* kernels) { return (needed_features(kernels) & ~cpu_features()) == 0; }

const Kernels* kernels_for(u64 q, const char* wanted) {
  const Kernels* best = &KERNELS_PORTABLE;
  for (int i = 0; ALL_KERNELS[i]; i++) {
    const Kernels* kernels = ALL_KERNELS[i];
    if (q >> kernels->bits || !kernels_runnable(kernels)) continue;
    if (!wanted || !strcmp(kernels->name, wanted)) best = kernels;
  }
  return best;
}
