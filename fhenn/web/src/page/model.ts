/** A model as the page shows it: made of what the worker tells of its plan. */

import { Preparation } from "../client/preparation/index.ts";
import { Reading } from "../client/reading/index.ts";
import { checkBounds, readNumbers, type Prepared, type Table } from "../client/table/index.ts";
import type { ModelInfo } from "../worker/protocol.ts";
import { withExamples } from "./example.ts";
import { withRawBounds } from "./raw_bounds.ts";
import type { Model, Wanted } from "./state.ts";

/** Height and width of MNIST's images, which models of 784 unnamed features are taken to be for. */
const MNIST = 28;

/**
 * A model with what reads its answers and makes its features.
 *
 * @throws WireFormatError where the service sent a reading or a preparation that is none
 */
export function modelOf(info: ModelInfo): Model {
  const reader = info.reading === null ? null : Reading.fromJson(info.reading);
  const preparer = info.preparation === null ? null : Preparation.fromJson(info.preparation);
  const pixels = pixelsOf(info);
  const wanted = preparer ? rawColumns(preparer) : featureColumns(info);
  const model: Model = { ...info, reader, preparer, pixels, wanted };
  if (!preparer) return model;
  const tried = withExamples(wanted, (table) => prepare(model, table));
  const { bounds } = info;
  if (!bounds) return { ...model, wanted: tried };
  return { ...model, wanted: withRawBounds(tried, (table) => preparer.prepare(table), bounds.low, bounds.high) };
}

/** The features of a table, and which of its rows cannot be sent. */
export function prepare({ preparer, featureNames, features, bounds }: Model, table: Table): Prepared {
  const prepared = preparer ? preparer.prepare(table) : readNumbers(table, featureNames, features);
  return bounds ? checkBounds(prepared, bounds.low, bounds.high) : prepared;
}

/** Of each column of a table, between which numbers the model accepts; null where that is not known. */
export function boundsOf({ wanted }: Model, table: Table): readonly (readonly [number, number] | null)[] {
  const found: (readonly [number, number] | null)[] = table.columns.map(() => null);
  placesOf(wanted, table).forEach((place, at) => {
    if (place !== undefined) found[place] = wanted[at]?.bounds ?? null;
  });
  return found;
}

/** Of each column that is wanted, its place in a table; undefined where it is not there. */
export function placesOf(wanted: readonly Wanted[], { names, data }: Table): readonly (number | undefined)[] {
  const places = new Map(names?.map((name, place) => [name, place]));
  const byName = names !== null && wanted.every(({ name }) => name !== null);
  return wanted.map(({ name }, at) => (byName ? places.get((name ?? "").normalize("NFC")) : data[at]));
}

function featureColumns({ features, featureNames, bounds }: ModelInfo): readonly Wanted[] {
  return Array.from({ length: features }, (_, place) => ({
    name: featureNames?.[place] ?? null,
    kind: "number",
    used: true,
    texts: [],
    bounds: bounds && [bounds.low[place] ?? 0, bounds.high[place] ?? 0],
    example: null,
  }));
}

/** The raw columns, whose bounds are not known yet: those of the plan are for what is made of them. */
function rawColumns(preparer: Preparation): readonly Wanted[] {
  return preparer.columns.map(({ name, kind, used }, place) => {
    return { name, kind, used, texts: preparer.texts[place] ?? [], bounds: null, example: null };
  });
}

function pixelsOf({ shape, features, featureNames, preparation }: ModelInfo): readonly [number, number] | null {
  if (shape) {
    const [channels, height, width] = shape;
    return channels === 1 && height && width ? [height, width] : null;
  }
  return features === MNIST * MNIST && !featureNames && !preparation ? [MNIST, MNIST] : null;
}
