import { expect, test } from "vitest";
import { readPlanFile } from "../../src/client/index.ts";
import { bytes, describeVectors, json } from "./vectors.ts";

/** What Python says of a plan. */
interface Told {
  readonly rows: number;
  readonly fingerprint: string;
  readonly parameters: string;
  readonly primes: readonly string[];
  readonly samplesPerCiphertext: number;
  readonly ciphertextsPerSample: number;
  readonly bytesPerCiphertext: number;
  readonly relinearisationLevel: number;
  readonly rotationKeys: readonly (readonly [number, number])[];
}

describeVectors("plans of Python", "cases.json", () => {
  test.each(Object.entries(json<Record<string, Told>>("cases.json")))(
    "%s is read as Python reads it",
    async (name, told) => {
      const { plan } = await readPlanFile(bytes(`${name}.plan`));
      expect({
        fingerprint: plan.fingerprint,
        parameters: plan.parameters.fingerprint,
        primes: plan.parameters.primes.map(String),
        samplesPerCiphertext: plan.samplesPerCiphertext,
        ciphertextsPerSample: plan.ciphertextsPerSample,
        bytesPerCiphertext: plan.bytesPerCiphertext,
        relinearisationLevel: plan.relinearisationLevel,
        rotationKeys: [...plan.rotationKeys],
        rows: told.rows,
      }).toEqual(told);
    },
  );
});
