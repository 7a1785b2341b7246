/** What the worker holds for the page: the connection, the plan, the client with its secret key. */

import {
  Client,
  FhennError,
  ParameterError,
  type Plan,
  receiptOf,
  type Seal,
  Service,
  ServiceError,
  WireFormatError,
} from "../client/index.ts";
import { sha256 } from "../client/bytes.ts";
import * as store from "./key_store.ts";
import { headerOf, lockOf, lockWith, newLock, unlockWith, type Locked, type LockKey } from "./lock.ts";
import type { KeysInfo, Kept, Listed, ModelInfo, Place, Predicted, SentKeys, Step } from "./protocol.ts";

/** Called with how far a call is. */
export type Tell = (step: Step) => void;

/** Bytes of an upload that are shown as a picture. */
const PICTURE = 1 << 14;

/** A connection, and the plan of the model that was picked. */
interface Picked {
  readonly service: Service;
  /** Another connection to the same. */
  readonly connect: () => Service;
  readonly model: string;
  readonly plan: Plan;
}

/** A client, and the evaluation keys that it made. */
interface Held {
  readonly client: Client;
  readonly keys: Uint8Array;
  /** SHA-256 of these. */
  readonly digest: string;
}

/** A key that this browser keeps, which was locked or unlocked here. */
interface Keeping {
  readonly lock: LockKey;
  readonly fingerprint: string;
}

/** A session with one service. SEAL is loaded when keys are made. */
export class Session {
  #picked: Picked | null = null;
  #held: Held | null = null;
  /** Of the keys that the service has; null until they were sent. */
  #digest: string | null = null;
  /** Of all keys for the model that was picked that the service may have. */
  readonly #sent = new Set<string>();
  #keeping: Keeping | null = null;
  #seal: Promise<Seal> | null = null;
  #stopping = new AbortController();
  /** Of the call that is under way. */
  #tell: Tell = () => undefined;

  /** @param load - loads SEAL. */
  constructor(private readonly load: () => Promise<Seal>) {}

  /** Begin to load SEAL, before it is needed. */
  #warm(): void {
    this.#loaded().catch(() => undefined); // whoever needs it tries again, and is told
  }

  /** The models that a token reaches. */
  async list({ service, token }: Place): Promise<readonly Listed[]> {
    const models = await new Service(service, token).models();
    this.#warm(); // who has a token will need it
    return models.map(({ name, features, bytesOfKeys }) => ({ name, features, bytesOfKeys }));
  }

  /** Take a model. Keys of another one are wiped. */
  async pick({ service: address, token, model }: Place & { readonly model: string }): Promise<ModelInfo> {
    const connect = (): Service =>
      new Service(address, token, {
        signal: this.#stopping.signal,
        retrying: (failure) => {
          const what = failure instanceof ServiceError ? "busy" : "unanswered";
          this.#tell({ what, done: 0, total: 0 });
        },
      });
    const service = connect();
    const { plan, reading, preparation } = await service.planFile(model);
    if (this.#picked?.plan.fingerprint !== plan.fingerprint || this.#picked.service.url !== address) {
      this.close();
      this.#sent.clear();
      this.#keeping = null;
    }
    this.#picked = { service, connect, model, plan };
    return {
      name: model,
      version: plan.fingerprint,
      features: plan.features,
      featureNames: plan.featureNames,
      bounds: plan.scaled ? { low: plan.low, high: plan.high } : null,
      shape: plan.shape,
      accuracy: plan.accuracy,
      error: plan.error,
      distance: plan.distance,
      ranged: plan.ranges !== null,
      finish: plan.finish,
      ringDegree: plan.parameters.ringDegree,
      witnesses: plan.witnesses.length,
      reading,
      preparation,
    };
  }

  /** Make keys for the model that was picked. */
  async makeKeys(tell: Tell): Promise<KeysInfo> {
    const { plan } = this.#require();
    return this.#hold(tell, (seal, progress) => Client.create(seal, plan, { progress, preparation: plan.preparation }));
  }

  /** Send the evaluation keys, where the service has not got them. */
  async sendKeys(tell: Tell): Promise<SentKeys> {
    const [{ service }, { keys, digest }] = [this.#require(), this.#requireKeys()];
    this.#tell = tell;
    const start = performance.now();
    if (this.#digest !== null) return { bytes: 0, milliseconds: 0 };
    this.#sent.add(digest);
    await this.#record(); // before the first byte leaves: what is not written down could not be deleted
    this.#digest = await service.uploadKeys(keys, (_, done, total) => tell({ what: "upload", done, total }));
    await this.#dropOthers(service, digest);
    return { bytes: keys.length, milliseconds: performance.now() - start };
  }

  /** Have the service delete the keys that those which it has now took the place of. */
  async #dropOthers(service: Service, digest: string): Promise<void> {
    for (const other of [...this.#sent].filter((each) => each !== digest)) {
      try {
        await forgetAt(service, other);
        this.#sent.delete(other);
      } catch (error) {
        if (!(error instanceof FhennError)) throw error; // it stays written down, and is tried again
      }
    }
    await this.#record();
  }

  /** Write down beside the kept key, under its lock, which keys the service may have. */
  async #record(): Promise<void> {
    const [{ plan }, { client }] = [this.#require(), this.#requireKeys()];
    if (this.#keeping?.fingerprint !== client.fingerprint) return;
    await this.#write(plan, client, this.#keeping.lock);
  }

  /** Keep the secret key of a client in this browser. */
  async #write({ fingerprint: plan }: Plan, client: Client, lock: LockKey): Promise<Locked> {
    const secret = await client.secretBytes();
    try {
      const locked = await lockWith(lock, secret, { plan, fingerprint: client.fingerprint, sent: [...this.#sent] });
      await store.write(plan, locked);
      return locked;
    } finally {
      secret.fill(0);
    }
  }

  /**
   * Predict rows, part by part.
   *
   * @param values - (rows, features), row by row, as the plan's preparation makes them
   * @param rows - how many
   */
  async predict({ values, rows }: { values: Float64Array; rows: number }, tell: Tell): Promise<Predicted> {
    const { plan } = this.#require();
    const { client } = this.#requireKeys();
    const { signal } = this.#stopping;
    this.#tell = tell;
    const times = { encrypting: 0, waiting: 0, decrypting: 0 };
    const timed = async <T>(name: keyof typeof times, work: () => Promise<T>): Promise<T> => {
      const start = performance.now();
      const found = await work();
      times[name] += performance.now() - start;
      return found;
    };
    const parts = client.parts(rows);
    const alarms: { row: number; reason: string }[] = [];
    let [scores, outputs, sent, received, picture] = [new Float64Array(), 0, 0, 0, new Uint8Array()];
    for (const { start, rows: count } of parts) {
      tell({ what: "encrypt", done: start, total: rows });
      signal.throwIfAborted();
      const features = values.subarray(start * plan.features, (start + count) * plan.features);
      const upload = await timed("encrypting", () => client.encrypt(features, count));
      const receipt = receiptOf(upload); // an earlier answer of the same client is none to this upload
      if (start === 0) picture = upload.slice(-PICTURE);
      tell({ what: "predict", done: start, total: rows });
      const answer = await timed("waiting", () => this.#ask(upload, tell));
      tell({ what: "decrypt", done: start, total: rows });
      const found = await timed("decrypting", () => client.decrypt(answer, { receipt, onViolation: "mask" }));
      if (start === 0) {
        outputs = found.outputs;
        scores = new Float64Array(rows * outputs);
      }
      scores.set(found.scores, start * outputs);
      for (const [source, places] of found.violations?.found ?? []) {
        for (const place of places) alarms.push({ row: start + place, reason: source });
      }
      for (const place of found.violations?.condemned ?? []) alarms.push({ row: start + place, reason: "" });
      sent += upload.length;
      received += answer.length;
    }
    return { scores, outputs, alarms, requests: parts.length, sent, received, ...times, picture };
  }

  /** End what is under way with the service: whoever waits for it gets a DOMException named "Stopped". Keys stay. */
  stop(): void {
    this.#stopping.abort(new DOMException("it was stopped", "Stopped"));
    this.#stopping = new AbortController();
    if (this.#picked) this.#picked = { ...this.#picked, service: this.#picked.connect() };
  }

  /** What this browser keeps for the model. */
  async kept(): Promise<Kept | null> {
    const locked = await store.read(this.#require().plan.fingerprint);
    return locked && describe(locked);
  }

  /** Keep the secret key in this browser, under a passphrase. */
  async keep({ passphrase }: { readonly passphrase: string }): Promise<Kept> {
    const { plan } = this.#require();
    const { client } = this.#requireKeys();
    const before = await store.read(plan.fingerprint); // its place is taken, and what was sent of it is to go too
    for (const each of before ? headerOf(before).sent : []) this.#sent.add(each);
    const lock = await newLock(passphrase);
    const locked = await this.#write(plan, client, lock);
    this.#keeping = { lock, fingerprint: client.fingerprint };
    return describe(locked);
  }

  /** Take up the key that this browser keeps. */
  async unlock({ passphrase }: { readonly passphrase: string }, tell: Tell): Promise<KeysInfo> {
    const { plan } = this.#require();
    const locked = await store.read(plan.fingerprint);
    if (locked === null) throw new ParameterError("this browser keeps no key for this model.", "Make new keys.");
    const header = headerOf(locked);
    if (header.plan !== plan.fingerprint) throw new WireFormatError("kept key", "it is for another model");
    const lock = await lockOf(locked, passphrase);
    const secret = await unlockWith(lock, locked);
    try {
      const info = await this.#hold(tell, (seal, progress) =>
        Client.fromSecretBytes(seal, plan, secret, { progress, preparation: plan.preparation }),
      );
      if (info.fingerprint !== header.fingerprint) {
        this.close();
        throw new WireFormatError("kept key", "it is another key than it says");
      }
      for (const each of header.sent) this.#sent.add(each);
      this.#keeping = { lock, fingerprint: header.fingerprint };
      return info;
    } finally {
      secret.fill(0);
    }
  }

  /**
   * Wipe the keys here, overwrite and delete what is kept, and have the service delete what was sent, as far as this
   * session and what is kept remember it. The worker is to be ended behind it: its memory may hold traces.
   */
  async forget(): Promise<null> {
    const { service, plan } = this.#require();
    this.close();
    this.#keeping = null;
    const sent = new Set([...this.#sent, ...(await sentOf(plan))]);
    await store.forget(plan.fingerprint);
    const failures: unknown[] = [];
    for (const each of sent) await forgetAt(service, each).catch((error: unknown) => failures.push(error));
    if (failures.length) throw failures[0];
    this.#sent.clear();
    return null;
  }

  /** Wipe the keys. */
  close(): void {
    this.#held?.client.close();
    this.#held = null;
    this.#digest = null;
  }

  /** The answer to an upload; keys that the service has lost are sent again, once. */
  async #ask(upload: Uint8Array, tell: Tell): Promise<Uint8Array> {
    const { service, model, plan } = this.#require();
    await this.sendKeys(tell);
    try {
      return await service.predict(model, this.#digest ?? "", upload, plan);
    } catch (error) {
      if (!(error instanceof ServiceError && error.kind === "keys-unknown")) throw error;
      this.#digest = null;
      await this.sendKeys(tell);
      return service.predict(model, this.#digest ?? "", upload, plan);
    }
  }

  /** Make a client, and its evaluation keys. */
  async #hold(
    tell: Tell,
    make: (seal: Seal, progress: (what: string, done: number, total: number) => void) => Promise<Client>,
  ): Promise<KeysInfo> {
    this.close();
    const start = performance.now();
    tell({ what: "load", done: 0, total: 1 });
    const client = await make(await this.#loaded(), (_, done, total) => tell({ what: "keys", done, total }));
    try {
      const keys = await client.evaluationKeys();
      this.#held = { client, keys, digest: await sha256(keys) };
    } catch (error) {
      client.close();
      throw error;
    }
    const { keys } = this.#held;
    return { bytes: keys.length, fingerprint: client.fingerprint, milliseconds: performance.now() - start };
  }

  /** SEAL, loaded once. */
  #loaded(): Promise<Seal> {
    this.#seal ??= this.load().catch((error: unknown) => {
      this.#seal = null; // the next one tries again
      throw error;
    });
    return this.#seal;
  }

  #require(): Picked {
    if (this.#picked === null) throw new ParameterError("no model was picked.", "Pick one.");
    return this.#picked;
  }

  #requireKeys(): Held {
    if (this.#held === null) throw new ParameterError("there are no keys.", "Make or unlock them.");
    return this.#held;
  }
}

/** Have a service delete keys, which it may have lost. */
async function forgetAt(service: Service, digest: string): Promise<void> {
  try {
    await service.forgetKeys(digest);
  } catch (error) {
    if (!(error instanceof ServiceError && error.status === 404)) throw error;
  }
}

/** What was sent of the key that this browser keeps; none where that cannot be read, which goes all the same. */
async function sentOf({ fingerprint }: Plan): Promise<readonly string[]> {
  try {
    const locked = await store.read(fingerprint);
    return locked ? headerOf(locked).sent : [];
  } catch (error) {
    if (error instanceof WireFormatError) return [];
    throw error;
  }
}

function describe(locked: Locked): Kept {
  const { fingerprint, created, iterations } = headerOf(locked);
  return { fingerprint, created, iterations };
}
