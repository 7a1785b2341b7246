/** What a plan's signature calls the nodes of a model (`fhenn/planner/identity.py`). */

const AFFINE = /^[A-Za-z_](?:\w*[A-Za-z_])?([0-9]{1,9})x([0-9]{1,9})$/;
const WIRING: ReadonlySet<string> = new Set(["Fork", "Swap", "Join", "Multiply"]);

/**
 * Inputs and outputs of an affine layer, null for another node.
 *
 * @param name - in a signature, as "Linear3x1".
 */
export function affineShape(name: string): { readonly inputs: number; readonly outputs: number } | null {
  const match = name.endsWith("\n") ? null : AFFINE.exec(name);
  return match === null ? null : { inputs: Number(match[1]), outputs: Number(match[2]) };
}

/** Whether a name in a signature is that of an activation. */
export function isActivation(name: string): boolean {
  return affineShape(name) === null && !WIRING.has(name);
}
