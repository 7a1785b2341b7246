/** The file that `GET /v1/models/{name}/plan` sends (`fhenn/artifacts/documents.py`). */

import { Fields, optional, text } from "./built.ts";
import { LARGEST_PLAN, requireShort } from "./demands.ts";
import { PreparationMismatch, WireFormatError } from "./errors.ts";
import { Malformed, readJson, textOf } from "./json.ts";
import type { Plan } from "./plan.ts";
import { planFromJson } from "./planreader.ts";
import { Preparation } from "./preparation/index.ts";
import { unframe } from "./wire.ts";

/** Bytes, and brackets or commas, of a preparation. */
const LARGEST_PREPARATION = 16 << 20;
const MOST_PARTS_OF_PREPARATION = 1 << 21;

/** Bytes of a plan file, at most. */
export const LARGEST_PLAN_FILE = LARGEST_PLAN + LARGEST_PREPARATION + (1 << 17);

/** A plan, and how raw tables become features and scores become labels. */
export interface PlanFile {
  readonly plan: Plan;
  /** JSON of the reading of scores; null where the file does not say. */
  readonly reading: string | null;
  /**
   * JSON of the preparation of raw tables; null where the plan needs none. Its fingerprint is the one that the plan
   * names.
   */
  readonly preparation: string | null;
}

/**
 * The content of a plan file.
 *
 * @param data - the bytes, from a stranger.
 * @throws WireFormatError, PlanError, PreparationMismatch where the preparation is another than the plan names, or
 * there is
 * none.
 */
export async function readPlanFile(data: Uint8Array): Promise<PlanFile> {
  const { body } = await unframe("plan", data);
  const { plan: written, reading, preparation } = partsOf(body);
  const plan = await planFromJson(written);
  const got = preparation === null ? null : await Preparation.fromJson(preparation).fingerprint();
  if (got !== plan.preparation) {
    throw new PreparationMismatch(plan.preparation, got, "Ask whoever sent the plan for its message again.");
  }
  return { plan, reading, preparation };
}

function partsOf(body: Uint8Array): { plan: string; reading: string | null; preparation: string | null } {
  try {
    const written = textOf(body);
    requireShortFile(written);
    const fields = new Fields(readJson(written));
    const found = {
      plan: fields.need("plan", text),
      reading: fields.need("reading", optional(text)),
      preparation: fields.take("preparation", optional(text), null),
    };
    fields.end();
    return found;
  } catch (error) {
    if (error instanceof Malformed) {
      throw new WireFormatError("plan", `it is not readable (${error.message})`);
    }
    throw error;
  }
}

/** Throws Malformed, before it is parsed, where a file is longer, or has more parts, than any that is sent. */
function requireShortFile(written: string): void {
  if (!written.includes('"preparation"')) {
    requireShort(written);
    return;
  }
  const count = (sign: string) => written.split(sign, MOST_PARTS_OF_PREPARATION + 2).length - 1;
  const most = MOST_PARTS_OF_PREPARATION;
  if (written.length > LARGEST_PLAN + LARGEST_PREPARATION || count(",") > most || count("[") > most) {
    throw new Malformed("it is longer than any plan and preparation");
  }
}
