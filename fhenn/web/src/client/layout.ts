/** How the values of a table sit in the slots of ciphertexts (`fhenn/ckks/layout.py`). */

/** Where each value sits. */
export interface Layout {
  /** "features", "vectors" or "placement". */
  readonly name: string;
}
