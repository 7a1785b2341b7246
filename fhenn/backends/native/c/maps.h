/* Affine maps of samples in slots, as baby and giant steps and folds, with few divisions by the special prime.

   Digits are made once for all baby steps; their products with keys stay over QP, are multiplied by plaintexts there,
   and summed; so a giant step, and not a rotation, costs a division by P (J.-P. Bossuat, C. Mouchet, J. Troncoso-
   Pastoriza & J.-P. Hubaux, "Efficient bootstrapping for approximate homomorphic encryption", 2021, section 5). */
#pragma once
#include "encoding.h"
#include "switching.h"

/* A rotation. permutation: NULL for none. */
typedef struct Rotation {
  const uint32_t* permutation;
  SwitchingKey key;
} Rotation;

/* Products that are summed, and by what the sum of all so far is rotated then.
   terms: how many, 0 for none.
   which: of the baby steps each takes, NULL for all of them in order.
   plain: plaintexts, of real slots: the first half of their values (`RealModulus`), packed
   [k + lifted][n/16][terms][8]; NULL where there are coefficients.
   coefficients: from which plaintexts are made at each use; none where there is `plain`. */
typedef struct Giant {
  int terms;
  const uint16_t* which;
  const u64* plain;
  Coefficients coefficients;
  Rotation turn;
} Giant;

/* Rotations of one sum that are added to it together. */
typedef struct Fold {
  int rotations;
  const Rotation* rotation;
} Fold;

/* A map of ciphertexts at k primes.
   lifted: whether products are made over QP: where baby steps rotate.
   x: the ciphertext of each baby step; baby steps of one ciphertext follow one another, and have its one address.
   results: ciphertexts that are made of the same baby steps; each has a product at least.
   giants: of each result; the last one first. rescaled: whether results are divided by their last prime.
   folds: each adds rotations of a sum to it; those before the division, then those after it.
   giant: [results][giants].
   bias: [results], NULL for none; as many primes as a result. */
typedef struct Map {
  int k, lifted, babies, results, giants, rescaled, folds_before, folds_after;
  const u64* const* x;
  const Rotation* baby;
  const Giant* giant;
  const Fold* fold;
  const u64* const* bias;
} Map;

size_t polynomials_of_map(const Ring* ring, const Map* map);
void apply_map(const Ring* ring, const Map* map, u64* const* result, Scratch* scratch);

/* Rows of numbers times ciphertexts: result[r] = sum of number[t]*x[column[t]] for t from start[r] to start[r + 1].
   number: [k][terms], modulo each prime. some: room for `terms` pointers for
   each thread. */
void number_rows(const Ring* ring, int k, int rows, const long* start, const int* column, const u64* number,
                 const u64* const* x, u64* const* result, const u64** some);
