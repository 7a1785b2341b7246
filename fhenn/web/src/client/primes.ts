/**
 * The primes of a modulus chain (`fhenn/ckks/primes.py`): of each size the largest that are 1 modulo 2N, as SEAL takes
 * them.
 */

/** Bases for which no composite below 2⁶⁴ passes the test of Miller and Rabin (Sorenson & Webster, 2017). */
const WITNESSES = [2n, 3n, 5n, 7n, 11n, 13n, 17n, 19n, 23n, 29n, 31n, 37n];

/**
 * The primes of a chain, null where there are not enough of a size.
 *
 * @param ringDegree - N.
 * @param chain - bits of every prime, first prime first, special prime last.
 */
export function primesOf(ringDegree: number, chain: readonly number[]): readonly bigint[] | null {
  const found = new Map<number, bigint[]>();
  for (const bits of chain) {
    const count = chain.filter((each) => each === bits).length;
    if (!found.has(bits)) {
      const largest = largestPrimes(ringDegree, bits, count);
      if (largest.length < count) {
        return null;
      }
      found.set(bits, largest);
    }
  }
  // the smallest of a size first, as `CoeffModulus::Create` does
  return chain.map((bits) => found.get(bits)?.pop() ?? 0n);
}

function largestPrimes(ringDegree: number, bits: number, count: number): bigint[] {
  const step = BigInt(2 * ringDegree);
  const found: bigint[] = [];
  let candidate = (((1n << BigInt(bits)) - 1n) / step) * step + 1n;
  for (; candidate > 1n << BigInt(bits - 1) && found.length < count; candidate -= step) {
    if (isPrime(candidate)) {
      found.push(candidate);
    }
  }
  return found;
}

function isPrime(number: bigint): boolean {
  if (WITNESSES.some((prime) => number % prime === 0n)) {
    return false;
  }
  let [odd, twos] = [number - 1n, 0];
  while (odd % 2n === 0n) {
    [odd, twos] = [odd / 2n, twos + 1];
  }
  return WITNESSES.every((base) => {
    let power = powerOf(base, odd, number);
    for (let square = 0; square < twos; square += 1) {
      if (power === number - 1n || (square === 0 && power === 1n)) {
        return true;
      }
      power = (power * power) % number;
    }
    return false;
  });
}

function powerOf(base: bigint, exponent: bigint, modulus: bigint): bigint {
  let [result, square, left] = [1n, base % modulus, exponent];
  while (left > 0n) {
    result = left % 2n === 1n ? (result * square) % modulus : result;
    square = (square * square) % modulus;
    left /= 2n;
  }
  return result;
}
