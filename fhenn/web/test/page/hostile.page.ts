/** A service that means harm, or is in trouble: the page says so in its words, and goes on. */

import { afterAll, beforeAll, expect, test } from "vitest";
import { hostile, problem, type Attack, type Hostile } from "./hostile.ts";
import { mostHeld } from "./memory.ts";
import { Browser, Reader, setting } from "./setting.ts";

const { url, token, tables } = setting();
const MOST_MEMORY = 500e6;
let service: Hostile;
let browser: Browser;
let reader: Reader;
let earlier: Buffer | null = null;
let honest: readonly string[] = [];

beforeAll(async () => {
  service = await hostile(url);
  browser = await Browser.open(service.url);
  reader = new Reader(browser.page, `${service.url}/`, token);
  await reader.arrive("cancer");
  await reader.drop(tables["cancer"] as string);
});

afterAll(async () => {
  console.info(`most memory: ${Math.round(mostHeld(browser.profile) / 1e6)} MB`);
  await browser.close();
  await service.close();
});

const send =
  (change: (body: Buffer) => Buffer): Attack =>
  (response, status, headers, body) => {
    const sent = change(body);
    response.writeHead(status, { ...headers, "content-length": sent.length }).end(sent);
  };

const REFUSED = "What the service sent is not what was asked for.";
const ATTACKS: readonly (readonly [string, Attack, RegExp | string])[] = [
  [
    "a flipped bit",
    send((body) => body.map((byte, place) => (place === body.length >> 1 ? byte ^ 1 : byte)) as Buffer),
    REFUSED,
  ],
  ["half an answer, well framed", send((body) => body.subarray(0, body.length >> 1)), REFUSED],
  ["an empty answer", send(() => Buffer.alloc(0)), REFUSED],
  ["noise", send((body) => Buffer.from(body.map((_, place) => (place * 2654435761) & 255))), REFUSED],
  ["a page", send(() => Buffer.from("<script>alert(1)</script>".repeat(1000))), REFUSED],
  ["the answer to another upload", send((body) => earlier ?? body), REFUSED],
  [
    "an answer without end",
    (response, status, { "content-length": _, ...headers }) => {
      response.writeHead(status, headers);
      const piece = Buffer.alloc(1 << 20, 7);
      let sent = 0;
      const more = (): void => {
        while (sent < 2000 && !response.destroyed) {
          sent += 1;
          if (!response.write(piece)) return void response.once("drain", more);
        }
      };
      more();
    },
    REFUSED,
  ],
  [
    "a length that is a lie",
    (response, status, headers) => void response.writeHead(status, { ...headers, "content-length": 1e12 }).write("x"),
    REFUSED,
  ],
  ["too large a request", problem(413, "too-large"), "more than the service takes at once"],
  ["a request that is none", problem(422, "not-readable"), "The service refused (422)."],
  ["a model that is gone", problem(404, "model-unknown"), "The service no longer has this model"],
  ["a token that has expired", problem(401, "token-invalid"), "does not know this token"],
  [
    "a problem that is none",
    (response) => void response.writeHead(500, { "Content-Type": "application/problem+json" }).end("{"),
    /refused|not what was asked|does not answer/,
  ],
];

test("an honest answer first", async () => {
  service.attack = send((body) => (earlier = body));
  await reader.predict();
  honest = await reader.cells("td.prediction");
  expect(honest.every((each) => each !== "")).toBe(true);
});

test.each(ATTACKS)("%s", async (_, attack, message) => {
  service.attack = attack;
  await browser.page.getByRole("button", { name: "Predict 40 rows" }).click();
  const alert = browser.page.getByRole("alert");
  await alert.getByText(message).waitFor({ timeout: 100_000 });
  expect(await reader.cells("td.prediction")).toEqual(honest); // those of before stay, and nothing else comes
  expect(await alert.innerText()).not.toContain("alert(1)");
  await browser.page.locator("body[aria-busy=false]").waitFor();
  expect(mostHeld(browser.profile)).toBeLessThan(MOST_MEMORY);
  service.attack = null;
  await browser.page.getByRole("button", { name: "Predict 40 rows" }).click();
  await alert.waitFor({ state: "hidden" });
  await browser.page.locator("body[aria-busy=false]").waitFor();
  expect((await reader.cells("td.prediction")).every((each) => each !== "")).toBe(true);
  expect(browser.wrongs).toEqual([]);
});

test("a worker that dies is replaced", async () => {
  const [worker] = browser.page.workers();
  await worker?.evaluate(() =>
    setTimeout(() => {
      throw new RangeError("out of memory");
    }),
  );
  await browser.page.getByText("No keys yet").waitFor();
  browser.wrongs.length = 0;
  await reader.predict();
});
