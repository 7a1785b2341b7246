/* Products in AVX2 for primes below 2^61, which kernels of AVX-512 without 52-bit products take as well. */
#pragma once
#include "kernels.h"

void wide_reduce_sum(const Modulus* m, const u64* x, u64 from, u64 factor, const u64* y, u64 from_y, u64* result);
void wide_dot(const Modulus* m, int terms, const u64* const* a, const u64* const* b, int accumulate, u64* result,
              long at, long length);
void wide_switch_dot(const Modulus* m, int digits, const u64* const* digit, const u64* key, int key_digits,
                     const uint32_t* permutation, const u64* add, u64 factor, u64* result0, u64* result1, long stride,
                     long at, long length);
void wide_pair_dot(const Modulus* m, int terms, const Pairs* pairs, const uint16_t* which, const Factors* plain,
                   int accumulate, u64* result0, u64* result1, long length);
void wide_combine(const Modulus* m, const u64* x, u64 f, const u64* b, u64 g, const u64* y, u64* result);
void wide_subtract_scale(const Modulus* m, const u64* x, const u64* y, u64 factor, int accumulate, u64* result);
void wide_number_dot(const Modulus* m, int terms, const u64* const* x, const u64* number, int accumulate, u64* result,
                     long at, long length);
