/** For everyone: axe-core in light and dark, wide and narrow; the keyboard alone; and pictures of the steps. */

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import type { AxeResults } from "axe-core";
import type { BrowserContextOptions } from "playwright-core";
import { afterEach, describe, expect, test } from "vitest";
import { Browser, Reader, setting } from "./setting.ts";

const { url, token, tables, out } = setting();
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf-8");
let browser: Browser;

afterEach(async () => {
  await browser.close();
});

const LOOKS: Readonly<Record<string, BrowserContextOptions>> = {
  light: { viewport: { width: 1440, height: 900 }, colorScheme: "light" },
  dark: { viewport: { width: 1440, height: 900 }, colorScheme: "dark" },
  "phone-light": { viewport: { width: 360, height: 740 }, colorScheme: "light", isMobile: true, hasTouch: true },
  "phone-dark": { viewport: { width: 360, height: 740 }, colorScheme: "dark", isMobile: true, hasTouch: true },
};

describe.each(Object.entries(LOOKS))("%s", (look, options) => {
  test("no step has a fault that axe-core finds, or is wider than the screen", async () => {
    browser = await Browser.open(url, options);
    const { page } = browser;
    const reader = new Reader(page, `${url}/`, token);
    const check = async (step: string): Promise<void> => {
      await page.screenshot({ path: `${out}/${look}-${step}.png`, fullPage: true });
      expect(await faults(step)).toEqual([]);
      expect(await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)).toBeLessThanOrEqual(0);
    };
    await page.goto(`${url}/`);
    await page.getByRole("button", { name: "Show the models" }).waitFor();
    await check("0-cold");
    await reader.arrive("cancer");
    await page.getByText("30 columns that it wants").click();
    await check("1-model");
    await page.getByText("30 columns that it wants").click();
    await reader.drop(tables["marked"] as string);
    await page.locator("table.rows").waitFor();
    await page.getByText("Type a row").click();
    await check("2-marked");
    await page.getByText("Type a row").click();
    await reader.drop(tables["cancer"] as string);
    await page.getByRole("button", { name: "Make keys" }).click();
    await page.getByText("Keep them in this browser").click();
    await check("3-keys");
    await page.getByText("Keep them in this browser").click();
    await reader.predict();
    await check("4-predictions");
    await reader.drop(tables["lacking"] as string);
    await page.getByRole("alert").getByText("Columns are missing").waitFor();
    await check("5-error");
    await reader.arrive("digits");
    await reader.drop(tables["digits"] as string);
    await reader.predict();
    await page.getByRole("button", { name: "All probabilities of row 2" }).click();
    await check("6-digits");
    await reader.pick("watched");
    await reader.drop(tables["watched"] as string);
    await reader.predict();
    await check("7-alarm");
    expect(browser.wrongs).toEqual([]);
  });
});

async function faults(step: string): Promise<string[]> {
  const before = browser.wrongs.length;
  await browser.page.evaluate(axe);
  const found = await browser.page.evaluate(async () => {
    const { axe: run } = window as unknown as { axe: { run: () => Promise<AxeResults> } };
    return (await run.run()).violations.map(
      ({ id, nodes }) => `${id}: ${nodes.map(({ html, failureSummary }) => `${html} ${failureSummary}`).join(" | ")}`,
    );
  });
  browser.wrongs.splice(before); // of axe-core's own scripts
  return found.map((each) => `${step} ${each}`);
}

test("the keyboard is enough", async () => {
  browser = await Browser.open(url);
  const { page } = browser;
  const reader = new Reader(page, `${url}/`, token);
  const focused = (): Promise<string> =>
    page.evaluate(() => (document.activeElement?.textContent || document.activeElement?.getAttribute("name")) ?? "");
  const tabTo = async (name: RegExp): Promise<void> => {
    for (let presses = 0; presses < 60; presses += 1) {
      if (name.test(await focused())) return;
      await page.keyboard.press("Tab");
    }
    throw new Error(`the keyboard does not reach ${String(name)}`);
  };
  await page.goto(`${url}/`);
  await tabTo(/^token$/);
  await page.keyboard.type(token);
  await page.keyboard.press("Enter");
  await page.locator(".predicts").waitFor();
  await tabTo(/^Type a row$/);
  await page.keyboard.press("Enter");
  await tabTo(/^Fill in the middle/);
  await page.keyboard.press("Enter");
  await page.keyboard.press("Shift+Tab");
  expect(await focused()).toBe("Add the row");
  await page.keyboard.press("Enter");
  await page.locator("table.rows").waitFor();
  await tabTo(/^Predict 1 row$/);
  await page.keyboard.press("Enter");
  await page.locator(".said", { hasText: "predicted" }).waitFor();
  expect((await reader.cells("td.prediction"))[0]).toMatch(/benign|malignant/);
  expect(browser.wrongs).toEqual([]);
});
