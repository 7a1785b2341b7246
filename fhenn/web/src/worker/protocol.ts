/** What the page and its worker say to each other. The secret key is in none of it. */

import type { Finish } from "../client/index.ts";

/** Where a service is, and who asks. */
export interface Place {
  /** Address of the service. */
  readonly service: string;
  readonly token: string;
}

/** A model in the list of the service. */
export interface Listed {
  readonly name: string;
  readonly features: number;
  readonly bytesOfKeys: number;
}

/** What the page needs to know of the model that was picked. */
export interface ModelInfo {
  readonly name: string;
  /** Fingerprint of the plan. */
  readonly version: string;
  readonly features: number;
  readonly featureNames: readonly string[] | null;
  /** Bounds of each feature, (features,), between which the client accepts it; null where the plan scales nothing. */
  readonly bounds: { readonly low: Float64Array; readonly high: Float64Array } | null;
  /** Shape of a sample, for instance (1, 28, 28); null where it is a list of features. */
  readonly shape: readonly number[] | null;
  /** What was asked of the plan, and what it surely holds: largest difference to the model's scores. */
  readonly accuracy: number;
  readonly error: number;
  /** The largest distance of what is computed from the exact model, on the plan's samples; null where unknown. */
  readonly distance: number | null;
  /** Whether ranges within the model are known from data alone, so that other rows may leave them. */
  readonly ranged: boolean;
  readonly finish: Finish | null;
  readonly ringDegree: number;
  readonly witnesses: number;
  /** JSON of the reading and of the preparation. */
  readonly reading: string | null;
  readonly preparation: string | null;
}

/** Keys that were made or unlocked. */
export interface KeysInfo {
  /** Of the evaluation keys, which the server gets. */
  readonly bytes: number;
  /** Identifies the key generation; says nothing of the key. */
  readonly fingerprint: string;
  readonly milliseconds: number;
}

/** What was sent of keys. */
export interface SentKeys {
  readonly bytes: number;
  readonly milliseconds: number;
}

/** Rows that were predicted, all together. */
export interface Predicted {
  /** The model's scores, (rows, outputs), row by row. */
  readonly scores: Float64Array;
  readonly outputs: number;
  /** Rows whose values left the range in which the model is good, and why. */
  readonly alarms: readonly { readonly row: number; readonly reason: string }[];
  readonly requests: number;
  /** Bytes of ciphertexts, sent and received. */
  readonly sent: number;
  readonly received: number;
  /** Milliseconds of each step. */
  readonly encrypting: number;
  readonly waiting: number;
  readonly decrypting: number;
  /** The last bytes of the first upload, at most 16,384, as they were sent. */
  readonly picture: Uint8Array;
}

/** Keys that this browser keeps under a passphrase. */
export interface Kept {
  /** Of the key generation, as in `KeysInfo`. */
  readonly fingerprint: string;
  readonly created: number;
  readonly iterations: number;
}

/** Each call: what is handed over, and what comes back. */
export interface Calls {
  readonly list: { readonly ask: Place; readonly answer: readonly Listed[] };
  readonly pick: { readonly ask: Place & { readonly model: string }; readonly answer: ModelInfo };
  readonly makeKeys: { readonly ask: null; readonly answer: KeysInfo };
  readonly sendKeys: { readonly ask: null; readonly answer: SentKeys };
  readonly predict: {
    readonly ask: { readonly values: Float64Array; readonly rows: number };
    readonly answer: Predicted;
  };
  readonly kept: { readonly ask: null; readonly answer: Kept | null };
  readonly keep: { readonly ask: { readonly passphrase: string }; readonly answer: Kept };
  readonly unlock: { readonly ask: { readonly passphrase: string }; readonly answer: KeysInfo };
  readonly forget: { readonly ask: null; readonly answer: null };
}

export type CallName = keyof Calls;

/** A call as it is posted. */
export type Ask = {
  [N in CallName]: { readonly id: number; readonly name: N; readonly ask: Calls[N]["ask"] };
}[CallName];

/** What the page posts: a call, or that what is under way is to end. */
export type Posted = Ask | { readonly name: "stop" };

/** How far a call is; "unanswered" and "busy" are a service's that is tried again. */
export interface Step {
  readonly what: "load" | "keys" | "upload" | "encrypt" | "predict" | "decrypt" | "unanswered" | "busy";
  readonly done: number;
  readonly total: number;
}

/** An error as it is posted: the name of its class, what it says, and which fields the page shows. */
export interface Trouble {
  readonly name: string;
  readonly message: string;
  readonly wayOut: string;
  /** Of a problem document: its status and kind. */
  readonly status: number | null;
  readonly kind: string | null;
  /** Whether the worker cannot go on, and must be replaced. */
  readonly lost: boolean;
}

/** What the worker posts. */
export type Told =
  | { readonly id: number; readonly type: "step"; readonly step: Step }
  | { readonly id: number; readonly type: "done"; readonly value: unknown }
  | { readonly id: number; readonly type: "failed"; readonly trouble: Trouble };
