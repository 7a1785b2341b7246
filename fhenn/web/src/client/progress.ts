/** How far work is. */

/** What is worked at. "upload" counts bytes, all others steps. */
export type Step = "keys" | "encrypt" | "upload" | "predict" | "decrypt";

/** Called with what is worked at, how much of it is done, and how much there is. */
export type Progress = (what: Step, done: number, total: number) => void;
