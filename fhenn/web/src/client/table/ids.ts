/** `idsOf`: a column that names the samples: it is not encrypted, and put back beside results (`fhenn/cli/ids.py`). */

import { ParameterError, TableError } from "../errors.ts";
import type { Table } from "./table.ts";
import type { NamedColumn } from "./write.ts";

/**
 * The column of ids of a table.
 *
 * @param table - as it was dropped.
 * @param name - of the column.
 * @param features - names of the columns that are encrypted; null where they have none.
 * @param results - names of the columns of results, which ids stand beside.
 * @throws ParameterError where there is no such column, it is a feature, or results have one of that name.
 */
export function idsOf(
  table: Table,
  name: string,
  features: readonly string[] | null,
  results: readonly string[],
): NamedColumn {
  const called = name.normalize("NFC");
  const cells = table.column(name);
  if (cells === undefined) {
    throw new TableError(`there is no column “${name}” in ${table.source}.`, "Choose one that is there.");
  }
  if (features?.some((feature) => feature.normalize("NFC") === called)) {
    throw new ParameterError(
      `column “${name}” is a feature of the model, so that it would be encrypted.`,
      "Choose a column that the model does not use.",
    );
  }
  if (results.includes(called)) {
    throw new ParameterError(
      `the results have a column “${name}” too, beside which no ids of that name can stand.`,
      "Rename the column of ids in the table.",
    );
  }
  return { name: called, cells };
}
