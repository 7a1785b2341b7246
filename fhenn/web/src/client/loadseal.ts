/** Microsoft SEAL in WebAssembly, by node-seal. */

import SEAL from "node-seal/throws";

import type { MainModule } from "node-seal/throws";

/** What `loadSeal` gives. */
export type Seal = MainModule;

/**
 * SEAL, ready to use: load it once in a page or worker.
 *
 * @param wasm - address of node-seal's `seal_throws.wasm`, where it lies elsewhere than beside the script.
 */
export function loadSeal(wasm?: string): Promise<Seal> {
  return wasm === undefined ? SEAL() : SEAL({ locateFile: () => wasm });
}
