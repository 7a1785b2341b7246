import { expect, test } from "vitest";
import { FhennError, readPlanFile } from "../../src/client/index.ts";
import { Malformed, readJson, writeJson } from "../../src/client/json.ts";
import { frame, headerOf, unframe } from "../../src/client/wire.ts";
import { bytes, describeVectors, json, write } from "./vectors.ts";

interface Said {
  readonly name: string;
  readonly error: string;
}

interface Broken {
  readonly frames: readonly (Said & { readonly header: string })[];
  readonly texts: readonly { readonly text: string; readonly written: string | null }[];
  readonly plans: readonly (Said & { readonly fingerprint: string | null })[];
}

/** The name of the error that something throws; empty where it throws none. */
async function outcome(act: () => unknown): Promise<string> {
  try {
    await act();
  } catch (error) {
    if (error instanceof FhennError) {
      return error.name;
    }
    throw error;
  }
  return "";
}

describeVectors("broken messages", "broken.json", () => {
  const { frames = [], texts = [], plans = [] } = json<Partial<Broken>>("broken.json");

  test.each(frames.map((each, place) => ({ ...each, place })))("frame: $name", async ({ error, header, place }) => {
    const data = bytes(`broken/frame${place}`);
    expect(await outcome(() => unframe("note", data))).toBe(error);
    expect(await outcome(() => headerOf(data))).toBe(header);
    if (!error) {
      const found = await unframe("note", data);
      write(`frame${place}`, await frame("note", found.header.meta, found.body));
    }
  });

  test.each(texts)("JSON: $text", ({ text, written }) => {
    const read = () => writeJson(readJson(text), { sortKeys: true });
    if (written === null) {
      expect(read).toThrow(Malformed);
    } else {
      expect(read()).toBe(written);
    }
  });

  test.each(plans.map((each, place) => ({ ...each, place })))("plan: $name", async ({ error, fingerprint, place }) => {
    const data = bytes(`broken/plan${place}`);
    expect(await outcome(() => readPlanFile(data))).toBe(error);
    if (!error) {
      expect((await readPlanFile(data)).plan.fingerprint).toBe(fingerprint);
    }
  });
});
