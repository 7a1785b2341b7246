/** What a model's scores mean, and what a client makes of them. */

export {
  Reading,
  resultColumns,
  type Label,
  type Predictions,
  type ResultColumn,
  type ResultKind,
  type Task,
} from "./reading.ts";
