/**
 * The secret key as a message in the clear, as Python's `Client.secret_bytes()` writes it (`fhenn/session/secret.py`).
 */

import type { Bytes } from "./bytes.ts";
import { PlanError, SecretLocked, WireFormatError } from "./errors.ts";
import { objectOf } from "./json.ts";
import type { Seal } from "./loadseal.ts";
import { contextMessage, keysIn } from "./messages.ts";
import type { Plan } from "./plan.ts";
import { Keys } from "./seal.ts";
import { frame, unframe } from "./wire.ts";

const KIND = "secret-key";

/**
 * The secret key of keys as a message.
 *
 * @param keys - whose it is.
 */
export async function secretToBytes(keys: Keys): Promise<Bytes> {
  const meta = objectOf({
    fingerprint: keys.fingerprint,
    parameters: keys.parameters.fingerprint,
    spent: 0,
    lock: null,
  });
  const body = bodyOf(keys);
  try {
    return await frame(KIND, meta, body);
  } finally {
    body.fill(0);
  }
}

/**
 * The keys in a message of `secretToBytes`, or of Python's with uncompressed objects.
 *
 * @param seal - of `loadSeal`.
 * @param plan - that they were made for.
 * @param data - the message.
 * @throws PlanError where they were made for other parameters, SecretLocked, WireFormatError, UnsupportedOperation
 * where
 * they are compressed.
 */
export async function secretFromBytes(seal: Seal, plan: Plan, data: Uint8Array): Promise<Keys> {
  const { header, body } = await unframe(KIND, data);
  const { meta } = header;
  if (meta.get("lock") !== null) {
    throw new SecretLocked("the secret key is locked with a passphrase.", "Unlock it where it was made.");
  }
  if (meta.get("parameters") !== plan.parameters.fingerprint) {
    throw new PlanError("the secret key was made for other parameters.", "Use the plan that it was made for.");
  }
  const { publicKey, secretKey } = keysIn(body);
  const keys = await Keys.restore(seal, plan.parameters, secretKey, publicKey);
  if (keys.fingerprint !== meta.get("fingerprint")) {
    keys.delete();
    throw new WireFormatError(KIND, "its key is not the one that its header names");
  }
  return keys;
}

function bodyOf(keys: Keys): Bytes {
  const secretKey = keys.secretKey(3);
  try {
    return contextMessage(keys.parameters, keys.publicKey, secretKey);
  } finally {
    secretKey.fill(0);
  }
}
