/** CKKS parameters: ring degree, modulus chain and scale (`fhenn/ckks/parameters.py`). */

/** Ring degree, modulus chain and scale of a plan. */
export interface Parameters {
  /** N, a power of two from 1024 to 32768; a ciphertext has N/2 slots. */
  readonly ringDegree: number;
  /** Bits of every prime, the first prime first and the special prime last. */
  readonly chain: readonly number[];
  /** Of fresh ciphertexts. */
  readonly scale: number;
  /** The primes, in the order of `chain`. */
  readonly primes: readonly bigint[];
  /** Rescales that a fresh ciphertext has. */
  readonly levels: number;
  /** Values that one ciphertext holds. */
  readonly slots: number;
  /** 16 hexadecimal digits that differ from parameters to parameters. */
  readonly fingerprint: string;
}
