import type { Builder } from "../graph/builder";
import { ModelError } from "../graph/errors";
import { argumentsOf, type Argument, type Graph, type Value } from "../graph/graph";
import { isFloat, range, sizeOf, type DType, type Shape } from "../graph/types";
import {
  add,
  concatenate,
  convert,
  eye,
  full,
  mul,
  reduceSum,
  reshape,
  scalarLike,
  sliceAxis,
  transpose,
  zerosLike,
} from "../primitives/ops";
import { dropUnused, evaluateInto, linearizeInto, pushInto, SimplifyingBuilder } from "../transforms";
import { inOrderOfNeed } from "./order";
import { vmapOver } from "./loops";
import { chooseWays, type Way } from "./ntk-costs";
import { denseKernel, denseNorm, structuredKernel, structuredNorm, type Side } from "./ntk-products";
import { leavesOf, type Leaf } from "./ntk-uses";

/**
 * The neural tangent kernel between two sets of examples, Theta = J1 J2^T summed over parameters, where J is the Jacobian
 * of one example's outputs. With N1 and N2 examples, and C outputs of one example (all floating-point outputs flattened,
 * one after the other), in the forms
 *
 * - `full` [N1, N2, C, C];
 * - `diagonal` [N1, N2, C], of outputs with themselves;
 * - `trace` [N1, N2], their sum or mean.
 *
 * Methods, by the names of Novak et al. 2022, "Fast finite width neural tangent kernel":
 *
 * - `contraction`: Jacobians of both sets, and their product;
 * - `vector-products`: a cotangent of each output of x2 pulled back to the parameters, and pushed forward through x1;
 * - `structured`: for a weight that is multiplied with something, the product of what it is multiplied with and that of
 *   the cotangents at its output, which are never put together to a Jacobian; for all else its Jacobian.
 */
export const ntkForms = ["full", "diagonal", "trace"] as const;
export type NtkForm = (typeof ntkForms)[number];

export const ntkMethods = ["contraction", "vector-products", "structured"] as const;
export type NtkMethod = (typeof ntkMethods)[number];

export interface NtkOptions {
  readonly form: NtkForm;
  /** Of the form `trace`: the sum over outputs, or the mean. */
  readonly trace: "sum" | "mean";
  readonly method: NtkMethod;
  /** N1. */
  readonly rows: number;
  /** N2; null for the rows' examples themselves. */
  readonly columns: number | null;
  /** Names of the parameters that are summed over. */
  readonly wrt: readonly string[];
  /** Whether the part of each parameter is measured: `norms` below. Not by vector products, which have no parts. */
  readonly norms: boolean;
  /** How `structured` computes the part of each parameter; by default what is estimated to be quickest. */
  readonly choose?: typeof chooseWays;
}

export interface NtkGraph {
  /**
   * Its inputs have the batch axis first: x1 by the model's own names and, where there are columns, x2 by names with a
   * prime. Outputs: the kernel and, with `norms`, [parameters, N1 + N2] (or N1 where there are no columns): the squared
   * norm of each parameter's Jacobian at each example, which is its part of the trace of the example's kernel with itself.
   */
  readonly graph: Graph;
  readonly shape: Shape;
  readonly parameters: readonly string[];
  /** How the part of each parameter is computed. */
  readonly ways: readonly Way[];
}

/** @param model of one example, without a batch axis */
export function ntkGraph(model: Graph, options: NtkOptions): NtkGraph {
  const { form, rows, columns } = options;
  const graph = inOneType(model);
  const outputs = differentiable(graph);
  const size = outputs.reduce((total, index) => total + sizeOf(graph.outputs[index].shape), 0);
  if (size === 0) throw new ModelError("the model has no floating-point output, so there is no kernel");
  const builder = new SimplifyingBuilder();
  const argument = (name: string, value: Value, batch: number): Argument => {
    return { name, value: { shape: [batch, ...value.shape], dtype: value.dtype } };
  };
  const first = graph.inputs.map(({ name, value }) => argument(name, value, rows));
  const second = columns === null ? [] : graph.inputs.map(({ name, value }) => argument(`${name}'`, value, columns));
  const renew = ({ name, value }: Argument): Argument => ({ name, value: { ...value } });
  const parameters = graph.parameters.map(renew);
  const buffers = graph.buffers.map(renew);
  const setting: Setting = {
    graph,
    options,
    size,
    outputs,
    weights: [...parameters, ...buffers].map(({ value }) => value),
    wrt: argumentsOf(graph).map(({ name }, index) => index >= graph.inputs.length && options.wrt.includes(name)),
    first: first.map(({ value }) => value),
    second: columns === null ? null : second.map(({ value }) => value),
  };
  const emitted = options.method === "vector-products" ? vectorProducts(builder, setting) : products(builder, setting);
  const n2 = columns ?? rows;
  const shape = { full: [rows, n2, size, size], diagonal: [rows, n2, size], trace: [rows, n2] }[form];
  const built = builder.build({
    inputs: [...first, ...second],
    parameters,
    buffers,
    outputs: [reshape(builder, emitted.kernel, shape), ...(emitted.norms === null ? [] : [emitted.norms])],
  });
  return { graph: inOrderOfNeed(dropUnused(built)), shape, parameters: emitted.parameters, ways: emitted.ways };
}

interface Setting {
  readonly graph: Graph;
  readonly options: NtkOptions;
  /** C. */
  readonly size: number;
  /** Positions of the outputs that count. */
  readonly outputs: readonly number[];
  /** Parameters and buffers. */
  readonly weights: readonly Value[];
  /** For each argument of the graph, whether it is summed over. */
  readonly wrt: readonly boolean[];
  readonly first: readonly Value[];
  readonly second: readonly Value[] | null;
}

interface Emitted {
  readonly kernel: Value;
  readonly norms: Value | null;
  readonly parameters: readonly string[];
  readonly ways: readonly Way[];
}

/** What the products of one parameter are made of, in the order in which it is returned. */
interface Kept {
  readonly leaf: number;
  readonly parts: readonly ("jacobian" | "factor" | "cotangent")[];
}

/** `contraction` and `structured`: the sum over parameters of a product of each one's parts. */
function products(builder: Builder, setting: Setting): Emitted {
  const { graph, options, first, second, size } = setting;
  const { form, rows, columns } = options;
  // Both sets go through the model together
  const examples = first.map((value, index) => (second ? concatenate(builder, [value, second[index]], 0) : value));
  const count = rows + (columns ?? 0);
  const names = argumentsOf(graph)
    .filter((_, index) => setting.wrt[index])
    .map(({ name }) => name);

  let leaves: Leaf[] = [];
  let ways: Way[] = [];
  let kept: Kept[] = [];
  let biases = new Map<number, number[]>();
  const values = vmapOver(builder, examples, count, (body, example) => {
    const linearized = linearizeInto(body, graph, [...example, ...setting.weights], setting.wrt);
    leaves = leavesOf(linearized);
    const problem = { form, rows, columns: columns ?? rows, outputs: size };
    ways =
      options.method === "contraction" ? leaves.map(() => "dense") : (options.choose ?? chooseWays)(leaves, problem);
    const structured = leaves.filter((_, leaf) => ways[leaf] === "structured");
    const cut = structured.flatMap(({ uses }) => uses.map(({ equation }) => equation));

    const factors = structured.map(({ uses }) => {
      const each = uses.map(({ structure }) => structure.factor(body));
      const axis = each[0].kind === "indices" ? 0 : 2;
      return concatenate(
        body,
        each.map(({ value }) => value),
        axis,
      );
    });
    const present: boolean[] = [];
    const pulled = vmapOver(body, basis(body, setting), size, (inner, rowsOfBasis) => {
      const cotangents = graph.outputs.map((_, index) => rowsOfBasis[setting.outputs.indexOf(index)] ?? null);
      const results = linearized.pullbackTo(inner, cotangents, cut);
      biases = biasesOf(inner, leaves, ways, results);
      const dense = results.arguments.map((value, leaf) => {
        present[leaf] = ways[leaf] === "structured" || value !== null;
        return value ?? zerosLike(inner, linearized.tangents[leaf]);
      });
      let at = 0;
      const atOutputs = structured.map(({ uses }) =>
        concatenate(
          inner,
          uses.map(({ equation, structure }) => {
            const cotangent = results.cut[at++] ?? zerosLike(inner, equation.outputs[0]);
            return structure.cotangent(inner, cotangent);
          }),
          2,
        ),
      );
      return [...dense.filter((_, leaf) => ways[leaf] === "dense"), ...atOutputs];
    });
    let densePlace = 0;
    const denseCount = ways.filter((way) => way === "dense").length;
    let structuredPlace = 0;
    kept = [];
    const returned: Value[] = [];
    leaves.forEach((_, leaf) => {
      if (!present[leaf]) {
        densePlace++;
      } else if (ways[leaf] === "dense") {
        returned.push(pulled[densePlace++]);
        kept.push({ leaf, parts: ["jacobian"] });
      } else {
        returned.push(factors[structuredPlace], pulled[denseCount + structuredPlace]);
        structuredPlace++;
        kept.push({ leaf, parts: ["factor", "cotangent"] });
      }
    });
    return returned;
  });

  const split = (value: Value): Side<Value> => {
    if (columns === null) return { rows: value, columns: value };
    return {
      rows: sliceAxis(builder, value, 0, 0, rows),
      columns: sliceAxis(builder, value, 0, rows, count),
    };
  };
  let at = 0;
  const merged = new Set([...biases.values()].flat());
  const parts = kept.flatMap(({ leaf, parts: made }) => {
    const sides = made.map(() => split(values[at++]));
    if (merged.has(leaf)) return [];
    if (ways[leaf] === "dense") return [denseKernel(builder, form, sides[0])];
    const { extents } = leaves[leaf].uses[0].structure;
    return [structuredKernel(builder, form, sides[0], sides[1], extents, biases.get(leaf)?.length ?? 0)];
  });
  const dtype = graph.outputs[setting.outputs[0]].dtype;
  const n2 = columns ?? rows;
  const layout = { full: [rows, size, n2 * size], diagonal: [size, rows, n2], trace: [rows, n2] }[form];
  // Parameters may be of other types than what comes out
  const sum = parts
    .map((part) => convert(builder, part, dtype))
    .reduce<Value | null>((total, part) => (total === null ? part : add(builder, total, part)), null);
  const kernel = finishForm(builder, setting, sum ?? full(builder, layout, dtype, 0));
  return {
    kernel,
    norms: options.norms ? normsOf(builder, kept, values, leaves, ways, { count, dtype }) : null,
    parameters: names,
    ways,
  };
}

/**
 * By leaf with a structured part, the leaves that are biases of what it yields: the Jacobian of each is the cotangent
 * there, so that both parts are had from one product.
 */
function biasesOf(
  builder: Builder,
  leaves: readonly Leaf[],
  ways: readonly Way[],
  pulled: { readonly arguments: readonly (Value | null)[]; readonly cut: readonly (Value | null)[] },
): Map<number, number[]> {
  const reshaped = new Map(
    builder.equations
      .filter(({ primitive }) => primitive === "reshape")
      .map(({ inputs, outputs }) => [outputs[0], inputs[0]]),
  );
  const origin = (value: Value): Value => {
    let from = value;
    for (let next = reshaped.get(from); next !== undefined; next = reshaped.get(from)) from = next;
    return from;
  };
  const owners = new Map<Value, number>();
  let at = 0;
  leaves.forEach(({ uses }, leaf) => {
    if (ways[leaf] !== "structured") return;
    const cotangents = uses.map(() => pulled.cut[at++]);
    if (cotangents[0] !== null && isOneProduct(uses)) owners.set(origin(cotangents[0]), leaf);
  });
  const biases = new Map<number, number[]>();
  pulled.arguments.forEach((value, leaf) => {
    const owner = value === null || ways[leaf] === "structured" ? undefined : owners.get(origin(value));
    if (owner !== undefined) biases.set(owner, [...(biases.get(owner) ?? []), leaf]);
  });
  return biases;
}

/** Whether a weight is used once, and at one position of an example: as that of a dense layer is. */
function isOneProduct(uses: Leaf["uses"]): boolean {
  const [{ structure }] = uses;
  return uses.length === 1 && structure.extents.g === 1 && structure.extents.d === 1;
}

/** [parameters, examples] */
function normsOf(
  builder: Builder,
  kept: readonly Kept[],
  values: readonly Value[],
  leaves: readonly Leaf[],
  ways: readonly Way[],
  { count, dtype }: { count: number; dtype: DType },
): Value {
  let at = 0;
  const known = new Map(
    kept.map(({ leaf, parts }) => {
      const made = parts.map(() => values[at++]);
      const norm =
        ways[leaf] === "dense"
          ? denseNorm(builder, made[0])
          : structuredNorm(builder, made[0], made[1], leaves[leaf].uses[0].structure.extents);
      return [leaf, norm];
    }),
  );
  const rows = leaves.map((_, leaf) => known.get(leaf) ?? full(builder, [count], dtype, 0));
  return concatenate(
    builder,
    rows.map((row) => reshape(builder, convert(builder, row, dtype), [1, count])),
    0,
  );
}

/** From the layouts of ntk-products.ts to the shape of the form. */
function finishForm(builder: Builder, { options, size }: Setting, sum: Value): Value {
  const { form, rows, columns } = options;
  const n2 = columns ?? rows;
  switch (form) {
    case "full":
      return transpose(builder, reshape(builder, sum, [rows, size, n2, size]), [0, 2, 1, 3]);
    case "diagonal":
      return transpose(builder, sum, [1, 2, 0]);
    case "trace":
      return meanIfAsked(builder, options, sum, size);
  }
}

function meanIfAsked(builder: Builder, { trace }: NtkOptions, kernel: Value, size: number): Value {
  return trace === "sum" ? kernel : mul(builder, kernel, scalarLike(builder, kernel, 1 / size));
}

/**
 * `vector-products`: Theta[n, m, :, p] is the tangent of the outputs at x1[n] for the tangent of the parameters that is
 * the cotangent of output p at x2[m].
 */
function vectorProducts(builder: Builder, setting: Setting): Emitted {
  const { graph, options, first, size } = setting;
  const { rows, columns, form } = options;
  const second = setting.second ?? first;
  const n2 = columns ?? rows;
  const places = range(setting.wrt.length).filter((index) => setting.wrt[index]);
  const pulled = vmapOver(builder, second, n2, (body, example) => {
    const linearized = linearizeInto(body, graph, [...example, ...setting.weights], setting.wrt);
    return vmapOver(body, basis(body, setting), size, (inner, rowsOfBasis) => {
      const cotangents = graph.outputs.map((_, index) => rowsOfBasis[setting.outputs.indexOf(index)] ?? null);
      return linearized
        .pullback(inner, cotangents)
        .map((value, index) => value ?? zerosLike(inner, linearized.tangents[index]));
    });
  });
  // [N2, C, ...parameter] as [N2 C, ...parameter]
  const tangents = pulled.map((value) => reshape(builder, value, [n2 * size, ...value.shape.slice(2)]));
  const [pushed] = vmapOver(builder, first, rows, (body, example) => {
    const known = evaluateInto(body, graph, [...example, ...setting.weights]);
    return vmapOver(body, tangents, n2 * size, (inner, each) => {
      const ofArguments = setting.wrt.map((_, index) => each[places.indexOf(index)] ?? null);
      const results = pushInto(inner, graph, known, ofArguments);
      const flat = setting.outputs.map((output) => {
        const value = results[output] ?? zerosLike(inner, graph.outputs[output]);
        return reshape(inner, value, [sizeOf(value.shape)]);
      });
      return [concatenate(inner, flat, 0)];
    });
  });
  // [N1, N2 C(p), C(o)] as [N1, N2, C(o), C(p)]
  const whole = transpose(builder, reshape(builder, pushed, [rows, n2, size, size]), [0, 1, 3, 2]);
  const kernel = form === "full" ? whole : diagonalOf(builder, whole, size);
  return {
    kernel: form === "trace" ? meanIfAsked(builder, options, reduceSum(builder, kernel, [2]), size) : kernel,
    norms: null,
    parameters: [],
    ways: [],
  };
}

/** [N1, N2, C, C] to [N1, N2, C]. */
function diagonalOf(builder: Builder, whole: Value, size: number): Value {
  const identity = reshape(builder, eye(builder, size, whole.dtype), [1, 1, size, size]);
  return reduceSum(builder, mul(builder, whole, identity), [3]);
}

/** For each output that counts, its part of the C cotangents: [C, ...output]. */
function basis(builder: Builder, { graph, outputs, size }: Setting): Value[] {
  const identity = eye(builder, size, graph.outputs[outputs[0]].dtype);
  let at = 0;
  return outputs.map((output) => {
    const { shape } = graph.outputs[output];
    const columns = sliceAxis(builder, identity, 1, at, at + sizeOf(shape));
    at += sizeOf(shape);
    return reshape(builder, columns, [size, ...shape]);
  });
}

/** The widest among the types of the floating-point outputs. */
export function kernelType(outputs: readonly { readonly dtype: DType }[]): "float32" | "float64" {
  return outputs.some(({ dtype }) => dtype === "float64") ? "float64" : "float32";
}

/** With all floating-point outputs in the kernel's type. */
function inOneType(graph: Graph): Graph {
  const dtype = kernelType(graph.outputs);
  const isOther = (output: Value): boolean => isFloat(output.dtype) && output.dtype !== dtype;
  if (!graph.outputs.some(isOther)) return graph;
  const equations = [...graph.equations];
  const outputs = graph.outputs.map((output) => {
    if (!isOther(output)) return output;
    const converted: Value = { shape: output.shape, dtype };
    const attributes = { dtype };
    equations.push({ primitive: "convert", inputs: [output], attributes, outputs: [converted], source: null });
    return converted;
  });
  return { ...graph, equations, outputs };
}

function differentiable(graph: Graph): number[] {
  return range(graph.outputs.length).filter((index) => isFloat(graph.outputs[index].dtype));
}
