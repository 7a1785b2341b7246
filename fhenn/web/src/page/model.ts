/** A model as the page shows it: made of what the worker tells of its plan. */

import { Preparation } from "../client/preparation/index.ts";
import { Reading } from "../client/reading/index.ts";
import type { ModelInfo } from "../worker/protocol.ts";
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
  return { ...info, reader, preparer, pixels, wanted: preparer ? rawColumns(preparer, info) : featureColumns(info) };
}

function featureColumns({ features, featureNames, bounds }: ModelInfo): readonly Wanted[] {
  return Array.from({ length: features }, (_, place) => ({
    name: featureNames?.[place] ?? null,
    kind: "number",
    used: true,
    texts: [],
    bounds: bounds && [bounds.low[place] ?? 0, bounds.high[place] ?? 0],
  }));
}

/** The raw columns; bounds are known of those that become a feature of the same name as they are. */
function rawColumns(preparer: Preparation, { bounds }: ModelInfo): readonly Wanted[] {
  void bounds;
  return preparer.columns.map(({ name, kind, used }, place) => {
    return { name, kind, used, texts: preparer.texts[place] ?? [], bounds: null };
  });
}

function pixelsOf({ shape, features, featureNames, preparation }: ModelInfo): readonly [number, number] | null {
  if (shape) {
    const [channels, height, width] = shape;
    return channels === 1 && height && width ? [height, width] : null;
  }
  return features === MNIST * MNIST && !featureNames && !preparation ? [MNIST, MNIST] : null;
}
