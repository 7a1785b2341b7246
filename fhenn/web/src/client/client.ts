/** The client: holds the data and the secret key (`fhenn/session/client.py`). */

import type { MainModule } from "node-seal/throws";
import { FhennError, type ViolationReport } from "./errors.ts";
import type { Plan } from "./plan.ts";
import type { Progress } from "./progress.ts";
import type { Receipt } from "./receipt.ts";

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
  /** The scores after the plan's finish: (rows, outputs) for null, "sigmoid" and "softmax"; (rows,) for "argmax", NaN where masked. */
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

/** Makes keys for a plan, encrypts samples, decrypts answers. Call `close` when it is not needed any more. */
export class Client {
  private constructor(readonly plan: Plan) {}

  /**
   * A client with new keys.
   *
   * @param seal - of `loadSeal`.
   * @throws PlanError where the keys need more memory than is allowed, PreparationMismatch.
   */
  static create(seal: MainModule, plan: Plan, options: ClientOptions = {}): Promise<Client> {
    return Promise.reject(new FhennError(`not built yet ${String([seal, plan, options].length)}`));
  }

  /**
   * A client with a secret key that was kept.
   *
   * @param secret - of `secretBytes`.
   * @throws PlanError where it is of other parameters, WireFormatError.
   */
  static fromSecretBytes(seal: MainModule, plan: Plan, secret: Uint8Array, options: ClientOptions = {}): Promise<Client> {
    return Promise.reject(new FhennError(`not built yet ${String([seal, plan, secret, options].length)}`));
  }

  /** Identifies the key generation, in 16 hexadecimal digits. */
  get fingerprint(): string {
    throw new FhennError("not built yet");
  }

  /** The secret key in the clear, as Python's `Client.secret_bytes()` writes it: for an encrypted store, and nothing else. */
  secretBytes(): Promise<Uint8Array> {
    throw new FhennError("not built yet");
  }

  /** What the server needs to compute. Never the secret key. */
  evaluationKeys(): Promise<Uint8Array> {
    throw new FhennError("not built yet");
  }

  /**
   * How rows are parted into uploads of about 4 MB: each is encrypted, sent and decrypted by itself.
   *
   * @param rows - how many there are.
   */
  parts(rows: number): Part[] {
    throw new FhennError(`not built yet ${rows}`);
  }

  /**
   * Encrypt samples for the server.
   *
   * @param values - rows × features, row by row, as the plan's preparation makes them.
   * @param rows - how many there are.
   * @throws ShapeMismatch, NonFiniteValue, BoundsExceeded, PlanError, PreparationMismatch.
   */
  encrypt(values: Float64Array, rows: number): Promise<Uint8Array> {
    throw new FhennError(`not built yet ${values.length} ${rows}`);
  }

  /**
   * What an answer says.
   *
   * @param answer - of `Service.predict`, from a stranger.
   * @throws WireFormatError, ContextMismatch, AnswerMismatch, RangeViolation.
   */
  decrypt(answer: Uint8Array, options: DecryptOptions = {}): Promise<Decrypted> {
    throw new FhennError(`not built yet ${answer.length} ${String(options)}`);
  }

  /** Wipe and free the keys. */
  close(): void {
    throw new FhennError("not built yet");
  }
}
