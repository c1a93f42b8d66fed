import type { Graph, Value } from "../../graph/graph";
import { sizeOf, type Shape } from "../../graph/types";
import { lowerPiece, sentinel } from "./lower/graph";
import type { OnnxType } from "./lower/writer";
import type { OnnxNode } from "./onnx/messages";
import type { Step } from "./partition";
import { permutationOf, sinkTransposes } from "./transposes";

export const bytesPerElement: Record<OnnxType, number> = {
  float32: 4,
  float64: 8,
  int32: 4,
  bool: 1,
  int64: 8,
  uint8: 1,
};

export interface ArrayType {
  readonly shape: Shape;
  readonly type: OnnxType;
}

export function arrayBytes(type: ArrayType | undefined): number {
  return type ? sizeOf(type.shape) * bytesPerElement[type.type] : 0;
}

/** What onnxruntime makes of a piece of a graph when a session is made, on paper. */
export interface Optimised {
  /** In the order in which they run; transposes that a matrix product does on its way are left out. */
  readonly executed: readonly OnnxNode[];
  /** Arrays that are others under another name: reshaped, or transposed in the product that reads them. */
  readonly viewed: ReadonlyMap<string, string>;
  /** Arrays that a run need not make room for: arguments, constants and results. */
  readonly given: ReadonlySet<string>;
  readonly types: ReadonlyMap<string, ArrayType>;
}

export type Session = Extract<Step, { kind: "session" }>;

/** Constants of at most so many bytes are folded when a session is made. */
const largestFolded = 1 << 20;

/** Operators whose output is their operand's memory. */
export const views = new Set(["Reshape", "Identity"]);

/** @param fixed arguments that are known when sessions are made */
export function optimised(step: Session, graph: Graph, fixed: ReadonlySet<Value>): Optimised {
  const lowered = lowerPiece(step.equations, step.inputs, step.outputs, graph.constants, "cpu");
  const types: Map<string, ArrayType> = lowered.types;
  step.inputs.forEach(({ shape, dtype }, index) => types.set(`x${index}`, { shape, type: dtype }));

  const constant = new Set(lowered.model.graph.initializer.map(({ name }) => name!));
  step.inputs.forEach((value, index) => {
    if (fixed.has(value)) constant.add(`x${index}`);
  });
  const isKnown = (name: string): boolean => name === "" || constant.has(name);
  const isSmall = (name: string): boolean => arrayBytes(types.get(name)) <= largestFolded;
  for (const { input, output } of lowered.model.graph.node) {
    if (input.every(isKnown) && output.every(isSmall)) for (const name of output) constant.add(name);
  }
  const given = new Set([...lowered.outputs.map(({ name }) => name), ...step.inputs.map((_, index) => `x${index}`)]);
  const live = lowered.model.graph.node.filter(({ output }) => output[0] !== sentinel && !output.every(isKnown));
  const initializers = new Map(lowered.model.graph.initializer.map((tensor) => [tensor.name!, tensor]));
  const sunk = sinkTransposes(live, constant, given, initializers, types);
  const viewed = new Map<string, string>();
  const ownerOf = (name: string): string => viewed.get(name) ?? name;
  const fused = fusedTransposes(sunk.nodes, given);
  const { nodes, made } = blockedConvolutions(sunk.nodes, constant, types);
  for (const { opType, name, input, output } of nodes) {
    if (views.has(opType) || fused.has(name)) viewed.set(output[0], ownerOf(input[0]));
  }
  const executed = executionOrder(nodes, agesOf(nodes, sunk.added), made, fused).filter(({ name }) => !fused.has(name));
  return { executed, viewed, given: new Set([...given, ...constant]), types };
}

/** Transposes of the last two axes that onnxruntime makes part of the matrix products that read them. */
function fusedTransposes(nodes: readonly OnnxNode[], given: ReadonlySet<string>): Set<string> {
  /** What is read by matrix products, and what by anything else. */
  const [inProducts, elsewhere] = [new Set<string>(), new Set<string>()];
  for (const { opType, input } of nodes)
    for (const name of input) (opType === "MatMul" ? inProducts : elsewhere).add(name);
  const fused = new Set<string>();
  for (const node of nodes) {
    const [output] = node.output;
    if (node.opType !== "Transpose" || given.has(output)) continue;
    const permutation = permutationOf(node);
    const rank = permutation.length;
    const swapsLast =
      permutation.slice(0, -2).every((axis, index) => axis === index) && permutation[rank - 1] === rank - 2;
    if (swapsLast && inProducts.has(output) && !elsewhere.has(output)) fused.add(node.name);
  }
  return fused;
}

/** When each node was made: those that are there from the start first. */
function agesOf(nodes: readonly OnnxNode[], added: readonly OnnxNode[]): number[] {
  const places = new Map(added.map((node) => [node, -1]));
  let next = 0;
  const ages = nodes.map((node, place) => {
    if (!places.has(node)) return next++;
    places.set(node, place);
    return 0;
  });
  for (const place of places.values()) ages[place] = next++;
  return ages;
}

/** Nodes as places in a list: which ones make what each of them reads, and of which nothing is read. */
interface Wiring {
  readonly makers: readonly (readonly number[])[];
  readonly last: readonly number[];
}

function wiringOf(nodes: readonly OnnxNode[]): Wiring {
  const producers = new Map<string, number>();
  nodes.forEach(({ output }, place) => {
    for (const name of output) producers.set(name, place);
  });
  const isRead = new Set<number>();
  const makers = nodes.map(({ input }) => {
    const found: number[] = [];
    for (const name of input) {
      const place = producers.get(name);
      if (place !== undefined && !found.includes(place)) found.push(place);
    }
    for (const place of found) isRead.add(place);
    return found;
  });
  return { makers, last: nodes.map((_, place) => place).filter((place) => !isRead.has(place)) };
}

/**
 * onnxruntime's order: from the last nodes backwards, depth first, and of several nodes the one made last first.
 *
 * @param made when each node was made
 */
function inOrder({ makers, last }: Wiring, made: readonly number[]): number[] {
  const byAge = (a: number, b: number): number => made[a] - made[b];
  const stack = [...last].sort(byAge);
  const visited = new Uint8Array(made.length);
  const order: number[] = [];
  while (stack.length > 0) {
    const place = stack.pop()!;
    // Below zero: all that it reads is in the order
    if (place < 0) {
      order.push(~place);
      continue;
    }
    if (visited[place]) continue;
    visited[place] = 1;
    stack.push(~place);
    const before = makers[place];
    for (const maker of before.length > 1 ? [...before].sort(byAge) : before) if (!visited[maker]) stack.push(maker);
  }
  return order;
}

/**
 * Matrix products with fused transposes, and what else an optimisation puts in, are new nodes, made in the order in which
 * the old ones would have run.
 *
 * @param ages when each node was made
 */
function executionOrder(
  nodes: readonly OnnxNode[],
  ages: readonly number[],
  replaced: ReadonlySet<OnnxNode>,
  fused: ReadonlySet<string>,
): OnnxNode[] {
  const wiring = wiringOf(nodes);
  const made = [...ages];
  const transposed = new Set(nodes.filter(({ name }) => fused.has(name)).map(({ output }) => output[0]));
  let latest = nodes.length;
  for (const place of inOrder(wiring, ages)) {
    const node = nodes[place];
    const isFused = node.opType === "MatMul" && node.input.some((name) => transposed.has(name));
    if (isFused || replaced.has(node)) made[place] = latest++;
  }
  return inOrder(wiring, made).map((place) => nodes[place]);
}

/** Channels come in blocks of so many, on processors with AVX-512 and on others. */
const BLOCK = 16;

/**
 * A convolution of images with a filter that is known works on blocks of channels. Its operand is brought into that
 * order, in place of the transposition that there mostly is, and its result back out of it: one more array.
 */
function blockedConvolutions(
  nodes: readonly OnnxNode[],
  constant: ReadonlySet<string>,
  types: Map<string, ArrayType>,
): { nodes: OnnxNode[]; made: Set<OnnxNode> } {
  const producers = new Map<string, OnnxNode>();
  for (const node of nodes) producers.set(node.output[0], node);
  const made = new Set<OnnxNode>();
  const result: OnnxNode[] = [];
  for (const node of nodes) {
    const [operand, filter] = node.input;
    const [output] = node.output;
    const type = types.get(output);
    const isBlocked =
      node.opType === "Conv" &&
      constant.has(filter) &&
      type?.shape.length === 4 &&
      type.shape[1] % BLOCK === 0 &&
      (node.attribute.find(({ name }) => name === "group")?.i ?? 1) === 1;
    if (!isBlocked) {
      result.push(node);
      continue;
    }
    const before = types.get(operand);
    const input = producers.get(operand);
    let blockedOperand = operand;
    if (before && before.shape[1] >= BLOCK && input?.opType !== "Transpose") {
      blockedOperand = `${operand} in blocks for ${output}`;
      types.set(blockedOperand, before);
      const reorder = reordering(`${node.name} in`, operand, blockedOperand);
      made.add(reorder);
      result.push(reorder);
    }
    const blocked = `${output} in blocks`;
    const convolution = { ...node, input: [blockedOperand, ...node.input.slice(1)], output: [blocked] };
    made.add(convolution);
    result.push(convolution);
    types.set(blocked, type);
    const reorder = reordering(`${node.name} out`, blocked, output);
    made.add(reorder);
    result.push(reorder);
  }
  return { nodes: result, made };
}

function reordering(name: string, from: string, to: string): OnnxNode {
  return { opType: "Reorder", name, input: [from], output: [to], attribute: [] };
}
