/** The typed errors of the client, with the names that they have in Python (`fhenn.errors`). */

import { apart, joinFirst, printable } from "./text.ts";

const LONGEST = 4000;

/** Base of every error that fhenn throws on purpose: its message says what is wrong, `wayOut` what to do. */
export class FhennError extends Error {
  readonly wayOut: string;

  constructor(reason: string, wayOut = "") {
    super(printable(wayOut ? `${reason} ${wayOut}` : reason, LONGEST));
    this.name = new.target.name;
    this.wayOut = printable(wayOut, LONGEST);
  }
}

/** A value belongs to other keys or parameters. */
export class ContextMismatch extends FhennError {
  /**
   * @param expected - fingerprint of the keys that were to be used.
   * @param got - fingerprint of those that the value belongs to.
   */
  constructor(
    readonly expected: string,
    readonly got: string,
  ) {
    super(
      `the ciphertext belongs to context ${got}, not to ${expected}.`,
      "Use ciphertexts and keys that come from one key generation.",
    );
  }
}

/** A value is larger than what surely fits the modulus: wrapping would corrupt every slot of its ciphertext. */
export class HeadroomExceeded extends FhennError {
  /**
   * @param largest - the largest |value|.
   * @param headroom - the largest |value| that surely fits.
   * @param operation - what was to be computed.
   */
  constructor(
    readonly largest: number,
    readonly headroom: number,
    readonly operation: string,
  ) {
    super(
      `${operation}: a value of ${largest} is beyond the headroom ${headroom}.`,
      "Values that large would wrap round and spoil those beside them: scale the inputs.",
    );
  }
}

/** An argument, or parameters of CKKS, that are malformed or insecure. */
export class ParameterError extends FhennError {}

/** A plan that asks for too much, or belongs to something else. */
export class PlanError extends FhennError {}

/** A preparation that does not belong to the plan that it came with, or that is not there. */
export class PreparationMismatch extends PlanError {
  /**
   * @param expected - fingerprint of the preparation that the plan names, null for none.
   * @param got - fingerprint of the one that came with it, null for none.
   */
  constructor(
    readonly expected: string | null,
    readonly got: string | null,
    wayOut: string,
  ) {
    super(
      `the preparation is ${got ?? "missing"}, where ${expected ?? "none"} is needed: raw tables would not be ` +
        "prepared as those that the model was fitted on.",
      wayOut,
    );
  }
}

/** The value that is furthest outside its bounds. */
export interface Furthest {
  /** Place of its sample, from 0. */
  readonly sample: number;
  /** Place of its feature, from 0. */
  readonly feature: number;
}

/** Values beyond the bounds that were declared to the plan. */
export class BoundsExceeded extends FhennError {
  /**
   * @param features - places of the features that have such values, from 0.
   * @param largest - the value that is furthest outside.
   * @param low - the lower bound of its feature.
   * @param high - the upper bound of its feature.
   * @param samples - places of the samples that have such values, from 0.
   * @param furthest - place of `largest`.
   * @param names - of `features`, empty where they are not known.
   */
  constructor(
    readonly features: readonly number[],
    readonly largest: number,
    readonly low: number,
    readonly high: number,
    readonly samples: readonly number[],
    readonly furthest: Furthest,
    readonly names: readonly string[] = [],
  ) {
    const [value, from, to] = apart([largest, low, high]);
    const verb = features.length === 1 ? "leaves its" : "leave their";
    const constant = low === high ? ", since all samples that the plan was made from are equal there" : "";
    super(
      `${joinFirst(names.length ? names : features, "feature")} ${verb} declared bounds in ` +
        `${joinFirst(samples, "sample")}; the furthest value is ${value}, outside [${from}, ${to}]${constant}.`,
      "Correct the data, or leave these rows out.",
    );
  }
}

/** A value of a type that cannot be computed on. */
export class UnsupportedValue extends FhennError {
  constructor(
    readonly got: string,
    readonly expected: string,
  ) {
    super(`cannot compute on ${got}; expected ${expected}.`);
  }
}

/** Shapes that do not match. */
export class ShapeMismatch extends FhennError {
  /**
   * @param operation - what was to be done.
   * @param got - the shape that was given.
   * @param expected - the shape that is needed, in words.
   */
  constructor(
    readonly operation: string,
    readonly got: readonly number[],
    readonly expected: string,
  ) {
    super(`${operation}: got shape (${got.join(", ")}), expected ${expected}.`);
  }
}

/** NaN or infinity where finite numbers are needed. */
export class NonFiniteValue extends FhennError {
  /**
   * @param operation - what was to be done.
   * @param count - how many values are not finite.
   */
  constructor(
    readonly operation: string,
    readonly count: number,
    wayOut: string,
  ) {
    super(`${operation}: ${count} ${count === 1 ? "value is" : "values are"} NaN or infinite.`, wayOut);
  }
}

/** Bytes that are not a well-formed fhenn or SEAL message. */
export class WireFormatError extends FhennError {
  /**
   * @param what - the kind of message that they should be.
   * @param reason - what is wrong with them.
   */
  constructor(
    readonly what: string,
    readonly reason: string,
    message?: string,
    wayOut = "Ask the sender for it again.",
  ) {
    super(message ?? `not ${what.endsWith("s") ? "" : "a "}valid ${what}: ${reason}.`, wayOut);
  }
}

/** Bytes of another kind than is needed. It is thrown before anything is done with them. */
export class WrongKind extends WireFormatError {
  /**
   * @param what - the kind that is needed, in words.
   * @param source - what the bytes are called.
   * @param got - the kind that they are, in words.
   * @param destination - the address that they would have been sent to, empty where they were to stay here.
   */
  constructor(
    what: string,
    readonly source: string,
    readonly got: string,
    readonly destination: string,
    wayOut: string,
  ) {
    const kept = destination ? ` It has not left this machine; it would have gone to ${destination}.` : "";
    super(what, `it is ${got}`, `${source} is ${got}, where ${what} is needed.${kept}`, wayOut);
  }
}

/** Bytes in a form that this client does not read. */
export class UnsupportedOperation extends FhennError {}

/** An answer that does not belong to the upload that was sent. */
export class AnswerMismatch extends FhennError {
  /**
   * @param what - the part of it that differs.
   * @param expected - what that part should be.
   * @param got - what it is.
   */
  constructor(
    readonly what: string,
    readonly expected: string,
    readonly got: string,
    wayOut: string,
  ) {
    super(`this is not the answer that was asked for: its ${what} is ${got}, expected ${expected}.`, wayOut);
  }
}

/** A secret key that is locked, or of other parameters. */
export class SecretLocked extends FhennError {}

/** The service answered with a problem (RFC 9457). */
export class ServiceError extends FhennError {
  /**
   * @param status - of HTTP.
   * @param kind - which problem, for programs.
   * @param detail - what is wrong and what to do, in words.
   * @param requestId - as in the service's log.
   */
  constructor(
    readonly status: number,
    readonly kind: string,
    readonly detail: string,
    readonly requestId: string,
  ) {
    super(`the service answers ${status}, ${kind}: ${detail} (request ${requestId})`);
  }
}

/** The service did not answer in any attempt. */
export class ServiceUnreachable extends FhennError {
  /**
   * @param url - of the service.
   * @param attempts - how many were made.
   * @param reason - of the last failure.
   */
  constructor(
    readonly url: string,
    readonly attempts: number,
    readonly reason: string,
  ) {
    super(
      `no answer from ${url} in ${attempts} attempts (${reason}).`,
      "Check the address, and that the service is running.",
    );
  }
}

/** What a service sent is refused: it is larger than it can need to be, or of another form than was asked for. */
export class AnswerRefused extends FhennError {
  /**
   * @param url - of the service.
   * @param what - was asked for ("plan", "answer", …).
   * @param reason - why it is refused.
   */
  constructor(
    readonly url: string,
    readonly what: string,
    readonly reason: string,
    wayOut: string,
  ) {
    super(`the ${what} from ${url} is refused: ${reason}.`, wayOut);
  }
}

/** Which samples of an encrypted prediction mean nothing, as the client sees from what it decrypts. */
export interface ViolationReport {
  /** Places, from 0, of all samples that must not be used. */
  readonly samples: readonly number[];
  /** How many samples there are. */
  readonly total: number;
  /** For each source ("witness of Sigmoid (node 1)", …), the places of the samples that it shows. */
  readonly found: ReadonlyMap<string, readonly number[]>;
  /** Those of `samples` that no source shows, but which share a ciphertext with one beyond the headroom. */
  readonly condemned: readonly number[];
}

/** Samples of an answer had values that left an activation's domain, and `onViolation` is "raise". */
export class RangeViolation extends FhennError {
  constructor(readonly report: ViolationReport) {
    const sources = [...report.found].map(([source, places]) => `${printable(source)} (${places.length})`).join(", ");
    const condemned = new Set(report.condemned);
    const left = report.samples.filter((place) => !condemned.has(place));
    const beside = condemned.size
      ? ` Beside them ${joinFirst(report.condemned, "sample")} (${condemned.size}) share${
          condemned.size === 1 ? "s" : ""
        } a ciphertext with one beyond the headroom, which may have spoilt all that is in it.`
      : "";
    super(
      `${left.length} of ${report.total} samples have, or may have, values outside an activation's domain: ` +
        `${joinFirst(left, "sample")}; found by ${sources}.${beside}`,
      'Their results mean nothing: drop them (onViolation: "mask").',
    );
  }
}

/** A table whose columns are not those that the model was fitted on. */
export class FeatureMismatch extends FhennError {
  /** Names that are wanted and not there. */
  readonly missing: readonly string[];
  /** Names that are there and not wanted, where no others may be. */
  readonly unknown: readonly string[];

  /**
   * @param got - names of the columns that are there, as far as they matter.
   * @param expected - names that are wanted.
   * @param raw - whether these are columns of a raw table, which a preparation makes the features of.
   */
  constructor(
    readonly got: readonly string[],
    readonly expected: readonly string[],
    readonly raw = false,
  ) {
    const missing = expected.filter((name) => !got.includes(name));
    const unknown = got.filter((name) => !expected.includes(name));
    const parts = [
      ...(missing.length ? [`missing: ${joinFirst(missing)}`] : []),
      ...(unknown.length ? [`unknown: ${joinFirst(unknown)}`] : []),
    ];
    super(
      `the ${raw ? "columns" : "features"} are not those that the model was fitted on (${parts.join("; ")}).`,
      "Name the columns as the model does; their order does not matter.",
    );
    this.missing = missing;
    this.unknown = unknown;
  }
}

/** What the reader of a table could be told to read it right: its format, or whether its first line is names. */
export type Asks = { readonly delimiter: string; readonly decimal: "." | "," } | "header";

/** A problem with a file of samples, with its place: a ParameterError by name, as in Python. */
export class TableError extends ParameterError {
  /**
   * @param line - of the file, from 1; null where the problem is in no one line.
   * @param column - of the table, from 0; null where the problem is in no one column.
   * @param asks - what would help; null where nothing that is known would.
   */
  constructor(
    reason: string,
    wayOut: string,
    readonly line: number | null = null,
    readonly column: number | null = null,
    readonly asks: Asks | null = null,
  ) {
    super(reason, wayOut);
    this.name = "ParameterError";
  }
}
