/** The file that `GET /v1/models/{name}/plan` sends (`fhenn/artifacts/documents.py`). */

import { FhennError } from "./errors.ts";
import type { Plan } from "./plan.ts";

/** A plan, and how raw tables become features and scores become labels. */
export interface PlanFile {
  readonly plan: Plan;
  /** JSON of the reading of scores, for `reading`; null where the file does not say. */
  readonly reading: string | null;
  /** JSON of the preparation of raw tables, for `preparation`; null where the plan needs none. Its fingerprint is not checked yet. */
  readonly preparation: string | null;
}

/**
 * The content of a plan file.
 *
 * @param data - the bytes, from a stranger.
 * @throws WireFormatError, PlanError.
 */
export function readPlanFile(data: Uint8Array): Promise<PlanFile> {
  return Promise.reject(new FhennError(`not built yet (${data.length} bytes)`));
}
