/** The typed errors of the client, with the names that they have in Python (`fhenn.errors`). */

/** Base of every error that fhenn throws on purpose: its message says what is wrong, `wayOut` what to do. */
export class FhennError extends Error {
  readonly wayOut: string;

  constructor(reason: string, wayOut = "") {
    super(wayOut ? `${reason} ${wayOut}` : reason);
    this.name = new.target.name;
    this.wayOut = wayOut;
  }
}
