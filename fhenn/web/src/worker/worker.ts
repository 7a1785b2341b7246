/** The worker: does one call of the page after the other. The secret key lives here and is in no message. */

import { FhennError, loadSeal, ServiceError } from "../client/index.ts";
import wasm from "../../node_modules/node-seal/dist/seal_throws.wasm?url";
import type { Ask, CallName, Calls, Posted, Step, Told, Trouble } from "./protocol.ts";
import { Session, type Tell } from "./session.ts";

const scope = self as unknown as DedicatedWorkerGlobalScope;
const session = new Session(() => loadSeal(new URL(wasm, self.location.href).href));

const handlers: { [N in CallName]: (ask: Calls[N]["ask"], tell: Tell) => Promise<Calls[N]["answer"]> } = {
  list: (ask) => session.list(ask),
  pick: (ask) => session.pick(ask),
  makeKeys: (_, tell) => session.makeKeys(tell),
  sendKeys: (_, tell) => session.sendKeys(tell),
  predict: (ask, tell) => session.predict(ask, tell),
  kept: () => session.kept(),
  keep: (ask) => session.keep(ask),
  unlock: (ask, tell) => session.unlock(ask, tell),
  forget: () => session.forget(),
};

let last: Promise<void> = Promise.resolve();

scope.onmessage = ({ data }: MessageEvent<Posted>): void => {
  if (data.name === "stop") {
    session.stop(); // waits for none of the calls before it
    return;
  }
  last = last.then(() => answer(data));
};

async function answer({ id, name, ask }: Ask): Promise<void> {
  const post = (told: Told): void => scope.postMessage(told);
  const handle = handlers[name] as (ask: unknown, tell: Tell) => Promise<unknown>;
  try {
    const value = await handle(ask, (step: Step) => post({ id, type: "step", step }));
    post({ id, type: "done", value });
  } catch (error) {
    const trouble = describe(error);
    post({ id, type: "failed", trouble });
    if (trouble.lost) scope.close();
  }
}

/** An error as it is posted. What is none of fhenn's own may hold anything: only its name is told. */
function describe(error: unknown): Trouble {
  const service = error instanceof ServiceError ? error : null;
  const [status, kind] = [service?.status ?? null, service?.kind ?? null];
  if (error instanceof FhennError) {
    return { name: error.name, message: error.message, wayOut: error.wayOut, status, kind, lost: false };
  }
  if (error instanceof DOMException) {
    // of IndexedDB and WebCrypto
    return { name: error.name, message: error.name, wayOut: "", status, kind, lost: false };
  }
  const name = error instanceof Error ? error.name : "Error";
  return { name: "WorkerLost", message: name, wayOut: "", status, kind, lost: true };
}
