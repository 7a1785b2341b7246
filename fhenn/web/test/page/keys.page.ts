/** Keys under a passphrase, and every byte that leaves the page, which Python then looks through. */

import { writeFileSync } from "node:fs";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { record, type Recorder } from "./recorder.ts";
import { Browser, Reader, setting } from "./setting.ts";

const { url, token, tables, out } = setting();
const PASSPHRASE = "a clinic's passphrase";
let line: Recorder;
let browser: Browser;
let reader: Reader;

beforeAll(async () => {
  line = await record(url);
  browser = await Browser.open(line.url);
  reader = new Reader(browser.page, `${line.url}/`, token);
  await reader.arrive("cancer");
});

afterEach(() => {
  expect(browser.wrongs.splice(0)).toEqual([]);
});

afterAll(async () => {
  await browser.close();
  await line.close();
});

const alert = () => browser.page.locator(".alert > p");
const section = () => browser.page.locator(".step-keys");

async function keep(first: string, second: string): Promise<void> {
  if (
    !(await section()
      .locator("details")
      .evaluate((each) => (each as HTMLDetailsElement).open))
  ) {
    await section().getByText("Keep them in this browser").click();
  }
  await section().locator("details").getByLabel("Passphrase", { exact: true }).fill(first);
  await section().getByLabel("Passphrase again").fill(second);
  await section().getByRole("button", { name: "Keep", exact: true }).click();
}

/** What the browser keeps: a record for each key. */
const kept = (): Promise<number[]> =>
  browser.page.evaluate(async () => {
    const database = await new Promise<IDBDatabase>((resolve) => {
      const request = indexedDB.open("fhenn");
      request.onsuccess = () => resolve(request.result);
    });
    const records = await new Promise<{ body: Uint8Array }[]>((resolve) => {
      const request = database.transaction("keys").objectStore("keys").getAll();
      request.onsuccess = () => resolve(request.result as { body: Uint8Array }[]);
    });
    database.close();
    return records.map(({ body }) => body.length);
  });

/** The secret key, opened with its passphrase by nothing but WebCrypto, as the format says. */
const opened = (passphrase: string): Promise<number[]> =>
  browser.page.evaluate(async (given) => {
    const database = await new Promise<IDBDatabase>((resolve) => {
      const request = indexedDB.open("fhenn");
      request.onsuccess = () => resolve(request.result);
    });
    const [record] = await new Promise<{ header: Uint8Array<ArrayBuffer>; body: Uint8Array<ArrayBuffer> }[]>(
      (resolve) => {
        const request = database.transaction("keys").objectStore("keys").getAll();
        request.onsuccess = () => resolve(request.result);
      },
    );
    database.close();
    if (!record) throw new Error("nothing is kept");
    const header = JSON.parse(new TextDecoder().decode(record.header)) as {
      salt: string;
      nonce: string;
      iterations: number;
    };
    const bytes = (text: string) => Uint8Array.from(text.match(/../g) ?? [], (pair) => parseInt(pair, 16));
    const base = await crypto.subtle.importKey("raw", new TextEncoder().encode(given), "PBKDF2", false, ["deriveKey"]);
    const derivation = { name: "PBKDF2", hash: "SHA-256", salt: bytes(header.salt), iterations: header.iterations };
    const key = await crypto.subtle.deriveKey(derivation, base, { name: "AES-GCM", length: 256 }, false, ["decrypt"]);
    const algorithm = { name: "AES-GCM", iv: bytes(header.nonce), additionalData: record.header };
    return [...new Uint8Array(await crypto.subtle.decrypt(algorithm, key, record.body))];
  }, passphrase);

test("without a passphrase nothing is kept", async () => {
  await section().getByRole("button", { name: "Make keys" }).click();
  await section().getByText("They are in memory and gone when you leave.").waitFor();
  expect(await kept()).toEqual([]);
});

test("a passphrase is given twice, and is long enough", async () => {
  await keep(PASSPHRASE, "another one");
  await alert().getByText("The two passphrases differ.").waitFor();
  await keep("short", "short");
  await alert().getByText("Take 10 characters or more.").waitFor();
  expect(await kept()).toEqual([]);
});

test("keys are kept under it", async () => {
  await keep(PASSPHRASE, PASSPHRASE);
  await section().getByText("This browser keeps them under your passphrase.").waitFor();
  expect((await kept()).length).toBe(1);
});

test("after a reload only the passphrase opens them", async () => {
  await reader.drop(tables["cancer"] as string);
  await reader.predict();
  const before = await reader.cells("td.prediction");
  await browser.page.reload();
  expect(await browser.page.locator("input[name=token]").inputValue()).toBe(""); // it is in no storage either
  await reader.arrive("cancer");
  await section().locator(".unlock input[type=password]").fill("a wrong passphrase");
  await section().getByRole("button", { name: "Unlock" }).click();
  await alert().getByText("The passphrase is wrong").waitFor();
  await section().locator(".unlock input[type=password]").fill(PASSPHRASE);
  await section().getByRole("button", { name: "Unlock" }).click();
  await section().getByText("This browser keeps them under your passphrase.").waitFor();
  await reader.drop(tables["cancer"] as string);
  await reader.predict();
  expect(await reader.cells("td.prediction")).toEqual(before);
});

test("no other storage holds anything, and no address", async () => {
  const found = await browser.page.evaluate(async () => ({
    local: localStorage.length,
    session: sessionStorage.length,
    cookies: document.cookie,
    caches: (await caches.keys()).length,
    address: location.href,
  }));
  expect(found).toEqual({ local: 0, session: 0, cookies: "", caches: 0, address: `${line.url}/` });
});

test("what was sent, and the key, are handed to Python", async () => {
  writeFileSync(`${out}/secret.bin`, Uint8Array.from(await opened(PASSPHRASE)));
  writeFileSync(`${out}/sent.bin`, Buffer.concat(line.sent));
  expect(Buffer.concat(line.sent).includes(PASSPHRASE)).toBe(false);
});

test("keys are forgotten, here and at the service", async () => {
  await section().getByRole("button", { name: "Forget the keys" }).click();
  expect((await kept()).length).toBe(1); // a second press is asked for
  const second = await browser.page.context().newPage();
  const elsewhere = new Reader(second, `${line.url}/`, token);
  await elsewhere.arrive("cancer");
  await second.getByText("This browser keeps keys for this model").waitFor();
  await second.getByRole("button", { name: "Make new keys" }).click();
  await second.getByText("They are in memory and gone when you leave.").waitFor();
  await browser.page.bringToFront();
  await section().getByRole("button", { name: /orget the/ }).click();
  const sure = section().getByRole("button", { name: "Really forget the kept keys" });
  if (await sure.isVisible()) await sure.click();
  await section().getByText("The keys are gone").waitFor();
  await second.getByText("The keys were forgotten in another tab.").waitFor();
  await second.getByText("No keys yet").waitFor();
  await second.close();
  expect(await kept()).toEqual([]);
  expect(Buffer.concat(line.sent).includes("DELETE /v1/keys/")).toBe(true);
  await reader.predict(); // with new ones
});

test("what was altered does not open", async () => {
  await keep(PASSPHRASE, PASSPHRASE);
  await section().getByText("This browser keeps them under your passphrase.").waitFor();
  await browser.page.evaluate(async () => {
    const database = await new Promise<IDBDatabase>((resolve) => {
      const request = indexedDB.open("fhenn");
      request.onsuccess = () => resolve(request.result);
    });
    const store = database.transaction("keys", "readwrite").objectStore("keys");
    const cursor = await new Promise<IDBCursorWithValue>((resolve) => {
      const request = store.openCursor();
      request.onsuccess = () => resolve(request.result as IDBCursorWithValue);
    });
    const value = cursor.value as { header: Uint8Array; body: Uint8Array };
    value.body[100] = (value.body[100] ?? 0) ^ 1;
    await new Promise((resolve) => (cursor.update(value).onsuccess = resolve));
    database.close();
  });
  await reader.arrive("cancer");
  await section().locator(".unlock input[type=password]").fill(PASSPHRASE);
  await section().getByRole("button", { name: "Unlock" }).click();
  await alert().getByText("or what was kept was altered").waitFor();
});
