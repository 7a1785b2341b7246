/** From a cold page to predictions: files, rows that are typed, what is marked, sorted, filtered, saved. */

import { readFileSync } from "node:fs";
import type { Request } from "playwright-core";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { Browser, Reader, setting } from "./setting.ts";

const { url, token, tables, expected, out } = setting();
/** Of all that a cold page loads, uncompressed. */
const MOST_BYTES = 2.5e6;
let browser: Browser;
let reader: Reader;

beforeAll(async () => {
  browser = await Browser.open(url);
  reader = new Reader(browser.page, `${url}/`, token);
});

afterEach(() => {
  expect(browser.wrongs.splice(0)).toEqual([]);
});

afterAll(() => browser.close());

/** A share of a bar, as the page says it. */
const shares = (texts: readonly string[]): number[] => texts.map((each) => Number(each.replace("%", "")) / 100);

test("a cold page predicts what the pipeline does, and is small", async () => {
  const loaded: Request[] = [];
  browser.context.on("requestfinished", (request) => void (request.method() === "GET" && loaded.push(request)));
  await reader.arrive("cancer");
  expect(await browser.page.evaluate(() => location.hash + history.length)).toBe("2"); // no token, no step back to it
  await reader.drop(tables["cancer"] as string);
  await reader.predict();
  expect(await reader.cells("td.prediction")).toEqual(expected["cancer"]?.labels);
  const found = shares(await reader.cells("td.probability:nth-child(4) .share"));
  expected["cancer"]?.shares.forEach((share, place) =>
    expect(Math.abs(share - (found[place] ?? 1))).toBeLessThan(0.002),
  );
  expect(loaded.some((each) => each.url().endsWith(".wasm"))).toBe(true);
  const bodies = await Promise.all(loaded.map(async (each) => (await (await each.response())?.body())?.length ?? 0));
  const bytes = bodies.reduce((sum, each) => sum + each, 0);
  console.info(`loaded: ${(bytes / 1e6).toFixed(2)} MB, before compression`);
  expect(bytes).toBeLessThan(MOST_BYTES);
});

test("the server's view shows sizes and noise", async () => {
  const panel = browser.page.locator(".server");
  expect(await panel.locator("dd").count()).toBe(7);
  expect(await panel.locator("canvas.noise").getAttribute("width")).toBe("128");
  const bits = /hold ([\d.]+) of 8 bits/.exec(await panel.locator("figcaption").innerText());
  expect(Number(bits?.[1])).toBeGreaterThan(7.5);
});

test("the focus stays where it was pressed, by key too", async () => {
  const focused = () => browser.page.evaluate(() => document.activeElement?.textContent);
  await browser.page.getByRole("button", { name: /^Make (new )?keys/ }).press("Enter");
  await browser.page.locator("body[aria-busy=false]").waitFor();
  expect(await focused()).toBe("Make new keys");
  await browser.page.getByRole("button", { name: /^Predict \d/ }).press("Enter");
  await browser.page.locator(".said", { hasText: "predicted" }).waitFor();
  await browser.page.locator("body[aria-busy=false]").waitFor();
  expect(await focused()).toMatch(/^Predict \d+ rows$/);
});

test("alarms are no filter where the plan has no witness", async () => {
  expect(await browser.page.locator("option[value=alarms]").isDisabled()).toBe(true);
});

test("a prediction that gets no answer says so, and is stopped", async () => {
  await browser.context.route("**/predictions?*", (route) => route.abort("connectionreset"));
  await browser.page.getByRole("button", { name: /^Predict \d/ }).click();
  await browser.page.getByText("No answer; trying again").waitFor();
  await browser.page.getByRole("button", { name: "Stop", exact: true }).click();
  await browser.page.getByText("Stopped. Nothing was predicted.").waitFor();
  await browser.context.unroute("**/predictions?*");
  await reader.predict();
});

test("rows are sorted and filtered", async () => {
  await browser.page.getByRole("button", { name: "p(malignant)" }).click();
  const order = await reader.cells("td.probability:nth-child(4) .share");
  expect(shares(order)).toEqual(shares(order).toSorted((a, b) => b - a));
  expect(await browser.page.locator("th[aria-sort=descending]").innerText()).toContain("p(malignant)");
  await browser.page.getByLabel("Filter rows").fill("p17");
  await expect.poll(() => reader.cells("th.place")).toEqual(["18"]);
});

test("what is saved has the predictions beside the rows, in their order", async () => {
  const [saved] = await Promise.all([
    browser.page.waitForEvent("download"),
    browser.page.getByRole("button", { name: "Download as CSV" }).click(),
  ]);
  expect(saved.suggestedFilename()).toBe("patients-predictions.csv");
  const lines = readFileSync(await saved.path(), "utf-8")
    .trim()
    .split("\n");
  expect(lines[0]).toMatch(/^prediction,p\(benign\),p\(malignant\),.*id,/);
  expect(lines.length).toBe(41);
  expect(lines.slice(1).map((line) => line.split(",")[0])).toEqual(expected["cancer"]?.labels);
  await saved.saveAs(`${out}/patients-predictions.csv`);
});

test("what is blank, no number or out of bounds is marked and stays here", async () => {
  await reader.drop(tables["marked"] as string);
  await browser.page.getByRole("button", { name: "Predict 3 rows" }).waitFor();
  const bounds = expect.stringMatching(/^out of bounds: [\d.,-]+ to /) as string;
  expect(await reader.cells("td.bad .mark")).toEqual(["blank", "not a number", bounds]);
  await reader.predict();
  const predictions = await reader.cells("td.prediction");
  expect(predictions.map((each) => each !== "")).toEqual([true, false, true, false, false, true]);
  await browser.page.getByLabel("Show", { exact: true }).selectOption("marked");
  await expect
    .poll(() => reader.cells("th.place"))
    .toEqual([2, 4, 5].map((row) => expect.stringContaining(String(row))));
});

test("columns that are missing are named", async () => {
  await reader.drop(tables["lacking"] as string);
  await browser.page.getByRole("alert").getByText("Columns are missing: mean radius").waitFor();
  await browser.page.getByRole("button", { name: "Close this message" }).click();
  expect(await browser.page.locator(".alert").isVisible()).toBe(false);
});

test("a file that is no table is refused in words", async () => {
  await browser.page
    .locator(".drop input")
    .setInputFiles({ name: "x.csv", mimeType: "text/csv", buffer: Buffer.from([255, 0, 1]) });
  await browser.page.getByRole("alert").getByText("The table cannot be read").waitFor();
});

test("a row can be typed", async () => {
  await browser.page.getByText("Type a row").click();
  await browser.page.getByRole("button", { name: "Fill in the middle" }).click();
  await browser.page.getByLabel("mean radius", { exact: true }).fill("12,5");
  await browser.page.getByRole("button", { name: "Add the row" }).click();
  await browser.page.getByText("of marked.csv, 1 of them typed.").waitFor(); // below the file's rows
  expect((await reader.cells("td.prediction")).filter((each) => each !== "").length).toBe(3); // theirs stay
  await browser.page.getByRole("button", { name: "Predict 4 rows" }).waitFor();
  await reader.predict();
  expect(["benign", "malignant"]).toContain((await reader.cells("td.prediction"))[0]);
});

test("an example file is one that the page takes", async () => {
  const [saved] = await Promise.all([
    browser.page.waitForEvent("download"),
    browser.page.getByRole("button", { name: "Download an example CSV" }).click(),
  ]);
  await saved.saveAs(`${out}/example.csv`);
  await reader.drop(`${out}/example.csv`);
  await browser.page.getByText("1 row of example.csv. All can be predicted.").waitFor();
});

test("a file can be dropped", async () => {
  const data = await browser.page.evaluateHandle(
    (text) => {
      const found = new DataTransfer();
      found.items.add(new File([text], "dropped.csv", { type: "text/csv" }));
      return found;
    },
    readFileSync(tables["cancer"] as string, "utf-8"),
  );
  await browser.page.dispatchEvent(".drop", "drop", { dataTransfer: data });
  await browser.page.getByText("40 rows of dropped.csv").waitFor();
});

test("a preparation fills blanks, and an unknown category stays here", async () => {
  await reader.pick("ward");
  await reader.drop(tables["ward"] as string);
  expect((await reader.cells("td.noted .mark")).length).toBeGreaterThan(0);
  expect(await reader.cells("td.bad .mark")).toEqual(["unknown category"]);
  const said = await browser.page.locator(".loaded").innerText();
  expect(said).toMatch(/1 row is marked.* blanks that the model fills in\.$/);
  await reader.predict();
  expect((await reader.cells("td.prediction")).slice(0, 30)).toEqual(expected["ward"]?.labels);
});

test("an example of raw columns is accepted too, and can be typed", async () => {
  await browser.page.getByText("Type a row").click();
  await browser.page.getByRole("button", { name: "Fill in the middle" }).click();
  await browser.page.getByLabel("ward", { exact: true }).selectOption("south");
  await browser.page.getByRole("button", { name: "Add the row" }).click();
  await browser.page.getByRole("button", { name: "Predict 31 rows" }).waitFor(); // one more than the file's
});

test("a witness's alarm stands at its row", async () => {
  await reader.pick("watched");
  await reader.drop(tables["watched"] as string);
  await reader.predict();
  expect(await browser.page.locator("tr.alarmed th.place").allInnerTexts()).toEqual([
    expect.stringMatching(/^2\s*alarm/),
  ]);
  expect((await reader.cells("td.prediction"))[1]).toBe("out of the model's range");
  expect((await reader.cells("td.probability:nth-child(4)")).map((each) => each !== "")).toEqual([true, false, true]);
});

describe("many rows", () => {
  test("a thousand are predicted, and turned over page by page", async () => {
    await reader.pick("cancer-many");
    await reader.drop(tables["many"] as string);
    await reader.predict();
    await browser.page.getByText("1 to 50 of 1,000").waitFor();
    await browser.page.getByRole("button", { name: "Next page" }).click();
    await browser.page.getByText("51 to 100 of 1,000").waitFor();
    expect((await reader.cells("td.prediction")).every((each) => each !== "")).toBe(true);
  });
});

test("a wrong token is told in words", async () => {
  await browser.page.locator("input[name=token]").fill("fhenn_wrong");
  await browser.page.getByRole("button", { name: "Show the models" }).click();
  await browser.page.getByRole("alert").getByText("does not know this token").waitFor();
});
