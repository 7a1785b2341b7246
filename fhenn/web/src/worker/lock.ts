/** A secret under a passphrase: PBKDF2-SHA-256 and AES-256-GCM, by WebCrypto. */

import { SecretLocked, WireFormatError } from "../client/index.ts";

/** Iterations of PBKDF2 with SHA-256: what OWASP's Password Storage Cheat Sheet asks for at least. */
export const ITERATIONS = 600_000;
const MOST_ITERATIONS = 10_000_000;
const SALT = 16;
const NONCE = 12;

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
  /** Milliseconds since the epoch. */
  readonly created: number;
}

/**
 * Lock a secret.
 *
 * @param secret - its bytes
 * @param passphrase - not empty
 * @param owner - fingerprints of the plan that the key is for, and of its generation
 */
export async function lock(
  secret: Uint8Array<ArrayBuffer>,
  passphrase: string,
  owner: Pick<Header, "plan" | "fingerprint">,
): Promise<Locked> {
  if (!passphrase) throw new SecretLocked("the passphrase is empty.", "Give one.");
  const salt = crypto.getRandomValues(new Uint8Array(SALT));
  const nonce = crypto.getRandomValues(new Uint8Array(NONCE));
  const content: Header = {
    format: 1,
    derivation: "PBKDF2-SHA-256",
    iterations: ITERATIONS,
    salt: toHex(salt),
    nonce: toHex(nonce),
    plan: owner.plan,
    fingerprint: owner.fingerprint,
    created: Date.now(),
  };
  const header = new TextEncoder().encode(JSON.stringify(content));
  const key = await derive(passphrase, salt, ITERATIONS, "encrypt");
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
  const { iterations, salt, nonce } = headerOf(locked);
  if (!passphrase) throw new SecretLocked("it needs its passphrase.", "Give the one that it was locked with.");
  const key = await derive(passphrase, fromHex(salt), iterations, "decrypt");
  try {
    const algorithm = { name: "AES-GCM", iv: fromHex(nonce), additionalData: locked.header };
    return new Uint8Array(await crypto.subtle.decrypt(algorithm, key, locked.body));
  } catch (error) {
    if (!(error instanceof DOMException)) throw error;
    throw new SecretLocked("the passphrase is wrong, or what was kept was altered.", "Type it again, or make new keys.");
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
  const { format, derivation, iterations, salt, nonce, plan, fingerprint, created } = found;
  const known = format === 1 && derivation === "PBKDF2-SHA-256" && isHex(salt, SALT) && isHex(nonce, NONCE);
  if (!known || typeof plan !== "string" || typeof fingerprint !== "string" || typeof created !== "number") {
    throw new WireFormatError("kept key", "it is locked in a way that this page does not know");
  }
  if (typeof iterations !== "number" || !(iterations >= ITERATIONS && iterations <= MOST_ITERATIONS)) {
    throw new WireFormatError("kept key", `its iterations must be from ${ITERATIONS} to ${MOST_ITERATIONS}`);
  }
  return { format, derivation, iterations, salt, nonce, plan, fingerprint, created };
}

async function derive(
  passphrase: string,
  salt: Uint8Array<ArrayBuffer>,
  iterations: number,
  use: KeyUsage,
): Promise<CryptoKey> {
  // NFKC: another keyboard may compose the same letters otherwise
  const bytes = new TextEncoder().encode(passphrase.normalize("NFKC"));
  const base = await crypto.subtle.importKey("raw", bytes, "PBKDF2", false, ["deriveKey"]);
  const derivation = { name: "PBKDF2", hash: "SHA-256", salt, iterations };
  return crypto.subtle.deriveKey(derivation, base, { name: "AES-GCM", length: 256 }, false, [use]);
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
