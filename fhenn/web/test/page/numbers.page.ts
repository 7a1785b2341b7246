/** How long it takes, without a harness that looks on: printed by `python tests/bench/page.py`. */

import { writeFileSync } from "node:fs";
import { afterAll, expect, test } from "vitest";
import { PlainPage } from "./plain.ts";
import { setting } from "./setting.ts";

const { url, token, tables, out } = setting();
const ROUNDS = 5;
const found: Record<string, Record<string, number[]>> = {};

afterAll(() => writeFileSync(`${out}/numbers.json`, JSON.stringify(found)));

type Work = (page: PlainPage) => Promise<void>;

const PREDICTED = `/predicted/.test(document.querySelector(".said").textContent)`;

const READY = `document.querySelector("[aria-busy=false] .predicts")`;

/** A page that nothing was kept for, from its address to predictions, and then again; in seconds. */
async function time(name: string, model: string, work: Work): Promise<void> {
  const times = (found[name] ??= { first: [], next: [] });
  const page = await PlainPage.open();
  try {
    let start = performance.now();
    const note = (kind: string): void => void times[kind]?.push((performance.now() - start) / 1000);
    await page.go(`${url}/#token=${token}`);
    await page.until(READY);
    await page.evaluate(`{
      const select = document.querySelector("select[name=model]");
      select.value = "${model}";
      select.dispatchEvent(new Event("change"));
    }`);
    await page.until(READY);
    await work(page);
    await page.until(PREDICTED);
    note("first");
    await page.evaluate(`document.querySelector(".said").textContent = ""`);
    start = performance.now();
    await work(page);
    await page.until(PREDICTED);
    note("next");
    expect(await page.evaluate(`document.querySelector(".alert").hidden`)).toBe(true);
  } finally {
    await page.close();
  }
}

const press = (page: PlainPage, selector: string): Promise<unknown> =>
  page.evaluate(`document.querySelector(${JSON.stringify(selector)}).click()`);

const drop =
  (table: string): Work =>
  async (page) => {
    await page.choose(".drop input", tables[table] as string);
    await page.until(`document.querySelector(".step-predictions button.primary:enabled")`);
    await press(page, ".step-predictions button.primary");
  };

/** A ring of few strokes: moving a mouse through DevTools takes longer than a hand. */
const draw: Work = async (page) => {
  const { x, y, width, height } = await page.evaluate<DOMRect>(`(() => {
    document.querySelectorAll(".draw button")[1].click();
    document.querySelector(".said").textContent = "";
    const { x, y, width, height } = document.querySelector(".drawing").getBoundingClientRect();
    return { x, y, width, height };
  })()`);
  const turns = Array.from({ length: 13 }, (_, place) => (place * Math.PI) / 6);
  await page.draw(
    turns.map((turn) => [x + width * (0.5 + 0.22 * Math.sin(turn)), y + height * (0.5 - 0.32 * Math.cos(turn))]),
  );
  await press(page, ".draw button.primary");
};

for (let round = 0; round < ROUNDS; round += 1) {
  test(`round ${round + 1}`, async () => {
    await time("breast cancer, 30 columns, 40 rows", "cancer", drop("cancer"));
    await time("the same, 1,000 rows", "cancer-many", drop("many"));
    await time("linear model of 784 pixels, a drawing", "digits-linear", draw);
    await time("perceptron 784-128-10, a drawing", "digits", draw);
  });
}
