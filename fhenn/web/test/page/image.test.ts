import { expect, test } from "vitest";
import { normalise, valuesOf, type Picture } from "../../src/page/image.ts";

const SIDE = 280;

/** A drawing of a box of ink. */
function box(top: number, left: number, height: number, width: number): Picture {
  const ink = new Float64Array(SIDE * SIDE);
  for (let y = top; y < top + height; y += 1) ink.fill(1, y * SIDE + left, y * SIDE + left + width);
  return { height: SIDE, width: SIDE, ink };
}

function extent({ height, width, ink }: Picture): number[] {
  const rows = Array.from({ length: height }, (_, y) =>
    ink.subarray(y * width, (y + 1) * width).some((value) => value > 0.5),
  );
  const columns = Array.from({ length: width }, (_, x) =>
    ink.some((value, place) => place % width === x && value > 0.5),
  );
  return [rows.indexOf(true), rows.lastIndexOf(true) + 1, columns.indexOf(true), columns.lastIndexOf(true) + 1];
}

test("a drawing fits twenty pixels, and is in the middle, wherever it was drawn", () => {
  for (const [top, left] of [
    [0, 0],
    [10, 200],
    [130, 70],
  ] as const) {
    const image = normalise(box(top, left, 80, 40), 28, 28) as Picture;
    expect(extent(image)).toEqual([4, 24, 9, 19]);
  }
});

test("its size and its proportions are kept", () => {
  const [small, large] = [box(20, 20, 40, 40), box(20, 20, 240, 240)].map((each) => normalise(each, 28, 28) as Picture);
  expect(extent(small as Picture)).toEqual(extent(large as Picture));
  expect(extent(small as Picture)).toEqual([4, 24, 4, 24]);
});

test("ink is spread, not made", () => {
  const image = normalise(box(33, 41, 100, 50), 28, 28) as Picture;
  const sum = image.ink.reduce((total, value) => total + value, 0);
  expect(sum).toBeCloseTo(200, 6); // 20 × 10 pixels
  expect(Math.max(...image.ink)).toBeLessThanOrEqual(1);
});

test("the weight is in the middle where the box is not", () => {
  const drawing = box(100, 100, 100, 20);
  for (let x = 120; x < 160; x += 1) drawing.ink[100 * SIDE + x] = 1; // a thin arm to the right
  const [, , left, right] = extent(normalise(drawing, 28, 28) as Picture);
  expect(((left ?? 0) + (right ?? 0)) / 2).toBeLessThan(15);
});

test("an empty drawing is no image", () => {
  expect(normalise({ height: SIDE, width: SIDE, ink: new Float64Array(SIDE * SIDE) }, 28, 28)).toBeNull();
});

test.each([8, 16, 32])("other images than those of 28 pixels are filled: %i", (side) => {
  expect(extent(normalise(box(10, 200, 80, 40), side, side) as Picture)).toEqual([0, side, side / 4, (3 * side) / 4]);
  expect(extent(normalise(box(10, 20, 40, 80), side, side) as Picture)).toEqual([side / 4, (3 * side) / 4, 0, side]);
});

test("values have the range of the bounds", () => {
  const image = { height: 1, width: 2, ink: Float64Array.of(0, 1) };
  expect([...valuesOf(image, Float64Array.of(0, 0), Float64Array.of(16, 16))]).toEqual([0, 16]);
  expect([...valuesOf(image, Float64Array.of(-0.5, -0.5), Float64Array.of(2.5, 2.5))]).toEqual([-0.5, 2.5]);
  expect([...valuesOf(image, Float64Array.of(-0.05, -0.05), Float64Array.of(1, 1))]).toEqual([0, 1]);
});

test("values are what the model takes, within its bounds", () => {
  const image = { height: 1, width: 3, ink: Float64Array.of(0, 0.5, 1) };
  expect([...valuesOf(image, new Float64Array(3), Float64Array.of(1, 1, 1))]).toEqual([0, 128 / 255, 1]);
  expect([...valuesOf(image, new Float64Array(3), Float64Array.of(255, 255, 0))]).toEqual([0, 128, 0]);
});
