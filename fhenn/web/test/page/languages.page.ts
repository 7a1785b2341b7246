/** The page in German and English. */

import { afterEach, expect, test } from "vitest";
import { Browser, Reader, setting } from "./setting.ts";

const { url, token, tables } = setting();
let browser: Browser;

afterEach(async () => {
  expect(browser.wrongs).toEqual([]);
  await browser.close();
});

test.each([
  ["de-AT", "de", "Modell wählen"],
  ["en-US", "en", "Pick a model"],
  ["fr-FR", "en", "Pick a model"],
])("a browser in %s is spoken to in %s", async (locale, language, title) => {
  browser = await Browser.open(url, { locale });
  await browser.page.goto(`${url}/`);
  await browser.page.getByRole("heading", { name: title }).waitFor();
  expect(await browser.page.locator("html").getAttribute("lang")).toBe(language);
});

test("all that is shown changes its language, and what was done stays", async () => {
  browser = await Browser.open(url, { locale: "en-GB" });
  const { page } = browser;
  const reader = new Reader(page, `${url}/`, token);
  await reader.arrive("cancer");
  await reader.drop(tables["marked"] as string);
  await reader.predict();
  const english = await words();
  await page.getByLabel("Language").selectOption("de");
  await page.getByRole("heading", { name: "Vorhersagen ansehen" }).waitFor();
  const german = await words();
  expect(await page.locator("html").getAttribute("lang")).toBe("de");
  const marks = await reader.cells("td.bad .mark");
  expect(marks.map((each) => each.split(":")[0])).toEqual(["leer", "keine Zahl", "außerhalb der Grenzen"]);
  expect((await reader.cells("td.prediction")).filter((each) => each !== "").length).toBe(3);
  // what both have are names and numbers of the model, not sentences
  expect(english.filter((each) => german.includes(each) && / [a-z]+ [a-z]+ [a-z]+/.test(each))).toEqual([]);
  await page.getByLabel("Sprache").selectOption("en");
  expect(await words()).toEqual(english);

  async function words(): Promise<string[]> {
    const shown = await page.locator("body").innerText();
    return shown
      .split("\n")
      .map((each) => each.trim())
      .filter((each) => each !== "");
  }
});
