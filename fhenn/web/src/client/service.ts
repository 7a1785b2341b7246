/** A service at the other end of a connection (`fhenn/service/remote.py`). */

import { FhennError } from "./errors.ts";
import type { Plan } from "./plan.ts";
import type { PlanFile } from "./planfile.ts";
import type { Progress } from "./progress.ts";

/** A model in brief, as the service lists it. */
export interface ModelSummary {
  readonly name: string;
  /** Fingerprint of the current version's plan. */
  readonly version: string;
  readonly features: number;
  readonly samplesPerCiphertext: number;
  readonly bytesOfKeys: number;
}

/** How a service is talked to. */
export interface ServiceOptions {
  /** In the place of the global `fetch`. */
  readonly fetch?: typeof globalThis.fetch;
  /** Most attempts of a request. */
  readonly attempts?: number;
  /** Longest silence of the service, in seconds. */
  readonly timeout?: number;
  /** How long a call goes on starting attempts, in seconds. */
  readonly patience?: number;
  /** Most bytes of an answer that are accepted. */
  readonly largestAnswer?: number;
  /** Ends what is under way. */
  readonly signal?: AbortSignal;
}

/** Sends keys and ciphertexts to a service, which may be hostile. Every request can be repeated safely. */
export class Service {
  /**
   * @param url - of the service, for instance "https://inference.example.org"; "" in a page for where it came from.
   * @param token - of `fhenn token create`.
   * @throws ParameterError where the address would send the token in the clear.
   */
  constructor(
    readonly url: string,
    token: string,
    options: ServiceOptions = {},
  ) {
    throw new FhennError(`not built yet ${token.length} ${String(options)}`);
  }

  /** The models that the token reaches. */
  models(): Promise<readonly ModelSummary[]> {
    throw new FhennError("not built yet");
  }

  /** The plan of a model, checked, and what reads its scores. */
  planFile(name: string): Promise<PlanFile> {
    throw new FhennError(`not built yet ${name}`);
  }

  /**
   * Send evaluation keys, or what the service lacks of them.
   *
   * @param keys - of `Client.evaluationKeys`; anything else is refused before a connection is opened.
   * @returns their SHA-256, by which `predict` names them.
   */
  uploadKeys(keys: Uint8Array, progress?: Progress): Promise<string> {
    throw new FhennError(`not built yet ${keys.length} ${String(progress)}`);
  }

  /**
   * The encrypted answer to an upload, for `Client.decrypt`.
   *
   * @param name - of the model.
   * @param keys - digest, of `uploadKeys`.
   * @param upload - of `Client.encrypt`.
   * @param plan - that it was made with, which bounds the size of the answer.
   * @throws ServiceError (kind "keys-unknown" where the keys must be sent again), ServiceUnreachable, AnswerRefused.
   */
  predict(name: string, keys: string, upload: Uint8Array, plan: Plan): Promise<Uint8Array> {
    throw new FhennError(`not built yet ${[name, keys, upload, plan].length}`);
  }

  /** Delete evaluation keys at the service. */
  forgetKeys(keys: string): Promise<void> {
    throw new FhennError(`not built yet ${keys}`);
  }
}
