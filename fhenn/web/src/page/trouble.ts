/** What went wrong, in the page's words. */

import { FeatureMismatch, FhennError, ShapeMismatch, TableError } from "../client/index.ts";
import type { Values } from "./language.ts";
import type { TextName } from "./texts.ts";
import { WorkerTrouble } from "./worker_link.ts";

/** What the page says of an error, and what the error says itself. */
export interface Trouble {
  readonly name: TextName;
  readonly values: Values;
  /** The class of the error, and its message; empty for the page's own. */
  readonly kind: string;
  readonly message: string;
  /** Whether the message tells the reader of a table what to mend, and is shown at once. */
  readonly open?: boolean;
}

/** An error of the page's own: its text says all. */
export class PageError extends Error {
  constructor(
    readonly text: TextName,
    readonly values: Values = {},
  ) {
    super(text);
  }
}

const BY_NAME: Readonly<Record<string, TextName>> = {
  ServiceUnreachable: "errorUnreachable",
  AnswerRefused: "errorAnswer",
  AnswerMismatch: "errorAnswer",
  WireFormatError: "errorAnswer",
  WrongKind: "errorAnswer",
  ContextMismatch: "errorAnswer",
  PlanError: "errorPlan",
  PreparationMismatch: "errorPlan",
  SecretLocked: "errorPassphrase",
  WorkerLost: "errorWorker",
  ForgottenElsewhere: "forgottenElsewhere",
  ParameterError: "errorTable",
  ShapeMismatch: "errorColumnCount",
};

/** Names of the errors of browsers' stores. */
const STORAGE = new Set([
  "InvalidStateError",
  "QuotaExceededError",
  "SecurityError",
  "UnknownError",
  "NotAllowedError",
]);

/** What to say of an error. */
export function troubleOf(error: unknown): Trouble {
  if (error instanceof PageError) return { name: error.text, values: error.values, kind: "", message: "" };
  if (error instanceof WorkerTrouble) {
    const { name, message, status, kind } = error.trouble;
    if (name === "Stopped") return { name: "stopped", values: {}, kind: "", message: "" };
    const text =
      name === "ServiceError" ? ofService(status ?? 0, kind) : STORAGE.has(name) ? "errorStorage" : fromWorker(name);
    return { name: text, values: { status: status ?? 0 }, kind: kind ? `${name} (${kind})` : name, message };
  }
  if (error instanceof FeatureMismatch && error.missing.length) {
    const shown = error.missing.slice(0, 8).join(", ") + (error.missing.length > 8 ? ", …" : "");
    return { name: "errorColumns", values: { columns: shown }, kind: error.name, message: error.message };
  }
  if (error instanceof TableError) {
    const { line, name: kind, message } = error;
    if (line === null) return { name: "errorTable", values: {}, kind, message, open: true };
    return { name: "errorTableLine", values: { line: String(line) }, kind, message, open: true };
  }
  if (error instanceof FhennError) {
    const name = error instanceof ShapeMismatch ? "errorColumnCount" : (BY_NAME[error.name] ?? "errorOther");
    return { name, values: {}, kind: error.name, message: error.message };
  }
  console.error(error); // a fault of the page itself: for whoever mends it
  return { name: "errorOther", values: {}, kind: error instanceof Error ? error.name : "", message: "" };
}

/** Tables are read in the page: in the worker, the same names speak of other things. */
function fromWorker(name: string): TextName {
  if (name === "ParameterError") return "errorAddress";
  return BY_NAME[name] ?? "errorOther";
}

function ofService(status: number, kind: string | null): TextName {
  if (status === 404 && kind === "http") return "errorNoService";
  if (kind === "model-unknown" || kind === "version-gone") return "errorModelGone";
  if (status === 401) return "errorToken";
  if (status === 413) return "errorTooLarge";
  return status === 429 || status === 503 ? "errorBusy" : "errorService";
}
