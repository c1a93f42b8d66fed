import { range, sameShape } from "../../graph/types";
import type { ArrayType } from "./optimised";
import type { OnnxNode, OnnxTensor } from "./onnx/messages";

/**
 * What onnxruntime does to a model's transposes when it makes a session (its transpose optimizer, onnx_transpose_optimization.cc),
 * on paper. In the order of the nodes, a transpose is moved from before a node to behind it where that leaves fewer axes to be
 * transposed, or brings it nearer to another transpose. What is computed stays the same; how long arrays live, and which
 * have one shape and can share a buffer, does not.
 */
export interface Sunk {
  readonly nodes: readonly OnnxNode[];
  /** Transposes that are new, in the order in which they were made. */
  readonly added: readonly OnnxNode[];
}

/** Nodes that a transpose can be moved past, elementwise in all operands, and how many of their operands are moved with it. */
const ofOne = new Set(["Cast", "Exp", "Identity", "Log", "Reciprocal", "Relu", "Sigmoid", "Sqrt", "Tanh", "Abs", "Not", "Ceil",
  "Floor", "Neg", "Erf", "Round", "IsInf", "IsNaN", "Sign", "Softplus", "Sin", "Cos", "Tan", "Sinh", "Cosh", "Asin", "Acos",
  "Atan", "Asinh", "Acosh", "Atanh", "Clip"]); // prettier-ignore
const ofSeveral = new Set(["Add", "Max", "Min", "Mul", "Sub", "Div", "And", "Or", "Xor", "Mod", "Equal", "Greater", "Less",
  "GreaterOrEqual", "LessOrEqual", "Pow", "Where"]); // prettier-ignore
const structural = new Set(["Concat", "Pad", "Slice"]);
const reductions = new Set(["ReduceSum", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceMean"]);
/** Through these a transpose goes, or ends in them, without one behind. */
const absorbing = new Set(["Transpose", "Reshape"]);
/** Those of which only the first operand counts. */
const ofFirst = new Set([...ofOne, ...structural, ...reductions, ...absorbing]);
const [first, none]: readonly (readonly number[])[] = [[0], []];

/**
 * @param nodes in an order in which they can run; they are changed on the way
 * @param constant names of what is known when the session is made
 * @param given names of results: they keep their layout
 * @param types shapes of everything, to which those of new arrays are added
 */
export function sinkTransposes(
  nodes: readonly OnnxNode[],
  constant: ReadonlySet<string>,
  given: ReadonlySet<string>,
  initializers: ReadonlyMap<string, OnnxTensor>,
  types: Map<string, ArrayType>,
): Sunk {
  return new Sinking(nodes, constant, given, initializers, types).run();
}

class Sinking {
  private readonly producers = new Map<string, OnnxNode>();
  private readonly readers = new Map<string, OnnxNode[]>();
  private readonly alive = new Set<OnnxNode>();
  private readonly leading = new Set<string>();
  private readonly added: OnnxNode[] = [];

  constructor(
    private readonly order: readonly OnnxNode[],
    private readonly constant: ReadonlySet<string>,
    private readonly given: ReadonlySet<string>,
    private readonly initializers: ReadonlyMap<string, OnnxTensor>,
    private readonly types: Map<string, ArrayType>,
  ) {
    for (const node of order) this.add(node);
    for (const node of [...order].reverse()) {
      if (node.opType === "Transpose") this.leading.add(node.input[0]);
      else if (this.leading.has(node.output[0]) && !absorbing.has(node.opType)) {
        for (const index of this.movable(node)) this.leading.add(node.input[index]);
      }
    }
  }

  run(): Sunk {
    for (const node of this.order) {
      if (!this.alive.has(node)) continue;
      for (const index of this.movable(node)) {
        const transpose = this.producers.get(node.input[index]);
        if (transpose?.opType === "Transpose" && this.move(transpose, node)) break;
      }
    }
    return { nodes: sorted([...this.alive], this.producers), added: this.added.filter((node) => this.alive.has(node)) };
  }

  /** Operands of a node past which a transpose can be moved. */
  private movable({ opType, input }: OnnxNode): readonly number[] {
    if (ofSeveral.has(opType)) return range(input.length).filter((index) => this.rankOf(input[index]) > 0);
    if (opType === "Concat") return range(input.length);
    return ofFirst.has(opType) ? first : none;
  }

  private move(transpose: OnnxNode, node: OnnxNode): boolean {
    const permutation = permutationOf(transpose);
    if (node.opType === "Transpose") {
      const composed = permutationOf(node).map((axis) => permutation[axis]);
      this.setInput(node, 0, transpose.input[0]);
      node.attribute = permuted(composed);
      return true;
    }
    if (this.cost(node, permutation) >= 0) return false;
    if (node.opType === "Reshape") return this.moveReshape(transpose, node, permutation);
    const inverse = inverseOf(permutation);
    let behind: readonly number[] | null = permutation;
    if (reductions.has(node.opType)) {
      behind = this.behindReduction(node, permutation);
      if (behind === null) return false;
    }
    for (const index of this.movable(node)) this.setInput(node, index, this.transposed(node.input[index], inverse));
    this.transposeOutput(node, behind);
    return true;
  }

  /** Axes transposed less axes that were, ones not counted; less than none if it is worth it. */
  private cost(node: OnnxNode, permutation: readonly number[]): number {
    let cost = 0;
    for (const index of this.movable(node)) {
      const name = node.input[index];
      if (this.constant.has(name)) continue;
      const producer = this.producers.get(name);
      if (producer?.opType !== "Transpose") cost += this.longAxes(name);
      else if (sameShape(permutationOf(producer), permutation) && this.isLikelyMoved(producer)) {
        cost -= this.longAxes(name);
      }
    }
    const transposesResult = !absorbing.has(node.opType);
    if (cost < 0 && transposesResult && !this.leading.has(node.output[0])) cost += this.longAxes(node.output[0]);
    return cost;
  }

  private isLikelyMoved({ output }: OnnxNode): boolean {
    return !this.given.has(output[0]) && this.readersOf(output[0]).every((node) => this.movable(node).length > 0);
  }

  /** Where each axis of the transposed array becomes axes of its own, they are made before the transposition. */
  private moveReshape(transpose: OnnxNode, node: OnnxNode, permutation: readonly number[]): boolean {
    const groups = splitAxes(this.shapeOf(transpose.output[0]), this.shapeOf(node.output[0]));
    if (groups === null) return false;
    const before = inverseOf(permutation).map((axis) => groups[axis]);
    const starts = before.map((_, axis) => before.slice(0, axis).reduce((sum, group) => sum + group.length, 0));
    const behind = permutation.flatMap((axis) => before[axis].map((_, index) => starts[axis] + index));
    this.setInput(node, 0, transpose.input[0]);
    this.transposeOutput(node, behind);
    return true;
  }

  private behindReduction(node: OnnxNode, permutation: readonly number[]): number[] | null {
    const axes = this.initializers.get(node.input[1])?.rawData;
    if (axes === undefined) return null;
    const rank = permutation.length;
    const reduced = [...new BigInt64Array(axes.slice().buffer)].map(
      (axis) => permutation[(Number(axis) + rank) % rank],
    );
    if (node.attribute.find(({ name }) => name === "keepdims")?.i !== 0) return [...permutation];
    const kept = range(rank).filter((axis) => !reduced.includes(axis));
    return permutation.flatMap((axis) => (kept.includes(axis) ? [kept.indexOf(axis)] : []));
  }

  /** The array in another layout: what it is the transpose of, if that is the one. */
  private transposed(name: string, permutation: readonly number[]): string {
    const type = this.types.get(name);
    const producer = this.producers.get(name);
    if (producer?.opType === "Transpose") {
      const composed = permutation.map((axis) => permutationOf(producer)[axis]);
      if (composed.every((axis, index) => axis === index)) return producer.input[0];
    }
    for (const reader of this.readersOf(name)) {
      if (reader.opType === "Transpose" && sameShape(permutationOf(reader), permutation)) return reader.output[0];
    }
    // A constant is transposed once and for all
    if (this.constant.has(name)) return name;
    const output = `${name} as ${permutation.join()}`;
    if (type) this.types.set(output, { ...type, shape: permutation.map((axis) => type.shape[axis]) });
    this.addTranspose(name, output, permutation);
    return output;
  }

  private transposeOutput(node: OnnxNode, permutation: readonly number[]): void {
    if (permutation.every((axis, index) => axis === index)) return;
    const [output] = node.output;
    const inner = `${output} before ${permutation.join()}`;
    const type = this.types.get(output)!;
    this.types.set(inner, { ...type, shape: inverseOf(permutation).map((axis) => type.shape[axis]) });
    node.output[0] = inner;
    this.producers.set(inner, node);
    this.addTranspose(inner, output, permutation);
  }

  private addTranspose(input: string, output: string, permutation: readonly number[]): void {
    const node: OnnxNode = {
      opType: "Transpose",
      name: `${output} moved`,
      input: [input],
      output: [output],
      attribute: permuted(permutation),
    };
    this.add(node);
    this.added.push(node);
  }

  private add(node: OnnxNode): void {
    this.alive.add(node);
    for (const name of node.output) this.producers.set(name, node);
    for (const name of node.input) {
      const readers = this.readersOf(name);
      if (readers.at(-1) !== node) readers.push(node);
    }
  }

  private setInput(node: OnnxNode, index: number, name: string): void {
    const before = node.input[index];
    if (name === before) return;
    if (!node.input.includes(name)) this.readersOf(name).push(node);
    node.input[index] = name;
    if (!node.input.includes(before)) this.unread(before, node);
    const producer = this.producers.get(before);
    if (producer?.opType !== "Transpose" || this.given.has(before) || this.readersOf(before).length > 0) return;
    this.alive.delete(producer);
    this.unread(producer.input[0], producer);
  }

  private unread(name: string, reader: OnnxNode): void {
    const readers = this.readersOf(name);
    readers.splice(readers.indexOf(reader), 1);
  }

  private readersOf(name: string): OnnxNode[] {
    let known = this.readers.get(name);
    if (known === undefined) this.readers.set(name, (known = []));
    return known;
  }

  private shapeOf(name: string): readonly number[] {
    return this.types.get(name)?.shape ?? [];
  }

  private rankOf(name: string): number {
    return this.shapeOf(name).length;
  }

  private longAxes(name: string): number {
    return this.shapeOf(name).filter((extent) => extent !== 1).length;
  }
}

/** For each axis, the extents that it becomes in the other shape; null if some are joined. Ones go with the axis after them. */
function splitAxes(from: readonly number[], to: readonly number[]): number[][] | null {
  const groups: number[][] = [];
  let next = 0;
  for (const extent of from) {
    const group: number[] = [];
    let product = 1;
    while (next < to.length && (product < extent || group.length === 0)) {
      product *= to[next];
      group.push(to[next++]);
    }
    if (product !== extent) return null;
    groups.push(group);
  }
  while (next < to.length) {
    if (to[next] !== 1) return null;
    groups[groups.length - 1].push(to[next++]);
  }
  return groups;
}

export function permutationOf({ attribute }: OnnxNode): readonly number[] {
  return attribute.find(({ name }) => name === "perm")?.ints ?? [];
}

function permuted(permutation: readonly number[]): OnnxNode["attribute"] {
  return [{ name: "perm", type: 0, ints: [...permutation] }];
}

function inverseOf(permutation: readonly number[]): number[] {
  return permutation.map((_, axis) => permutation.indexOf(axis));
}

/** In an order in which they can run, otherwise as they are. */
function sorted(nodes: readonly OnnxNode[], producers: ReadonlyMap<string, OnnxNode>): OnnxNode[] {
  const result = new Set<OnnxNode>();
  const visit = (node: OnnxNode): void => {
    if (result.has(node)) return;
    for (const name of node.input) {
      const producer = producers.get(name);
      if (producer) visit(producer);
    }
    result.add(node);
  };
  for (const node of nodes) visit(node);
  return [...result];
}
