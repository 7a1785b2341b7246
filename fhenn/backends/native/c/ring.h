/* A modulus chain on one ring, and memory for what is computed on the way. */
#pragma once
#include <stdatomic.h>

#include "kernels.h"
#include "threads.h"

enum { MOST_PRIMES = 64, SCRATCHES = 64 };

/* Memory of one call at a time, kept for the next: fresh pages cost more than many a transform. */
typedef struct Scratch {
  u64* words;
  size_t capacity, used;
  atomic_flag taken;
  int passing; /* not kept: made while all that are kept were taken */
} Scratch;

/* Residues stand in the order of the chain, special prime last. A ciphertext at k primes has its polynomials one after
   another, each of k times n residues. "The primes of QP" are the first k and the special one, which comes k-th then. */
typedef struct Ring {
  long n;
  int log_n, count;
  Modulus* moduli;
  RealModulus* reals; /* the same for plaintexts of real slots */
  u64* inverses; /* [count][count]: 1/q_row modulo q_column */
  Pool* pool; /* NULL for one thread */
  Scratch scratches[SCRATCHES];
} Ring;

/* NULL where there is no memory. primes: 1 modulo 2n each, below 2^61. kernels: a name, NULL for the fastest.
   threads: that one call may use; small rings use one. */
Ring* ring_new(int log_n, int count, const u64* primes, const char* kernels, int threads);
void ring_free(Ring* ring);

/* The i-th modulus of QP at k primes. */
static inline const Modulus* modulus_at(const Ring* ring, int k, int i) {
  return &ring->moduli[i == k ? ring->count - 1 : i];
}

/* The same for plaintexts of real slots. */
static inline const RealModulus* real_at(const Ring* ring, int k, int i) {
  return &ring->reals[i == k ? ring->count - 1 : i];
}

static inline const Modulus* special(const Ring* ring) { return &ring->moduli[ring->count - 1]; }

/* 1/q_of modulo q_in, by places in the chain */
static inline u64 inverse_of(const Ring* ring, int of, int in) { return ring->inverses[of * ring->count + in]; }

/* Words from one polynomial of scratch to the next: no power of two, which would put all on the same sets of a cache. */
static inline long pitch_of(const Ring* ring) { return ring->n + 72; }

/* Threads that a call may use. */
static inline int threads_of(const Ring* ring) { return pool_threads(ring->pool); }

/* A scratch with room for a number of polynomials, NULL where there is no memory. Safe between threads, and in a child
   of a process whose other threads were inside a call. */
Scratch* scratch_take(Ring* ring, size_t polynomials);
void scratch_return(Scratch* scratch);

/* The next polynomials of a scratch, pitch_of(ring) words apart. */
u64* scratch_polynomials(const Ring* ring, Scratch* scratch, size_t count);

/* Where an automorphism X -> X^element takes the NTT values from (`Kernels.permute`). */
void permutation_of(const Ring* ring, u64 element, uint32_t* permutation);
