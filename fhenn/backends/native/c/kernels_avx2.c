/* Kernels on doubles with FMA, for primes below 2^50 (ntt_avx2.h). */
#if defined(__AVX2__) && defined(__FMA__)
#include "kernels_portable.h"
#include "ntt_avx2.h"

const Kernels KERNELS_AVX2 = {
    .name = "avx2",
    .bits = 50,
    .forward = avx2_forward,
    .inverse = avx2_inverse,
    .reduce = portable_reduce,
    .reduce_sum = portable_reduce_sum,
    .dot = portable_dot,
    .switch_dot = portable_switch_dot,
    .pair_dot = portable_pair_dot,
    .combine = portable_combine,
    .subtract_scale = portable_subtract_scale,
    .permute = portable_permute,
    .add = portable_add,
    .subtract = portable_subtract,
    .negate = portable_negate,
    .add_number = portable_add_number,
    .number_dot = portable_number_dot,
    .all_below = portable_all_below,
};
#endif
