/* The NTT on registers of eight words, two stages at a time, in blocks that stay in the first cache. Included once for
   each arithmetic, which gives

     NAME(x)                            a prefix for the functions
     QUOTIENTS, INVERSE_QUOTIENTS, N_INVERSE_QUOTIENT, LAST_QUOTIENT     fields of Modulus
     Field, field_of(m)                 constants; field.bound is what products are below
     MULTIPLY(x, w, quotient, field)    x*w modulo q, below the bound
     SETTLE(x, field)                   forward, of a sum: below the bound again, or as it is where sums have room
     LAZY(x, field)                     forward, of a result: below what lazy results are below
     FINISH(x, field)                   forward, of a result: below q
     RESIDUE(x, field)                  below q, of x below the bound
     OWN_BUTTERFLY(x, y, w, quotient, field)     a forward butterfly in the place of this one; SETTLE is not asked for
     FORWARD_ONLY                       where there is no need for the way back

   With b for the bound, a forward butterfly of u, settled, and a product v < b gives u + v and u + b - v. Where u is
   settled to below b, all is below 2b; where it is not, values grow by b a stage. An inverse butterfly of u, v < b
   gives u + v, settled by one subtraction, and a product of u + b - v < 2b. */

typedef struct NAME(Power) {
  Words w, quotient;
} NAME(Power);

INLINE NAME(Power) NAME(power_at)(const Modulus* m, long i) {
  return (NAME(Power)){all(m->powers[i]), all(m->QUOTIENTS[i])};
}

INLINE void NAME(butterfly)(Words* x, Words* y, NAME(Power) p, Field field) {
#if defined(OWN_BUTTERFLY)
  OWN_BUTTERFLY(x, y, p.w, p.quotient, field);
#else
  Words u = SETTLE(*x, field), v = MULTIPLY(*y, p.w, p.quotient, field);
  *x = plus(u, v);
  *y = minus(plus(u, field.bound), v);
#endif
}

/* The first stage, where the number of stages is odd */
INLINE void NAME(forward_two)(const Modulus* m, u64* a, long length, long place) {
  const Field field = field_of(m);
  const NAME(Power) p = NAME(power_at)(m, place);
  u64* a1 = a + length / 2;
  for (long j = 0; j < length / 2; j += GROUP) {
    Words x = load(a + j), y = load(a1 + j);
    NAME(butterfly)(&x, &y, p, field);
    store(a + j, x), store(a1 + j, y);
  }
}

/* Two stages on a block whose power is `place` of the table */
INLINE void NAME(forward_four)(const Modulus* m, u64* a, long length, long place) {
  const Field field = field_of(m);
  const NAME(Power) p = NAME(power_at)(m, place), left = NAME(power_at)(m, 2 * place);
  const NAME(Power) right = NAME(power_at)(m, 2 * place + 1);
  u64 *a1 = a + length / 4, *a2 = a1 + length / 4, *a3 = a2 + length / 4;
  for (long j = 0; j < length / 4; j += GROUP) {
    Words x0 = load(a + j), x1 = load(a1 + j), x2 = load(a2 + j), x3 = load(a3 + j);
    NAME(butterfly)(&x0, &x2, p, field), NAME(butterfly)(&x1, &x3, p, field);
    NAME(butterfly)(&x0, &x1, left, field), NAME(butterfly)(&x2, &x3, right, field);
    store(a + j, x0), store(a1 + j, x1), store(a2 + j, x2), store(a3 + j, x3);
  }
}

/* The last four stages, on groups of sixteen: halves of 8, 4, 2 and 1 */
INLINE void NAME(forward_tail)(const Modulus* m, u64* a, long length, long place, int lazy) {
  const Field field = field_of(m);
  const u64 *w = m->powers, *quotient = m->QUOTIENTS;
  /* of x then y: their lower halves, and upper ones, at each size; then what puts even and odd places in order */
  const Words low4 = _mm512_set_epi64(11, 10, 9, 8, 3, 2, 1, 0), high4 = _mm512_set_epi64(15, 14, 13, 12, 7, 6, 5, 4);
  const Words low2 = _mm512_set_epi64(13, 12, 5, 4, 9, 8, 1, 0), high2 = _mm512_set_epi64(15, 14, 7, 6, 11, 10, 3, 2);
  const Words first = _mm512_set_epi64(11, 3, 10, 2, 9, 1, 8, 0), second = _mm512_set_epi64(15, 7, 14, 6, 13, 5, 12, 4);
  for (long end = place + length / 16; place < end; place++, a += 16) {
    Words x = load(a), y = load(a + 8);
    NAME(butterfly)(&x, &y, NAME(power_at)(m, place), field);
    Words x4 = _mm512_permutex2var_epi64(x, low4, y), y4 = _mm512_permutex2var_epi64(x, high4, y);
    NAME(butterfly)(&x4, &y4, (NAME(Power)){two(w + 2 * place), two(quotient + 2 * place)}, field);
    Words x2 = _mm512_permutex2var_epi64(x4, low2, y4), y2 = _mm512_permutex2var_epi64(x4, high2, y4);
    NAME(butterfly)(&x2, &y2, (NAME(Power)){four(w + 4 * place), four(quotient + 4 * place)}, field);
    Words x1 = _mm512_unpacklo_epi64(x2, y2), y1 = _mm512_unpackhi_epi64(x2, y2);
    NAME(butterfly)(&x1, &y1, (NAME(Power)){load(w + 8 * place), load(quotient + 8 * place)}, field);
    if (lazy)
      x1 = LAZY(x1, field), y1 = LAZY(y1, field);
    else
      x1 = FINISH(x1, field), y1 = FINISH(y1, field);
    store(a, _mm512_permutex2var_epi64(x1, first, y1)), store(a + 8, _mm512_permutex2var_epi64(x1, second, y1));
  }
}

/* Depth first above the size of a block, so that each block is finished while it is in the cache. An even number of
   stages stands before the last four. */
static void NAME(forward_from)(const Modulus* m, u64* a, long length, long place, int lazy) {
  if (length > BLOCK) {
    NAME(forward_four)(m, a, length, place);
    for (int p = 0; p < 4; p++) NAME(forward_from)(m, a + p * (length / 4), length / 4, 4 * place + p, lazy);
    return;
  }
  for (long part = length; part > 16; part /= 4)
    for (long p = 0; p < length / part; p++) NAME(forward_four)(m, a + p * part, part, length / part * place + p);
  if (lazy)
    NAME(forward_tail)(m, a, length, length / 16 * place, 1);
  else
    NAME(forward_tail)(m, a, length, length / 16 * place, 0);
}

static void NAME(forward)(const Modulus* m, u64* a, int lazy) {
  int parts = m->log_n % 2 ? 2 : 1;
  if (parts == 2) NAME(forward_two)(m, a, m->n, 1);
  for (int p = 0; p < parts; p++) NAME(forward_from)(m, a + p * (m->n / parts), m->n / parts, parts + p, lazy);
}

#if !defined(FORWARD_ONLY)
INLINE NAME(Power) NAME(inverse_power_at)(const Modulus* m, long i) {
  return (NAME(Power)){all(m->inverse_powers[i]), all(m->INVERSE_QUOTIENTS[i])};
}
INLINE void NAME(inverse_butterfly)(Words* x, Words* y, NAME(Power) p, Field field) {
  Words sum = plus(*x, *y), difference = minus(plus(*x, field.bound), *y);
  *x = less_once(sum, field.bound);
  *y = MULTIPLY(difference, p.w, p.quotient, field);
}

/* The first four stages of the way back */
INLINE void NAME(inverse_tail)(const Modulus* m, u64* a, long length, long place) {
  const Field field = field_of(m);
  const u64 *w = m->inverse_powers, *quotient = m->INVERSE_QUOTIENTS;
  const Words even = _mm512_set_epi64(14, 12, 10, 8, 6, 4, 2, 0), odd = _mm512_set_epi64(15, 13, 11, 9, 7, 5, 3, 1);
  const Words low4 = _mm512_set_epi64(11, 10, 9, 8, 3, 2, 1, 0), high4 = _mm512_set_epi64(15, 14, 13, 12, 7, 6, 5, 4);
  const Words low2 = _mm512_set_epi64(13, 12, 5, 4, 9, 8, 1, 0), high2 = _mm512_set_epi64(15, 14, 7, 6, 11, 10, 3, 2);
  for (long end = place + length / 16; place < end; place++, a += 16) {
    Words left = load(a), right = load(a + 8);
    Words x1 = _mm512_permutex2var_epi64(left, even, right), y1 = _mm512_permutex2var_epi64(left, odd, right);
    NAME(inverse_butterfly)(&x1, &y1, (NAME(Power)){load(w + 8 * place), load(quotient + 8 * place)}, field);
    Words x2 = _mm512_unpacklo_epi64(x1, y1), y2 = _mm512_unpackhi_epi64(x1, y1);
    NAME(inverse_butterfly)(&x2, &y2, (NAME(Power)){four(w + 4 * place), four(quotient + 4 * place)}, field);
    Words x4 = _mm512_permutex2var_epi64(x2, low2, y2), y4 = _mm512_permutex2var_epi64(x2, high2, y2);
    NAME(inverse_butterfly)(&x4, &y4, (NAME(Power)){two(w + 2 * place), two(quotient + 2 * place)}, field);
    Words x = _mm512_permutex2var_epi64(x4, low4, y4), y = _mm512_permutex2var_epi64(x4, high4, y4);
    NAME(inverse_butterfly)(&x, &y, NAME(inverse_power_at)(m, place), field);
    store(a, x), store(a + 8, y);
  }
}

/* The last stage of all, which divides by n as well and gives residues: x by 1/n, y by w/n */
INLINE void NAME(last_butterfly)(const Modulus* m, Words* x, Words* y, Field field) {
  Words sum = plus(*x, *y), difference = minus(plus(*x, field.bound), *y);
  sum = MULTIPLY(sum, all(m->n_inverse), all(m->N_INVERSE_QUOTIENT), field);
  difference = MULTIPLY(difference, all(m->last), all(m->LAST_QUOTIENT), field);
  *x = RESIDUE(sum, field), *y = RESIDUE(difference, field);
}

INLINE void NAME(inverse_four)(const Modulus* m, u64* a, long length, long place, int final) {
  const Field field = field_of(m);
  const NAME(Power) p = NAME(inverse_power_at)(m, place), left = NAME(inverse_power_at)(m, 2 * place);
  const NAME(Power) right = NAME(inverse_power_at)(m, 2 * place + 1);
  u64 *a1 = a + length / 4, *a2 = a1 + length / 4, *a3 = a2 + length / 4;
  for (long j = 0; j < length / 4; j += GROUP) {
    Words x0 = load(a + j), x1 = load(a1 + j), x2 = load(a2 + j), x3 = load(a3 + j);
    NAME(inverse_butterfly)(&x0, &x1, left, field), NAME(inverse_butterfly)(&x2, &x3, right, field);
    if (final) {
      NAME(last_butterfly)(m, &x0, &x2, field), NAME(last_butterfly)(m, &x1, &x3, field);
    } else {
      NAME(inverse_butterfly)(&x0, &x2, p, field), NAME(inverse_butterfly)(&x1, &x3, p, field);
    }
    store(a + j, x0), store(a1 + j, x1), store(a2 + j, x2), store(a3 + j, x3);
  }
}

/* The last stage, where their number is odd */
INLINE void NAME(inverse_two)(const Modulus* m, u64* a) {
  const Field field = field_of(m);
  u64* a1 = a + m->n / 2;
  for (long j = 0; j < m->n / 2; j += GROUP) {
    Words x = load(a + j), y = load(a1 + j);
    NAME(last_butterfly)(m, &x, &y, field);
    store(a + j, x), store(a1 + j, y);
  }
}

static void NAME(inverse_from)(const Modulus* m, u64* a, long length, long place) {
  long part = 64;
  if (length > BLOCK) {
    for (int p = 0; p < 4; p++) NAME(inverse_from)(m, a + p * (length / 4), length / 4, 4 * place + p);
    part = length;
  } else {
    NAME(inverse_tail)(m, a, length, length / 16 * place);
  }
  for (; part <= length; part *= 4)
    for (long p = 0; p < length / part; p++) {
      if (part == m->n)
        NAME(inverse_four)(m, a, part, 1, 1);
      else
        NAME(inverse_four)(m, a + p * part, part, length / part * place + p, 0);
    }
}

static void NAME(inverse)(const Modulus* m, u64* a) {
  int parts = m->log_n % 2 ? 2 : 1;
  for (int p = 0; p < parts; p++) NAME(inverse_from)(m, a + p * (m->n / parts), m->n / parts, parts + p);
  if (parts == 2) NAME(inverse_two)(m, a);
}
#endif
