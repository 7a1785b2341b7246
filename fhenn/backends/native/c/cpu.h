/* What the CPU and the system offer to kernels. */
#pragma once

enum {
  CPU_AVX2 = 1,   /* AVX2 with FMA */
  CPU_AVX512 = 2, /* AVX-512 F, DQ and VL */
  CPU_IFMA = 4,   /* AVX-512 IFMA: products of 52 bits */
};

/* Features of this CPU whose registers the system saves as well, less those that are masked. */
int cpu_features(void);

/* For tests: act as a CPU without these features. */
void cpu_mask(int features);
