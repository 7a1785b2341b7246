import { afterAll, beforeAll, expect, test } from "vitest";
import { Client, FhennError, loadSeal, readPlanFile, receiptOf, type ViolationReport } from "../../src/client/index.ts";
import { bytes, describeVectors, json } from "./vectors.ts";

/** What Python's client says of an answer. */
interface Said {
  readonly name: string;
  /** The error; empty where there is none. */
  readonly error: string;
}

describeVectors("altered answers", "altered.json", () => {
  const cases = Object.entries(json<Record<string, readonly Said[]>>("altered.json"));
  const clients = new Map<string, Client>();
  beforeAll(async () => {
    const seal = await loadSeal();
    for (const [name] of cases) {
      const { plan } = await readPlanFile(bytes(`${name}.plan`));
      clients.set(name, await Client.fromSecretBytes(seal, plan, bytes(`from_js/${name}.secret`)));
    }
  });
  afterAll(() => clients.forEach((client) => client.close()));

  const every = cases.flatMap(([name, answers]) => answers.map((each, place) => ({ ...each, of: name, place })));
  test.each(every)("$of: $name", async ({ error, of, place }) => {
    const receipt = receiptOf(bytes(`from_js/${of}.upload`));
    const met = await clients
      .get(of)
      ?.decrypt(bytes(`altered/${of}/answer${place}`), { receipt })
      .then(
        () => "",
        (reason: unknown) => (reason instanceof FhennError ? reason.name : String(reason)),
      );
    // this client looks at what a header states before it looks at ciphertexts
    expect(met).toBe(error === "WireFormatError" && met === "AnswerMismatch" ? met : error);
  });
});

/** A report as Python writes it. */
interface Report {
  readonly samples: readonly number[];
  readonly total: number;
  readonly found: Readonly<Record<string, readonly number[]>>;
  readonly condemned: readonly number[];
}

describeVectors("answers with alarms", "alarms.json", () => {
  const alarms = Object.entries(json<Record<string, Report>>("alarms.json"));

  test.each(alarms)("%s is told, masked and refused", async (name, report) => {
    const { plan } = await readPlanFile(bytes(`${name}.plan`));
    const client = await Client.fromSecretBytes(await loadSeal(), plan, bytes(`from_js/${name}.secret`));
    const [answer, receipt] = [bytes(`${name}.answer`), receiptOf(bytes(`from_js/${name}.upload`))];
    const plainly = ({ samples, total, found, condemned }: ViolationReport) => ({
      samples,
      total,
      found: Object.fromEntries(found),
      condemned,
    });
    const { violations, scores } = await client.decrypt(answer, { receipt, onViolation: "warn" });
    expect(violations === null ? null : plainly(violations)).toEqual(report);
    const masked = await client.decrypt(answer, { receipt, onViolation: "mask" });
    masked.scores.forEach((score, place) => {
      const sample = Math.floor(place / masked.outputs);
      expect(score).toBe(report.samples.includes(sample) ? Number.NaN : scores[place]);
    });
    await expect(client.decrypt(answer, { receipt })).rejects.toMatchObject({ name: "RangeViolation" });
    client.close();
  });
});
