/** A secret under a passphrase: PBKDF2-SHA-256 and AES-256-GCM, by WebCrypto. */

import { SecretLocked, WireFormatError } from "../client/index.ts";

/** Iterations of PBKDF2 with SHA-256: what OWASP's Password Storage Cheat Sheet asks for at least. */
export const ITERATIONS = 600_000;
const MOST_ITERATIONS = 10_000_000;
const SALT = 16;
const NONCE = 12;
const DIGEST = 32;

/** Sets of evaluation keys that a kept key remembers. */
const MOST_SENT = 64;

/** What is kept: nothing of it opens without the passphrase. */
export interface Locked {
  /** JSON: format, derivation, iterations, salt, nonce, and whose key it is. AES-GCM authenticates it. */
  readonly header: Uint8Array<ArrayBuffer>;
  readonly body: Uint8Array<ArrayBuffer>;
}

/** What a header says. */
export interface Header {
  readonly format: 1;
  readonly derivation: "PBKDF2-SHA-256";
  readonly iterations: number;
  readonly salt: string;
  readonly nonce: string;
  /** Whose key it is: fingerprint of the plan. */
  readonly plan: string;
  /** Identifies its generation. */
  readonly fingerprint: string;
  /** SHA-256 of the evaluation keys that a service was, or may have been, sent of it. */
  readonly sent: readonly string[];
  /** Milliseconds since the epoch. */
  readonly created: number;
}

/** What a passphrase opens: it locks again without it. */
export interface LockKey {
  readonly key: CryptoKey;
  readonly salt: Uint8Array<ArrayBuffer>;
  readonly iterations: number;
}

/** Whose key is locked: fingerprints of the plan that it is for, and of its generation, and what was sent of it. */
export type Owner = Pick<Header, "plan" | "fingerprint"> & Partial<Pick<Header, "sent">>;

/**
 * Lock a secret.
 *
 * @param secret - its bytes
 * @param passphrase - not empty
 * @param owner - whose it is
 */
export async function lock(secret: Uint8Array<ArrayBuffer>, passphrase: string, owner: Owner): Promise<Locked> {
  return lockWith(await newLock(passphrase), secret, owner);
}

/** A lock with a salt of its own. passphrase: not empty. */
export async function newLock(passphrase: string): Promise<LockKey> {
  if (!passphrase) throw new SecretLocked("the passphrase is empty.", "Give one.");
  const salt = crypto.getRandomValues(new Uint8Array(SALT));
  return { key: await derive(passphrase, salt, ITERATIONS), salt, iterations: ITERATIONS };
}

/** Lock a secret with a lock that is open; each time has a nonce of its own. */
export async function lockWith(
  { key, salt, iterations }: LockKey,
  secret: Uint8Array<ArrayBuffer>,
  owner: Owner,
): Promise<Locked> {
  const nonce = crypto.getRandomValues(new Uint8Array(NONCE));
  const content: Header = {
    format: 1,
    derivation: "PBKDF2-SHA-256",
    iterations,
    salt: toHex(salt),
    nonce: toHex(nonce),
    plan: owner.plan,
    fingerprint: owner.fingerprint,
    sent: (owner.sent ?? []).slice(-MOST_SENT),
    created: Date.now(),
  };
  const header = new TextEncoder().encode(JSON.stringify(content));
  const body = await crypto.subtle.encrypt({ name: "AES-GCM", iv: nonce, additionalData: header }, key, secret);
  return { header, body: new Uint8Array(body) };
}

/**
 * The secret that was locked.
 *
 * @throws SecretLocked where the passphrase is wrong or what was kept was altered, WireFormatError where it is no such
 * thing.
 */
export async function unlock(locked: Locked, passphrase: string): Promise<Uint8Array<ArrayBuffer>> {
  return unlockWith(await lockOf(locked, passphrase), locked);
}

/** The lock that a passphrase is for. Whether it is the right one, `unlockWith` shows. */
export async function lockOf(locked: Locked, passphrase: string): Promise<LockKey> {
  const { iterations, salt: written } = headerOf(locked);
  if (!passphrase) throw new SecretLocked("it needs its passphrase.", "Give the one that it was locked with.");
  const salt = fromHex(written);
  return { key: await derive(passphrase, salt, iterations), salt, iterations };
}

/** The secret that was locked. Throws as `unlock` does. */
export async function unlockWith({ key }: LockKey, locked: Locked): Promise<Uint8Array<ArrayBuffer>> {
  const { nonce } = headerOf(locked);
  try {
    const algorithm = { name: "AES-GCM", iv: fromHex(nonce), additionalData: locked.header };
    return new Uint8Array(await crypto.subtle.decrypt(algorithm, key, locked.body));
  } catch (error) {
    if (!(error instanceof DOMException)) throw error;
    throw new SecretLocked(
      "the passphrase is wrong, or what was kept was altered.",
      "Type it again, or make new keys.",
    );
  }
}

/**
 * What the header says.
 *
 * @throws WireFormatError
 */
export function headerOf(locked: Locked): Header {
  let found: Partial<Record<keyof Header, unknown>>;
  try {
    const content: unknown = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(locked.header));
    found = content ?? {};
  } catch (error) {
    throw new WireFormatError("kept key", `its header is not readable (${(error as Error).name})`);
  }
  const { format, derivation, iterations, salt, nonce, plan, fingerprint, sent, created } = found;
  const known = format === 1 && derivation === "PBKDF2-SHA-256" && isHex(salt, SALT) && isHex(nonce, NONCE);
  if (!known || typeof plan !== "string" || typeof fingerprint !== "string" || typeof created !== "number") {
    throw new WireFormatError("kept key", "it is locked in a way that this page does not know");
  }
  if (typeof iterations !== "number" || !(iterations >= ITERATIONS && iterations <= MOST_ITERATIONS)) {
    throw new WireFormatError("kept key", `its iterations must be from ${ITERATIONS} to ${MOST_ITERATIONS}`);
  }
  if (!Array.isArray(sent) || sent.length > MOST_SENT || !sent.every((each) => isHex(each, DIGEST))) {
    throw new WireFormatError("kept key", "it does not say which keys were sent");
  }
  return { format, derivation, iterations, salt, nonce, plan, fingerprint, sent, created };
}

async function derive(
  passphrase: string,
  salt: Uint8Array<ArrayBuffer>,
  iterations: number,
): Promise<CryptoKey> {
  // NFKC: another keyboard may compose the same letters otherwise
  const bytes = new TextEncoder().encode(passphrase.normalize("NFKC"));
  const base = await crypto.subtle.importKey("raw", bytes, "PBKDF2", false, ["deriveKey"]);
  const derivation = { name: "PBKDF2", hash: "SHA-256", salt, iterations };
  return crypto.subtle.deriveKey(derivation, base, { name: "AES-GCM", length: 256 }, false, ["encrypt", "decrypt"]);
}

function toHex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function fromHex(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(text.match(/../g) ?? [], (pair) => parseInt(pair, 16));
}

function isHex(text: unknown, bytes: number): text is string {
  return typeof text === "string" && text.length === 2 * bytes && /^[0-9a-f]*$/.test(text);
}
