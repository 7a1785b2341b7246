/**
 * How the values of a table sit in the slots of ciphertexts (`fhenn/ckks/layout.py`).
 *
 * Tables are rows × features, row by row.
 */

import { Fields, oneOf, text, whole } from "./built.ts";
import { inflated } from "./inflate.ts";
import { type Json, type JsonObject, Malformed, objectOf } from "./json.ts";

/** Where each value sits. */
export interface Layout {
  /** "packed", "features", "vectors" or "placement". */
  readonly name: string;
  /** As it is written. */
  readonly json: JsonObject;
  /** How many ciphertexts a table takes. */
  ciphertexts(rows: number, width: number, slots: number): number;
  /** Whether every feature has a position. */
  holds(width: number, slots: number): boolean;
  /**
   * The slot values of every ciphertext, one after another.
   *
   * @param value - of a row and a feature.
   * @param rows - a multiple of those that share ciphertexts.
   */
  pack(
    value: (row: number, feature: number) => number,
    rows: number,
    width: number,
    slots: number,
  ): Generator<Float64Array>;
  /** The table whose slot values `pack` put into ciphertexts: (rows, width). */
  unpack(ciphertexts: readonly Float64Array[], rows: number, width: number): Float64Array;
}

/** Slots, or ciphertexts of a sample, that a layout from elsewhere may name. */
const MOST = 1 << 17;

/** Values of any shape in C order, as TenSEAL fills a vector. No plan has it: an answer may name it, and is refused. */
class Packed implements Layout {
  readonly name = "packed";
  readonly json = objectOf({ name: this.name });

  ciphertexts(rows: number, width: number, slots: number): number {
    return Math.ceil((rows * width) / slots);
  }

  holds(): boolean {
    return true;
  }

  pack(): Generator<Float64Array> {
    throw new Malformed("no plan has the layout 'packed'");
  }

  unpack(): Float64Array {
    throw new Malformed("no plan has the layout 'packed'");
  }
}

/** One feature of as many samples as fit in each ciphertext. */
class Features implements Layout {
  readonly name = "features";
  readonly json = objectOf({ name: this.name });

  ciphertexts(rows: number, width: number, slots: number): number {
    return Math.ceil(rows / slots) * width;
  }

  holds(): boolean {
    return true;
  }

  *pack(
    value: (row: number, feature: number) => number,
    rows: number,
    width: number,
    slots: number,
  ): Generator<Float64Array> {
    for (let start = 0; start < rows; start += slots) {
      for (let feature = 0; feature < width; feature += 1) {
        const held = new Float64Array(slots);
        for (let slot = 0; slot < Math.min(slots, rows - start); slot += 1) {
          held[slot] = value(start + slot, feature);
        }
        yield held;
      }
    }
  }

  unpack(ciphertexts: readonly Float64Array[], rows: number, width: number): Float64Array {
    const table = new Float64Array(rows * width);
    ciphertexts.forEach((held, place) => {
      const [start, feature] = [Math.floor(place / width) * held.length, place % width];
      for (let slot = 0; slot < Math.min(held.length, rows - start); slot += 1) {
        table[(start + slot) * width + feature] = held[slot] as number;
      }
    });
    return table;
  }
}

/**
 * Whole samples in a ciphertext, or in a few: value p of sample s sits in slot p·samples + s.
 *
 * Plans lay images out so too: their features are those of C order.
 */
export abstract class WholeSamples implements Layout {
  abstract readonly name: string;
  abstract readonly json: JsonObject;
  /** How many positions hold different features, a power of two. */
  abstract readonly period: number;
  /** How many samples are interleaved in a ciphertext, a power of two. */
  abstract readonly samples: number;
  /** Ciphertexts of a sample. */
  abstract readonly tiles: number;
  /** Whether a period of its ciphertexts holds every feature once. */
  abstract readonly isPlain: boolean;

  abstract holds(width: number, slots: number): boolean;

  /** The feature that each position of a tile holds, -1 for none: (slots/samples,). */
  protected abstract content(tile: number, width: number, slots: number): Int32Array;

  ciphertexts(rows: number, _width: number, _slots: number): number {
    return Math.ceil(rows / this.samples) * this.tiles;
  }

  *pack(
    value: (row: number, feature: number) => number,
    rows: number,
    width: number,
    slots: number,
  ): Generator<Float64Array> {
    const tiles = Array.from({ length: this.tiles }, (_, tile) => this.content(tile, width, slots));
    for (let start = 0; start < rows; start += this.samples) {
      for (const features of tiles) {
        const held = new Float64Array(slots);
        features.forEach((feature, position) => {
          for (let sample = 0; feature >= 0 && sample < this.samples; sample += 1) {
            held[position * this.samples + sample] = value(start + sample, feature);
          }
        });
        yield held;
      }
    }
  }

  /** Each value is the mean of its copies, whose errors are nearly independent. */
  unpack(ciphertexts: readonly Float64Array[], rows: number, width: number): Float64Array {
    const [table, copies] = [new Float64Array(rows * width), new Uint32Array(width)];
    const slots = ciphertexts[0]?.length ?? 0;
    for (let tile = 0; tile < this.tiles; tile += 1) {
      const features = this.content(tile, width, slots);
      features.forEach((feature) => {
        copies[feature] = (copies[feature] ?? 0) + 1;
      });
      for (let group = 0; group * this.tiles + tile < ciphertexts.length; group += 1) {
        const held = ciphertexts[group * this.tiles + tile] as Float64Array;
        const start = group * this.samples;
        features.forEach((feature, position) => {
          for (let sample = 0; feature >= 0 && sample < Math.min(this.samples, rows - start); sample += 1) {
            const at = (start + sample) * width + feature;
            table[at] = (table[at] as number) + (held[position * this.samples + sample] as number);
          }
        });
      }
    }
    return table.map((sum, place) => sum / (copies[place % width] as number));
  }
}

/** What positions hold: features round and round, rotated block by block, or in runs over several ciphertexts. */
export type Form = "replicated" | "blocks" | "tiles";

/** Features in order. */
export class Vectors extends WholeSamples {
  readonly name = "vectors";

  /**
   * @param form - what a position holds.
   * @param period - how many positions hold different features, a power of two.
   * @param samples - how many samples are interleaved in a ciphertext, a power of two.
   * @param step - by how much blocks differ, or how long runs are, a power of two.
   * @param tiles - ciphertexts of a sample; 1 where the form is "replicated".
   */
  constructor(
    readonly form: Form,
    readonly period: number,
    readonly samples = 1,
    readonly step = 1,
    readonly tiles = 1,
  ) {
    super();
  }

  get json(): JsonObject {
    const [period, samples, step, tiles] = [this.period, this.samples, this.step, this.tiles].map(BigInt);
    return objectOf({ name: this.name, form: this.form, period, samples, step, tiles });
  }

  get isPlain(): boolean {
    return this.form === "replicated";
  }

  protected content(tile: number, width: number, slots: number): Int32Array {
    return this.#within(slots).map((held) => (held + this.period * tile < width ? held + this.period * tile : -1));
  }

  holds(width: number, slots: number): boolean {
    if (!arePowersOfTwo(this.period, this.samples, this.step) || this.period * this.samples > slots) {
      return false;
    }
    if (this.tiles !== Math.ceil(width / this.period) || (this.form === "replicated" && this.tiles > 1)) {
      return false;
    }
    return new Set(this.#within(slots)).size >= Math.min(width, this.period);
  }

  /** Which of the features of its ciphertext each position holds. */
  #within(slots: number): Int32Array {
    const positions = Math.floor(slots / this.samples);
    const block = Math.max(this.period, Math.floor((this.step * positions) / this.period));
    return Int32Array.from({ length: positions }, (_, position) => {
      if (this.form === "tiles") {
        return Math.floor(position / this.step) % this.period;
      }
      return (this.form === "blocks" ? position + Math.floor(position / block) * this.step : position) % this.period;
    });
  }
}

/** Every feature at a place of its own, or at several. */
export class Placement extends WholeSamples {
  readonly name = "placement";

  /**
   * @param table - the feature of each position of each tile, -1 for none, tile by tile.
   * @param written - the table as text, which fingerprints are taken of.
   * @param period - positions of a tile, a power of two; they repeat round the ring.
   * @param samples - how many samples are interleaved in a ciphertext, a power of two.
   * @param tiles - ciphertexts of a sample.
   */
  constructor(
    readonly table: Int32Array,
    private readonly written: string,
    readonly period: number,
    readonly samples = 1,
    readonly tiles = 1,
  ) {
    super();
  }

  get json(): JsonObject {
    const [period, samples, tiles] = [this.period, this.samples, this.tiles].map(BigInt);
    return objectOf({ name: this.name, table: this.written, period, samples, tiles });
  }

  get isPlain(): boolean {
    const known = new Set<number>();
    return (
      this.table.some((held) => held >= 0) &&
      this.table.every((held) => held < 0 || (!known.has(held) && known.add(held)))
    );
  }

  protected content(tile: number, _width: number, slots: number): Int32Array {
    const start = tile * this.period;
    return Int32Array.from(
      { length: Math.floor(slots / this.samples) },
      (_, position) => this.table[start + (position % this.period)] as number,
    );
  }

  holds(width: number, slots: number): boolean {
    if (!arePowersOfTwo(this.period, this.samples) || this.period * this.samples > slots) {
      return false;
    }
    const known = new Set(this.table);
    known.delete(-1);
    const every = known.size === width && [...known].every((feature) => feature >= 0 && feature < width);
    const tiles = Array.from({ length: this.tiles }, (_, tile) =>
      this.table.subarray(tile * this.period, (tile + 1) * this.period),
    );
    return every && tiles.every((tile) => tile.some((held) => held !== -1)); // no ciphertext for nothing
  }
}

/** Samples × features, a feature a ciphertext. */
export const FEATURES: Layout = new Features();

const PACKED: Layout = new Packed();

/**
 * The layout in a JSON value.
 *
 * @param value - from a stranger.
 * @throws Malformed where it is none.
 */
export async function layoutFromJson(value: Json): Promise<Layout> {
  const fields = new Fields(value);
  const name = fields.need("name", oneOf("packed", "features", "vectors", "placement"));
  if (name === "vectors") {
    const layout = new Vectors(
      fields.need("form", oneOf("replicated", "blocks", "tiles")),
      fields.need("period", whole),
      fields.take("samples", whole, 1),
      fields.take("step", whole, 1),
      fields.take("tiles", whole, 1),
    );
    fields.end();
    requireModest(layout.period, layout.samples, layout.step, layout.tiles);
    return layout;
  }
  if (name === "placement") {
    const [period, samples, tiles] = [
      fields.need("period", whole),
      fields.need("samples", whole),
      fields.need("tiles", whole),
    ];
    const written = fields.need("table", text);
    fields.end();
    requireModest(period, samples, tiles);
    return new Placement(await inflated(written, period * tiles), written, period, samples, tiles);
  }
  fields.end();
  return name === "features" ? FEATURES : PACKED;
}

/** Whether two layouts put every value in the same slots. */
export function sameLayout(a: Layout, b: Layout): boolean {
  if (a instanceof Vectors && b instanceof Vectors) {
    return a.form === b.form && a.step === b.step && sameCounts(a, b);
  }
  if (a instanceof Placement && b instanceof Placement) {
    const length = a.table.length === b.table.length;
    return length && sameCounts(a, b) && a.table.every((held, place) => held === b.table[place]);
  }
  return a.name === b.name;
}

function sameCounts(a: WholeSamples, b: WholeSamples): boolean {
  return a.period === b.period && a.samples === b.samples && a.tiles === b.tiles;
}

function requireModest(...counts: readonly number[]): void {
  if (!counts.every((count) => count > 0 && count <= MOST)) {
    throw new Malformed(`a layout's period, samples, step and tiles must be from 1 to ${MOST}`);
  }
}

function arePowersOfTwo(...sizes: readonly number[]): boolean {
  return sizes.every((size) => size > 0 && (size & (size - 1)) === 0);
}
