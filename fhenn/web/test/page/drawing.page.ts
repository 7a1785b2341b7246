/** Digits that are drawn with the mouse. */

import { afterAll, beforeAll, expect, test } from "vitest";
import { Browser, Reader, setting } from "./setting.ts";

const { url, token, tables, expected, out } = setting();
let browser: Browser;
let reader: Reader;

beforeAll(async () => {
  browser = await Browser.open(url);
  reader = new Reader(browser.page, `${url}/`, token);
});

afterAll(() => browser.close());

test.each(["digits", "digits-linear"])("a ring is a nought to %s", async (model) => {
  await reader.arrive(model);
  await reader.drawRing();
  await browser.page.getByRole("button", { name: "Predict the drawing" }).click();
  await browser.page.locator(".whole table").waitFor();
  expect(await reader.cells("td.prediction")).toEqual(["0"]);
  expect(await browser.page.locator(".whole tbody tr").count()).toBe(10);
  await browser.page.screenshot({ path: `${out}/drawing-${model}.png`, fullPage: true });
  expect(browser.wrongs).toEqual([]);
});

test("an empty field is not sent", async () => {
  await browser.page.getByRole("button", { name: "Clear" }).click();
  await browser.page.getByRole("button", { name: "Predict the drawing" }).click();
  await browser.page.getByText("Nothing is drawn yet.").waitFor();
  expect(await browser.page.locator("td.prediction").count()).toBe(0); // what stood there was of another drawing
});

test("images come in files too", async () => {
  await reader.pick("digits");
  await reader.drop(tables["digits"] as string);
  await reader.predict();
  expect(await reader.cells("td.prediction")).toEqual(expected["digits"]?.labels);
  expect(await browser.page.locator("canvas.thumbnail").count()).toBe(5);
});
