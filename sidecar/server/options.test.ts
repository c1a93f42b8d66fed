import { describe, expect, it } from "vitest";
import { defaults } from "../../test/server/editor";
import { deviceOf, inputsOf, limitsOf, modelKey, optionsOf, pythonOf } from "./options";

const detected = { name: "CPU (2 cores)", memoryBytes: 2 ** 33, detected: true };

describe("limits", () => {
  it("are a time and bytes", () => {
    expect(limitsOf(defaults)).toEqual({ timeLimit: 30, codeMemory: 2 ** 31 });
    expect(limitsOf({ ...defaults, timeLimit: 0.5, codeMemory: " 1.5 GiB" })).toEqual({
      timeLimit: 0.5,
      codeMemory: 1.5 * 2 ** 30,
    });
  });

  it.each([0, -1, NaN, Infinity, 2_000_001])("cannot be a time of %s", (timeLimit) => {
    expect(() => limitsOf({ ...defaults, timeLimit })).toThrow(`kernelscope.timeLimit is ${timeLimit}: give a number`);
  });

  it("cannot be a size that is none", () => {
    expect(() => limitsOf({ ...defaults, codeMemory: "much" })).toThrow("kernelscope.codeMemory much: write a size");
  });
});

describe("the Python of a file", () => {
  const pythons = { "/work": "/work/.venv/bin/python", "/work/inner": "/inner/python" };
  const of = (path: string, python = ""): string | null => pythonOf({ ...defaults, python, pythons }, path);

  it("is the setting's, that of the innermost folder around it, or the environment's", () => {
    expect(of("/work/net.py", " /usr/bin/python3 ")).toBe("/usr/bin/python3");
    expect(of("/work/net.py")).toBe("/work/.venv/bin/python");
    expect(of("/work/inner/net.py")).toBe("/inner/python");
    expect(of("/workshop/net.py")).toBe(null);
  });
});

describe("the device", () => {
  it("is this machine's, or one that is named", () => {
    expect(deviceOf({ ...defaults, device: "auto" }, detected)).toBe(detected);
    expect(deviceOf({ ...defaults, device: "CPU (2 cores)" }, detected)).toBe(detected);
    expect(deviceOf({ ...defaults, device: "h200" }, detected).name).toBe("H200 141GB");
    expect(() => deviceOf({ ...defaults, device: "100" }, detected)).toThrow(
      "kernelscope.device: 100: not unique; choose one of",
    );
    expect(() => deviceOf({ ...defaults, device: "Voodoo" }, detected)).toThrow(
      "kernelscope.device: Voodoo: not known",
    );
  });

  it("may be limited", () => {
    expect(deviceOf({ ...defaults, device: "auto", targetMemory: " 512MiB " }, detected)).toEqual({
      name: "CPU (2 cores), limited to 512MiB",
      memoryBytes: 2 ** 29,
      detected: false,
    });
    expect(deviceOf({ ...defaults, device: "auto", targetMemory: "  " }, detected)).toBe(detected);
    expect(() => deviceOf({ ...defaults, targetMemory: "-1" }, detected)).toThrow(
      "kernelscope.targetMemory -1: write a size",
    );
  });
});

describe("a model's options", () => {
  it("are found by file and binding", () => {
    const models = { "/a.ts#model": { batch: 3 }, "/a.json#": { batch: 4 } };
    expect(optionsOf({ ...defaults, models }, "/a.ts", "model")).toEqual({ batch: 3 });
    expect(optionsOf({ ...defaults, models }, "/a.json", null)).toEqual({ batch: 4 });
    expect(optionsOf({ ...defaults, models }, "/a.ts", "other")).toEqual({});
    expect(modelKey("/a.ts", null)).toBe("/a.ts#");
  });

  it("have shapes of inputs", () => {
    expect(inputsOf({})).toEqual([]);
    expect(inputsOf({ inputs: ["x=N,3:int32"] })).toEqual([{ name: "x", shape: [3], batched: true, dtype: "int32" }]);
    expect(() => inputsOf({ inputs: ["x"] })).toThrow("write it as NAME=SHAPE");
  });
});
