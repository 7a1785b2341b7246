/** `Preparation`: what a client does with raw tables, in the clear, before it encrypts. */

import type { Prepared, Table } from "../table/index.ts";

/** What the cells of a raw column are: numbers, texts, or some of each. */
export type Kind = "number" | "text" | "either";

/** A column of the raw table. */
export interface Column {
  readonly name: string | null;
  readonly kind: Kind;
  readonly used: boolean;
}

/** What makes the features of an encrypted model from a raw table, step by step, as data. */
export class Preparation {
  private constructor(
    /** Of the raw table, in the order that they have where they have no names. */
    readonly columns: readonly Column[],
    /** Names of what comes out. */
    readonly features: readonly string[],
  ) {}

  /**
   * The preparation of Python's `to_json`, whoever wrote it.
   *
   * Throws WireFormatError where it is not one, has steps of another kind, or is larger than any that is sent.
   */
  static fromJson(text: string | Uint8Array): Preparation {
    void text;
    throw new Error("not written yet");
  }

  /** 32 hexadecimal digits that differ from preparation to preparation: what a plan names it by. */
  async fingerprint(): Promise<string> {
    throw new Error("not written yet");
  }

  /** Of each raw column, the texts that the model tells apart, for a form to choose from; none for numbers. */
  get texts(): readonly (readonly string[])[] {
    throw new Error("not written yet");
  }

  /** Names of the raw columns that are used; null where columns have none. */
  get names(): readonly string[] | null {
    throw new Error("not written yet");
  }

  /**
   * The features of a raw table, and the cells that stand in their way.
   *
   * Throws FeatureMismatch where columns are missing, ShapeMismatch where there is another number, or no row.
   */
  prepare(table: Table): Prepared {
    void table;
    throw new Error("not written yet");
  }
}
