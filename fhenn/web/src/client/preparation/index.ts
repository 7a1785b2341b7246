/** What a client does with raw tables in the clear, before it encrypts. */

export { Preparation, type Column, type Kind } from "./preparation.ts";
