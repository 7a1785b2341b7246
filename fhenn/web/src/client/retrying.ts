/** Requests to one service, repeated where that may help (`fhenn/service/retrying_client.py`). */

import { text } from "./built.ts";
import { ServiceError, ServiceUnreachable } from "./errors.ts";
import { type HttpClient, NoResponse, type Request, type Response } from "./http.ts";
import { isObject, Malformed, readJson } from "./json.ts";
import { printable } from "./text.ts";

const PROBLEM = "urn:fhenn:problem:";

/** HTTP statuses after which the same request may do better. */
export const AGAIN: ReadonlySet<number> = new Set([408, 425, 429, 502, 503]);

/** The kind of problem that ends at midnight: it is not worth waiting for. */
const TOMORROW = "quota";

const LONGEST_PAUSE = 20;

/**
 * Seconds: a failure before the service has ever answered that came within them is tried once more, a slower one is
 * not.
 */
const QUICK = 0.3;

/** Seconds for what a service has at hand, and until the last attempt of it may start. */
export const DOCUMENT_SECONDS = 25;
const DOCUMENT_PATIENCE = 30;

/** Sends requests, and repeats them. */
export class RetryingClient {
  #hasAnswered = false;

  /**
   * @param http - sends one.
   * @param attempts - most attempts of a request.
   * @param patience - how long a call goes on starting attempts, in seconds.
   * @param signal - ends what is under way.
   * @param retrying - told of a failure after which it waits and tries again.
   */
  constructor(
    private readonly http: HttpClient,
    private readonly attempts: number,
    private readonly patience: number,
    private readonly signal: AbortSignal | undefined,
    private readonly retrying: (failure: Error) => void = () => undefined,
  ) {}

  /**
   * Send a request, repeated where that may help.
   *
   * @throws ServiceError, ServiceUnreachable, AnswerRefused.
   */
  ask(request: Request): Promise<Response> {
    const patience = request.seconds === DOCUMENT_SECONDS ? Math.min(this.patience, DOCUMENT_PATIENCE) : this.patience;
    return this.retry(async () => this.requireSuccess(await this.exchange(request)), AGAIN, patience);
  }

  /**
   * What `act` gives, repeated where that may help.
   *
   * @param again - statuses after which it may do better.
   * @param patience - until the last attempt may start, in seconds.
   * @throws ServiceError, ServiceUnreachable, AnswerRefused.
   */
  async retry<T>(act: () => Promise<T>, again: ReadonlySet<number>, patience = this.patience): Promise<T> {
    const start = performance.now();
    const seconds = () => (performance.now() - start) / 1000;
    for (let attempt = 1; ; attempt += 1) {
      const first = !this.#hasAnswered;
      let failure: Error;
      let last: boolean;
      let wait: string | null = null;
      try {
        return await act();
      } catch (error) {
        if (error instanceof NoResponse) {
          last = error.late || (first && !(attempt === 1 && seconds() < QUICK));
          failure = new ServiceUnreachable(this.http.url, attempt, printable(error.reason));
        } else if (error instanceof ErrorResponse) {
          last = !again.has(error.error.status) || error.error.kind === TOMORROW;
          [failure, wait] = [error.error, error.wait];
        } else {
          throw error;
        }
      }
      const pause = pauseOf(attempt, wait);
      if (last || attempt >= this.attempts || seconds() + pause >= patience) {
        throw failure;
      }
      this.retrying(failure);
      await this.#wait(pause);
    }
  }

  /** Send a request once. Throws NoResponse, AnswerRefused. */
  async exchange(request: Request): Promise<Response> {
    const response = await this.http.exchange(request);
    this.#hasAnswered = true;
    return response;
  }

  /** The answer, where it states no error. Throws ErrorResponse. */
  requireSuccess(response: Response): Response {
    const { status, headers, body } = response;
    if (status >= 200 && status < 300) {
      return response;
    }
    const [kind, detail] = problemIn(body) ?? [
      "http",
      status < 400 // a browser shows nothing of a redirect that is not followed
        ? "it redirects to another address, where the token is not sent. Use that address if you trust it."
        : "no detail.",
    ];
    const id = headers.get("X-Request-ID") ?? "-";
    const error = new ServiceError(status, printable(kind, 80), printable(detail, 1000), printable(id, 80));
    throw new ErrorResponse(error, headers.get("Retry-After"));
  }

  async #wait(seconds: number): Promise<void> {
    const { signal } = this;
    await new Promise<void>((resolve) => {
      const done = () => {
        clearTimeout(timer);
        signal?.removeEventListener("abort", done);
        resolve();
      };
      const timer = setTimeout(done, 1000 * seconds);
      signal?.addEventListener("abort", done);
    });
    signal?.throwIfAborted();
  }
}

/** The service answered with an error; `wait` is its Retry-After header. */
class ErrorResponse extends Error {
  constructor(
    readonly error: ServiceError,
    readonly wait: string | null,
  ) {
    super(error.message);
  }
}

/** Kind and detail of a problem document (RFC 9457); null where something between us and the service answered. */
function problemIn(body: Uint8Array): readonly [string, string] | null {
  try {
    const document = readJson(body);
    if (!isObject(document)) {
      return null;
    }
    const type = text(document.get("type") ?? null);
    return [type.startsWith(PROBLEM) ? type.slice(PROBLEM.length) : type, text(document.get("detail") ?? null)];
  } catch (error) {
    if (error instanceof Malformed) {
      return null;
    }
    throw error;
  }
}

/** Seconds before the next attempt: more each time, no fewer than the service asks for, and with some chance. */
function pauseOf(attempt: number, wait: string | null): number {
  const seconds = Math.min(0.1 * 2 ** Math.min(attempt, 10), LONGEST_PAUSE) * (0.5 + Math.random() / 2);
  if (wait === null || !/^[0-9]{1,10}$/.test(wait)) {
    return seconds;
  }
  return Math.min(Math.max(seconds, Number(wait) * (1 + Math.random() / 4)), LONGEST_PAUSE);
}
