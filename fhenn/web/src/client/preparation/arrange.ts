/** `Select` and `Union`, which arrange columns and other steps, and how sequences of steps are walked and run. */

import { type Build, listOf, whole } from "../built.ts";
import { ensure } from "../ensure.ts";
import type { Json, JsonObject } from "../json.ts";
import { type Fields, Frame, type Kind } from "./frame.ts";
import { Step, StepFields } from "./step.ts";

/** Some columns, in an order, each any number of times. */
export class Select extends Step {
  override readonly name = "Select";
  override readonly missingOk = true;

  private constructor(
    data: JsonObject,
    private readonly places: readonly number[],
  ) {
    super(data);
  }

  static of(value: Json): Select {
    const fields = new StepFields(value);
    const places = fields.need("places", listOf(whole));
    return new Select(fields.end(), places);
  }

  override wants(count: number): readonly (Kind | null)[] {
    return Array.from({ length: count }, () => null);
  }

  override after(before: Fields): Fields {
    return this.places.map((place) => {
      const field = before[place];
      const reason = `a step Select takes column ${place}, and ${before.length} come in.`;
      ensure(field !== undefined, reason, "Count columns from 0.");
      return field ?? { kind: "number", origin: null };
    });
  }

  override apply(frame: Frame): Frame {
    const columns = this.places.map((place) => frame.columns[place] ?? []);
    return frame.with(columns, this.after(frame.fields));
  }

  override work(): number {
    return 0;
  }
}

/** What several sequences of steps make of the same columns, side by side; a sequence without steps leaves them. */
export class Union extends Step {
  override readonly name = "Union";
  override readonly missingOk = true;

  private constructor(
    data: JsonObject,
    readonly branches: readonly (readonly Step[])[],
  ) {
    super(data);
  }

  /** @param build - makes the steps of the branches. */
  static of(value: Json, build: Build<Step>): Union {
    const fields = new StepFields(value);
    const branches = fields.need("branches", listOf(listOf(build)));
    fields.end();
    return new Union(new Map([["branches", branches.map((branch) => branch.map(dataOf))]]), branches);
  }

  override after(before: Fields): Fields {
    return walk([this], before);
  }

  override apply(frame: Frame): Frame {
    const made = this.branches.map((branch) => run(branch, frame));
    return frame.with(
      made.flatMap(({ columns }) => columns),
      made.flatMap(({ fields }) => fields),
    );
  }

  override work(): number {
    return 0;
  }
}

/** A step as Python writes it. */
export function dataOf(step: Step): JsonObject {
  return new Map<string, Json>([["step", step.name], ...step.data]);
}

/** Rows after all steps. */
export function run(steps: readonly Step[], frame: Frame): Frame {
  return steps.reduce((found, step) => {
    if (!step.missingOk) {
      found.requirePresent(found.fields.keys(), "Fill it in, or leave the row out: the model takes no missing ones.");
    }
    return step.apply(found);
  }, frame);
}

/**
 * What comes out of all steps.
 *
 * @param steps - one after another.
 * @param before - what comes in.
 * @param visit - called with every step, those in branches too, and what comes in to it; not with unions themselves.
 * @throws ParameterError where a step is not for what comes in to it.
 */
export function walk(
  steps: readonly Step[],
  before: Fields,
  visit: (step: Step, before: Fields) => void = () => undefined,
): Fields {
  return steps.reduce((fields, step) => {
    if (step instanceof Union) {
      ensure(step.branches.length > 0, "a step Union has no branches.", "Give it at least one.");
      return step.branches.flatMap((branch) => walk(branch, fields, visit));
    }
    visit(step, fields);
    return step.after(fields);
  }, before);
}
