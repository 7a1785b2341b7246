#include "modulus.h"

#include <stdlib.h>
#include <string.h>

enum { TABLES_OF_WORDS = 4, TABLES_BELOW_2_50 = 6, CACHE_LINE = 64, MOST_BASES = 1000 };

/* floor(w * 2^64 / q), without a division: the estimate is short by one at most (P. Barrett, 1986). */
static u64 quotient_of(const Modulus* m, u64 w) {
  u64 estimate = w * m->barrett_high + mulhi64(w, m->barrett_low);
  u64 remainder = (u64)0 - estimate * m->q; /* w * 2^64 - estimate * q, below 2q */
  return estimate + (remainder >= m->q);
}

/* The least primitive 2n-th root of 1, as SEAL takes it; 0 where q is no prime that is 1 modulo 2n. */
static u64 least_primitive_root(const Modulus* m) {
  u64 q = m->q, n = (u64)m->n, root = 0;
  if (q % (2 * n) != 1) return 0;
  /* modulo a prime, every second base gives a primitive root, so that many failures mean that q is none */
  for (u64 base = 2; base < MOST_BASES; base++) {
    root = power_modulo(base, (q - 1) / (2 * n), q);
    if (power_modulo(root, n, q) == q - 1) break;
    root = 0;
  }
  if (!root) return 0;
  /* the others are its odd powers */
  u64 square = mulmod(root, root, q), quotient = quotient_of(m, square), least = root;
  for (u64 i = 1; i < n; i++) {
    root = reduce_once(mul_lazy(root, square, quotient, q), q);
    if (root < least) least = root;
  }
  return least;
}

/* Powers of the root at bit-reversed places: those from 2^s to 2^(s+1) are the first 2^s ones times the power at 2^s,
   root^(n / 2^(s+1)). */
static void fill_powers(Modulus* m, u64 root) {
  u64 leaders[64];
  for (int s = m->log_n - 1; s >= 0; s--, root = mulmod(root, root, m->q)) leaders[s] = root;
  m->powers[0] = 1;
  for (int s = 0; s < m->log_n; s++) {
    long length = 1L << s;
    u64 leader = leaders[s], quotient = quotient_of(m, leader);
    for (long i = 0; i < length; i++)
      m->powers[length + i] = reduce_once(mul_lazy(m->powers[i], leader, quotient, m->q), m->q);
  }
  for (long i = 0; i < m->n; i++) m->quotients64[i] = quotient_of(m, m->powers[i]);
}

/* root^-i is -root^(n - i), which stands where the lower bits of the place are inverted; and since q divides no
   w * 2^64, floor((q - w) * 2^64 / q) is 2^64 - 1 - floor(w * 2^64 / q). */
static void fill_inverse_powers(Modulus* m) {
  m->inverse_powers[0] = 1;
  m->inverse_quotients64[0] = m->quotients64[0];
  for (long length = 1; length < m->n; length *= 2)
    for (long i = 0; i < length; i++) {
      long mirror = 2 * length - 1 - i;
      m->inverse_powers[length + i] = m->q - m->powers[mirror];
      m->inverse_quotients64[length + i] = ~m->quotients64[mirror];
    }
}

static void fill_short_quotients(u64* short_quotients, const u64* quotients, long n) {
  for (long i = 0; i < n; i++) short_quotients[i] = quotients[i] >> 12; /* floor(floor(x)/2^12) = floor(x/2^12) */
}

static void fill_reals(const Modulus* m, const u64* powers, double* reals, double* quotients) {
  for (long i = 0; i < m->n; i++) {
    reals[i] = centred_real(powers[i], m->q);
    quotients[i] = reals[i] / (double)m->q;
  }
}

int modulus_init(Modulus* m, u64 q, int log_n) {
  *m = (Modulus){.q = q, .log_n = log_n, .n = 1L << log_n};
  u128 barrett = ~(u128)0 / q; /* = floor(2^128 / q): q is no power of two */
  m->barrett_high = (u64)(barrett >> 64), m->barrett_low = (u64)barrett;
  u64 root = least_primitive_root(m);
  if (!root) return -1;

  int small = q >> 50 == 0;
  size_t tables = small ? TABLES_OF_WORDS + TABLES_BELOW_2_50 : TABLES_OF_WORDS;
  m->memory = malloc(tables * (size_t)m->n * sizeof(u64) + CACHE_LINE);
  if (!m->memory) return -1;
  u64* next = (u64*)(((uintptr_t)m->memory + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE);
  u64** words[] = {&m->powers,      &m->quotients64,        &m->inverse_powers, &m->inverse_quotients64,
                   &m->quotients52, &m->inverse_quotients52};
  for (int t = 0; t < (small ? 6 : 4); t++, next += m->n) *words[t] = next;
  double** reals[] = {&m->real_powers, &m->real_quotients, &m->real_inverse_powers, &m->real_inverse_quotients};
  for (int t = 0; t < (small ? 4 : 0); t++, next += m->n) *reals[t] = (double*)next;

  fill_powers(m, root);
  fill_inverse_powers(m);
  m->n_inverse = power_modulo((u64)m->n, q - 2, q);
  m->n_inverse_quotient64 = quotient_of(m, m->n_inverse);
  m->last = mulmod(m->inverse_powers[1], m->n_inverse, q);
  m->last_quotient64 = quotient_of(m, m->last);
  if (!small) return 0;
  fill_short_quotients(m->quotients52, m->quotients64, m->n);
  fill_short_quotients(m->inverse_quotients52, m->inverse_quotients64, m->n);
  fill_reals(m, m->powers, m->real_powers, m->real_quotients);
  fill_reals(m, m->inverse_powers, m->real_inverse_powers, m->real_inverse_quotients);
  m->n_inverse_quotient52 = m->n_inverse_quotient64 >> 12;
  m->last_quotient52 = m->last_quotient64 >> 12;
  m->barrett52 = (1ULL << 52) / q;
  m->two52 = (1ULL << 52) % q;
  m->two52_quotient = quotient52(m->two52, q);
  return 0;
}

/* Of a table by places, what stands below the left one of its first two blocks. */
static void* left_half(const void* table, long n, u64** next) {
  u64* left = *next;
  left[0] = 0; /* never read */
  for (long length = 1; length < n / 2; length *= 2)
    memcpy(left + length, (const u64*)table + 2 * length, (size_t)length * sizeof *left);
  *next += n / 2;
  return left;
}

int real_modulus_init(RealModulus* real, const Modulus* m) {
  Modulus* half = &real->half;
  *real = (RealModulus){*m, m->q - m->powers[1]};
  half->n /= 2, half->log_n--;
  half->inverse_powers = half->inverse_quotients64 = half->inverse_quotients52 = NULL;
  half->real_inverse_powers = half->real_inverse_quotients = NULL;
  half->memory = malloc(5 * (size_t)half->n * sizeof(u64) + CACHE_LINE);
  if (!half->memory) return -1;
  u64* next = (u64*)(((uintptr_t)half->memory + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE);
  half->powers = left_half(m->powers, m->n, &next);
  half->quotients64 = left_half(m->quotients64, m->n, &next);
  if (m->q >> 50) return 0;
  half->quotients52 = left_half(m->quotients52, m->n, &next);
  half->real_powers = left_half(m->real_powers, m->n, &next);
  half->real_quotients = left_half(m->real_quotients, m->n, &next);
  return 0;
}

void modulus_free(Modulus* m) {
  free(m->memory);
  m->memory = NULL;
}
