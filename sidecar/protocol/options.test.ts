import { describe, expect, it } from "vitest";
import { areRequired, faultOfArguments, faultOfShape } from "./options";

describe("what is asked of the user", () => {
  it("has to be given unless it may be left out", () => {
    expect([[], ["width?"], ["width?", "depth"]].map(areRequired)).toEqual([false, false, true]);
  });
});

describe("a shape", () => {
  it.each(["N,3,32,32", "N", "N,20:int32", " 3 , 4 : bool "])("may be %s", (text) => {
    expect(faultOfShape(text)).toBeNull();
  });
  it.each(["N,x", "0", "N,3:int64", "-1"])("may not be %s", (text) => {
    expect(faultOfShape(text)).toBe("Write extents such as N,32,32,3");
  });
});

describe("arguments in Python", () => {
  it.each([
    "",
    "16",
    "width=16, depth=2",
    "(3, 4), [1.5e-3, -2], {'a': (1,), \"b\": None}, {1, 2,}, ()",
    "-1, +.5, 0x1F, 1_000, activation='it\\'s' \"one\", flag=True, raw=rb'\\n',",
    " größe = 3 ",
  ])("may be %s", (text) => {
    expect(faultOfArguments(text, "python")).toBeNull();
  });

  it.each([
    ["width=", "A value is missing at the end"],
    ["16 2", "There is 2 where a comma should be"],
    ["width=16, 2", "What follows width=… needs a name too, such as depth=2"],
    ["[1, 2", "A ] is missing"],
    ["(1, 2]", "A ) is missing"],
    ["[", "A value is missing at the end"],
    ["'relu", "A string is not closed"],
    ["nn.ReLU()", "nn is no literal: write numbers, strings in quotes, True, False, None, tuples, lists or dicts"],
    ["- x", "There is no number behind -"],
    [",", "There is , where a value should be"],
    ["1abc", "There is 1 where a value should be"],
  ])("may not be %s", (text, fault) => {
    expect(faultOfArguments(text, "python")).toBe(fault);
  });
});

describe("arguments in JSON", () => {
  it("are told apart from what is none", () => {
    expect(faultOfArguments('40,[128],"relu"', "json")).toBeNull();
    expect(faultOfArguments("'relu'", "json")).toBe("Not JSON: quote strings with double quotes");
  });
});
