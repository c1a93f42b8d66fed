import { argumentsOf, type Equation, type Graph, type Value } from "../../graph/graph";
import { bytesOf, sameShape, sizeOf, type Shape } from "../../graph/types";
import type { MapAttributes } from "../../primitives/attributes";
import { Arena, type Chunk } from "./arena";
import { lowerPiece, sentinel } from "./lower/graph";
import { broadcastShape, type OnnxType } from "./lower/writer";
import type { OnnxNode } from "./onnx/messages";
import { partition, type Step } from "./partition";
import { lastUses, placeValues, type Placement } from "./program";

/**
 * The most bytes that a run of the graph adds to a process on onnxruntime, beyond the arguments and constants that are
 * there before: the arrays that sessions and loops write their results into, and each session's arena, which keeps what
 * it has once needed. The graph is partitioned and lowered as for a run; the models are then walked through on paper.
 */
export function onnxruntimeAddedBytes(graph: Graph): number {
  const memory = new HostMemory();
  memory.hold(RUNTIME_BYTES);
  follow(
    graph,
    new Set(
      argumentsOf(graph)
        .slice(graph.inputs.length)
        .map(({ value }) => value),
    ),
    memory,
    [],
  );
  return memory.peakBytes;
}

/** What a process takes for a run beside arrays, as seen: its threads' stacks, code that is loaded when first used, V8's heap. */
const RUNTIME_BYTES = 48 * 2 ** 20;

/** The most bytes that are held at once, arguments and constants included. */
export function onnxruntimePeakBytes(graph: Graph): number {
  const before = argumentsOf(graph).reduce((sum, { value }) => sum + bytesOf(value), 0);
  return before + onnxruntimeAddedBytes(graph);
}

/** What the host holds: arrays, and the arenas of all sessions so far. */
class HostMemory {
  private liveBytes = 0;
  peakBytes = 0;

  hold(bytes: number): void {
    this.liveBytes += bytes;
    this.peakBytes = Math.max(this.peakBytes, this.liveBytes);
  }
}

/**
 * @param fixed arguments that are known when sessions are made
 * @param placed outputs that the caller has memory for
 */
function follow(graph: Graph, fixed: ReadonlySet<Value>, memory: HostMemory, placed: readonly Value[]): void {
  const steps = partition(graph);
  const placements = placeValues(steps);
  const known = new Set([...fixed, ...graph.constants.map(({ value }) => value)]);
  const freed = lastUses(graph, steps, known);
  const allocated = new Set<Value>([...known, ...argumentsOf(graph).map(({ value }) => value), ...placed]);
  const own = new Map<Value, number>();

  const allocate = (value: Value): void => {
    if (allocated.has(value)) return;
    allocated.add(value);
    const placement: Placement | undefined = placements.get(value);
    if (placement) {
      allocate(placement.into);
      return;
    }
    own.set(value, bytesOf(value));
    memory.hold(bytesOf(value));
  };

  steps.forEach((step, index) => {
    switch (step.kind) {
      case "session":
        step.outputs.forEach(allocate);
        memory.hold(arenaBytes(step, graph, fixed));
        break;
      case "map":
        step.equation.outputs.forEach(allocate);
        loop(step.equation, known, memory);
        break;
      case "opaque":
      case "join":
        step.equation.outputs.forEach(allocate);
        break;
      case "view":
        break;
    }
    for (const value of freed[index]) memory.hold(-(own.get(value) ?? 0));
  });
}

function loop(equation: Equation, known: ReadonlySet<Value>, memory: HostMemory): void {
  const { body, mapped, combine, length } = equation.attributes as MapAttributes;
  if (length === 0) return;
  const fixed = new Set(
    body.inputs.filter((_, index) => !mapped[index] && known.has(equation.inputs[index])).map(({ value }) => value),
  );
  const partial = equation.outputs.reduce(
    (sum, output, index) => sum + (combine[index] === "sum" ? bytesOf(output) : 0),
    0,
  );
  memory.hold(partial);
  follow(body, fixed, memory, body.outputs);
  memory.hold(-partial);
}

const bytesPerElement: Record<OnnxType, number> = {
  float32: 4,
  float64: 8,
  int32: 4,
  bool: 1,
  int64: 8,
  uint8: 1,
};

interface ArrayType {
  readonly shape: Shape;
  readonly type: OnnxType;
}

function arrayBytes(type: ArrayType | undefined): number {
  return type ? sizeOf(type.shape) * bytesPerElement[type.type] : 0;
}

/** Constants of at most so many bytes are folded when a session is made. */
const largestFolded = 1 << 20;

/** Operators whose output is their operand's memory. */
const views = new Set(["Reshape", "Identity"]);

/** Operators that may write over an operand that nobody else reads. */
const inPlace = new Set(["Cast", "Relu", "Sigmoid", "Tanh", "Clip", "Erf"]);

type Session = Extract<Step, { kind: "session" }>;

/** What the arena of a session has needed after a run. */
function arenaBytes(step: Session, graph: Graph, fixed: ReadonlySet<Value>): number {
  const lowered = lowerPiece(step.equations, step.inputs, step.outputs, graph.constants, "cpu");
  const types = new Map<string, ArrayType>(lowered.types);
  step.inputs.forEach(({ shape, dtype }, index) => types.set(`x${index}`, { shape, type: dtype }));
  const typeOf = (name: string): ArrayType | undefined => types.get(name);

  const constant = new Set(lowered.model.graph.initializer.map(({ name }) => name!));
  step.inputs.forEach((value, index) => {
    if (fixed.has(value)) constant.add(`x${index}`);
  });
  for (const { input, output } of lowered.model.graph.node) {
    const folds = input.every((name) => name === "" || constant.has(name));
    if (folds && output.every((name) => arrayBytes(typeOf(name)) <= largestFolded)) {
      for (const name of output) constant.add(name);
    }
  }
  const given = new Set([...lowered.outputs.map(({ name }) => name), ...step.inputs.map((_, index) => `x${index}`)]);
  const live = lowered.model.graph.node.filter(
    ({ output }) => output[0] !== sentinel && !output.every((name) => constant.has(name)),
  );
  const fused = fusedTransposes(live, given);
  const { nodes, made } = blockedConvolutions(live, constant, types);
  const executed = executionOrder(nodes, made, fused).filter(({ name }) => !fused.has(name));
  const owner = new Map<string, string>();
  const ownerOf = (name: string): string => owner.get(name) ?? name;
  const uses = new Map<string, number>();
  for (const node of nodes) {
    if (views.has(node.opType) || fused.has(node.name)) owner.set(node.output[0], ownerOf(node.input[0]));
  }
  for (const { opType, input } of executed) {
    if (views.has(opType)) continue;
    for (const name of new Set(input.map(ownerOf))) uses.set(name, (uses.get(name) ?? 0) + 1);
  }

  const buffers = new Set<Buffer>();
  // Which outputs share a buffer is planned before a run: an output takes over one that is free by then, of the very same
  // shape, which is then kept in between
  const bufferOf = new Map<string, Buffer>();
  const free: Buffer[] = [];
  const isGiven = (name: string): boolean => given.has(name) || constant.has(name);
  executed.forEach(({ opType, input, output }, index) => {
    if (views.has(opType)) return;
    const operands = [...new Set(input.map(ownerOf))];
    for (const { shape, type } of temporaries(opType, input.map(typeOf))) {
      buffers.add({ shape, width: bytesPerElement[type], from: index, to: index });
    }
    for (const name of output) {
      const type = typeOf(name);
      if (type === undefined || isGiven(name)) continue;
      const isAlike = (other: Buffer): boolean =>
        sameShape(other.shape, type.shape) && other.width === bytesPerElement[type.type];
      let buffer: Buffer | undefined;
      if (inPlace.has(opType)) {
        const over = operands.find((operand) => {
          const known = bufferOf.get(operand);
          return known !== undefined && uses.get(operand) === 1 && isAlike(known);
        });
        buffer = over === undefined ? undefined : bufferOf.get(over);
        if (over !== undefined) bufferOf.delete(over);
      }
      if (buffer === undefined) {
        const place = free.findIndex(isAlike);
        if (place >= 0) [buffer] = free.splice(place, 1);
      }
      buffer ??= { shape: type.shape, width: bytesPerElement[type.type], from: index, to: index };
      bufferOf.set(name, buffer);
    }
    const finished = (name: string): void => {
      const buffer = bufferOf.get(name);
      if (buffer === undefined) return;
      buffer.to = index;
      bufferOf.delete(name);
      free.unshift(buffer);
      buffers.add(buffer);
    };
    for (const name of operands) {
      const left = (uses.get(name) ?? 0) - 1;
      uses.set(name, left);
      if (left === 0) finished(name);
    }
    for (const name of output) if (!uses.get(name)) finished(name);
  });
  return touchedBytes([...buffers]);
}

/**
 * What an operator's kernel holds while it runs, where that is large: `Where` picks from each of its operands into an
 * array of its own, and then joins the two.
 */
function temporaries(opType: string, operands: readonly (ArrayType | undefined)[]): ArrayType[] {
  if (opType !== "Where") return [];
  const [condition, ...picked] = operands;
  if (condition === undefined) return [];
  return picked.flatMap((operand) =>
    operand ? [{ shape: broadcastShape(condition.shape, operand.shape), type: operand.type }] : [],
  );
}

/** Memory of one or, one after the other, several outputs, from the step that needs it first to the one that does last. */
interface Buffer {
  readonly shape: Shape;
  readonly width: number;
  readonly from: number;
  to: number;
}

function touchedBytes(buffers: readonly Buffer[]): number {
  const arena = new Arena();
  const begin = [...buffers].sort((a, b) => a.from - b.from);
  const running: { readonly buffer: Buffer; readonly chunk: Chunk }[] = [];
  for (const buffer of begin) {
    const ended = running.filter((each) => each.buffer.to < buffer.from).sort((a, b) => a.buffer.to - b.buffer.to);
    for (const each of ended) {
      arena.release(each.chunk);
      running.splice(running.indexOf(each), 1);
    }
    running.push({ buffer, chunk: arena.allocate(sizeOf(buffer.shape) * buffer.width) });
  }
  return arena.touchedBytes;
}

/** Transposes of the last two axes that onnxruntime makes part of the matrix products that read them. */
function fusedTransposes(nodes: readonly OnnxNode[], given: ReadonlySet<string>): Set<string> {
  const readers = readersOf(nodes);
  const fused = new Set<string>();
  for (const node of nodes) {
    if (node.opType !== "Transpose" || given.has(node.output[0])) continue;
    const permutation = node.attribute.find(({ name }) => name === "perm")?.ints ?? [];
    const rank = permutation.length;
    const swapsLast =
      permutation.slice(0, -2).every((axis, index) => axis === index) && permutation[rank - 1] === rank - 2;
    const users = readers.get(node.output[0]) ?? [];
    if (swapsLast && users.length > 0 && users.every(({ opType }) => opType === "MatMul")) fused.add(node.name);
  }
  return fused;
}

/**
 * onnxruntime's order: from the last nodes backwards, depth first, and of several nodes the one made last first.
 *
 * @param made when each node was made
 */
function inOrder(nodes: readonly OnnxNode[], made: ReadonlyMap<OnnxNode, number>): OnnxNode[] {
  const producers = new Map<string, OnnxNode>();
  for (const node of nodes) for (const name of node.output) producers.set(name, node);
  const byAge = (a: OnnxNode, b: OnnxNode): number => made.get(a)! - made.get(b)!;
  const isRead = new Set(nodes.flatMap(({ input }) => input));
  const stack = nodes
    .filter(({ output }) => !output.some((name) => isRead.has(name)))
    .sort(byAge)
    .map((node) => ({ node, leave: false }));
  const visited = new Set<OnnxNode>();
  const order: OnnxNode[] = [];
  while (stack.length > 0) {
    const { node, leave } = stack.pop()!;
    if (leave) {
      order.push(node);
      continue;
    }
    if (visited.has(node)) continue;
    visited.add(node);
    stack.push({ node, leave: true });
    const before = new Set(node.input.flatMap((name) => producers.get(name) ?? []));
    for (const input of [...before].sort(byAge)) if (!visited.has(input)) stack.push({ node: input, leave: false });
  }
  return order;
}

/**
 * Matrix products with fused transposes, and what else an optimisation puts in, are new nodes, made in the order in which
 * the old ones would have run.
 */
function executionOrder(
  nodes: readonly OnnxNode[],
  replaced: ReadonlySet<OnnxNode>,
  fused: ReadonlySet<string>,
): OnnxNode[] {
  const made = new Map(nodes.map((node, index) => [node, index]));
  const transposed = new Set(nodes.filter(({ name }) => fused.has(name)).map(({ output }) => output[0]));
  let latest = nodes.length;
  for (const node of inOrder(nodes, made)) {
    const isFused = node.opType === "MatMul" && node.input.some((name) => transposed.has(name));
    if (isFused || replaced.has(node)) made.set(node, latest++);
  }
  return inOrder(nodes, made);
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
  const producers = new Map(nodes.map((node) => [node.output[0], node]));
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

function readersOf(nodes: readonly OnnxNode[]): Map<string, OnnxNode[]> {
  const readers = new Map<string, OnnxNode[]>();
  for (const node of nodes) {
    for (const name of node.input) {
      const known = readers.get(name);
      if (known) known.push(node);
      else readers.set(name, [node]);
    }
  }
  return readers;
}
