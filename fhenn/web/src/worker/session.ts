/** What the worker holds for the page: the connection, the plan, the client with its secret key. */

import { Client, ParameterError, type Plan, receiptOf, type Seal, Service, ServiceError } from "../client/index.ts";
import * as store from "./key_store.ts";
import { headerOf, lock, unlock, type Locked } from "./lock.ts";
import type { KeysInfo, Kept, Listed, ModelInfo, Place, Predicted, SentKeys, Step } from "./protocol.ts";

/** Called with how far a call is. */
export type Tell = (step: Step) => void;

/** Bytes of an upload that are shown as a picture. */
const PICTURE = 1 << 14;

/** A connection, and the plan of the model that was picked. */
interface Picked {
  readonly service: Service;
  readonly model: string;
  readonly plan: Plan;
}

/** A client, and the evaluation keys that it made. */
interface Held {
  readonly client: Client;
  readonly keys: Uint8Array;
}

/** A session with one service. SEAL is loaded when keys are made. */
export class Session {
  #picked: Picked | null = null;
  #held: Held | null = null;
  /** Of the keys that the service has; null until they were sent. */
  #digest: string | null = null;
  #seal: Promise<Seal> | null = null;

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
    const service = new Service(address, token);
    const { plan, reading, preparation } = await service.planFile(model);
    if (this.#picked?.plan.fingerprint !== plan.fingerprint || this.#picked.service.url !== address) this.close();
    this.#picked = { service, model, plan };
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
    const [{ service }, { keys }] = [this.#require(), this.#requireKeys()];
    const start = performance.now();
    if (this.#digest !== null) return { bytes: 0, milliseconds: 0 };
    this.#digest = await service.uploadKeys(keys, (_, done, total) => tell({ what: "upload", done, total }));
    return { bytes: keys.length, milliseconds: performance.now() - start };
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

  /** What this browser keeps for the model. */
  async kept(): Promise<Kept | null> {
    const locked = await store.read(this.#require().plan.fingerprint);
    return locked && describe(locked);
  }

  /** Keep the secret key in this browser, under a passphrase. */
  async keep({ passphrase }: { readonly passphrase: string }): Promise<Kept> {
    const { plan } = this.#require();
    const { client } = this.#requireKeys();
    const secret = new Uint8Array(await client.secretBytes());
    try {
      const locked = await lock(secret, passphrase, { plan: plan.fingerprint, fingerprint: client.fingerprint });
      await store.write(plan.fingerprint, locked);
      return describe(locked);
    } finally {
      secret.fill(0);
    }
  }

  /** Take up the key that this browser keeps. */
  async unlock({ passphrase }: { readonly passphrase: string }, tell: Tell): Promise<KeysInfo> {
    const { plan } = this.#require();
    const locked = await store.read(plan.fingerprint);
    if (locked === null) throw new ParameterError("this browser keeps no key for this model.", "Make new keys.");
    const secret = await unlock(locked, passphrase);
    try {
      return await this.#hold(tell, (seal, progress) =>
        Client.fromSecretBytes(seal, plan, secret, { progress, preparation: plan.preparation }),
      );
    } finally {
      secret.fill(0);
    }
  }

  /** Wipe the keys here, overwrite and delete what is kept, and have the service delete what was sent. */
  async forget(): Promise<null> {
    const { service, plan } = this.#require();
    const digest = this.#digest;
    this.close();
    await store.forget(plan.fingerprint);
    if (digest !== null) {
      await service.forgetKeys(digest).catch((error: unknown) => {
        if (!(error instanceof ServiceError && error.status === 404)) throw error;
      });
    }
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
    const keys = await client.evaluationKeys();
    this.#held = { client, keys };
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

function describe(locked: Locked): Kept {
  const { fingerprint, created, iterations } = headerOf(locked);
  return { fingerprint, created, iterations };
}
