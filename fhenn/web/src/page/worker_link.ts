/** The page's end of the line to its worker. A worker that is lost is replaced, with its keys gone. */

import workerUrl from "../worker/worker.ts?worker&url";
import type { CallName, Calls, Posted, Step, Told, Trouble } from "../worker/protocol.ts";

/** What went wrong in the worker. */
export class WorkerTrouble extends Error {
  constructor(readonly trouble: Trouble) {
    super(trouble.message);
    this.name = trouble.name;
  }
}

interface Waiting {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: WorkerTrouble) => void;
  readonly step: (step: Step) => void;
}

const LOST: Trouble = { name: "WorkerLost", message: "", wayOut: "", status: null, kind: null, lost: true };

/** The trouble of whoever waits for a worker that is ended for a reason. */
export function lostBecause(name: string): WorkerTrouble {
  return new WorkerTrouble({ ...LOST, name });
}

/** Calls to the worker. */
export class WorkerLink {
  #worker: Worker | null = null;
  #last = 0;
  readonly #waiting = new Map<number, Waiting>();

  /** @param onLoss - called when a worker is lost. The next one knows nothing of what was picked. */
  constructor(private readonly onLoss: (trouble: WorkerTrouble) => void) {}

  /**
   * Have the worker do something.
   *
   * @param name - of the call
   * @param ask - what it takes
   * @param step - told how far it is
   * @throws WorkerTrouble
   */
  call<N extends CallName>(
    name: N,
    ask: Calls[N]["ask"],
    step: (step: Step) => void = () => undefined,
  ): Promise<Calls[N]["answer"]> {
    this.#worker ??= this.#start();
    const id = (this.#last += 1);
    const worker = this.#worker;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve: resolve as (value: unknown) => void, reject, step });
      worker.postMessage({ id, name, ask });
    });
  }

  /** Have the worker end what it does with the service. Keys stay. */
  stop(): void {
    const stop: Posted = { name: "stop" };
    this.#worker?.postMessage(stop);
  }

  /** Begin to load the worker's script, before it is needed. */
  warm(): void {
    this.#worker ??= this.#start();
  }

  /** End the worker, and all of its memory with it. The next one knows nothing of what was picked. */
  end(ended: WorkerTrouble = new WorkerTrouble(LOST)): void {
    this.#worker?.terminate();
    this.#worker = null;
    for (const each of this.#waiting.values()) each.reject(ended);
    this.#waiting.clear();
  }

  #start(): Worker {
    const worker = new Worker(trusted(workerUrl), { type: "module", name: "fhenn" });
    worker.onmessage = ({ data }: MessageEvent<Told>) => this.#hear(data);
    worker.onerror = (event) => {
      event.preventDefault();
      this.#lose(LOST);
    };
    return worker;
  }

  #hear(told: Told): void {
    const waiting = this.#waiting.get(told.id);
    if (!waiting) return;
    if (told.type === "step") {
      waiting.step(told.step);
      return;
    }
    this.#waiting.delete(told.id);
    if (told.type === "done") {
      waiting.resolve(told.value);
      return;
    }
    waiting.reject(new WorkerTrouble(told.trouble));
    if (told.trouble.lost) this.#lose(told.trouble);
  }

  #lose(trouble: Trouble): void {
    const lost = new WorkerTrouble(trouble);
    this.end(lost);
    this.onLoss(lost);
  }
}

/** The address of the worker's script, which is the one script that this page may start. */
function trusted(url: string): string | URL {
  const address = new URL(url, import.meta.url);
  if (address.origin !== location.origin) throw new Error("the worker is not of this origin");
  const types = (window as { trustedTypes?: TrustedTypes }).trustedTypes;
  if (!types) return address;
  policy ??= types.createPolicy("fhenn", {
    createScriptURL: (text) => {
      if (text !== address.href) throw new TypeError("no other script is to be started");
      return text;
    },
  });
  return policy.createScriptURL(address.href) as unknown as string;
}

/** Trusted Types, as far as this page needs them. */
interface TrustedTypes {
  createPolicy(name: string, rules: { createScriptURL: (text: string) => string }): Policy;
}

interface Policy {
  createScriptURL(text: string): object;
}

let policy: Policy | undefined;
