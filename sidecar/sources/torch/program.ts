import { parseExpression, type Expression } from "./expressions";
import { entries, extent, integer, list, object, text, Unexpected, variant } from "./json";

/**
 * An exported program as its `models/model.json` says it, read and checked. The names of the fields are those of
 * torch/_export/serde/schema.py.
 */

/** An argument of an operator. What has no bearing on values (devices, layouts, memory formats) is null. */
export type Argument =
  | null
  | number
  | boolean
  | string
  | { readonly tensor: string }
  /** A size that depends on the batch. */
  | { readonly symbolic: string }
  | { readonly scalarType: number }
  | { readonly graph: ProgramGraph }
  | { readonly unreadable: string }
  | readonly Argument[];

export interface ProgramNode {
  /** `aten.add.Tensor` */
  readonly target: string;
  readonly inputs: readonly { readonly name: string; readonly argument: Argument }[];
  /** Names of what it makes: of one array, or of a list of them; null for what is left out. */
  readonly outputs: readonly (string | null | readonly string[])[];
  readonly stackTrace: string;
  readonly moduleStack: string;
}

export interface TensorMeta {
  readonly scalarType: number;
  readonly sizes: readonly Expression[];
  readonly strides: readonly Expression[];
  readonly offset: Expression;
  readonly requiresGrad: boolean;
}

export interface ProgramGraph {
  readonly inputs: readonly Argument[];
  readonly outputs: readonly Argument[];
  readonly nodes: readonly ProgramNode[];
  readonly tensors: ReadonlyMap<string, TensorMeta>;
  readonly symbolic: ReadonlyMap<string, Expression>;
}

export type InputSpec =
  | { readonly kind: "parameter" | "buffer" | "constant"; readonly argument: string; readonly name: string }
  | { readonly kind: "user"; readonly argument: Argument };

export interface Program {
  readonly graph: ProgramGraph;
  readonly inputs: readonly InputSpec[];
  /** What `forward` returns. */
  readonly outputs: readonly Argument[];
  /** How `forward` packs its outputs: the JSON of a pytree; null where it is not said. */
  readonly outputTree: string | null;
  /** The example's own sizes, for symbols that have them. */
  readonly hints: ReadonlyMap<string, number>;
  readonly ranges: ReadonlyMap<string, { readonly min: number; readonly max: number }>;
  /** Whether it is made of core operators: what torch.export gives first has the dialect TRAINING. */
  readonly isDecomposed: boolean;
  /** "2.13.0"; empty where it is not said. */
  readonly torchVersion: string;
}

/** The schema's versions that are read. What differs between them has no bearing on what is read here, or is left out. */
const [FIRST_MAJOR, LAST_MAJOR] = [5, 8];
/** Graphs within graphs. */
const DEEPEST = 20;

export function readProgram(json: unknown): Program {
  const top = object(json, "the program");
  expectVersion(top.schema_version);
  const module = object(top.graph_module, "graph_module");
  const hints = new Map<string, number>();
  const graph = readGraph(module.graph, hints, 0);
  const signature = object(module.signature, "signature");
  const inputs = list(signature.input_specs, "input_specs").flatMap(readInputSpec);
  const outputs = list(signature.output_specs, "output_specs").flatMap((spec): Argument[] => {
    const [kind, value] = variant(spec, "an output_spec");
    if (kind !== "user_output" && kind !== "loss_output") return [];
    const { arg } = object(value, kind);
    return [kind === "user_output" ? readArgument(arg, hints, 0) : { tensor: nameOf(arg) }];
  });
  return {
    graph,
    inputs,
    outputs,
    outputTree: outputTree(module.module_call_graph),
    hints,
    ranges: new Map(
      entries(top.range_constraints, "range_constraints").map(([symbol, value]) => {
        const { min_val: min, max_val: max } = object(value, "a range constraint");
        const bound = (limit: unknown, otherwise: number): number => (typeof limit === "number" ? limit : otherwise);
        return [symbol, { min: bound(min, 0), max: bound(max, Infinity) }];
      }),
    ),
    isDecomposed: !list(top.verifiers ?? [], "verifiers").includes("TRAINING"),
    torchVersion: text(top.torch_version ?? "", "torch_version").replace(/\+.*$/, ""),
  };
}

function expectVersion(version: unknown): void {
  // Versions 1 and 2 are numbers
  const major =
    typeof version === "number" ? version : integer(object(version, "schema_version").major, "schema_version");
  if (major < FIRST_MAJOR) throw new Unexpected(`it was saved by a PyTorch before 2.4 (schema version ${major})`);
  if (major > LAST_MAJOR) {
    throw new Unexpected(`its schema version is ${major}, and versions ${FIRST_MAJOR} to ${LAST_MAJOR} can be read`);
  }
}

function outputTree(calls: unknown): string | null {
  for (const call of list(calls ?? [], "module_call_graph")) {
    const { fqn, signature } = object(call, "a module call");
    if (fqn !== "" || signature === null || signature === undefined) continue;
    const { out_spec: tree } = object(signature, "a module call's signature");
    return typeof tree === "string" ? tree : null;
  }
  return null;
}

function readInputSpec(spec: unknown): InputSpec[] {
  const [kind, value] = variant(spec, "an input_spec");
  const parts = object(value, kind);
  switch (kind) {
    case "parameter":
      return [{ kind: "parameter", argument: nameOf(parts.arg), name: text(parts.parameter_name, "parameter_name") }];
    case "buffer":
      return [{ kind: "buffer", argument: nameOf(parts.arg), name: text(parts.buffer_name, "buffer_name") }];
    case "tensor_constant": {
      const name = text(parts.tensor_constant_name, "tensor_constant_name");
      return [{ kind: "constant", argument: nameOf(parts.arg), name }];
    }
    case "user_input":
      return [{ kind: "user", argument: readArgument(parts.arg, new Map(), 0) }];
    default:
      // A number is written where it is used; tokens order effects, of which there are none here
      return [];
  }
}

function nameOf(argument: unknown): string {
  return text(object(argument, "an argument").name, "the name of an argument");
}

type Hints = Map<string, number>;

function readGraph(json: unknown, hints: Hints, depth: number): ProgramGraph {
  if (depth > DEEPEST) throw new Unexpected("graphs are nested too deep");
  const graph = object(json, "graph");
  const members = (value: unknown, what: string): Argument[] =>
    list(value, what).map((argument) => readArgument(argument, hints, depth));
  const symbolic = ["sym_int_values", "sym_float_values", "sym_bool_values"].flatMap((field) =>
    entries(graph[field], field).map(([name, value]) => [name, readSize(value, hints)] as const),
  );
  return {
    inputs: members(graph.inputs, "inputs"),
    outputs: members(graph.outputs, "outputs"),
    nodes: list(graph.nodes, "nodes").map((node) => readNode(node, hints, depth)),
    tensors: new Map(
      entries(graph.tensor_values, "tensor_values").map(([name, meta]) => [name, readTensorMeta(meta, hints)]),
    ),
    symbolic: new Map(symbolic),
  };
}

function readNode(json: unknown, hints: Hints, depth: number): ProgramNode {
  const node = object(json, "a node");
  const metadata = object(node.metadata ?? {}, "metadata");
  return {
    target: text(node.target, "target").replace(/^torch\.ops\./, ""),
    inputs: list(node.inputs, "a node's inputs").map((input) => {
      const { name, arg } = object(input, "an input");
      return { name: text(name, "an input's name"), argument: readArgument(arg, hints, depth) };
    }),
    outputs: list(node.outputs, "a node's outputs").map(readOutput),
    stackTrace: typeof metadata.stack_trace === "string" ? metadata.stack_trace : "",
    moduleStack: typeof metadata.nn_module_stack === "string" ? metadata.nn_module_stack : "",
  };
}

function readOutput(json: unknown): string | null | string[] {
  const [kind, value] = variant(json, "an output");
  if (kind === "as_tensor") return nameOf(value);
  if (kind === "as_tensors") return list(value, kind).map(nameOf);
  return null;
}

function readArgument(json: unknown, hints: Hints, depth: number): Argument {
  const [kind, value] = variant(json, "an argument");
  const each = (read: (member: unknown) => Argument): Argument[] => list(value, kind).map(read);
  switch (kind) {
    case "as_none":
    case "as_device":
    case "as_layout":
    case "as_memory_format":
      return null;
    case "as_tensor":
      return { tensor: nameOf(value) };
    case "as_tensors":
      return each((member) => ({ tensor: nameOf(member) }));
    case "as_optional_tensor":
      return readOptional(value);
    case "as_optional_tensors":
      return each(readOptional);
    case "as_int":
      return integer(value, kind);
    case "as_ints":
      return each((member) => integer(member, kind));
    case "as_float":
      return float(value);
    case "as_floats":
      return each(float);
    case "as_bool":
      return value === true;
    case "as_bools":
      return each((member) => member === true);
    case "as_string":
      return text(value, kind);
    case "as_strings":
      return each((member) => text(member, kind));
    case "as_sym_int":
    case "as_sym_float":
    case "as_sym_bool":
      return readSymbolic(value);
    case "as_sym_ints":
    case "as_sym_floats":
    case "as_sym_bools":
      return each(readSymbolic);
    case "as_scalar_type":
      return { scalarType: integer(value, kind) };
    case "as_graph":
      return { graph: readGraph(object(value, kind).graph, hints, depth + 1) };
    default:
      return { unreadable: kind.replace(/^as_/, "") };
  }
}

function readOptional(json: unknown): Argument {
  const [kind, value] = variant(json, "an optional tensor");
  return kind === "as_tensor" ? { tensor: nameOf(value) } : null;
}

function readSymbolic(json: unknown): Argument {
  const [kind, value] = variant(json, "a symbolic number");
  if (kind === "as_name") return { symbolic: text(value, kind) };
  return kind === "as_bool" ? value === true : float(value);
}

/** Numbers that JSON has not are texts. */
function float(value: unknown): number {
  if (value === "Infinity" || value === "-Infinity" || value === "NaN") return Number(value);
  if (typeof value !== "number") throw new Unexpected("a number is none");
  return value;
}

/** A size, or another number that may depend on sizes. */
function readSize(json: unknown, hints: Hints): Expression {
  const [kind, value] = variant(json, "a size");
  if (kind !== "as_expr") return { kind: "number", value: kind === "as_bool" ? Number(value === true) : float(value) };
  const { expr_str: written, hint } = object(value, kind);
  const expression = parseExpression(text(written, "expr_str"));
  if (expression.kind === "symbol" && hint !== null && hint !== undefined) {
    const [hintKind, hinted] = variant(hint, "a hint");
    if (hintKind === "as_int") hints.set(expression.name, extent(hinted, "a hint"));
  }
  return expression;
}

export function readTensorMeta(json: unknown, hints: Hints = new Map()): TensorMeta {
  const meta = object(json, "a tensor's description");
  const sizes = (value: unknown, what: string): Expression[] => list(value, what).map((size) => readSize(size, hints));
  return {
    scalarType: integer(meta.dtype, "dtype"),
    sizes: sizes(meta.sizes, "sizes"),
    strides: sizes(meta.strides, "strides"),
    offset: readSize(meta.storage_offset ?? { as_int: 0 }, hints),
    requiresGrad: meta.requires_grad === true,
  };
}
