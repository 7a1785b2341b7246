/** What the tests of the page stand on: a service that Python started, and Chromium. */

import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { chromium, type BrowserContext, type BrowserContextOptions, type Page } from "playwright-core";

/** What tests/web/test_page.py hands over. */
export interface Setting {
  /** Address of `fhenn serve --page`. */
  readonly url: string;
  readonly token: string;
  /** Another origin, which the service allows, and where nothing listens yet; and the folder of the built page. */
  readonly elsewhere: string;
  readonly page: string;
  /** Tables to drop, by name. */
  readonly tables: Readonly<Record<string, string>>;
  /** What the Python client predicts of them: labels, and probabilities of the last class. */
  readonly expected: Readonly<
    Record<string, { readonly labels: readonly string[]; readonly shares: readonly number[] }>
  >;
  /** Where pictures and recordings go. */
  readonly out: string;
}

/** The setting; only there where Python started the tests. */
export function setting(): Setting {
  const folder = process.env["FHENN_VECTORS"];
  if (!folder) throw new Error("Start these tests by `python -m pytest -m web tests/web/test_page.py`.");
  return JSON.parse(readFileSync(join(folder, "setting.json"), "utf-8")) as Setting;
}

/** Where Chromium is. */
export const CHROMIUM = process.env["FHENN_CHROMIUM"] ?? "/usr/bin/chromium";

/** Without a display, and without talking to anybody by itself. */
export const FLAGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--host-resolver-rules=MAP clinic.example 127.0.0.1", // a host that is not this machine, as browsers see it
];

/** A browser with a profile of its own, and one page in it, which is watched. */
export class Browser {
  private constructor(
    readonly context: BrowserContext,
    readonly page: Page,
    readonly profile: string,
    /** What the page must not do: violations of its policies, errors that nobody caught, requests elsewhere. */
    readonly wrongs: string[],
  ) {}

  /**
   * A browser.
   *
   * @param origins - which may be talked to; no others
   * @param options - of the context: language, colours, width
   */
  static async open(origins: string | readonly string[], options: BrowserContextOptions = {}): Promise<Browser> {
    const profile = mkdtempSync(join(tmpdir(), "fhenn-page-"));
    const context = await chromium.launchPersistentContext(profile, {
      executablePath: CHROMIUM,
      headless: true,
      args: FLAGS,
      locale: "en-GB",
      viewport: { width: 1440, height: 900 },
      acceptDownloads: true,
      ...options,
    });
    const wrongs: string[] = [];
    context.on("request", (request) => {
      const url = request.url();
      if (![origins].flat().includes(new URL(url).origin) && !url.startsWith("blob:") && !url.startsWith("data:"))
        wrongs.push(`request to ${url}`);
    });
    const page = context.pages()[0] ?? (await context.newPage());
    page.on("pageerror", (error) => wrongs.push(`error ${error.message}`));
    page.on("console", (message) => {
      const text = message.text();
      // what a service refuses, the browser writes down by itself
      if (message.type() === "error" && !/Failed to load resource|net::ERR/.test(text)) wrongs.push(`console ${text}`);
    });
    await page.exposeFunction("tellViolation", (text: string) => wrongs.push(`policy ${text}`));
    await page.addInitScript(() => {
      addEventListener("securitypolicyviolation", (event) => {
        const { violatedDirective, blockedURI, sourceFile, sample } = event as SecurityPolicyViolationEvent;
        const { tellViolation } = window as unknown as { tellViolation: (text: string) => void };
        tellViolation(`${violatedDirective} ${blockedURI} ${sourceFile} ${sample}`);
      });
    });
    return new Browser(context, page, profile, wrongs);
  }

  async close(): Promise<void> {
    await this.context.close();
    rmSync(this.profile, { recursive: true, force: true });
  }
}

/** The steps that a reader takes, in the words of the page. */
export class Reader {
  constructor(
    readonly page: Page,
    readonly address: string,
    readonly token: string,
  ) {}

  /** Open the page with a token in its fragment, and wait for the models. */
  async arrive(model?: string): Promise<void> {
    await this.page.goto(`${this.address}#token=${this.token}`);
    await this.page.locator("select[name=model]").waitFor();
    if (model) await this.pick(model);
    else await this.page.locator(".predicts").waitFor();
  }

  async pick(model: string): Promise<void> {
    await this.page.locator("select[name=model]").selectOption(model);
    await this.page.locator("body[aria-busy=false] .predicts").waitFor();
  }

  /** Choose a file, and wait until the page has taken or refused it. */
  async drop(path: string): Promise<void> {
    await this.page.locator(".drop input").setInputFiles(path);
    const taken = this.page.locator(".loaded", { hasText: basename(path) });
    await taken.or(this.page.locator(".alert:visible")).first().waitFor();
  }

  /** Press what predicts, and wait for it. */
  async predict(): Promise<void> {
    await this.page.getByRole("button", { name: /^Predict \d|vorhersagen$/ }).click();
    await this.page.locator(".said", { hasText: /predicted|vorhergesagt/ }).waitFor();
  }

  /** Draw a ring on the field, with the mouse. */
  async drawRing(): Promise<void> {
    const box = await this.page.locator(".drawing").boundingBox();
    if (!box) throw new Error("there is no field to draw on");
    const at = (turn: number): [number, number] => [
      box.x + box.width * (0.5 + 0.22 * Math.sin(turn)),
      box.y + box.height * (0.5 - 0.32 * Math.cos(turn)),
    ];
    await this.page.mouse.move(...at(0));
    await this.page.mouse.down();
    for (let turn = 0; turn <= 2 * Math.PI; turn += Math.PI / 16) await this.page.mouse.move(...at(turn));
    await this.page.mouse.move(...at(0));
    await this.page.mouse.up();
  }

  /** The texts of a column of the table, as it is shown. */
  async cells(selector: string): Promise<string[]> {
    return this.page.locator(`table.rows tbody ${selector}`).allInnerTexts();
  }
}
