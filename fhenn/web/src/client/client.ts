/** The client: holds the data and the secret key (`fhenn/session/client.py`, `fhenn/session/encryption.py`). */

import { readAnswer } from "./answer.ts";
import { requireBounds } from "./bounds.ts";
import type { Bytes } from "./bytes.ts";
import { type CipherArray, readArray, writeUpload } from "./cipherarray.ts";
import { MEMORY, memoryOfKeys, memoryOfUpload, requireMemory } from "./demands.ts";
import {
  AnswerMismatch,
  HeadroomExceeded,
  NonFiniteValue,
  PreparationMismatch,
  RangeViolation,
  ShapeMismatch,
  type ViolationReport,
  WireFormatError,
} from "./errors.ts";
import { finished } from "./finish.ts";
import { Malformed } from "./json.ts";
import type { Seal } from "./loadseal.ts";
import { requireBinding, requireOwnKeys, requireResult, requireTable } from "./matching.ts";
import { contextMessage, evaluationMessage, type KeysObject } from "./messages.ts";
import type { Plan } from "./plan.ts";
import type { Progress } from "./progress.ts";
import { type Receipt, type UploadHeader, uploadHeaderOf } from "./receipt.ts";
import { boxOf, scaled } from "./scaling.ts";
import { Keys } from "./seal.ts";
import { secretFromBytes, secretToBytes } from "./secret.ts";
import { addOutputs, largestBeside, Suspicion } from "./violations.ts";
import { alarms, condemns } from "./witness.ts";

/** Bytes of an upload, about, where one group of samples that share ciphertexts takes fewer. */
const PART = 4 << 20;

/** Uploads whose answers a client recognises without a receipt. */
const MOST_SENT = 1 << 16;

/** What to do about samples whose values left an activation's domain. */
export type OnViolation = "raise" | "mask" | "warn";

/** How a client is made. */
export interface ClientOptions {
  readonly progress?: Progress;
  /** Bytes that the keys, or the ciphertexts of one sample, may take; 400e6 unless it is given. */
  readonly memory?: number;
  /** Fingerprint of the preparation that makes the features which `encrypt` is given; null for none. */
  readonly preparation?: string | null;
}

/** How an answer is to be read. */
export interface DecryptOptions {
  /** Of the upload that it must be the answer to; any upload that this client made where it is left out. */
  readonly receipt?: Receipt;
  /** "raise" (RangeViolation), unless it is given. With "mask", the scores of such samples are NaN. */
  readonly onViolation?: OnViolation;
}

/** What an answer says. */
export interface Decrypted {
  /** The model's scores, (rows, outputs), row by row, in its own units. */
  readonly scores: Float64Array;
  readonly rows: number;
  readonly outputs: number;
  /**
   * The scores after the plan's finish: (rows, outputs) for null, "sigmoid" and "softmax"; (rows,) for "argmax". NaN
   * where masked.
   */
  readonly finished: Float64Array;
  /** Which samples must not be used; null where there is none. */
  readonly violations: ViolationReport | null;
}

/** Neighbouring rows that go into one upload. */
export interface Part {
  /** The first of them, from 0. */
  readonly start: number;
  readonly rows: number;
}

/**
 * Makes keys for a plan, encrypts samples, decrypts answers. Call `close` when it is not needed any more.
 *
 * What it decrypts carries traces of the secret key (Li & Micciancio 2021): it is for the holder of the key. To share
 * results with others, use the Python client, which hides those traces.
 */
export class Client {
  readonly #keys: Keys;
  readonly #sent = new Map<string, UploadHeader>();
  #evaluationKeys: Promise<Bytes> | null = null;

  private constructor(
    readonly plan: Plan,
    keys: Keys,
    private readonly progress: Progress,
    private readonly memory: number,
    private readonly preparation: string | null,
  ) {
    this.#keys = keys;
  }

  /**
   * A client with new keys.
   *
   * @param seal - of `loadSeal`.
   * @throws PlanError where the keys need more memory than is allowed, PreparationMismatch.
   */
  static create(seal: Seal, plan: Plan, options: ClientOptions = {}): Promise<Client> {
    return Client.#made(plan, options, () => Keys.generate(seal, plan.parameters));
  }

  /**
   * A client with a secret key that was kept.
   *
   * @param secret - of `secretBytes`.
   * @throws PlanError where it is of other parameters, WireFormatError, SecretLocked, UnsupportedOperation.
   */
  static fromSecretBytes(seal: Seal, plan: Plan, secret: Uint8Array, options: ClientOptions = {}): Promise<Client> {
    return Client.#made(plan, options, () => secretFromBytes(seal, plan, secret));
  }

  static async #made(plan: Plan, options: ClientOptions, make: () => Promise<Keys>): Promise<Client> {
    const { progress = () => undefined, memory = MEMORY, preparation = null } = options;
    if (preparation !== null && preparation !== plan.preparation) {
      throw new PreparationMismatch(plan.preparation, preparation, "Take the plan and the preparation of one file.");
    }
    requireMemory("the keys", memoryOfKeys(plan), memory);
    return new Client(plan, await make(), progress, memory, preparation);
  }

  /** Identifies the key generation, in 16 hexadecimal digits. */
  get fingerprint(): string {
    return this.#keys.fingerprint;
  }

  /**
   * The secret key in the clear, as Python's `Client.secret_bytes()` writes it: for an encrypted store, and nothing
   * else. Python reads it; it does not read Python's, which are compressed.
   */
  secretBytes(): Promise<Bytes> {
    return secretToBytes(this.#keys);
  }

  /** What the server needs to compute: public, relinearisation and rotation keys. Never the secret key. */
  evaluationKeys(): Promise<Bytes> {
    this.#evaluationKeys ??= this.#makeEvaluationKeys().catch((error: unknown) => {
      this.#evaluationKeys = null; // the next call tries again
      throw error;
    });
    return this.#evaluationKeys;
  }

  async #makeEvaluationKeys(): Promise<Bytes> {
    const plan = this.plan;
    const keys = this.#keys;
    const total = 1 + plan.rotationKeys.size;
    let done = 0;
    const tell = () => this.progress("keys", (done += 1), total);
    this.progress("keys", 0, total);
    const level = plan.relinearisationLevel;
    const relinearisation = { level, data: keys.switchingKeys(level, null, tell) };
    const rotations: KeysObject[] = [];
    for (const each of [...new Set(plan.rotationKeys.values())].sort((a, b) => a - b)) {
      const steps = [...plan.rotationKeys].filter(([, needed]) => needed === each).map(([turn]) => turn);
      rotations.push({ level: each, data: keys.switchingKeys(each, steps, tell) });
    }
    const context = contextMessage(plan.parameters, keys.publicKey, null);
    return evaluationMessage(keys.fingerprint, plan.parameters, context, relinearisation, rotations);
  }

  /**
   * How rows are parted into uploads of about 4 MB: each is encrypted, sent and decrypted by itself.
   *
   * @param rows - how many there are.
   */
  parts(rows: number): Part[] {
    const { samplesPerCiphertext: group, ciphertextsPerSample, bytesPerCiphertext } = this.plan;
    const most = group * Math.max(1, Math.floor(PART / (ciphertextsPerSample * bytesPerCiphertext)));
    return Array.from({ length: Math.ceil(rows / most) }, (_, place) => {
      const start = place * most;
      return { start, rows: Math.min(most, rows - start) };
    });
  }

  /**
   * Encrypt samples for the server. Spare places of the last ciphertext hold copies of the last sample.
   *
   * @param values - rows × features, row by row, as the plan's preparation makes them.
   * @param rows - how many there are.
   * @throws ShapeMismatch, NonFiniteValue, BoundsExceeded, HeadroomExceeded, PlanError, PreparationMismatch.
   */
  async encrypt(values: Float64Array, rows: number): Promise<Bytes> {
    const plan = this.plan;
    const keys = this.#keys;
    if (plan.preparation !== this.preparation) {
      throw new PreparationMismatch(
        plan.preparation,
        this.preparation,
        "Take the plan and the preparation of one file.",
      );
    }
    this.#requireFit(values, rows);
    const { features, samplesPerCiphertext: group, parameters } = plan;
    const box = boxOf(plan.low, plan.high);
    // SEAL wants a bit of room below half the modulus
    const limit = keys.modulus(parameters.levels) / 4 / parameters.scale;
    const value = (row: number, feature: number): number => {
      const stated = values[Math.min(row, rows - 1) * features + feature] as number;
      const sent = plan.scaled ? scaled(box, stated, feature) : stated;
      if (Math.abs(sent) > limit) {
        throw new HeadroomExceeded(Math.abs(sent), limit, "encrypt");
      }
      return sent;
    };
    const filled = Math.ceil(rows / group) * group;
    const total = plan.layout.ciphertexts(filled, features, parameters.slots);
    const ciphertexts: Uint8Array[] = [];
    for (const slots of plan.layout.pack(value, filled, features, parameters.slots)) {
      ciphertexts.push(keys.encrypt(slots));
      this.progress("encrypt", ciphertexts.length, total);
    }
    const upload = await writeUpload(keys.fingerprint, plan, rows, ciphertexts);
    this.#remember(uploadHeaderOf(upload));
    return upload;
  }

  /**
   * What an answer says.
   *
   * @param answer - of `Service.predict`, from a stranger.
   * @throws WireFormatError, ContextMismatch, AnswerMismatch, RangeViolation, UnsupportedOperation where it is
   * compressed.
   */
  async decrypt(answer: Uint8Array, options: DecryptOptions = {}): Promise<Decrypted> {
    try {
      return await this.#decrypt(answer, options);
    } catch (error) {
      // as readVersioned does: no reader of a stranger's bytes lets out anything that is none of fhenn's errors
      if (error instanceof Malformed || error instanceof RangeError) {
        throw new WireFormatError("answer", `it is not readable (${error.message})`);
      }
      throw error;
    }
  }

  async #decrypt(answer: Uint8Array, options: DecryptOptions): Promise<Decrypted> {
    const plan = this.plan;
    const keys = this.#keys;
    const parts = await readAnswer(answer);
    requireOwnKeys(keys.fingerprint, parts);
    const rows = requireBinding(parts.binding, plan, options.receipt, this.#sent);
    this.#requireWitnesses(parts.witnesses.length);
    const array = await requireResult(keys.fingerprint, plan, parts.result, rows);
    const outputs = array.shape[1] ?? 1;
    const suspicion = new Suspicion(rows, plan.samplesPerCiphertext);
    for (const [place, message] of parts.witnesses.entries()) {
      await this.#readWitness(suspicion, place, message, rows);
    }
    const scores = this.#table(array);
    addOutputs(suspicion, plan, scores, outputs, this.#fits(array));
    const violations = suspicion.report();
    const { onViolation = "raise" } = options;
    if (violations !== null && onViolation === "raise") {
      throw new RangeViolation(violations);
    }
    const own = scores.map((score, place) => score * (plan.units[place % outputs] ?? 1));
    const results = finished(plan.finish, own, outputs);
    if (violations !== null && onViolation === "mask") {
      for (const sample of violations.samples) {
        for (const table of [own, results]) {
          const width = table.length / rows;
          table.fill(Number.NaN, sample * width, (sample + 1) * width);
        }
      }
    }
    return { scores: own, rows, outputs, finished: results, violations };
  }

  /** Wipe and free the keys. WebAssembly's memory may hold traces of them: it goes with the worker that loaded it. */
  close(): void {
    this.#keys.delete();
    this.#sent.clear();
    this.#evaluationKeys = null;
  }

  async #readWitness(suspicion: Suspicion, place: number, message: Uint8Array, rows: number): Promise<void> {
    const witness = this.plan.witnesses[place];
    if (witness === undefined) {
      return;
    }
    const array = await readArray(this.fingerprint, this.plan, message);
    if (array.level !== witness.level || array.shape.length !== 2) {
      throw new WireFormatError("answer", `a witness is at level ${array.level}, not ${witness.level}`);
    }
    const [found = 0, width = 1] = array.shape;
    if (found !== rows || (witness.neurons > 1 && width !== 1)) {
      throw new WireFormatError("answer", `a witness has shape (${found}, ${width}), not (${rows}, …)`);
    }
    requireTable(array);
    const numbers = this.#table(array);
    const most = largestBeside(this.#fits(array), witness.error);
    const rowOf = (sample: number) => numbers.subarray(sample * width, (sample + 1) * width);
    suspicion.add(
      `witness of ${witness.node} (node ${witness.place})`,
      (sample) => alarms(witness, rowOf(sample)),
      (sample) => condemns(witness, rowOf(sample), most),
    );
  }

  /** The numbers of an array, row by row. */
  #table({ shape, layout, level, scale, ciphertexts }: CipherArray): Float64Array {
    const held = ciphertexts.map((each, place) => {
      const slots = this.#keys.decrypt("ciphertexts", each, level, scale);
      this.progress("decrypt", place + 1, ciphertexts.length);
      return slots;
    });
    return layout.unpack(held, shape[0] ?? 0, shape[1] ?? 1);
  }

  /** The largest magnitude that the modulus of an array holds. */
  #fits({ level, scale }: CipherArray): number {
    return this.#keys.modulus(level) / 2 / scale;
  }

  #requireWitnesses(found: number): void {
    const due = this.plan.witnesses.length;
    if (due && !found) {
      throw new AnswerMismatch("number of witnesses", String(due), "0", "Ask the server again, with its witnesses.");
    }
    if (found && found !== due) {
      throw new WireFormatError("answer", `it holds ${found} witnesses, the plan has ${due}`);
    }
  }

  #requireFit(values: Float64Array, rows: number): void {
    const { plan } = this;
    if (!Number.isSafeInteger(rows) || rows < 1 || rows >= 2 ** 32 || values.length !== rows * plan.features) {
      const width = values.length / rows;
      throw new ShapeMismatch("encrypt", [rows, width], `(samples, ${plan.features}), at least one sample`);
    }
    const wrong = values.reduce((count, value) => count + (Number.isFinite(value) ? 0 : 1), 0);
    if (wrong) {
      throw new NonFiniteValue("encrypt", wrong, "CKKS cannot encode them: drop or impute them first.");
    }
    requireMemory("the ciphertexts of one sample", memoryOfUpload(plan), this.memory);
    requireBounds(plan, values);
  }

  #remember(header: UploadHeader): void {
    this.#sent.set(header.sha256, header);
    for (const oldest of this.#sent.keys()) {
      if (this.#sent.size <= MOST_SENT) {
        break;
      }
      this.#sent.delete(oldest);
    }
  }
}
