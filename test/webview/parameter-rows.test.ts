import { expect, test } from "vitest";
import { nextSort, parameterRows, type ParameterSort } from "../../webview/parameter-rows";
import { analysisOf, digits, parameter } from "./states";

const order: ParameterSort = { column: "order", descending: false };

function names(filter: string, sort: ParameterSort = order, analysis = digits): string[] {
  return parameterRows(analysis, filter, sort).map((row) => row.parameter.name);
}

test("every word of the filter must be in the name, shape, type or state", () => {
  expect(names("")).toHaveLength(9);
  expect(names("CONV bias")).toEqual(["conv_1/bias", "conv_2/bias"]);
  expect(names("frozen kernel")).toEqual(["conv_1/kernel"]);
  expect(names("[1600,")).toEqual(["logits/kernel"]);
  expect(names("no such")).toEqual([]);
});

test("sorted by size, frozen ones are counted for nothing", () => {
  expect(names("", { column: "bytes", descending: true }).slice(0, 2)).toEqual(["conv_2/kernel", "logits/kernel"]);
  expect(names("", { column: "bytes", descending: true }).slice(-2)).toEqual(["conv_1/bias", "conv_1/kernel"]);
  expect(names("", { column: "elements", descending: false })[0]).toBe("temperature");
});

test("names are sorted by the numbers in them", () => {
  const analysis = analysisOf([parameter("block_10", [1]), parameter("block_2", [1])], []);
  expect(names("", { column: "name", descending: false }, analysis)).toEqual(["block_2", "block_10"]);
});

test("a column's head sorts, turns round, and restores the model's order", () => {
  const once = nextSort(order, "bytes");
  const twice = nextSort(once, "bytes");
  expect([once, twice, nextSort(twice, "bytes")]).toEqual([
    { column: "bytes", descending: true },
    { column: "bytes", descending: false },
    order,
  ]);
  expect(nextSort(once, "name")).toEqual({ column: "name", descending: false });
});
