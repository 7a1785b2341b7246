/** Tables: reading, matching, checking and writing them. */

export { checkBounds } from "./bounds.ts";
export { idsOf } from "./ids.ts";
export { matchColumns, type WantedColumn } from "./match.ts";
export { Findings, short, type Finding } from "./findings.ts";
export * from "./numerals.ts";
export { readNumbers } from "./numbers.ts";
export type { Prepared, Problem, ProblemKind, Refusal } from "./problems.ts";
export { readCsv, type ReadOptions } from "./read.ts";
export { Table, type Cell, type CsvFormat, type TableParts } from "./table.ts";
export { writeCsv, type NamedColumn, type WriteOptions } from "./write.ts";
