/** What tells one upload from another, and which answer is whose (`fhenn/session/receipt.py`). */

import { FhennError } from "./errors.ts";

/** What a client sent, so that `Client.decrypt` can tell the answer to it from others. */
export interface Receipt {
  /** Fingerprint of the plan. */
  readonly plan: string | null;
  /** Digest and number of samples of each part. */
  readonly parts: readonly { readonly sha256: string; readonly samples: number }[];
}

/**
 * The receipt of an upload.
 *
 * @param upload - of `Client.encrypt`.
 * @throws WireFormatError where it is none.
 */
export function receiptOf(upload: Uint8Array): Receipt {
  throw new FhennError(`not built yet ${upload.length}`);
}
