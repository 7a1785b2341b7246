import { expect, test } from "vitest";
import { FhennError } from "../../src/client/errors.ts";
import { checkBounds, idsOf, readCsv, readNumbers, Table, writeCsv } from "../../src/client/table/index.ts";
import { bytesOf, cases, errorOf, sameBits, writeBack } from "./vectors.ts";

interface TableCase {
  readonly data: string;
  readonly options: { readonly delimiter: string | null; readonly decimal: "." | ","; readonly header: boolean | null };
  readonly expected: readonly string[];
  readonly error?: string;
  readonly names: readonly string[] | null;
  readonly columns: readonly (readonly (string | null)[])[];
  readonly lines: readonly number[];
  readonly aside: readonly number[];
  readonly numbers: { readonly error: string } | readonly (readonly number[] | string)[];
}

const CASES = cases<TableCase>("tables");
const open = ({ data, options, expected }: TableCase) =>
  readCsv(bytesOf(data), { ...options, expected, source: "t.csv" });

test.skipIf(CASES.length === 0)("files are read as Python reads them, or refused by the same error", () => {
  const wrong: unknown[] = [];
  for (const each of CASES) {
    const error = errorOf(() => open(each));
    if (error !== (each.error ?? null)) {
      wrong.push({
        data: new TextDecoder().decode(bytesOf(each.data)),
        options: each.options,
        error,
        wanted: each.error,
      });
    } else if (error === null) {
      const table = open(each);
      const found = { names: table.names, columns: table.columns, lines: table.lines, aside: [...table.aside] };
      const { names, columns, lines, aside } = each;
      if (JSON.stringify(found) !== JSON.stringify({ names, columns, lines, aside })) {
        wrong.push({ data: new TextDecoder().decode(bytesOf(each.data)), found, names, columns, lines, aside });
      }
    }
  }
  expect(wrong).toEqual([]);
});

test.skipIf(CASES.length === 0)("numbers of rows are those of Python, and cells that are none are named", () => {
  const wrong: unknown[] = [];
  for (const each of CASES.filter(({ error }) => error === undefined)) {
    const table = open(each);
    const features = each.expected.length > 0 ? each.expected : null;
    const count = features?.length ?? table.data.length;
    const error = errorOf(() =>
      readNumbers(table, table.names === null ? features : (features ?? namesOf(table)), count),
    );
    const { numbers } = each;
    if ("error" in numbers) {
      if (error !== numbers.error) wrong.push({ each, error });
      continue;
    }
    if (error !== null) {
      wrong.push({ each, error });
      continue;
    }
    const found = readNumbers(table, table.names === null ? features : (features ?? namesOf(table)), count);
    numbers.forEach((wanted, row) => {
      const got = found.features.subarray(row * count, (row + 1) * count);
      const first = found.problems.filter((problem) => problem.row === row).map(({ refusal }) => refusal);
      const fits =
        typeof wanted === "string"
          ? first.includes(wanted as never) && !found.ready.includes(row)
          : sameBits(got, wanted);
      if (!fits) wrong.push({ columns: table.columns, row, wanted, got: [...got], first });
    });
  }
  expect(wrong).toEqual([]);
});

/** Names of the columns that hold data. */
function namesOf(table: Table): readonly string[] {
  return table.data.map((place) => table.names?.[place] ?? "");
}

test("a file in another format is read where its format may be guessed", () => {
  const text = "id;age;sex\n1;3,5;f\n2;4;m\n";
  expect(errorOf(() => readCsv(text))).toBe("ParameterError");
  const table = readCsv(text, { detect: true });
  expect(table.names).toEqual(["id", "age", "sex"]);
  expect(table.decimal).toBe(",");
  expect([...readNumbers(table, ["age"], 1).features]).toEqual([3.5, 4]);
  try {
    readCsv(text);
  } catch (error) {
    expect(error).toMatchObject({ asks: { delimiter: ";", decimal: "," } });
    expect((error as FhennError).wayOut).toContain("decimal commas");
  }
});

test("decimal commas are found where no number has a point", () => {
  for (const [text, decimal] of [
    ["sep=;\na;b\n1,5;x\n", ","],
    ['a,b\n"1,5",x\n', ","],
    ['a,b\n"1,5",2.5\n', "."],
    ["a,b\n1,2\n", "."],
  ] as const) {
    expect(readCsv(text, { detect: true }).decimal).toBe(decimal);
    expect(readCsv(text).decimal).toBe(".");
    expect(readCsv(text, { detect: true, decimal: "." }).decimal).toBe(".");
  }
});

test("problems name row, column, kind and a way out, and block their rows alone", () => {
  const table = readCsv("a,b,label\n1,2,x\n,3,y\nabc,inf,z\n5,6,w\n");
  const found = readNumbers(table, ["b", "a"], 2);
  expect(found.origins).toEqual([1, 0]);
  expect(found.ready).toEqual([0, 3]);
  expect(found.problems.map(({ row, column, name, kind }) => ({ row, column, name, kind }))).toEqual([
    { row: 2, column: 1, name: "b", kind: "infinite" },
    { row: 1, column: 0, name: "a", kind: "blank" },
    { row: 2, column: 0, name: "a", kind: "not a number" },
  ]);
  expect([...found.features]).toEqual([2, 1, NaN, NaN, NaN, NaN, 6, 5]);
  for (const { message } of found.problems) {
    expect(message).toMatch(/leave the row out\.$/);
  }
});

test("columns that are missing are named, and others are left out", () => {
  const table = readCsv("a,b\n1,2\n");
  try {
    readNumbers(table, ["a", "c", "d"], 3);
    expect.unreachable();
  } catch (error) {
    expect(error).toMatchObject({ name: "FeatureMismatch", missing: ["c", "d"] });
  }
  expect(errorOf(() => readNumbers(readCsv("1,2\n", { header: false }), ["a"], 1))).toBe("ShapeMismatch");
});

test("values beyond the bounds of a plan are marked", () => {
  const prepared = readNumbers(readCsv("a,b\n1,2\n5,2\n1,9\n1.0000001,2\n"), ["a", "b"], 2);
  const [low, high] = [Float64Array.of(0, 2), Float64Array.of(1, 2)];
  const strict = checkBounds(prepared, low, high);
  expect(strict.ready).toEqual([0]);
  expect(strict.problems.map(({ row, column, kind }) => [row, column, kind])).toEqual([
    [1, 0, "out of bounds"],
    [2, 1, "out of bounds"],
    [3, 0, "out of bounds"],
  ]);
  expect(prepared.problems).toEqual([]);
  expect(checkBounds(prepared, low, high, true).ready).toEqual([0, 3]);
  expect(errorOf(() => checkBounds(prepared, low.subarray(1), high))).toBe("ShapeMismatch");
  expect(checkBounds(prepared, Float64Array.of(0, 0), Float64Array.of(9, 9))).toBe(prepared);
});

test("ids stand beside results, and are no feature", () => {
  const table = readCsv("id,a\nx1,1\nx2,2\n");
  expect(idsOf(table, "id", ["a"], ["prediction"])).toEqual({ name: "id", cells: ["x1", "x2"] });
  for (const [name, features, results] of [
    ["no", ["a"], []],
    ["a", ["a"], []],
    ["id", ["a"], ["id"]],
  ] as const) {
    expect(errorOf(() => idsOf(table, name, features, results))).toBe("ParameterError");
  }
});

test("rows that are typed are a table", () => {
  const table = Table.ofRows(["a", "b"], [[" 1 ", "2,5"]], ",");
  expect([...readNumbers(table, ["b", "a"], 2).features]).toEqual([2.5, 1]);
  expect(errorOf(() => Table.ofRows(["a"], [["1", "2"]]))).toBe("ParameterError");
  expect(errorOf(() => Table.ofRows(["a", "a"], [["1", "2"]]))).toBe("ParameterError");
});

test("long cells take no time that grows as a square", () => {
  const long = 130_000;
  const cells = ["1".repeat(long) + "x", "a" + " ".repeat(long) + "b", " ".repeat(long) + "é", "'".repeat(long) + " "];
  const text = `a\n${cells.join("\n")}\n7\n`;
  const found = readNumbers(readCsv(text), ["a"], 1);
  expect(found.problems.map(({ kind }) => kind)).toEqual([
    "not a number",
    "not a number",
    "not a number",
    "not a number",
  ]);
  expect(found.ready).toEqual([4]);
});

test("what is too large is refused before it is read", () => {
  expect(errorOf(() => readCsv(new Uint8Array((64 << 20) + 1)))).toBe("ParameterError");
  expect(errorOf(() => readCsv("1,2\n".repeat((1 << 22) + 1), { header: false }))).toBe("ParameterError");
});

const WORDS = [
  "=1+1",
  "-",
  "+5",
  "@x",
  "'=1",
  "''=1",
  "it's",
  "a,b",
  'q"q',
  "l\nm",
  "\tx",
  " ",
  "",
  "é",
  "日本",
  "＝1",
  "-1.5",
];

test("formulas are written so that no spreadsheet runs them, and read back as they were", () => {
  const words = WORDS.filter((word) => word === word.trim() || word === " ");
  const text = writeCsv([
    { name: "=name", cells: words },
    { name: "n", cells: words.map((_, row) => row / 3) },
    { name: "k", cells: words.map((_, row) => BigInt(row)) },
    { name: "t", cells: words.map((_, row) => row % 2 === 0) },
    { name: "none", cells: words.map(() => null) },
  ]);
  expect(text.split("\n")[0]).toBe("'=name,n,k,t,none");
  expect(text).toContain("\n'=1+1,0.0,0,True,\n");
  for (const line of text.split("\n")) {
    expect(line).not.toMatch(/^"?(?:[=@\t]|[+-](?![0-9]))/);
  }
  const table = readCsv(text, { header: true });
  expect(table.columns[0]).toEqual(words.map((word) => word.trim()));
  expect(table.columns[1]?.map(Number)).toEqual(words.map((_, row) => row / 3));
  writeBack("words.csv", text);
  writeBack("words.json", JSON.stringify(words.map((word) => word.trim())));
  expect(writeCsv([{ name: "a", cells: [null, ""] }])).toBe('a\n""\n""\n');
  expect(
    errorOf(() =>
      writeCsv([
        { name: "a", cells: [] },
        { name: "b", cells: [1] },
      ]),
    ),
  ).toBe("ParameterError");
});
