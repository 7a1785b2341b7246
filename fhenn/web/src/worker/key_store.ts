/** Keys that this browser keeps, locked, in IndexedDB. */

import { headerOf, type Locked } from "./lock.ts";

const DATABASE = "fhenn";
const STORE = "keys";

/** The locked key of a plan; null where none is kept. */
export async function read(plan: string): Promise<Locked | null> {
  const found = await use<unknown>("readonly", (store) => store.get(plan));
  if (found === undefined) return null;
  const { header, body } = found as { header: Uint8Array<ArrayBuffer>; body: Uint8Array<ArrayBuffer> };
  const locked = { header, body };
  headerOf(locked); // another program of this origin may have written it
  return locked;
}

/** Keep a locked key, in the place of another one of the same plan. */
export async function write(plan: string, locked: Locked): Promise<void> {
  await use("readwrite", (store) => store.put({ header: locked.header, body: locked.body }, plan));
}

/** Overwrite what is kept for a plan by random bytes, then delete it. */
export async function forget(plan: string): Promise<void> {
  const found = await use<Partial<Locked> | undefined>("readonly", (store) => store.get(plan));
  if (found !== undefined) {
    const noise = { header: randomLike(found.header), body: randomLike(found.body) };
    await use("readwrite", (store) => store.put(noise, plan));
  }
  await use("readwrite", (store) => store.delete(plan));
}

/** Random bytes, as many as these are. */
function randomLike(bytes: Uint8Array | undefined): Uint8Array<ArrayBuffer> {
  const noise = new Uint8Array(bytes?.length ?? 0);
  for (let start = 0; start < noise.length; start += 1 << 16) {
    crypto.getRandomValues(noise.subarray(start, start + (1 << 16)));
  }
  return noise;
}

/** The result of one request, once its transaction is through. */
async function use<T>(mode: IDBTransactionMode, ask: (store: IDBObjectStore) => IDBRequest): Promise<T> {
  const database = await open();
  try {
    return await new Promise<T>((resolve, reject) => {
      // strict: what is forgotten is gone from the disk's files when the page says so, as far as a browser can say
      const transaction = database.transaction(STORE, mode, { durability: "strict" });
      const request = ask(transaction.objectStore(STORE));
      transaction.oncomplete = () => resolve(request.result as T);
      transaction.onerror = transaction.onabort = () => reject(transaction.error ?? new Error("IndexedDB ended"));
    });
  } finally {
    database.close();
  }
}

function open(): Promise<IDBDatabase> {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open(DATABASE, 1);
    request.onupgradeneeded = () => void request.result.createObjectStore(STORE);
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error ?? new Error("IndexedDB is not to be had"));
  });
}
