import { expect, test } from "vitest";
import { bytes, choose, duration, number, percent, text } from "../../src/page/language.ts";
import { TEXTS, type TextName } from "../../src/page/texts.ts";

const names = Object.keys(TEXTS) as TextName[];
const values = (said: string): string[] => [...new Set(said.match(/\{\w+\}/g))].sort();

test.each(names)("%s says the same values in each language, and in each form", (name) => {
  const { en, de } = TEXTS[name];
  expect(values(de)).toEqual(values(en));
  expect(de.split("|").length).toBe(en.split("|").length);
  for (const each of [en, de]) expect(each.trim()).toBe(each);
});

test("a language is chosen by what the reader knows first", () => {
  expect(choose(["de-AT", "en"])).toBe("de");
  expect(choose(["fr", "DE"])).toBe("de");
  expect(choose(["fr", "pt-BR"])).toBe("en");
  expect(choose([])).toBe("en");
});

test("one is not many", () => {
  expect(text("predict", { n: 1 })).toBe("Predict 1 row");
  expect(text("predict", { n: 1200 })).toBe("Predict 1,200 rows");
});

test("values are put in as they are", () => {
  expect(text("loaded", { n: 2, source: "{n} <b>" })).toBe("2 rows of {n} <b>");
});

test("numbers, sizes, times and shares", () => {
  expect([number(1234.5), number(0), number(0.00038, 2), number(3.2e-6), number(-0)]).toEqual([
    "1,234.5",
    "0",
    "0.00038",
    "3.2e-6",
    "0",
  ]);
  expect([bytes(12), bytes(999), bytes(1000), bytes(999_999), bytes(14_798_026)]).toEqual([
    "12 B",
    "999 B",
    "1 kB",
    "1 MB",
    "14.8 MB",
  ]);
  expect([duration(12.4), duration(2345)]).toEqual(["12 ms", "2.35 s"]);
  expect([percent(0.973), percent(1)]).toEqual(["97.3%", "100%"]);
});
