/**
 * The keys of one key generation, in SEAL's WebAssembly (`fhenn/backends/seal/context.py`). Every object there is freed
 * by hand.
 */

import { type Bytes, sha256, utf8 } from "./bytes.ts";
import { HeadroomExceeded, ParameterError, WireFormatError } from "./errors.ts";
import type { Seal } from "./loadseal.ts";
import { forSeal, packedCiphertext, packedKey, packedKeys, plainForServer } from "./packing.ts";
import { modulusAt, type Parameters } from "./parameters.ts";
import { type Freed, reasonOf, saved, type SealContext, sealContextOf, using } from "./sealcontext.ts";
import {
  type Minor,
  type Part,
  readCiphertext,
  readPublicKey,
  readSecretKey,
  readSwitchingKeys,
  writeSecretKey,
} from "./structure.ts";

const SECRET = "secret-key";
const PUBLIC = "public key";

type SecretKey = InstanceType<Seal["SecretKey"]>;

/** What decrypts ciphertexts at one level. */
interface Level extends Freed {
  readonly context: SealContext;
  readonly secret: SecretKey;
  readonly decryptor: InstanceType<Seal["Decryptor"]>;
  readonly encoder: InstanceType<Seal["CKKSEncoder"]>;
}

/** Secret and public key for the parameters of a plan. Call `delete` when they are not needed any more. */
export class Keys {
  /** The public key as TenSEAL loads it. */
  readonly publicKey: Bytes;
  readonly #own: Level;
  readonly #encryptor: InstanceType<Seal["Encryptor"]>;
  /** For ciphertexts at lower levels, made when the first comes. */
  readonly #lower = new Map<number, Level>();
  #closed = false;

  private constructor(
    private readonly seal: Seal,
    readonly parameters: Parameters,
    /** 16 hexadecimal digits that tell one key generation from another; it guards against mix-ups, not malice. */
    readonly fingerprint: string,
    own: Level,
    publicPart: Part,
  ) {
    this.#own = own;
    this.publicKey = plainForServer(own.context.chain, publicPart);
    this.#encryptor = using(loadedPublicKey(seal, own.context, publicPart), (key) => {
      return new seal.Encryptor(own.context.context, key, own.secret);
    });
  }

  /**
   * New keys.
   *
   * @param seal - of `loadSeal`.
   * @throws PlanError where SEAL refuses the parameters.
   */
  static generate(seal: Seal, parameters: Parameters): Promise<Keys> {
    return Keys.#made(seal, parameters, (context) =>
      using(new seal.KeyGenerator(context.context), (generator) => {
        const bytes = using(generator.createPublicKeySerializable(), (key) => saved(seal, key));
        return [readPublicKey(context.chain, PUBLIC, bytes), generator.secretKey()];
      }),
    );
  }

  /**
   * Keys that were kept.
   *
   * @param secretKey - as SEAL saves it, uncompressed.
   * @param publicKey - the same.
   * @throws WireFormatError, UnsupportedOperation where they are compressed.
   */
  static restore(seal: Seal, parameters: Parameters, secretKey: Uint8Array, publicKey: Uint8Array): Promise<Keys> {
    return Keys.#made(seal, parameters, (context) => [
      readPublicKey(context.chain, SECRET, publicKey),
      loadedSecret(seal, context, readSecretKey(context.chain, SECRET, secretKey)),
    ]);
  }

  static async #made(
    seal: Seal,
    parameters: Parameters,
    make: (context: SealContext) => readonly [Part, SecretKey],
  ): Promise<Keys> {
    const context = sealContextOf(seal, parameters.ringDegree, parameters.primes);
    const [publicPart, secret] = freeingWhereItFails(context, () => make(context));
    const own = levelOf(seal, context, secret);
    try {
      const fingerprint = await fingerprintOf(seal, parameters, context, publicPart);
      return new Keys(seal, parameters, fingerprint, own, publicPart);
    } catch (error) {
      own.delete();
      throw error;
    }
  }

  /**
   * A ciphertext at the first level, packed, with a seed in the place of its random half.
   *
   * @param slots - N/2 values.
   * @throws HeadroomExceeded, ParameterError where SEAL fails otherwise, or the keys are closed.
   */
  encrypt(slots: Float64Array): Bytes {
    this.#requireOpen();
    const { encoder, context } = this.#own;
    return using(new this.seal.Plaintext(), (plaintext) => {
      try {
        encoder.encode(slots, this.parameters.scale, plaintext);
      } catch (error) {
        const reason = reasonOf(error);
        if (!reason.includes("too large")) {
          throw new ParameterError(`encrypt: SEAL cannot encode the values (${reason}).`, "Make another client.");
        }
        const limit = this.modulus(this.parameters.levels) / 4 / this.parameters.scale;
        throw new HeadroomExceeded(largestOf(slots), limit, "encrypt");
      }
      const bytes = using(this.#encryptor.encryptSymmetricSerializable(plaintext), (made) => saved(this.seal, made));
      return packedCiphertext(context.chain, readCiphertext(context.chain, "ciphertext", bytes));
    });
  }

  /**
   * The slots of a ciphertext.
   *
   * @param what - the kind of message, for the error.
   * @param data - plain or packed, from a stranger.
   * @param level - that it must be at.
   * @param scale - that it must have.
   * @returns N/2 values.
   * @throws WireFormatError, UnsupportedOperation.
   */
  decrypt(what: string, data: Uint8Array, level: number, scale: number): Float64Array {
    this.#requireOpen();
    const { context, decryptor, encoder } = this.#at(level);
    const part = readCiphertext(context.chain, what, data);
    if (part.scale !== scale) {
      throw new WireFormatError(what, "a ciphertext is not at the level and scale that the header states");
    }
    return using(new this.seal.Ciphertext(), (ciphertext) =>
      using(new this.seal.Plaintext(), (plaintext) => {
        load(what, () => ciphertext.loadFromArray(context.context, forSeal(context.chain, part)));
        load(what, () => decryptor.decrypt(ciphertext, plaintext));
        return load(what, () => encoder.decodeFloat64(plaintext) as Float64Array);
      }),
    );
  }

  /** The product of the primes under a ciphertext at a level. */
  modulus(level: number): number {
    return modulusAt(this.parameters, level);
  }

  /**
   * Switching keys for ciphertexts up to a level, packed: made under the shorter chain, of the same secret.
   *
   * @param level - 0 to the levels of the parameters.
   * @param steps - in slots, a key for each; null for relinearisation keys.
   * @param done - called behind each key.
   */
  switchingKeys(level: number, steps: readonly number[] | null, done: () => void): Bytes {
    this.#requireOpen();
    const known = level === this.parameters.levels || this.#lower.has(level);
    const made = known ? this.#at(level) : this.#shortened(level);
    try {
      return using(new this.seal.KeyGenerator(made.context.context, made.secret), (generator) => {
        const { chain } = made.context;
        const keys = new Map<number, Uint8Array>();
        for (const step of steps ?? [null]) {
          const key =
            step === null
              ? generator.createRelinKeysSerializable()
              : generator.createGaloisKeysSerializableWithSteps(Int32Array.of(step));
          for (const [index, parts] of readSwitchingKeys(
            chain,
            "keys",
            using(key, (each) => saved(this.seal, each)),
          )) {
            keys.set(index, packedKey(chain, parts));
          }
          done();
        }
        return packedKeys(chain, keys);
      });
    } finally {
      if (!known) {
        made.delete();
      }
    }
  }

  /** The secret key as SEAL of a version saves it, uncompressed: for the client's own store, and nothing else. */
  secretKey(minor: Minor): Bytes {
    this.#requireOpen();
    return this.#withSecret((residues) => writeSecretKey(this.#own.context.chain, residues, minor));
  }

  /** Wipe and free the keys: SEAL overwrites what it frees of a secret key. A second time does nothing. */
  delete(): void {
    if (this.#closed) {
      return;
    }
    this.#closed = true;
    for (const made of [this.#encryptor, ...this.#lower.values(), this.#own]) {
      made.delete();
    }
    this.#lower.clear();
  }

  #requireOpen(): void {
    if (this.#closed) {
      throw new ParameterError("the keys of this client are wiped: it was closed.", "Make another client.");
    }
  }

  #at(level: number): Level {
    if (level === this.parameters.levels) {
      return this.#own;
    }
    const found = this.#lower.get(level) ?? this.#shortened(level);
    this.#lower.set(level, found);
    return found;
  }

  /** The same secret modulo the primes of a level, and the special one. */
  #shortened(level: number): Level {
    const { primes, ringDegree } = this.parameters;
    const places = [...primes.slice(0, level + 1).keys(), primes.length - 1];
    const context = sealContextOf(
      this.seal,
      ringDegree,
      places.map((place) => primes[place] ?? 0n),
    );
    const secret = freeingWhereItFails(context, () =>
      this.#withSecret((residues) =>
        loadedSecret(
          this.seal,
          context,
          places.map((place) => residues[place] ?? new Uint8Array()),
        ),
      ),
    );
    return levelOf(this.seal, context, secret);
  }

  /** What `use` makes of the residues of the secret key, which are overwritten. */
  #withSecret<T>(use: (residues: readonly Uint8Array[]) => T): T {
    const whole = saved(this.seal, this.#own.secret);
    try {
      return use(readSecretKey(this.#own.context.chain, SECRET, whole));
    } finally {
      whole.fill(0);
    }
  }
}

/** What decrypts at a level, which context and secret belong to from now on: they are freed where it fails. */
function levelOf(seal: Seal, context: SealContext, secret: SecretKey): Level {
  const all: Freed[] = [context, secret];
  const free = () => all.splice(0).reverse().forEach((each) => each.delete());
  return freeingWhereItFails({ delete: free }, () => {
    const encoder = new seal.CKKSEncoder(context.context);
    all.push(encoder);
    const decryptor = new seal.Decryptor(context.context, secret);
    all.push(decryptor);
    return { context, secret, decryptor, encoder, delete: free };
  });
}

/** What `make` makes; where it throws, an object is freed. */
function freeingWhereItFails<T>(held: Freed, make: () => T): T {
  try {
    return make();
  } catch (error) {
    held.delete();
    throw error;
  }
}

function loadedSecret(seal: Seal, { chain, context }: SealContext, residues: readonly Uint8Array[]): SecretKey {
  const bytes = writeSecretKey(chain, residues, 1);
  try {
    return loaded(new seal.SecretKey(), SECRET, (secret) => secret.loadFromArray(context, bytes));
  } finally {
    bytes.fill(0);
  }
}

function loadedPublicKey(seal: Seal, { chain, context }: SealContext, part: Part): InstanceType<Seal["PublicKey"]> {
  return loaded(new seal.PublicKey(), PUBLIC, (key) => key.loadFromArray(context, forSeal(chain, part)));
}

/** Of the first residues of the public key's halves, as in Python. */
async function fingerprintOf(seal: Seal, parameters: Parameters, own: SealContext, publicPart: Part): Promise<string> {
  const whole = using(loadedPublicKey(seal, own, publicPart), (key) =>
    readPublicKey(own.chain, PUBLIC, saved(seal, key)),
  );
  const [first, second] = [whole.residues[0], whole.residues[whole.primes]].map(firstOf);
  const chain = parameters.primes.join(", ");
  return (await sha256(utf8(`(${parameters.ringDegree}, (${chain}))(${first}, ${second})`))).slice(0, 16);
}

function firstOf(residues: Uint32Array | undefined): bigint {
  return (BigInt(residues?.[1] ?? 0) << 32n) | BigInt(residues?.[0] ?? 0);
}

/** An object that was filled; freed where SEAL refuses the bytes. Throws WireFormatError. */
function loaded<T extends Freed>(empty: T, what: string, fill: (empty: T) => void): T {
  return freeingWhereItFails(empty, () => {
    load(what, () => fill(empty));
    return empty;
  });
}

/** Do what SEAL may refuse. Throws WireFormatError. */
function load<T>(what: string, act: () => T): T {
  try {
    return act();
  } catch (error) {
    throw new WireFormatError(what, `SEAL refuses it (${reasonOf(error)})`);
  }
}

function largestOf(values: Float64Array): number {
  return values.reduce((largest, value) => Math.max(largest, Math.abs(value)), 0);
}
