/** What a model's scores mean, and what a client makes of them. */

export type { Label } from "./labels.ts";
export { Reading, type Predictions, type Task } from "./reading.ts";
export { resultColumns, type ResultColumn, type ResultKind } from "./results.ts";
