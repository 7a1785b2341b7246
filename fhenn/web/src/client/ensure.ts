/** `ensure`: what must hold of a value. */

import { ParameterError } from "./errors.ts";

/** Throw ParameterError where something does not hold. */
export function ensure(holds: boolean, reason: string, wayOut: string): void {
  if (!holds) {
    throw new ParameterError(reason, wayOut);
  }
}
