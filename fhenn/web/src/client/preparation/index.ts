/** What a client does with raw tables in the clear, before it encrypts. */

export { Preparation, type Column } from "./preparation.ts";
export type { Kind } from "./frame.ts";
