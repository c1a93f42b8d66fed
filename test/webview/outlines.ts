import type { Outline, OutlineRow } from "../../sidecar/protocol/outline";

/** Outlines of models, as the sidecar would send them. */

/** Of a module, unless something else is said; its path's last part is its name. */
export function outlineRow(path: string, change: Partial<OutlineRow> = {}): OutlineRow {
  const form = change.form ?? "module";
  return {
    id: `${form} ${path}`,
    form,
    depth: 0,
    name: path.slice(path.lastIndexOf(".") + 1),
    kind: form === "parameter" ? "float32" : "",
    shapes: [],
    elements: 0,
    jacobian: null,
    share: 0,
    source: null,
    ...change,
  };
}

const file = "/project/net.py";

function module(
  path: string,
  kind: string,
  depth: number,
  line: number,
  output: readonly number[],
): Partial<OutlineRow> {
  return { ...outlineRow(path), kind, depth, shapes: [[100, ...output]], source: { file, line, column: 1 } };
}

function held(elements: number): Pick<OutlineRow, "elements" | "jacobian"> {
  return { elements, jacobian: { shape: [100, 10, elements], bytes: 4000 * elements } };
}

function parameter(path: string, depth: number, shape: readonly number[], isFrozen = false): OutlineRow {
  const elements = shape.reduce((product, extent) => product * extent, 1);
  const jacobian = isFrozen ? null : { shape: [100, 10, ...shape], bytes: 4000 * elements };
  return outlineRow(path, { form: "parameter", depth, shapes: [shape], elements, jacobian });
}

/** A small convolutional net, whose first bias is frozen. */
export const smallOutline: Outline = {
  batch: 100,
  flops: 4.2e8,
  rows: [
    { ...outlineRow("features"), ...module("features", "Sequential", 0, 12, [32, 13, 13]), ...held(144), share: 0.31 },
    { ...outlineRow("features.0"), ...module("features.0", "Conv2d", 1, 13, [16, 26, 26]), ...held(144), share: 0.3 },
    parameter("features.0.weight", 2, [16, 1, 3, 3]),
    parameter("features.0.bias", 2, [16], true),
    { ...outlineRow("features.1"), ...module("features.1", "ReLU", 1, 14, [16, 26, 26]), share: 0.01 },
    outlineRow("flatten", {
      form: "operation",
      kind: "aten.flatten",
      shapes: [[100, 2704]],
      source: { file, line: 20, column: 1 },
    }),
    { ...outlineRow("head"), ...module("head", "Linear", 0, 21, [10]), ...held(27_050), share: 0.69 },
    parameter("head.weight", 1, [10, 2704]),
    parameter("head.bias", 1, [10]),
    outlineRow("mask", { form: "operation", kind: "aten.a_very_long_name_of_an_operator_that_there_is_no_room_for" }),
  ],
};

/** So many blocks of three operations each. */
export function manyBlocks(count: number): OutlineRow[] {
  return Array.from({ length: count }, (_, index): OutlineRow[] => {
    const path = `block_${index}`;
    return [
      outlineRow(path, { kind: "Block", shapes: [[100, 64]], ...held(64), share: 1 / count }),
      ...["linear", "norm", "act"].map((name) =>
        outlineRow(`${path}.${name}`, { form: "operation", depth: 1, kind: `aten.${name}`, shapes: [[100, 64]] }),
      ),
    ];
  }).flat();
}
