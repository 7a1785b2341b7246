/** Chromium without a harness that looks on: Playwright has every body of a request copied, which takes time. */

import { spawn, type ChildProcess } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CHROMIUM, FLAGS } from "./setting.ts";

interface Reply {
  readonly id?: number;
  readonly result?: unknown;
  readonly error?: { readonly message: string };
}

/** One page of a browser with a profile of its own, by the Chrome DevTools Protocol. */
export class PlainPage {
  #last = 0;
  #session: string | undefined;
  readonly #waiting = new Map<number, { resolve: (value: unknown) => void; reject: (error: Error) => void }>();

  private constructor(
    private readonly browser: ChildProcess,
    private readonly profile: string,
    private readonly line: WebSocket,
  ) {
    line.addEventListener("message", ({ data }: MessageEvent<string>) => this.#hear(JSON.parse(data) as Reply));
  }

  static async open(): Promise<PlainPage> {
    const profile = mkdtempSync(join(tmpdir(), "fhenn-plain-"));
    const options = [
      "--headless",
      "--remote-debugging-port=0",
      "--window-size=1440,1400",
      `--user-data-dir=${profile}`,
    ];
    const browser = spawn(CHROMIUM, [...FLAGS, ...options, "about:blank"], { stdio: ["ignore", "ignore", "pipe"] });
    const address = await new Promise<string>((resolve, reject) => {
      let said = "";
      browser.stderr?.on("data", (data: Buffer) => {
        said += data.toString();
        const found = /DevTools listening on (\S+)/.exec(said);
        if (found?.[1]) resolve(found[1]);
      });
      browser.on("exit", () => reject(new Error(said)));
    });
    const line = new WebSocket(address);
    await new Promise((resolve, reject) => {
      line.addEventListener("open", resolve);
      line.addEventListener("error", reject);
    });
    const page = new PlainPage(browser, profile, line);
    const { targetId } = await page.send<{ targetId: string }>("Target.createTarget", { url: "about:blank" });
    const { sessionId } = await page.send<{ sessionId: string }>("Target.attachToTarget", { targetId, flatten: true });
    page.#session = sessionId;
    return page;
  }

  /** A command of the protocol. */
  send<T = unknown>(method: string, params: object = {}): Promise<T> {
    const id = (this.#last += 1);
    this.line.send(JSON.stringify({ id, method, params, ...(this.#session && { sessionId: this.#session }) }));
    return new Promise(
      (resolve, reject) => void this.#waiting.set(id, { resolve: resolve as (value: unknown) => void, reject }),
    );
  }

  #hear({ id, result, error }: Reply): void {
    const waiting = this.#waiting.get(id ?? 0);
    if (!waiting || id === undefined) return;
    this.#waiting.delete(id);
    if (error) waiting.reject(new Error(error.message));
    else waiting.resolve(result);
  }

  /** What an expression gives in the page, once its promise is kept. */
  async evaluate<T>(expression: string): Promise<T> {
    const asked = { expression, awaitPromise: true, returnByValue: true };
    const found = await this.send<{ result: { value: T }; exceptionDetails?: { text: string } }>(
      "Runtime.evaluate",
      asked,
    );
    if (found.exceptionDetails) throw new Error(`${expression}: ${found.exceptionDetails.text}`);
    return found.result.value;
  }

  /** Wait until an expression is true, looking whenever the document changes. */
  until(expression: string): Promise<boolean> {
    return this.evaluate(`new Promise((resolve) => {
      const look = () => (${expression}) && (watcher.disconnect(), resolve(true));
      const watcher = new MutationObserver(look);
      watcher.observe(document, { subtree: true, childList: true, attributes: true, characterData: true });
      look();
    })`);
  }

  /** Open an address, and wait for its document. */
  async go(url: string): Promise<void> {
    await this.send("Page.enable");
    await this.send("Page.navigate", { url });
  }

  /** Choose a file. */
  async choose(selector: string, path: string): Promise<void> {
    const { root } = await this.send<{ root: { nodeId: number } }>("DOM.getDocument");
    const { nodeId } = await this.send<{ nodeId: number }>("DOM.querySelector", { nodeId: root.nodeId, selector });
    await this.send("DOM.setFileInputFiles", { nodeId, files: [path] });
  }

  /** Draw along points with the mouse, (x, y) each. */
  async draw(points: readonly (readonly [number, number])[]): Promise<void> {
    const mouse = (type: string, [x, y]: readonly [number, number]): Promise<unknown> =>
      this.send("Input.dispatchMouseEvent", { type, x, y, button: "left", buttons: 1, clickCount: 1 });
    const [first, ...others] = points;
    if (!first) return;
    await mouse("mousePressed", first);
    for (const each of others) await mouse("mouseMoved", each);
    await mouse("mouseReleased", others.at(-1) ?? first);
  }

  async close(): Promise<void> {
    const ended = new Promise((resolve) => this.browser.on("exit", resolve));
    this.line.close();
    this.browser.kill();
    await ended;
    rmSync(this.profile, { recursive: true, force: true, maxRetries: 5 });
  }
}
