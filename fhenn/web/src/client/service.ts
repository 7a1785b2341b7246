/** A service at the other end of a connection (`fhenn/service/remote.py`). */

import { listOf, objectIn, text, whole } from "./built.ts";
import { sha256 } from "./bytes.ts";
import { bytesOfAnswer } from "./demands.ts";
import { FhennError, ParameterError, PlanError, WireFormatError, WrongKind } from "./errors.ts";
import { HttpClient, type Request, type Response } from "./http.ts";
import { type JsonObject, Malformed, readJson } from "./json.ts";
import type { Plan } from "./plan.ts";
import { LARGEST_PLAN_FILE, type PlanFile, readPlanFile } from "./planfile.ts";
import type { Progress } from "./progress.ts";
import { readFields } from "./protobuf.ts";
import { uploadHeaderOf } from "./receipt.ts";
import { AGAIN, DOCUMENT_SECONDS, RetryingClient } from "./retrying.ts";
import { headerOfKind } from "./wire.ts";

/** Bytes of keys that are sent at once: what a broken line takes, and a step of the progress. */
const PIECE = 2 << 20;

/** Bytes a second: what is sent, and what is answered, is given up where it is slower on the whole. */
const LEAST_RATE = 1 << 14;
const LEAST_RATE_OF_ANSWER = 1 << 16;

const LARGEST_DOCUMENT = 1 << 16;
const LARGEST_LIST = 1 << 20;
const LONGEST_NAME = 64;
const VERSION_HEADER = "Fhenn-Model-Version";
const WHAT = "answer of a service";

/** The field of TenSEAL's context message that holds a secret key. */
const SECRET = 3;

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
  /** Told of a failure after which a request is tried again: ServiceUnreachable or ServiceError. */
  readonly retrying?: (failure: Error) => void;
}

/**
 * Sends keys and ciphertexts to a service, which may be hostile. Every request can be repeated safely.
 *
 * An answer may have the size that the plan implies for the samples that were sent, anything else a constant size.
 * Every
 * exchange ends at a deadline.
 */
export class Service {
  readonly url: string;
  readonly #http: RetryingClient;
  readonly #timeout: number;
  readonly #largestAnswer: number;

  /**
   * @param url - of the service, for instance "https://inference.example.org"; "" in a page for where it came from.
   * @param token - of `fhenn token create`.
   * @throws ParameterError where the address would send the token in the clear.
   */
  constructor(url: string, token: string, options: ServiceOptions = {}) {
    const { attempts = 8, timeout = 90, patience = 120, largestAnswer = 64 << 20, signal } = options;
    this.url = addressOf(url);
    if (!/^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/.test(token)) {
      throw new ParameterError(
        "the token must be ASCII text, not empty, and without blanks around it.",
        "Give it as `fhenn token create` printed it.",
      );
    }
    const fetch = options.fetch ?? globalThis.fetch.bind(globalThis);
    this.#http = new RetryingClient(
      new HttpClient(this.url, token, timeout, fetch, signal),
      attempts,
      patience,
      signal,
      options.retrying,
    );
    [this.#timeout, this.#largestAnswer] = [timeout, largestAnswer];
  }

  /**
   * The models that the token reaches.
   *
   * @throws ServiceError, ServiceUnreachable, AnswerRefused, WireFormatError.
   */
  async models(): Promise<readonly ModelSummary[]> {
    const { body } = await this.#ask({ method: "GET", path: "/v1/models", what: "list of models", most: LARGEST_LIST });
    try {
      return listOf((value) => summaryOf(objectIn(value)))(objectIn(readJson(body)).get("models") ?? null);
    } catch (error) {
      if (error instanceof Malformed) {
        throw new WireFormatError(WHAT, "it is not a list of models with their names");
      }
      throw error;
    }
  }

  /**
   * The plan of a model, checked, and what reads its scores.
   *
   * @param name - of the model.
   * @param version - of it, as a plan's fingerprint names it; the current one where it is left out.
   * @throws ServiceError, ServiceUnreachable, AnswerRefused, WireFormatError, PlanError, PreparationMismatch.
   */
  async planFile(name: string, version?: string): Promise<PlanFile> {
    const query = version === undefined ? "" : `?version=${encodeURIComponent(version)}`;
    const path = `/v1/models/${encodeURIComponent(name)}/plan${query}`;
    const { body } = await this.#ask({ method: "GET", path, what: "plan", most: LARGEST_PLAN_FILE });
    const file = await readPlanFile(body);
    if (version !== undefined && file.plan.fingerprint !== version) {
      throw new WireFormatError(WHAT, "it is the plan of another version than was asked for");
    }
    return file;
  }

  /**
   * Send evaluation keys, or what the service lacks of them.
   *
   * @param keys - of `Client.evaluationKeys`; anything else is refused before a connection is opened.
   * @param progress - called with the bytes that are there.
   * @returns their SHA-256, by which `predict` names them.
   * @throws WrongKind, ServiceError, ServiceUnreachable, AnswerRefused.
   */
  async uploadKeys(keys: Uint8Array, progress: Progress = () => undefined): Promise<string> {
    requireEvaluationKeys(keys, this.url);
    const digest = await sha256(keys);
    const path = `/v1/keys/${digest}`;
    // 409: another upload of the same keys took over, or fewer bytes have arrived than HEAD said
    await this.#http.retry(() => this.#sendMissing(path, keys, progress), new Set([...AGAIN, 409]));
    progress("upload", keys.length, keys.length);
    return digest;
  }

  /**
   * The encrypted answer to an upload, for `Client.decrypt`.
   *
   * @param name - of the model.
   * @param keys - digest, of `uploadKeys`.
   * @param upload - of `Client.encrypt`; anything else is refused before a connection is opened.
   * @param plan - that it was made with, which bounds the size of the answer.
   * @throws WrongKind, ServiceError (kind "keys-unknown" where the keys must be sent again), ServiceUnreachable,
   * AnswerRefused, WireFormatError, PlanError.
   */
  async predict(name: string, keys: string, upload: Uint8Array, plan: Plan): Promise<Uint8Array> {
    headerOfKind("ciphertexts", upload, "the upload", this.url);
    const { samples, plan: version } = uploadHeaderOf(upload);
    if (version !== plan.fingerprint) {
      throw new PlanError("the upload was made with another plan.", "Encrypt again with this one.");
    }
    const implied = bytesOfAnswer(plan, samples);
    const most = Math.min(implied, this.#largestAnswer);
    const response = await this.#http.ask({
      method: "POST",
      path: `/v1/models/${encodeURIComponent(name)}/predictions?${new URLSearchParams({ keys, version })}`,
      headers: BINARY,
      body: upload,
      what: "answer",
      most,
      seconds: this.#timeout + upload.length / LEAST_RATE + most / LEAST_RATE_OF_ANSWER,
      ...(most < implied ? { wayOut: "Send fewer samples at once, or allow more: largestAnswer." } : {}),
    });
    if (response.headers.get(VERSION_HEADER) !== version) {
      throw new WireFormatError(WHAT, "it is from another version of the model than was asked");
    }
    return response.body;
  }

  /**
   * Delete evaluation keys at the service.
   *
   * @param keys - digest, of `uploadKeys`.
   * @throws ServiceError, ServiceUnreachable.
   */
  async forgetKeys(keys: string): Promise<void> {
    try {
      await this.#ask({ method: "DELETE", path: `/v1/keys/${keys}`, what: "document", most: LARGEST_DOCUMENT });
    } catch (error) {
      if (!(error instanceof FhennError && "kind" in error && error.kind === "keys-unknown")) {
        throw error;
      }
    }
  }

  #ask(request: Omit<Request, "seconds">): Promise<Response> {
    return this.#http.ask({ ...request, seconds: DOCUMENT_SECONDS });
  }

  /** Send keys from where the service has them to, piece by piece. */
  async #sendMissing(path: string, keys: Uint8Array, progress: Progress): Promise<void> {
    const what = "document";
    const state = await this.#http.exchange({
      method: "HEAD",
      path,
      what,
      most: LARGEST_DOCUMENT,
      seconds: DOCUMENT_SECONDS,
    });
    let at = state.status === 404 ? 0 : arrivedIn(this.#http.requireSuccess(state), keys.length);
    while (at < keys.length) {
      progress("upload", at, keys.length);
      const body = keys.subarray(at, at + PIECE);
      const headers = { ...BINARY, "Upload-Offset": String(at), "Upload-Length": String(keys.length) };
      const seconds = this.#timeout + body.length / LEAST_RATE;
      this.#http.requireSuccess(
        await this.#http.exchange({ method: "PATCH", path, headers, body, what, most: LARGEST_DOCUMENT, seconds }),
      );
      at += body.length;
    }
  }
}

const BINARY = { "Content-Type": "application/octet-stream" };

/** The address of a service without a slash at its end. Throws ParameterError. */
function addressOf(url: string): string {
  const here = (globalThis as { readonly location?: Location }).location?.origin;
  const address = url === "" && here !== undefined ? here : url;
  if (!URL.canParse(address) || !/^https?:$/.test(new URL(address).protocol)) {
    throw new ParameterError(
      "this is not the address of a service.",
      "Give one like https://host or http://127.0.0.1:port.",
    );
  }
  const { protocol, hostname, username, password, search, hash } = new URL(address);
  if (username || password || search || hash) {
    throw new ParameterError(
      "the address holds more than a host and a path.",
      "Leave it out: the token says who asks.",
    );
  }
  if (protocol === "http:" && !/^(?:localhost|127(?:\.[0-9]{1,3}){3}|\[::1\])$/.test(hostname)) {
    throw new ParameterError(`${address.slice(0, 80)} would send the token in the clear.`, "Use https.");
  }
  return address.replace(/\/+$/, "");
}

function summaryOf(fields: JsonObject): ModelSummary {
  const need = (name: string) => fields.get(name) ?? null;
  const name = text(need("name"));
  if (!name || name.length > LONGEST_NAME) {
    throw new Malformed("a name is not a text of a valid length");
  }
  return {
    name,
    version: text(need("version")),
    features: whole(need("features")),
    samplesPerCiphertext: whole(need("samples_per_ciphertext")),
    bytesOfKeys: whole(need("bytes_of_keys")),
  };
}

/** Throws WrongKind where bytes are something else than evaluation keys, or carry a secret key. */
function requireEvaluationKeys(keys: Uint8Array, destination: string): void {
  const what = "a set of evaluation keys";
  const header = headerOfKind("evaluation-context", keys, "the evaluation keys", destination);
  const rotations = header.meta.get("rotation_keys");
  const size = typeof rotations === "bigint" ? header.size - Number(rotations) : -1;
  if (size < 0 || size > header.size || header.start + header.size !== keys.length) {
    throw new WireFormatError("evaluation keys", "their header is not readable");
  }
  for (const { number } of readFields("evaluation keys", keys.subarray(header.start, header.start + size))) {
    if (number === SECRET) {
      const got = "a set of keys with the secret key among them";
      throw new WrongKind(what, "the evaluation keys", got, destination, "Send what Client.evaluationKeys() makes.");
    }
  }
}

/** How many bytes of keys have arrived. Throws WireFormatError. */
function arrivedIn({ headers }: Response, size: number): number {
  if (headers.get("Upload-Complete") === "?1") {
    return size;
  }
  const offset = headers.get("Upload-Offset") ?? "0";
  if (!/^[0-9]{1,15}$/.test(offset)) {
    throw new WireFormatError(WHAT, "it does not say how many bytes have arrived");
  }
  return Number(offset) <= size ? Number(offset) : 0;
}
