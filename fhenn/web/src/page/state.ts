/** What the page knows. Views draw it; the controller alone changes it. */

import type { Preparation } from "../client/preparation/index.ts";
import type { Reading, ResultColumn } from "../client/reading/index.ts";
import type { Prepared, Table } from "../client/table/index.ts";
import type { KeysInfo, Kept, Listed, ModelInfo, Predicted, Step } from "../worker/protocol.ts";

/** A column that the model wants of a table. */
export interface Wanted {
  /** Null where columns are known by their places. */
  readonly name: string | null;
  readonly kind: "number" | "text" | "either";
  readonly used: boolean;
  /** What a form offers to choose from; none for numbers. */
  readonly texts: readonly string[];
  /** Between which numbers the client accepts; null where that is not known of this column. */
  readonly bounds: readonly [number, number] | null;
  /** A cell that was tried and is accepted; null where none was looked for or found. */
  readonly example: string | null;
}

/** The model that was picked, with what reads its answers and makes its features. */
export interface Model extends ModelInfo {
  readonly reader: Reading | null;
  readonly preparer: Preparation | null;
  readonly wanted: readonly Wanted[];
  /** Height and width of its images; null where its samples are none of one channel. */
  readonly pixels: readonly [number, number] | null;
}

/** Where the rows come from; to those of a file, some may have been added by hand. */
export type Source =
  | { readonly kind: "file"; readonly name: string; readonly typed?: number }
  | { readonly kind: "typed" | "drawn" };

/** Rows, as they were brought and as the model takes them. */
export interface Rows {
  readonly table: Table;
  readonly prepared: Prepared;
  readonly source: Source;
  /** The name of a file that was brought after these rows, and was refused. */
  readonly refused?: string;
  /** How many files were dropped at once, where it was more than the one that was taken. */
  readonly dropped?: number;
}

/** Predictions of the rows that were ready. */
export interface Results {
  /** Of which rows of the table. */
  readonly rows: readonly number[];
  /** As `fhenn decrypt` writes them; a cell for each of `rows`. */
  readonly columns: readonly ResultColumn[];
  /** By row of the table: where the witness or guard looked, "" for a row beside such a one. */
  readonly alarms: ReadonlyMap<number, string>;
  readonly milliseconds: number;
}

/** What the server got to see of the model that was picked. */
export interface Seen {
  readonly keys: number;
  readonly last: Predicted | null;
}

export const NOTHING_SEEN: Seen = { keys: 0, last: null };

export interface State {
  readonly service: string;
  readonly token: string;
  /** Null before the service was asked. */
  readonly models: readonly Listed[] | null;
  readonly model: Model | null;
  readonly rows: Rows | null;
  readonly keys: KeysInfo | null;
  readonly kept: Kept | null;
  readonly results: Results | null;
  readonly seen: Seen;
  /** What is under way; null where nothing is. */
  readonly busy: "connect" | "pick" | "keys" | "predict" | "keep" | "unlock" | "forget" | null;
  readonly step: Step | null;
}

/** A state that can be watched. */
export class Store {
  #state: State;
  readonly #watchers: { readonly parts: readonly (keyof State)[]; readonly draw: (state: State) => void }[] = [];

  constructor(state: State) {
    this.#state = state;
  }

  get state(): State {
    return this.#state;
  }

  /** Change parts of the state, and draw what shows them. */
  set(change: Partial<State>): void {
    const before = this.#state;
    this.#state = { ...before, ...change };
    for (const { parts, draw } of this.#watchers) {
      if (parts.some((part) => before[part] !== this.#state[part])) draw(this.#state);
    }
  }

  /** Draw now, and whenever one of these parts changes. */
  watch(parts: readonly (keyof State)[], draw: (state: State) => void): void {
    this.#watchers.push({ parts, draw });
    draw(this.#state);
  }
}
