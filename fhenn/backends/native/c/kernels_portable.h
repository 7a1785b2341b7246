/* Portable C, which other tables of kernels take what they have no faster code for from. */
#pragma once
#include "kernels.h"

void portable_forward(const Modulus* m, u64* a, int lazy);
void portable_inverse(const Modulus* m, u64* a);
void portable_reduce(const Modulus* m, const u64* x, u64 from, int centred, u64* result);
void portable_reduce_sum(const Modulus* m, const u64* x, u64 from, u64 factor, const u64* y, u64 from_y, u64* result);
void portable_dot(const Modulus* m, int terms, const u64* const* a, const u64* const* b, int accumulate, u64* result,
                  long at, long length);
void portable_switch_dot(const Modulus* m, int digits, const u64* const* digit, const u64* key, int key_digits,
                         const uint32_t* permutation, const u64* add, u64 factor, u64* result0, u64* result1,
                         long stride, long at, long length);
void portable_pair_dot(const Modulus* m, int terms, const Pairs* pairs, const uint16_t* which, const Factors* plain,
                       int accumulate, u64* result0, u64* result1, long length);
void portable_combine(const Modulus* m, const u64* x, u64 f, const u64* b, u64 g, const u64* y, u64* result);
void portable_subtract_scale(const Modulus* m, const u64* x, const u64* y, u64 factor, int accumulate, u64* result);
void portable_permute(const Modulus* m, const u64* x, const uint32_t* permutation, int accumulate, u64* result);
void portable_add(const Modulus* m, const u64* x, const u64* y, u64* result);
void portable_subtract(const Modulus* m, const u64* x, const u64* y, u64* result);
void portable_negate(const Modulus* m, const u64* x, u64* result);
void portable_add_number(const Modulus* m, const u64* x, u64 number, u64* result);
void portable_number_dot(const Modulus* m, int terms, const u64* const* x, const u64* number, int accumulate,
                         u64* result, long at, long length);
int portable_all_below(const Modulus* m, const u64* x);

extern const Kernels KERNELS_PORTABLE;
