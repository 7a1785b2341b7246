/** Pictures for the README and the notebooks: taken by `python tests/web/pictures.py`. */

import { test } from "vitest";
import type { BrowserContextOptions } from "playwright-core";
import { Browser, Reader, setting } from "./setting.ts";

const { url, token, tables, out } = setting();

async function visit(options: BrowserContextOptions, work: (reader: Reader) => Promise<void>): Promise<void> {
  const browser = await Browser.open(url, options);
  try {
    const reader = new Reader(browser.page, `${url}/`, token);
    await reader.arrive("cancer");
    await work(reader);
  } finally {
    await browser.close();
  }
}

const desk = { viewport: { width: 1200, height: 900 } };
const phone = { viewport: { width: 360, height: 740 }, isMobile: true, hasTouch: true };

test("each step", () =>
  visit(desk, async (reader) => {
    const { page } = reader;
    const shoot = (selector: string, name: string) => page.locator(selector).screenshot({ path: `${out}/${name}.png` });
    await page.getByText("30 columns that it wants").click();
    await shoot(".step-model", "page-1-model");
    await reader.drop(tables["marked"] as string);
    await shoot(".step-predictions", "page-2-marked");
    await reader.drop(tables["cancer"] as string);
    await page.getByRole("button", { name: "Make keys" }).click();
    await page.getByText("Keep them in this browser").click();
    await page.locator(".step-keys form:visible").waitFor();
    await shoot(".step-keys", "page-3-keys");
    await page.getByText("Keep them in this browser").click();
    await page.getByText("30 columns that it wants").click();
    await reader.predict();
    await page.screenshot({ path: `${out}/page-4-predictions.png`, fullPage: true });
  }));

test("in the dark, and in German", () =>
  visit({ ...desk, colorScheme: "dark", locale: "de-DE" }, async (reader) => {
    await reader.drop(tables["cancer"] as string);
    await reader.predict();
    await reader.page.screenshot({ path: `${out}/page-dark.png`, fullPage: true });
  }));

test("a drawing", () =>
  visit(desk, async (reader) => {
    await reader.pick("digits");
    await reader.drawRing();
    await reader.page.getByRole("button", { name: "Predict the drawing" }).click();
    await reader.page.locator(".whole table").waitFor();
    await reader.page.screenshot({ path: `${out}/page-drawing.png`, fullPage: true });
  }));

test("a phone", () =>
  visit(phone, async (reader) => {
    await reader.drop(tables["cancer"] as string);
    await reader.predict();
    await reader.page.locator(".step-predictions").screenshot({ path: `${out}/page-phone-predictions.png` });
    await reader.page.locator(".step-model").screenshot({ path: `${out}/page-phone-model.png` });
    await reader.page.locator(".server").screenshot({ path: `${out}/page-phone-server.png` });
  }));
