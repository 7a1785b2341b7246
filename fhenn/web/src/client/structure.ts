/**
 * The structure of SEAL's objects (`fhenn/ckks/structure.py`), checked before SEAL sees what a stranger sent.
 *
 * Objects start with a header of 16 bytes, which names SEAL's version and how the rest is written: plain, compressed,
 * or
 * packed, which is fhenn's own (`packing`). Versions 4.1 (node-seal) and 4.3 (TenSEAL) agree in all but that number.
 * What SEAL itself checks, that residues lie below their primes, is left to it.
 */

import { packedSize, unpack } from "./bits.ts";
import { type Bytes, concatenate, equal } from "./bytes.ts";
import { UnsupportedOperation, WireFormatError } from "./errors.ts";

/** How what follows the header of an object is written. */
export type Form = "plain" | "packed";

/** SEAL 4.1, which node-seal reads, or 4.3, which TenSEAL does. */
export type Minor = 1 | 3;

const MAGIC = 0xa15e;
const MAJOR = 4;

/** Minor versions whose objects agree in all but that number. */
const MINORS = [1, 2, 3];
const ZSTANDARD = 2;
const FORMS: ReadonlyMap<number, Form> = new Map([
  [0, "plain"],
  [0x80, "packed"],
]);

/** Bytes of the header of an object. */
export const HEADER = 16;
const IDENTITY = 32;
/** NTT form, polynomials, N, primes, scale, correction factor. */
const FIELDS = 1 + 5 * 8;
/** SEAL's number of the generator, and 64 bytes. */
const SEED = 1 + 64;
/** SEAL's number of the generator that its seeds are for unless it is told otherwise. */
const BLAKE2XB = 1;

/** SEAL's parameters. */
export interface Chain {
  /** N. */
  readonly ringDegree: number;
  /** Bits of the primes, first prime first, special one last. */
  readonly bits: readonly number[];
  /** SEAL's id of the parameters of all primes, 32 bytes, which is written on keys. */
  readonly ofKeys: Uint8Array;
  /** The same without the special prime, which is written on ciphertexts. */
  readonly ofCiphertexts: Uint8Array;
}

/** A ciphertext, or a part of a key, as it was read. */
export interface Part {
  readonly identity: Uint8Array;
  /** Under it. */
  readonly primes: number;
  readonly scale: number;
  /** Of two polynomials, or of the first alone: for each prime, as two little-endian words each. */
  readonly residues: readonly Uint32Array[];
  /** Of the second polynomial, after SEAL's number of its generator; null where that is there itself. */
  readonly seed: Uint8Array | null;
}

/**
 * How an object is written.
 *
 * @param what - the kind of message, for the error.
 * @param data - the object, from a stranger.
 * @throws WireFormatError where it has no header of SEAL 4 that states its length; UnsupportedOperation where it is
 * compressed.
 */
export function formOf(what: string, data: Uint8Array): Form {
  if (data.length < HEADER) {
    throw new WireFormatError(what, "an object is too short for a SEAL header");
  }
  const header = headerIn(data, 0);
  const form = FORMS.get(header.compression);
  if (!header.ours || (form === undefined && header.compression !== ZSTANDARD)) {
    throw new WireFormatError(what, "an object does not start with a SEAL 4 header");
  }
  if (header.size !== BigInt(data.length)) {
    throw new WireFormatError(what, `a SEAL object states ${header.size} bytes and has ${data.length}`);
  }
  if (form === undefined) {
    throw new UnsupportedOperation(
      `a SEAL object in the ${what} is compressed with Zstandard, which this client does not read.`,
      "Ask the operator of the service for a newer fhenn, whose answers are packed.",
    );
  }
  return form;
}

/**
 * A ciphertext of two polynomials, over all primes of its chain but the special one.
 *
 * @param chain - of its parameters.
 * @param what - the kind of message, for the error.
 * @param data - plain or packed, from a stranger.
 * @throws WireFormatError, UnsupportedOperation.
 */
export function readCiphertext(chain: Chain, what: string, data: Uint8Array): Part {
  return readOne(chain, what, data, false);
}

/**
 * A public key, which is a ciphertext over all primes of its chain.
 *
 * @param chain - of its parameters.
 * @param what - the kind of message, for the error.
 * @param data - plain or packed.
 * @throws WireFormatError, UnsupportedOperation.
 */
export function readPublicKey(chain: Chain, what: string, data: Uint8Array): Part {
  return readOne(chain, what, data, true);
}

function readOne(chain: Chain, what: string, data: Uint8Array, key: boolean): Part {
  const source = new Source(what, data, formOf(what, data));
  const part = source.ciphertext(chain, key);
  source.end();
  return part;
}

/**
 * Switching keys: the parts of each, by SEAL's index.
 *
 * @param chain - of their parameters.
 * @param what - the kind of message, for the error.
 * @param data - plain or packed.
 * @throws WireFormatError, UnsupportedOperation.
 */
export function readSwitchingKeys(chain: Chain, what: string, data: Uint8Array): ReadonlyMap<number, readonly Part[]> {
  const source = new Source(what, data, formOf(what, data));
  const found = new Map<number, readonly Part[]>();
  source.take(IDENTITY);
  const lists = source.count();
  for (let index = 0; index < lists; index += 1) {
    const count = source.count();
    if (count !== 0 && count !== chain.bits.length - 1) {
      throw new WireFormatError(what, `a key has ${count} parts, where ${chain.bits.length - 1} are due`);
    }
    const parts = Array.from({ length: count }, () => {
      source.innerHeader();
      return source.ciphertext(chain, true);
    });
    if (count) {
      found.set(index, parts);
    }
  }
  source.end();
  return found;
}

/**
 * The residues of a secret key: for each prime, 8 bytes each.
 *
 * @param chain - of its parameters.
 * @param what - the kind of message, for the error.
 * @param data - plain.
 * @throws WireFormatError, UnsupportedOperation.
 */
export function readSecretKey(chain: Chain, what: string, data: Uint8Array): readonly Uint8Array[] {
  const source = new Source(what, data, formOf(what, data));
  const count = chain.ringDegree * chain.bits.length;
  source.take(IDENTITY);
  const sane = source.count() === count && Number.isFinite(source.real());
  source.innerHeader();
  if (!sane || source.count() !== count) {
    throw new WireFormatError(what, "a secret key is of other parameters");
  }
  const residues = chain.bits.map(() => source.take(8 * chain.ringDegree));
  source.end();
  return residues;
}

/**
 * A secret key as SEAL saves it.
 *
 * @param chain - of its parameters.
 * @param residues - for each prime, 8 bytes each.
 */
export function writeSecretKey(chain: Chain, residues: readonly Uint8Array[], minor: Minor): Bytes {
  const size = residues.reduce((sum, each) => sum + each.length, 0);
  const fields = new Uint8Array(16);
  const view = new DataView(fields.buffer);
  view.setBigUint64(0, BigInt(size / 8), true);
  view.setFloat64(8, 1, true);
  return object(
    [chain.ofKeys, fields, objectHeader(8 + size, "plain", minor), word(size / 8), ...residues],
    "plain",
    minor,
  );
}

/**
 * SEAL's parameters as it saves them.
 *
 * @param ringDegree - N.
 * @param primes - first prime first, special one last.
 */
export function writeParameters(ringDegree: number, primes: readonly bigint[], minor: Minor): Bytes {
  const numbers = [...primes, 0n].map((prime) => object([word(prime)], "plain", minor)); // no plaintext modulus
  return object([Uint8Array.of(2), word(ringDegree), word(primes.length), ...numbers], "plain", minor);
}

/**
 * What stands before all else in an object.
 *
 * @param size - in bytes, of what follows.
 * @param form - of what follows.
 */
export function objectHeader(size: number, form: Form, minor: Minor): Bytes {
  const header = new Uint8Array(HEADER);
  const view = new DataView(header.buffer);
  view.setUint16(0, MAGIC, true);
  header.set([HEADER, MAJOR, minor, form === "packed" ? 0x80 : 0], 2);
  view.setBigUint64(8, BigInt(HEADER + size), true);
  return header;
}

/** An object of pieces, with its header. */
export function object(pieces: readonly Uint8Array[], form: Form, minor: Minor): Bytes {
  const size = pieces.reduce((sum, piece) => sum + piece.length, 0);
  return concatenate([objectHeader(size, form, minor), ...pieces]);
}

/** A whole number as 8 bytes. */
export function word(value: number | bigint): Bytes {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(value), true);
  return bytes;
}

/**
 * What stands before the residues of a ciphertext, or of a part of a key, as SEAL saves it.
 *
 * @param ringDegree - N.
 * @param part - whose head it is.
 */
export function ciphertextHead(ringDegree: number, part: Part, minor: Minor): Bytes {
  const fields = new Uint8Array(FIELDS);
  const view = new DataView(fields.buffer);
  view.setUint8(0, 1);
  view.setBigUint64(1, 2n, true);
  view.setBigUint64(9, BigInt(ringDegree), true);
  view.setBigUint64(17, BigInt(part.primes), true);
  view.setFloat64(25, part.scale, true);
  view.setBigUint64(33, 1n, true);
  const count = part.residues.length * ringDegree;
  return concatenate([part.identity, fields, objectHeader(8 + 8 * count, "plain", minor), word(count)]);
}

interface HeaderFields {
  readonly ours: boolean;
  readonly compression: number;
  readonly size: bigint;
}

function headerIn(data: Uint8Array, at: number): HeaderFields {
  const view = new DataView(data.buffer, data.byteOffset + at, HEADER);
  const ours =
    view.getUint16(0, true) === MAGIC &&
    view.getUint8(2) === HEADER &&
    view.getUint8(3) === MAJOR &&
    MINORS.includes(view.getUint8(4));
  return { ours, compression: view.getUint8(5), size: view.getBigUint64(8, true) };
}

/** The bytes of an object after its header, front to back. */
class Source {
  #at = HEADER;
  readonly #view: DataView;

  constructor(
    private readonly what: string,
    private readonly data: Uint8Array,
    private readonly form: Form,
  ) {
    this.#view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  }

  take(size: number): Uint8Array {
    if (size > this.data.length - this.#at) {
      throw new WireFormatError(this.what, "an object ends too early");
    }
    this.#at += size;
    return this.data.subarray(this.#at - size, this.#at);
  }

  /** A whole number; too large a one is as large as none may be. */
  count(): number {
    this.take(8);
    return Number(this.#view.getBigUint64(this.#at - 8, true));
  }

  real(): number {
    this.take(8);
    return this.#view.getFloat64(this.#at - 8, true);
  }

  /** The size that an object in this one states. */
  innerHeader(): number {
    this.take(HEADER);
    const header = headerIn(this.data, this.#at - HEADER);
    this.#require(
      header.ours && header.compression === 0,
      "an object inside another does not start with the header of an uncompressed SEAL 4 object",
    );
    return Number(header.size);
  }

  ciphertext(chain: Chain, key: boolean): Part {
    const { ringDegree } = chain;
    const identity = this.take(IDENTITY);
    const ntt = this.take(1)[0];
    const size = this.count();
    const [degree, primes] = [this.count(), this.count()];
    const scale = this.real();
    const correction = this.count();
    this.#require(size === 2, `a ciphertext has ${size} polynomials, where 2 are due`);
    this.#require(
      ntt === 1 && correction === 1 && Number.isFinite(scale) && scale > 0,
      "a ciphertext is not one of CKKS",
    );
    this.#require(
      degree === ringDegree &&
        primes === chain.bits.length - (key ? 0 : 1) &&
        equal(identity, key ? chain.ofKeys : chain.ofCiphertexts),
      "a ciphertext is of other parameters, or at another level",
    );
    const stated = this.innerHeader();
    const count = this.count();
    const polynomials = count / (ringDegree * primes);
    this.#require(
      polynomials === 1 || polynomials === 2,
      `an object has ${count} coefficients, which its parameters do not allow`,
    );
    this.#require(stated === HEADER + 8 + 8 * count, "an array of coefficients has another size than it states");
    const residues = Array.from({ length: polynomials * primes }, (_, place) =>
      this.#residues(ringDegree, chain.bits[place % primes] ?? 64),
    );
    return { identity, primes, scale, residues, seed: polynomials === 1 ? this.#seed() : null };
  }

  end(): void {
    this.#require(this.#at === this.data.length, "an object holds more than it should");
  }

  #residues(count: number, bits: number): Uint32Array {
    if (this.form === "packed") {
      return unpack(this.take(packedSize(count, bits)), bits);
    }
    return new Uint32Array(this.take(8 * count).slice().buffer);
  }

  #seed(): Uint8Array {
    this.#require(this.innerHeader() === HEADER + SEED, "a seed has another size than SEAL's");
    const seed = this.take(SEED);
    this.#require(seed[0] === BLAKE2XB, "a seed is for another generator than SEAL's own");
    return seed;
  }

  #require(holds: boolean, reason: string): void {
    if (!holds) {
      throw new WireFormatError(this.what, reason);
    }
  }
}
