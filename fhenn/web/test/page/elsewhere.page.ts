/** A release that someone else serves, against a service that allows its origin. */

import { existsSync, readFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { extname, join } from "node:path";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { Browser, Reader, setting } from "./setting.ts";

const { url, token, tables, expected, elsewhere, page: folder } = setting();
const TYPES: Readonly<Record<string, string>> = {
  ".css": "text/css",
  ".html": "text/html",
  ".js": "text/javascript",
  ".svg": "image/svg+xml",
  ".wasm": "application/wasm",
};
const POLICY =
  "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; style-src 'self'; " +
  `img-src 'self' data: blob:; connect-src 'self' ${url}; base-uri 'none'; form-action 'none'; ` +
  "require-trusted-types-for 'script'; trusted-types fhenn";
const servers: Server[] = [];
let browser: Browser | null = null;

/** Any static server. */
async function serve(port: number): Promise<string> {
  const server = createServer(({ url: path = "/" }, response) => {
    const name = new URL(path, "http://static").pathname;
    const file = join(folder, name === "/" ? "index.html" : name);
    response.setHeader("Content-Security-Policy", POLICY);
    response.statusCode = existsSync(file) ? 200 : 404;
    response.setHeader("Content-Type", TYPES[extname(file)] ?? "text/plain");
    response.end(existsSync(file) ? readFileSync(file) : "not found");
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

beforeAll(() => serve(Number(new URL(elsewhere).port)));

afterEach(async () => {
  await browser?.close();
  browser = null;
});

afterAll(() => servers.forEach((each) => void (each.closeAllConnections(), each.close())));

test("it predicts, and says whom it talks to", async () => {
  browser = await Browser.open([elsewhere, url]);
  const reader = new Reader(browser.page, `${elsewhere}/?service=${encodeURIComponent(url)}`, token);
  await reader.arrive("cancer");
  await browser.page.getByText(`it talks to the service at ${url}`).waitFor();
  await reader.drop(tables["cancer"] as string);
  await reader.predict();
  expect(await reader.cells("td.prediction")).toEqual(expected["cancer"]?.labels);
  await browser.page.getByRole("button", { name: "Forget the keys" }).click();
  await browser.page.getByText("The keys are gone").waitFor();
  expect(browser.wrongs).toEqual([]);
});

test("an origin that is not allowed gets no answer, in words", async () => {
  const stranger = await serve(0);
  browser = await Browser.open([stranger, url]);
  await browser.page.goto(`${stranger}/?service=${encodeURIComponent(url)}#token=${token}`);
  await browser.page.getByRole("alert").getByText(`--allow-origin ${stranger}`).waitFor();
});

test("a static server without ?service= is no service, in words", async () => {
  browser = await Browser.open([elsewhere]);
  await browser.page.goto(`${elsewhere}/#token=${token}`);
  await browser.page.getByRole("alert").getByText("?service=https://").waitFor();
});

test.each(["http://inference.example.org", "javascript:alert(1)", "nonsense"])(
  "%s is no address of a service",
  async (address) => {
    browser = await Browser.open([elsewhere]);
    await browser.page.goto(`${elsewhere}/?service=${encodeURIComponent(address)}#token=${token}`);
    await browser.page.getByRole("alert").getByText("The address of the service").waitFor();
    expect(browser.wrongs).toEqual([]); // nothing was asked of it
  },
);

test("a page that came in the clear says so, and does nothing", async () => {
  const clear = elsewhere.replace("127.0.0.1", "clinic.example");
  browser = await Browser.open([clear]);
  await browser.page.goto(`${clear}/#token=${token}`);
  await browser.page.getByRole("alert").getByText("not loaded over https").waitFor();
  expect(browser.page.workers()).toEqual([]);
  expect(browser.wrongs).toEqual([]);
});
