/** `readNumbers`: the columns of a table as the features of a model that has no preparation. */

import { Findings, short } from "./findings.ts";
import { matchColumns } from "./match.ts";
import { asNumber, hasDecimalComma, isMissing } from "./numerals.ts";
import type { Prepared } from "./problems.ts";
import type { Cell, Table } from "./table.ts";

/**
 * The columns of a table as finite numbers.
 *
 * @param table - as it was dropped; columns that the model does not know are left out where both have names.
 * @param features - names of the features; null to take the columns that hold data in their order.
 * @param count - how many features there are.
 * @throws FeatureMismatch where columns are missing, ShapeMismatch where there is another number of them without names.
 */
export function readNumbers(table: Table, features: readonly string[] | null, count: number): Prepared {
  const wanted = Array.from({ length: count }, (_, place) => ({ name: features?.[place] ?? null, used: true }));
  const origins = matchColumns(table, wanted, false);
  const findings = new Findings(table);
  const values = new Float64Array(table.rows * count);
  origins.forEach((column, place) => {
    const cells = column === null ? [] : (table.columns[column] ?? []);
    cells.forEach((cell, row) => {
      const value = numberOf(cell, table.decimal);
      values[row * count + place] = value ?? NaN;
      if (value === null || !Number.isFinite(value)) {
        refuse(findings, table, row, column, cell, value);
      }
    });
  });
  return findings.prepared(values, features, origins);
}

/** The number in a cell, NaN where it is missing; null where it is not a number. */
function numberOf(cell: Cell, decimal: "." | ","): number | null {
  return typeof cell === "number" ? cell : isMissing(cell) || cell === null ? NaN : asNumber(cell, decimal);
}

function refuse(
  findings: Findings,
  table: Table,
  row: number,
  column: number | null,
  cell: Cell,
  value: number | null,
): void {
  const at = { row, column };
  if (value === null) {
    const comma = typeof cell === "string" && table.decimal === "." && hasDecimalComma(cell);
    const way = comma
      ? "Say that numbers have decimal commas, or write a point."
      : "Write a number there, or leave the row out.";
    const message = `${short(cell)} is not a number${comma ? ": it has a comma" : ""}. ${way}`;
    findings.refuse({ ...at, kind: "not a number", message, refusal: "ParameterError" });
  } else if (Number.isNaN(value)) {
    const message = "The cell is blank. Write a number there, or leave the row out.";
    findings.refuse({ ...at, kind: "blank", message, refusal: "MissingValues" });
  } else {
    const message = "The number is infinite. Write a finite one, or leave the row out.";
    findings.refuse({ ...at, kind: "infinite", message, refusal: "MissingValues" });
  }
}
