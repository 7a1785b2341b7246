/**
 * One exchange with a service that may be hostile: a bound on its bytes, and on its time as a whole
 * (`fhenn/service/http_client.py`).
 *
 * Browsers decompress what arrives by themselves; what is counted, and bounded, is what comes out.
 */

import { type Bytes, concatenate } from "./bytes.ts";
import { AnswerRefused } from "./errors.ts";

/** Seconds, and bytes a second: an answer that has begun is given up where it is slower over a whole window. */
const WINDOW = 30;
const LEAST_RATE = 1 << 14;

const ASK_OPERATOR = "Ask the operator of the service; something else may answer in its place.";

/** What is asked. */
export interface Request {
  readonly method: "GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE";
  /** At the service, with its query. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
  /** What the answer is ("plan", "answer", …), for the error. */
  readonly what: string;
  /** Bytes that its body may have. */
  readonly most: number;
  /** Until all of the answer must be here. */
  readonly seconds: number;
  /** For the error about an answer that is larger. */
  readonly wayOut?: string;
}

/** An answer, whole. */
export interface Response {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Bytes;
}

/** No answer came, or not all of it. */
export class NoResponse extends Error {
  /**
   * @param reason - of the failure.
   * @param late - whether it ran out of time, so that it would again.
   */
  constructor(
    readonly reason: string,
    readonly late: boolean,
  ) {
    super(reason);
  }
}

/** Sends requests to one service. */
export class HttpClient {
  readonly #token: string;

  /**
   * @param url - of the service.
   * @param token - sent with every request.
   * @param silence - longest time without a byte, in seconds.
   * @param fetch - of the browser, or in its place.
   * @param signal - ends what is under way.
   */
  constructor(
    readonly url: string,
    token: string,
    private readonly silence: number,
    private readonly fetch: typeof globalThis.fetch,
    private readonly signal: AbortSignal | undefined,
  ) {
    this.#token = token;
  }

  /**
   * Send a request and read the whole answer.
   *
   * @throws NoResponse where no answer comes, AnswerRefused for one that is too large.
   */
  async exchange(request: Request): Promise<Response> {
    this.signal?.throwIfAborted();
    const sending = (request.body?.length ?? 0) / LEAST_RATE; // browsers do not tell how far it is
    const pace = new Pace(request.seconds, Math.min(this.silence + sending, request.seconds));
    const stop = () => pace.stop("it was ended");
    this.signal?.addEventListener("abort", stop);
    try {
      const answer = await this.fetch(`${this.url}${request.path}`, {
        method: request.method,
        headers: { Authorization: `Bearer ${this.#token}`, ...request.headers },
        body: request.body === undefined ? null : (request.body as Bytes),
        signal: pace.signal,
        redirect: "manual", // a redirect could take the token elsewhere
        credentials: "omit",
        cache: "no-store",
        referrerPolicy: "no-referrer",
      });
      return { status: answer.status, headers: answer.headers, body: await this.#body(answer, request, pace) };
    } catch (error) {
      this.signal?.throwIfAborted();
      if (error instanceof AnswerRefused) {
        throw error;
      }
      throw new NoResponse(
        pace.late ?? (error instanceof Error ? error.message : "it failed").slice(0, 200),
        pace.late !== null,
      );
    } finally {
      this.signal?.removeEventListener("abort", stop);
      pace.stop("it is over");
    }
  }

  async #body(answer: globalThis.Response, request: Request, pace: Pace): Promise<Bytes> {
    const { what, most, wayOut = ASK_OPERATOR } = request;
    const refuse = () => new AnswerRefused(this.url, what, `it has more than ${most} bytes, the limit`, wayOut);
    const stated = Number(answer.headers.get("Content-Length") ?? 0);
    if (request.method !== "HEAD" && stated > most) {
      throw refuse();
    }
    const pieces: Uint8Array[] = [];
    const reader = answer.body?.getReader();
    for (let left = most; reader !== undefined; ) {
      const { done, value } = await reader.read();
      if (done) {
        break;
      }
      left -= value.length;
      if (left < 0) {
        throw refuse();
      }
      pace.count(value.length);
      pieces.push(value);
    }
    return concatenate(pieces);
  }
}

/** How long an exchange may take. Ends it where it is slower. */
class Pace {
  /** Why it was ended for its time; null while it was not. */
  late: string | null = null;
  readonly #controller = new AbortController();
  readonly #deadline: ReturnType<typeof setTimeout>;
  #quiet: ReturnType<typeof setTimeout>;
  #window: ReturnType<typeof setTimeout> | undefined;
  #counted = 0;

  constructor(
    seconds: number,
    private readonly silence: number,
  ) {
    this.#deadline = this.#within(seconds, `the answer was not complete after ${Math.round(seconds)} s`);
    this.#quiet = this.#hush();
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Count bytes of an answer. The first begin a window; as many as a window must have begin the next. */
  count(bytes: number): void {
    clearTimeout(this.#quiet);
    this.#quiet = this.#hush();
    this.#counted += bytes;
    if (this.#window === undefined || this.#counted >= WINDOW * LEAST_RATE) {
      clearTimeout(this.#window);
      this.#counted = 0;
      this.#window = this.#within(WINDOW, `less than ${WINDOW * LEAST_RATE} bytes of the answer came in ${WINDOW} s`);
    }
  }

  /** End it, in time. */
  stop(reason: string): void {
    for (const timer of [this.#deadline, this.#quiet, this.#window]) {
      clearTimeout(timer);
    }
    this.#controller.abort(new Error(reason));
  }

  #hush(): ReturnType<typeof setTimeout> {
    return this.#within(this.silence, `nothing came for ${Math.round(this.silence)} s`);
  }

  #within(seconds: number, reason: string): ReturnType<typeof setTimeout> {
    return setTimeout(() => {
      this.late = reason;
      this.stop(reason);
    }, 1000 * seconds);
  }
}
