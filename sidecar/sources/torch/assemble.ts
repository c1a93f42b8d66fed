import { argument } from "../../graph/builder";
import { checkGraph } from "../../graph/check";
import { ModelError } from "../../graph/errors";
import type { Argument, Graph, Value } from "../../graph/graph";
import type { Tensor } from "../../graph/tensor";
import { isFloat, sameShape, type Shape } from "../../graph/types";
import { inferShapes, newBuilder } from "../../primitives";
import * as ops from "../../primitives/ops";
import { dropUnused, followExamples } from "../../transforms";
import { mixes } from "../independence";
import type { BatchInfo, Model, OperationInfo, ParameterInfo, Port } from "../model";
import type { Emitted } from "../operations";
import type { InputOption } from "../inputs";
import type { StoredWeight } from "./archive";
import { layoutOf, type BatchedInput, type Layout } from "./batch";
import { Evaluation, shapeOf, type Coupling } from "./evaluate";
import { evaluateExpression, type Bindings } from "./expressions";
import { layersOf } from "./layers";
import { outputNames } from "./names";
import { modulesOf, placeOf } from "./places";
import type { Program, ProgramNode, TensorMeta } from "./program";

/** A parameter, buffer or constant, with its elements. */
export interface Weight {
  /** What the program calls it. */
  readonly argument: string;
  readonly role: "parameter" | "buffer" | "constant";
  readonly name: string;
  /** What tells apart arrays that are not the same: those of one place are one. */
  readonly place: string;
  readonly trainable: boolean;
  readonly tensor: Tensor;
}

/** The program's weights, out of what the archive stores: those of one place have the name of the first of them. */
export function weightsOf(program: Program, stored: ReadonlyMap<string, StoredWeight>): Weight[] {
  const kinds = new Map(
    program.inputs.flatMap((spec) => (spec.kind === "user" ? [] : [[spec.name, spec.kind] as const])),
  );
  const names = new Map<string, string>();
  for (const { name, place } of stored.values()) {
    // A program may name only one of them, which need not be the first
    for (const kind of [kinds.get(name) ?? (["parameter", "buffer"] as const)].flat()) {
      if (!names.has(`${kind} ${place}`)) names.set(`${kind} ${place}`, name);
    }
  }
  const read = new Map<string, Tensor>();
  return program.inputs.flatMap((spec): Weight[] => {
    if (spec.kind === "user") return [];
    const weight = stored.get(spec.name);
    if (weight === undefined) {
      throw new ModelError(
        `the archive has no elements of ${spec.name}; export the model again with torch.export.save`,
      );
    }
    const tensor = read.get(weight.place) ?? weight.read();
    read.set(weight.place, tensor);
    const recorded = program.graph.tensors.get(spec.argument);
    const shape = recorded ? shapeOf(recorded, new Map()) : null;
    if (shape !== null && !sameShape(shape, tensor.shape)) {
      throw new ModelError(
        `${spec.name} has the shape [${tensor.shape.join(",")}] where the program says [${shape.join(",")}]; export the model again`,
      );
    }
    const { place, requiresGrad: trainable } = weight;
    const role = spec.kind === "parameter" && !isFloat(tensor.dtype) ? "buffer" : spec.kind;
    const name = names.get(`${spec.kind} ${place}`) ?? spec.name;
    return [{ argument: spec.argument, role, name, place, trainable, tensor }];
  });
}

export interface Parts {
  readonly file: string;
  readonly program: Program;
  readonly weights: readonly Weight[];
  readonly options: readonly InputOption[];
  readonly batch: number | (() => Promise<number>);
}

/** Evaluates the program, finds out whether its examples are independent, and puts the model together. */
export async function assembleModel({ file, program, weights, options, batch }: Parts): Promise<Model> {
  const layout = layoutOf(program, options);
  const make = (size: number | null): Made => makeGraph(program, layout, weights, size);
  const { fixed } = layout;
  let made = make(fixed !== null && fixed > 1 ? fixed : null);
  let info: BatchInfo = { coupled: false };
  const coupling = couplingOf(layout, made, make);
  if (coupling !== null) {
    const size = fixed ?? (typeof batch === "number" ? batch : await batch());
    const unbatched = layout.inputs.find(({ axis }) => axis === null);
    if (unbatched !== undefined) {
      throw new ModelError(
        `${coupling.reason}, and the input ${unbatched.name} has no batch axis; make it a buffer of the model`,
        coupling.source,
      );
    }
    made = make(size);
    info = { coupled: true, size, reason: coupling.reason, source: coupling.source };
  }
  const { graph } = made;
  checkGraph(graph, inferShapes);
  const names = outputNames(program.outputTree, made.outputs.length);
  const used = new Set([...graph.parameters, ...graph.buffers].map(({ name }) => name));
  const layers = layersOf(program, parameterNames(weights), (name) =>
    exampleShape(program.graph.tensors.get(name), layout),
  );
  return {
    file,
    export: null,
    format: "torch-export",
    source: null,
    files: [file],
    framework: `PyTorch ${program.torchVersion}`.trim(),
    graph,
    inputs: layout.inputs.map(({ name, shape, dtype }): Port => ({ name, shape, dtype })),
    outputs: graph.outputs.map(({ shape, dtype }, index): Port => ({
      name: names[index],
      shape: info.coupled && made.outputs[index].isBatched ? shape.slice(1) : shape,
      dtype,
    })),
    parameters: graph.parameters.map(({ name }): ParameterInfo => {
      const layer = layers.find(({ parameters }) => parameters.includes(name));
      const { trainable } = weights.find((weight) => weight.name === name)!;
      return { name, trainable, source: layer?.source ?? null };
    }),
    layers,
    operations: made.emitted.in(graph, (node) => operationOf(node, program, layout)),
    batch: info,
    weights: Object.fromEntries(weights.filter(({ name }) => used.has(name)).map(({ name, tensor }) => [name, tensor])),
  };
}

/** Which name each parameter has in the model: those of one place have that of the first. */
function parameterNames(weights: readonly Weight[]): Map<string, string> {
  const first = new Map<string, string>();
  return new Map(
    weights
      .filter(({ role }) => role === "parameter")
      .map(({ name, place }) => {
        if (!first.has(place)) first.set(place, name);
        return [name, first.get(place)!];
      }),
  );
}

interface Made {
  readonly graph: Graph;
  readonly batchedInputs: readonly Value[];
  readonly outputs: readonly { readonly isBatched: boolean }[];
  readonly couplings: Evaluation["couplings"];
  readonly emitted: Emitted<ProgramNode>;
}

/** Of `size` examples, with the batch axis first; or with null of one, without one. */
function makeGraph(program: Program, layout: Layout, weights: readonly Weight[], size: number | null): Made {
  const b = newBuilder();
  const bindings = new Map(layout.bindings);
  if (layout.symbol !== null) bindings.set(layout.symbol, size ?? 1);
  const arrays = new Map<string, Value>();
  const inputs = layout.inputs.map((input): Argument => {
    const given = argument(
      input.name,
      size === null || input.axis === null ? input.shape : [size, ...input.shape],
      input.dtype,
    );
    arrays.set(input.argument, withBatchAxis(b, given.value, input, size));
    return given;
  });
  const places = new Map<string, Argument>();
  for (const { argument: name, role, name: own, place, tensor } of weights) {
    const key = `${role} ${place}`;
    if (role === "constant") {
      arrays.set(name, b.constant(tensor.data, tensor.shape, tensor.dtype));
      continue;
    }
    const known = places.get(key) ?? argument(own, tensor.shape, tensor.dtype);
    places.set(key, known);
    arrays.set(name, known.value);
  }
  const evaluation = new Evaluation(b, { bindings, batch: layout.symbol, isDecomposed: program.isDecomposed });
  const results = evaluation.run(program.graph, arrays);
  const outputs = program.outputs.flatMap((output) => {
    if (output === null || typeof output !== "object" || Array.isArray(output) || !("tensor" in output)) return [];
    return [
      withoutBatchAxis(b, results.get(output.tensor), program.graph.tensors.get(output.tensor), layout, size, bindings),
    ];
  });
  if (outputs.length === 0) throw new ModelError("the model returns no arrays; have forward return its outputs");
  const members = (role: Weight["role"]): Argument[] =>
    [...places].filter(([key]) => key.startsWith(`${role} `)).map(([, member]) => member);
  const graph = dropUnused(
    b.build({
      inputs,
      parameters: members("parameter"),
      buffers: members("buffer"),
      outputs: outputs.map(({ value }) => value),
    }),
  );
  const used = new Set([...graph.outputs, ...graph.equations.flatMap((equation) => equation.inputs)]);
  return {
    graph: { ...graph, buffers: graph.buffers.filter(({ value }) => used.has(value)) },
    batchedInputs: inputs.filter((_, index) => layout.inputs[index].axis !== null).map(({ value }) => value),
    outputs,
    couplings: evaluation.couplings,
    emitted: evaluation.emitted,
  };
}

type Builder = ReturnType<typeof newBuilder>;

function withBatchAxis(b: Builder, value: Value, { axis, shape }: BatchedInput, size: number | null): Value {
  if (axis === null) return value;
  return size === null
    ? ops.reshape(b, value, [...shape.slice(0, axis), 1, ...shape.slice(axis)])
    : ops.moveAxis(b, value, 0, axis);
}

/** The batch axis first, or taken away. An output may have it joined with what follows it, as in [batch * time, words]. */
function withoutBatchAxis(
  b: Builder,
  value: Value,
  meta: TensorMeta | undefined,
  { symbol, fixed }: Layout,
  size: number | null,
  bindings: Bindings,
): { value: Value; isBatched: boolean } {
  const axis =
    symbol === null
      ? value.shape.length > 0 && value.shape[0] === fixed
        ? 0
        : -1
      : (meta?.sizes.findIndex((each) => each.kind === "symbol" && each.name === symbol) ?? -1);
  if (axis >= 0) {
    const first = ops.moveAxis(b, value, axis, 0);
    return { value: size === null ? ops.reshape(b, first, first.shape.slice(1)) : first, isBatched: true };
  }
  const [joined] = meta?.sizes ?? [];
  if (symbol === null || joined === undefined) return { value, isBatched: false };
  const at = (count: number): number | null => evaluateExpression(joined, new Map([...bindings, [symbol, count]]));
  const inner = at(1);
  if (inner === null || at(2) !== 2 * inner || at(3) !== 3 * inner) return { value, isBatched: false };
  return {
    value: size === null ? value : ops.reshape(b, value, [size, inner, ...value.shape.slice(1)]),
    isBatched: true,
  };
}

/** Why examples depend on one another; null where they do not. */
function couplingOf({ inputs, symbol, fixed }: Layout, made: Made, make: (size: number) => Made): Coupling | null {
  if (inputs.every(({ axis }) => axis === null)) return null;
  const surely = made.couplings.find(({ certainty }) => certainty === "surely");
  if (symbol === null) {
    const [said] = made.couplings;
    if (said !== undefined || fixed === null || fixed === 1) return said ?? null;
    const reason =
      `the model was exported for exactly ${fixed} examples; export it with ` +
      "dynamic_shapes={...: {0: torch.export.Dim.DYNAMIC}} for any number of them";
    return { reason, source: null };
  }
  if (surely !== undefined) return surely;
  const two = make(2);
  const { state, equation } = followExamples(two.graph, two.batchedInputs, 2);
  const source = equation?.source ?? null;
  if (state === "coupled") {
    return two.couplings.find((said) => said.source === source) ?? { reason: mixes(equation), source };
  }
  const lacking = two.outputs.findIndex(({ isBatched }) => !isBatched);
  if (lacking >= 0) return { reason: `the output number ${lacking} has no batch axis`, source: null };
  if (state === "lost") {
    return { reason: `the examples cannot be followed through ${equation?.primitive ?? "an operation"}`, source };
  }
  return null;
}

function operationOf(node: ProgramNode, program: Program, layout: Layout): Omit<OperationInfo, "equations"> {
  const names = node.outputs.flat().filter((name) => name !== null);
  return {
    name: names[0] ?? node.target,
    // Without the overload: `aten.add` of `aten.add.Tensor`
    kind: node.target.split(".").slice(0, 2).join("."),
    modules: modulesOf(node)
      .filter(({ path }) => path !== "")
      .map(({ path, type }) => ({ path, kind: type.slice(type.lastIndexOf(".") + 1) })),
    source: placeOf(node),
    outputs: names.flatMap((name) => {
      const shape = exampleShape(program.graph.tensors.get(name), layout);
      return shape === null ? [] : [shape];
    }),
  };
}

/** An array's shape in one example. */
function exampleShape(meta: TensorMeta | undefined, { symbol, fixed, bindings }: Layout): Shape | null {
  if (meta === undefined) return null;
  const shape = shapeOf(meta, symbol === null ? bindings : new Map([...bindings, [symbol, 1]]));
  if (shape === null) return null;
  const axis =
    symbol === null
      ? shape[0] === fixed
        ? 0
        : -1
      : meta.sizes.findIndex((each) => each.kind === "symbol" && each.name === symbol);
  return axis < 0 ? shape : shape.filter((_, other) => other !== axis);
}
