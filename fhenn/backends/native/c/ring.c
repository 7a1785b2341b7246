#include "ring.h"

#include <stdlib.h>

#include "memory.h"

#if defined(__linux__)
#include <sys/mman.h>
#endif

enum {
  ALIGNMENT = 64,
  HUGE_PAGE = 2 << 20,
  LEAST_TO_SHARE = 13, /* log2 of n: waking a thread takes as long as some transforms of smaller rings */
};

/* The kernels for a modulus, which are checked before they are used. */
static const Kernels* checked_kernels(const Modulus* m, const RealModulus* real, const char* wanted) {
  const Kernels* kernels = kernels_for(m->q, wanted);
  int agree = kernels_agree(kernels, m) && forwards_agree(kernels, &real->half);
  return agree ? kernels : kernels_for(m->q, "portable");
}

Ring* ring_new(int log_n, int count, const u64* primes, const char* kernels, int threads) {
  Ring* ring = calloc(1, sizeof *ring);
  if (!ring) return NULL;
  ring->log_n = log_n, ring->n = 1L << log_n;
  ring->moduli = calloc((size_t)count, sizeof *ring->moduli);
  ring->reals = calloc((size_t)count, sizeof *ring->reals);
  ring->inverses = calloc((size_t)count * (size_t)count, sizeof *ring->inverses);
  for (int s = 0; s < SCRATCHES; s++) atomic_flag_clear(&ring->scratches[s].taken);
  int failed = !ring->moduli || !ring->reals || !ring->inverses;
  for (int i = 0; i < count && !failed; i++, ring->count++) {
    Modulus* m = &ring->moduli[i];
    RealModulus* real = &ring->reals[i];
    failed = modulus_init(m, primes[i], log_n) || real_modulus_init(real, m);
    if (!failed) m->kernels = real->half.kernels = checked_kernels(m, real, kernels);
  }
  if (failed) {
    ring_free(ring);
    return NULL;
  }
  if (log_n >= LEAST_TO_SHARE) ring->pool = pool_new(threads);
  for (int l = 0; l < count; l++)
    for (int i = 0; i < count; i++)
      if (i != l) ring->inverses[l * count + i] = power_modulo(primes[l] % primes[i], primes[i] - 2, primes[i]);
  return ring;
}

void ring_free(Ring* ring) {
  pool_free(ring->pool);
  for (int i = 0; i < ring->count; i++) modulus_free(&ring->moduli[i]), modulus_free(&ring->reals[i].half);
  for (int s = 0; s < SCRATCHES; s++) aligned_free(ring->scratches[s].words);
  free(ring->moduli);
  free(ring->reals);
  free(ring->inverses);
  free(ring);
}

/* Memory whose contents do not matter. */
static u64* new_words(size_t words) {
  size_t bytes = words * sizeof(u64), alignment = bytes < HUGE_PAGE ? ALIGNMENT : HUGE_PAGE;
  u64* memory = aligned_new(bytes, alignment);
#if defined(__linux__) && defined(MADV_HUGEPAGE)
  if (memory && alignment == HUGE_PAGE) madvise(memory, bytes, MADV_HUGEPAGE); /* faster; the result does not matter */
#endif
  return memory;
}

Scratch* scratch_take(Ring* ring, size_t polynomials) {
  size_t words = polynomials * (size_t)pitch_of(ring);
  for (int s = 0; s < SCRATCHES; s++) {
    Scratch* scratch = &ring->scratches[s];
    if (atomic_flag_test_and_set(&scratch->taken)) continue;
    if (scratch->capacity < words) {
      aligned_free(scratch->words);
      scratch->words = new_words(words);
      scratch->capacity = scratch->words ? words : 0;
    }
    if (scratch->words) {
      scratch->used = 0;
      return scratch;
    }
    atomic_flag_clear(&scratch->taken);
    return NULL;
  }
  Scratch* scratch = calloc(1, sizeof *scratch);
  if (!scratch) return NULL;
  scratch->passing = 1, scratch->capacity = words, scratch->words = new_words(words);
  if (scratch->words) return scratch;
  free(scratch);
  return NULL;
}

void scratch_return(Scratch* scratch) {
  if (!scratch->passing) {
    atomic_flag_clear(&scratch->taken);
    return;
  }
  aligned_free(scratch->words);
  free(scratch);
}

u64* scratch_polynomials(const Ring* ring, Scratch* scratch, size_t count) {
  u64* words = scratch->words + scratch->used;
  scratch->used += count * (size_t)pitch_of(ring);
  if (scratch->used > scratch->capacity) abort(); /* a caller counted wrongly: nothing that data can do */
  return words;
}

static u64 reversed(u64 x, int bits) {
  u64 result = 0;
  for (int bit = 0; bit < bits; bit++) result |= ((x >> bit) & 1) << (bits - 1 - bit);
  return result;
}

/* Place i holds the value at the root's power 2*reversed(i) + 1, as SEAL's transform leaves it. */
void permutation_of(const Ring* ring, u64 element, uint32_t* permutation) {
  u64 n = (u64)ring->n;
  for (u64 i = 0; i < n; i++) {
    u64 exponent = element * (2 * reversed(i, ring->log_n) + 1) % (2 * n);
    permutation[i] = (uint32_t)reversed(exponent >> 1, ring->log_n);
  }
}
