import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { isFloat, newArray, sizeOf } from "../../sidecar/graph/types";
import type { Tensor } from "../../sidecar/graph/tensor";
import type { Model } from "../../sidecar/sources";
import { operators, views } from "../../sidecar/sources/torch/operators";
import { random } from "../../sidecar/sources/torch/operators/random";
import { vjp } from "../../sidecar/transforms";
import { difference, evaluate } from "../laws";
import { python } from "../tools";
import { exported, loadArchive, type Exported } from "./archives";

/**
 * Single operators compute what PyTorch computes, and so do their derivatives: hundreds of small cases (operators.py), as
 * torch.export gives them and decomposed to core operators.
 */

const PYTHON_TIMEOUT = 900_000;
const families = [
  ...["elementwise", "products", "convolutions", "pooling", "normalisation", "reductions", "shapes", "indexing"],
  ...["recurrent", "attention", "resizing"],
];

/** Kernels of GPUs: they compute what `scaled_dot_product_attention` does. */
const ofDevices = ["_scaled_dot_product_flash_attention", "_scaled_dot_product_efficient_attention"];

/** Relative to the largest magnitude: constants, such as 1/sqrt(2), are rounded to 32 bits. */
const TOLERANCE = 1e-6;

describe.skipIf(python === undefined)("operators of ATen", () => {
  let files: Exported;
  let cases: ReadonlyMap<string, readonly string[]>;

  beforeAll(async () => {
    files = await exported("operators.py");
    cases = new Map(
      Object.entries(JSON.parse(readFileSync(files.path("cases.json"), "utf8")) as Record<string, string[]>),
    );
  }, PYTHON_TIMEOUT);
  afterAll(() => files.remove());

  /** Arrays `case<0`, `case<1`, ... of this mark. */
  function arraysOf(name: string, mark: string): Tensor[] {
    const arrays: Tensor[] = [];
    for (let array; (array = files.expected.get(`${name}${mark}${arrays.length}`));) arrays.push(array);
    return arrays;
  }

  /** In the type and, but for a batch axis of one, the shape that the model takes. */
  function asInput({ data }: Tensor, { shape, dtype }: Model["graph"]["outputs"][number]): Tensor {
    const converted = newArray(isFloat(dtype) ? "float64" : dtype, sizeOf(shape));
    converted.set(data);
    return { shape, dtype, data: converted };
  }

  /** What differs; null where nothing does. */
  async function problemOf(name: string, file: string): Promise<string | null> {
    const model = await loadArchive(files.path(`${file}.pt2`));
    const { graph } = model;
    const inputs = arraysOf(name, "<").map((array, index) => asInput(array, graph.inputs[index].value));
    const floats = graph.inputs.map(({ value }) => value).filter(({ dtype }) => isFloat(dtype));
    const weights = [...graph.parameters, ...graph.buffers].map(({ name: weight }) => model.weights[weight]);
    const wanted = arraysOf(name, "=");
    if (graph.outputs.length !== wanted.length) return `${graph.outputs.length} outputs instead of ${wanted.length}`;
    const cotangents = arraysOf(name, "~");
    const reversed = vjp(graph, floats);
    let next = 0;
    const given = graph.outputs.map((value) =>
      isFloat(value.dtype)
        ? asInput(cotangents[next++], value)
        : { ...value, data: newArray(value.dtype, sizeOf(value.shape)) },
    );
    const results = await evaluate(reversed, [...inputs, ...given, ...weights]);
    const problems = [...wanted, ...arraysOf(name, "'")].flatMap((expected, index) => {
      const result = { ...results[index], shape: expected.shape };
      const far = difference([result], [expected]);
      const what = index < wanted.length ? `output ${index}` : `cotangent of input ${index - wanted.length}`;
      return far < TOLERANCE ? [] : [`${what} is off by ${far}`];
    });
    return problems.length > 0 ? problems.join(", ") : null;
  }

  describe.each(families)("%s", (family) => {
    it.each([
      ["as they are exported", ""],
      ["decomposed", ".core"],
    ])("%s", async (_way, suffix) => {
      const names = [...cases.keys()].filter((name) => name.startsWith(`${family}.`));
      expect(names.length).toBeGreaterThan(5);
      const problems: string[] = [];
      for (const name of names) {
        const problem = await problemOf(name, `${name}${suffix}`).catch((error: unknown) => String(error));
        if (problem !== null) problems.push(`${name}${suffix}: ${problem} (${cases.get(name)!.join(" ")})`);
      }
      expect(problems).toEqual([]);
    });
  });

  it("each that is supported is in some case", () => {
    const met = new Set(
      Array.from(cases.values())
        .flat()
        .map((target) => target.split(".")[1].replace(/(?<=[^_])_$/, "")),
    );
    const supported = [...Object.keys(operators), ...Object.keys(views)].filter((name) => !(name in random));
    expect(supported.filter((name) => !met.has(name))).toEqual(ofDevices);
  });
});
