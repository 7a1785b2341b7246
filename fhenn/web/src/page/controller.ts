/** What the page does: each action changes the state and says how it went. */

import { resultColumns } from "../client/reading/index.ts";
import { readCsv, Table } from "../client/table/index.ts";
import type { CallName, Calls, Place, Step } from "../worker/protocol.ts";
import { appended } from "./append.ts";
import { bytes } from "./language.ts";
import { modelOf, prepare } from "./model.ts";
import { refusalOf, refuseWorkbook } from "./refused.ts";
import { NOTHING_SEEN, type Model, type Source, type State, type Store } from "./state.ts";
import { OtherTabs } from "./other_tabs.ts";
import { PageError, troubleOf, type Trouble } from "./trouble.ts";
import { lostBecause, WorkerLink, type WorkerTrouble } from "./worker_link.ts";

/** Bytes of a file that a page can hold as a table. */
const LARGEST_FILE = 64e6;

const SHORTEST_PASSPHRASE = 10;

/** The actions of the page. */
export class Controller {
  readonly #link: WorkerLink;
  readonly #tabs = new OtherTabs((plan) => this.#forgottenElsewhere(plan));
  /** Whether the worker took the place of one that was lost, and knows of no model yet. */
  #replaced = false;
  /** Whether the prediction that is under way is to end. */
  #stopping = false;

  /**
   * @param store - the state
   * @param report - shows what went wrong; null takes it away
   */
  constructor(
    private readonly store: Store,
    private readonly report: (trouble: Trouble | null) => void,
  ) {
    this.#link = new WorkerLink((lost) => {
      this.#replaced = true;
      this.store.set({ keys: null });
      this.report(troubleOf(lost));
    });
  }

  /** Begin to load what is needed later. */
  warm(): void {
    this.#link.warm();
  }

  /** Ask the service for its models, and take the one that was picked before, or the first. */
  connect(token: string): Promise<boolean> {
    return this.#act("connect", async () => {
      this.#endKeys();
      this.store.set({ token, models: null, keys: null, kept: null });
      this.#replaced = true; // what the worker knows of the model, it asked for with another token
      const models = await this.#link.call("list", this.#place());
      this.store.set({ models });
      const before = this.store.state.model?.name;
      const model = models.find(({ name }) => name === before) ?? models[0];
      if (model) await this.#pick(model.name);
      else this.store.set({ model: null, rows: null, results: null });
    });
  }

  /** End the worker where it has, or had, keys of this page: its memory may hold traces of them. */
  #endKeys(): void {
    if (this.store.state.keys) this.#end();
  }

  #end(because?: WorkerTrouble): void {
    this.#link.end(because);
    this.#replaced = true;
  }

  /** Take a model of the list. */
  pick(name: string): Promise<boolean> {
    return this.#act("pick", () => this.#pick(name));
  }

  async #pick(name: string): Promise<void> {
    const before = this.store.state.model;
    const model = modelOf(await this.#link.call("pick", { ...this.#place(), model: name }));
    this.#replaced = false;
    if (before?.name === model.name && before.version === model.version) this.store.set({ model });
    else {
      this.#endKeys();
      this.store.set({ keys: null, seen: NOTHING_SEEN, model, rows: null, results: null });
    }
    await this.#lookForKept();
  }

  /** What this browser keeps. A browser without a store is no reason not to predict. */
  async #lookForKept(): Promise<void> {
    try {
      this.store.set({ kept: await this.#call("kept", null) });
    } catch (error) {
      this.store.set({ kept: null });
      this.report(troubleOf(error));
    }
  }

  /** Take the rows of a CSV file, the first of those that were dropped at once. */
  async load(file: File, dropped = 1): Promise<boolean> {
    const taken = await this.#act(null, async () => {
      if (file.size > LARGEST_FILE) {
        throw new PageError("tooLargeFile", { size: bytes(file.size), most: bytes(LARGEST_FILE) });
      }
      const data = new Uint8Array(await file.arrayBuffer());
      refuseWorkbook(data, file.name);
      const model = this.#model();
      const names = model.wanted.flatMap(({ name }) => (name === null ? [] : [name]));
      const table = readCsv(data, { source: file.name, detect: true, ...(names.length && { expected: names }) });
      try {
        this.#take(model, table, { kind: "file", name: file.name }, dropped);
      } catch (error) {
        throw refusalOf(error, table, model.wanted);
      }
    });
    const { rows } = this.store.state;
    if (!taken && rows) this.store.set({ rows: { ...rows, refused: file.name } });
    return taken;
  }

  /** Add a row that was typed, with a cell for each column that is wanted, to those that are there. */
  addRow(cells: readonly string[]): Promise<boolean> {
    return this.#act(null, () => {
      const model = this.#model();
      const { rows } = this.store.state;
      if (rows && rows.source.kind !== "drawn") {
        const { source } = rows;
        const table = appended(rows.table, model, cells);
        const typed = source.kind === "file" ? { ...source, typed: (source.typed ?? 0) + 1 } : source;
        // results stay beside their rows
        this.store.set({ rows: { table, prepared: prepare(model, table), source: typed } });
        return;
      }
      const names = model.wanted.map(({ name }) => name);
      const table = Table.ofRows(names.includes(null) ? null : (names as string[]), [cells]);
      this.#take(model, table, { kind: "typed" });
    });
  }

  /** Predict an image. values: of its pixels, (height × width,). */
  async predictImage(values: Float64Array): Promise<void> {
    await this.#act(null, () => {
      const columns = Array.from(values, (value) => [value]);
      this.#take(this.#model(), new Table({ names: null, columns }), { kind: "drawn" });
    });
    await this.predict();
  }

  /** Take a drawing away, and what was predicted of it. */
  dropDrawing(): void {
    if (this.store.state.rows?.source.kind === "drawn") this.store.set({ rows: null, results: null });
  }

  #take(model: Model, table: Table, source: Source, dropped = 1): void {
    this.store.set({ rows: { table, prepared: prepare(model, table), source, dropped }, results: null });
  }

  /** Make keys, in the place of those that there are. */
  makeKeys(): Promise<boolean> {
    return this.#act("keys", () => this.#makeKeys());
  }

  async #makeKeys(): Promise<void> {
    this.store.set({ keys: await this.#call("makeKeys", null, this.#step) });
  }

  /** Keep the keys under a passphrase. */
  keep(passphrase: string, again: string): Promise<boolean> {
    return this.#act("keep", async () => {
      if (passphrase !== again) throw new PageError("passphrasesDiffer");
      if (passphrase.length < SHORTEST_PASSPHRASE) throw new PageError("passphraseShort", { n: SHORTEST_PASSPHRASE });
      this.store.set({ kept: await this.#call("keep", { passphrase }) });
    });
  }

  /** Take up the keys that this browser keeps. */
  unlock(passphrase: string): Promise<boolean> {
    return this.#act("unlock", async () => {
      this.store.set({ keys: await this.#call("unlock", { passphrase }, this.#step) });
    });
  }

  /** Wipe the keys, here, in the browser's store and at the service. */
  forget(): Promise<boolean> {
    return this.#act("forget", async () => {
      const { version } = this.#model();
      this.store.set({ keys: null });
      this.#tabs.tell(version); // before: what another tab does with them would write them down anew
      try {
        await this.#call("forget", null);
      } finally {
        this.#end(); // whatever SEAL leaves in its memory goes with the worker
        this.#tabs.tell(version);
        await this.#lookForKept();
      }
    });
  }

  /** Another tab has forgotten the keys for a plan: those that are here go, too. */
  #forgottenElsewhere(plan: string): void {
    const { model, keys, kept } = this.store.state;
    if (model?.version !== plan) return;
    const because = lostBecause("ForgottenElsewhere");
    this.#end(because); // also where no keys are shown: some may be in the making
    this.store.set({ keys: null, kept: null });
    if (keys || kept) this.report(troubleOf(because));
  }

  /** End the prediction that is under way. */
  stop(): void {
    if (this.store.state.busy !== "predict") return;
    this.#stopping = true;
    this.#link.stop();
  }

  #goOn(): void {
    if (this.#stopping) throw new PageError("stopped");
  }

  /** Predict the rows that are ready; keys are made where there are none. */
  predict(): Promise<boolean> {
    return this.#act("predict", async () => {
      this.#stopping = false;
      const model = this.#model();
      const { rows, keys } = this.store.state;
      if (!rows) throw new PageError("needData");
      const { ready, width, features } = rows.prepared;
      if (!ready.length) throw new PageError("needReady");
      const start = performance.now();
      if (!keys) await this.#makeKeys();
      this.#goOn();
      const sent = await this.#call("sendKeys", null, this.#step);
      this.#goOn();
      const values = new Float64Array(ready.length * width);
      ready.forEach((row, place) => values.set(features.subarray(row * width, (row + 1) * width), place * width));
      const found = await this.#call("predict", { values, rows: ready.length }, this.#step);
      this.#goOn();
      const struck = new Set(found.alarms.map(({ row }) => row));
      const columns = resultColumns(found.scores, found.outputs, model.reader, model.finish, struck);
      const alarms = new Map(found.alarms.map(({ row, reason }) => [ready[row] ?? row, reason]));
      const milliseconds = performance.now() - start;
      if (this.store.state.rows !== rows) return; // others were brought meanwhile
      this.store.set({
        results: { rows: ready, columns, alarms, milliseconds },
        seen: { keys: sent.bytes || this.store.state.seen.keys, last: found },
      });
    });
  }

  /** Have the worker do something with the model that was picked; one that is new is told of it first. */
  async #call<N extends CallName>(
    name: N,
    ask: Calls[N]["ask"],
    step?: (step: Step) => void,
  ): Promise<Calls[N]["answer"]> {
    if (this.#replaced) {
      const { name: model, version } = this.#model();
      const found = await this.#link.call("pick", { ...this.#place(), model });
      this.#replaced = false;
      if (found.version !== version) this.store.set({ model: modelOf(found), rows: null, kept: null, results: null });
    }
    return this.#link.call(name, ask, step);
  }

  readonly #step = (step: Step): void => this.store.set({ step });

  #place(): Place {
    const { service, token } = this.store.state;
    return { service, token };
  }

  #model(): Model {
    const { model } = this.store.state;
    if (!model) throw new PageError("needModel");
    return model;
  }

  /** What to say where a service of another origin cannot be asked: it may not let this page in. */
  #elsewhere(trouble: Trouble): Trouble {
    const page = location.origin;
    if (trouble.name !== "errorUnreachable" || this.store.state.service === page) return trouble;
    return { ...trouble, name: "errorElsewhere", values: { page } };
  }

  /** Do something, and report what goes wrong. Returns whether it went well. */
  async #act(busy: State["busy"], work: () => Promise<void> | void): Promise<boolean> {
    if (busy && this.store.state.busy) return false;
    this.report(null);
    if (busy) this.store.set({ busy, step: null });
    try {
      await work();
      return true;
    } catch (error) {
      this.report(this.#elsewhere(troubleOf(error)));
      return false;
    } finally {
      if (busy) this.store.set({ busy: null, step: null });
    }
  }
}
