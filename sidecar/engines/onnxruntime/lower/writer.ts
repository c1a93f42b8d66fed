import { range, sameShape, type DType, type Shape, type TypedArray } from "../../../graph/types";
import type { OnnxAttribute, OnnxGraph, OnnxNode, OnnxTensor, OnnxValueInfo } from "../onnx/messages";
import { attributeTypes, elementTypes } from "../onnx/schema";

/** Element types of ONNX tensors that lowered graphs use. `int64` is for shapes, axes and indices. */
export type OnnxType = DType | "int64" | "uint8";

/** What runs the graph: lowerings avoid what it is slow or wrong at. */
export type Provider = "cpu" | "webgpu";

/** A tensor inside the ONNX graph. */
export interface Ref {
  readonly name: string;
  readonly shape: Shape;
  readonly type: OnnxType;
}

/** Attribute values; an integer number is an `int`, `{ f }` a float. */
type AttributeValue = number | readonly number[] | string | { f: number };
type NodeAttributes = Readonly<Record<string, AttributeValue>>;
const noAttributes: NodeAttributes = {};

function keyOf(opType: string, inputs: readonly (Ref | null)[], attributes: NodeAttributes): string {
  let key = opType;
  for (const input of inputs) key += `,${input === null ? "" : input.name}`;
  for (const name in attributes) {
    const value = attributes[name];
    key += `;${name}=${typeof value === "object" && "f" in value ? value.f : String(value)}`;
  }
  return key;
}

/** What made a Ref, where a later node could do without it. */
type Origin = { op: "Transpose"; from: Ref; permutation: readonly number[] } | { op: "Reshape"; from: Ref };

/**
 * Collects the nodes and initializers of one ONNX graph. Its methods are the ONNX operators that lowerings use, each
 * with the shape of what it yields; those that would do nothing return their operand.
 */
export class Writer {
  readonly nodes: OnnxNode[] = [];
  private readonly initializers = new Map<string, OnnxTensor>();
  private readonly constants = new Map<string, Ref>();
  private readonly origins = new Map<Ref, Origin>();
  private readonly cache = new Map<string, Ref>();
  private count = 0;
  /** What initializers and the outputs of nodes are, by name. */
  readonly types = new Map<string, { readonly shape: Shape; readonly type: OnnxType }>();
  /** Starts the names of nodes: the equation that is being lowered. */
  label = "";

  constructor(readonly provider: Provider) {}

  /** Emits a node with one output. The same operation on the same operands is made once. */
  node(
    opType: string,
    inputs: readonly (Ref | null)[],
    shape: Shape,
    type: OnnxType,
    attributes: NodeAttributes = noAttributes,
  ): Ref {
    const key = keyOf(opType, inputs, attributes);
    const known = this.cache.get(key);
    if (known) return known;
    const ref = this.newRef(shape, type);
    this.push(opType, inputs, [ref.name], attributes);
    this.cache.set(key, ref);
    return ref;
  }

  /** Emits a node with several outputs. */
  nodeWithOutputs(
    opType: string,
    inputs: readonly (Ref | null)[],
    outputs: readonly { shape: Shape; type: OnnxType }[],
    attributes: NodeAttributes = noAttributes,
  ): Ref[] {
    const refs = outputs.map(({ shape, type }) => this.newRef(shape, type));
    this.push(
      opType,
      inputs,
      refs.map(({ name }) => name),
      attributes,
    );
    return refs;
  }

  private newRef(shape: Shape, type: OnnxType): Ref {
    const ref: Ref = { name: `t${this.count++}`, shape, type };
    this.types.set(ref.name, ref);
    return ref;
  }

  private push(
    opType: string,
    inputs: readonly (Ref | null)[],
    output: string[],
    attributes: NodeAttributes = noAttributes,
  ): void {
    const attribute: OnnxAttribute[] = [];
    for (const name in attributes) attribute.push(encodeAttribute(name, attributes[name]));
    const input = inputs.map((each) => (each === null ? "" : each.name));
    this.nodes.push({ opType, name: `${this.label}/${this.nodes.length}`, input, output, attribute });
  }

  /** An initializer. Its data are not copied before the model is encoded. */
  initializer(data: TypedArray | BigInt64Array, shape: Shape, type: OnnxType): Ref {
    const ref: Ref = { name: `c${this.count++}`, shape, type };
    this.types.set(ref.name, ref);
    this.initializers.set(ref.name, {
      name: ref.name,
      dims: shape,
      dataType: elementTypes[type],
      rawData: new Uint8Array(data.buffer, data.byteOffset, data.byteLength),
    });
    return ref;
  }

  /** One number, as a tensor of the given rank. */
  scalar(element: number, type: OnnxType, rank = 0): Ref {
    const key = `${type} ${rank} ${Object.is(element, -0) ? "-0" : element}`;
    return this.constant(key, () => this.initializer(typed(type, [element]), new Array<number>(rank).fill(1), type));
  }

  /** A list of int64 numbers, as shapes, axes, starts and the like are given. */
  ints(elements: readonly number[]): Ref {
    return this.constant(`ints ${elements.join()}`, () =>
      this.initializer(typed("int64", elements), [elements.length], "int64"),
    );
  }

  /** A constant that is made once for each key. */
  constant(key: string, make: () => Ref): Ref {
    let known = this.constants.get(key);
    if (!known) this.constants.set(key, (known = make()));
    return known;
  }

  // Structure

  cast(x: Ref, type: OnnxType): Ref {
    return x.type === type ? x : this.node("Cast", [x], x.shape, type, { to: elementTypes[type] });
  }

  reshape(x: Ref, shape: Shape): Ref {
    if (sameShape(x.shape, shape)) return x;
    const origin = this.origins.get(x);
    if (origin?.op === "Reshape") return this.reshape(origin.from, shape);
    const zeros: NodeAttributes = shape.includes(0) ? { allowzero: 1 } : noAttributes;
    const result = this.node("Reshape", [x, this.ints(shape)], shape, x.type, zeros);
    this.origins.set(result, { op: "Reshape", from: x });
    return result;
  }

  /** The same tensor under a name of its own. */
  copy(x: Ref): Ref {
    const ref = this.newRef(x.shape, x.type);
    this.push("Identity", [x], [ref.name]);
    return ref;
  }

  /** Output axis i is input axis permutation[i]. Axes of extent 1 are moved by a reshape, which costs nothing. */
  transpose(x: Ref, permutation: readonly number[]): Ref {
    const origin = this.origins.get(x);
    if (origin?.op === "Transpose") {
      return this.transpose(
        origin.from,
        permutation.map((axis) => origin.permutation[axis]),
      );
    }
    const shape = permutation.map((axis) => x.shape[axis]);
    const long = permutation.filter((axis) => x.shape[axis] !== 1);
    if (long.every((axis, index) => index === 0 || axis > long[index - 1])) return this.reshape(x, shape);
    const result = this.node("Transpose", [x], shape, x.type, { perm: permutation });
    this.origins.set(result, { op: "Transpose", from: x, permutation });
    return result;
  }

  /** Whether `x` is (so far) the transpose of another tensor; a consumer that can read either layout may prefer that. */
  transposedFrom(x: Ref): { from: Ref; permutation: readonly number[] } | null {
    const origin = this.origins.get(x);
    return origin?.op === "Transpose" ? origin : null;
  }

  /** The tensor with the same elements in the same order that `x` is a reshape of, if it is. */
  beneathReshape(x: Ref): Ref {
    const origin = this.origins.get(x);
    return origin?.op === "Reshape" ? origin.from : x;
  }

  /** Repeats extents of 1; the rank stays. */
  expand(x: Ref, shape: Shape): Ref {
    if (sameShape(x.shape, shape)) return x;
    const last = shape.length - 1;
    const times = shape[last];
    const isLastAlone = x.shape.every((extent, axis) => (axis === last ? extent === 1 : extent === shape[axis]));
    // Expand takes four times as long where it repeats single elements
    if (this.provider === "cpu" && isLastAlone && times > 0 && times <= 32)
      return this.concat(new Array<Ref>(times).fill(x), last);
    return this.node("Expand", [x, this.ints(shape)], shape, x.type);
  }

  slice(
    x: Ref,
    start: readonly number[],
    limit: readonly number[],
    strides: readonly number[] = start.map(() => 1),
  ): Ref {
    const axes = range(x.shape.length).filter(
      (axis) => start[axis] !== 0 || limit[axis] < x.shape[axis] || strides[axis] !== 1,
    );
    if (axes.length === 0) return x;
    const shape = x.shape.map((extent, axis) =>
      axes.includes(axis)
        ? Math.max(0, Math.ceil((Math.min(limit[axis], extent) - start[axis]) / strides[axis]))
        : extent,
    );
    const pick = (numbers: readonly number[]): Ref => this.ints(axes.map((axis) => numbers[axis]));
    const inputs = [x, pick(start), pick(limit), this.ints(axes)];
    if (axes.some((axis) => strides[axis] !== 1)) inputs.push(pick(strides));
    return this.node("Slice", inputs, shape, x.type);
  }

  sliceAxis(x: Ref, axis: number, start: number, limit: number, stride = 1): Ref {
    const at = (wanted: number, others: readonly number[]): number[] =>
      others.map((other, index) => (index === axis ? wanted : other));
    return this.slice(
      x,
      at(
        start,
        x.shape.map(() => 0),
      ),
      at(limit, x.shape),
      at(
        stride,
        x.shape.map(() => 1),
      ),
    );
  }

  /** Reverses the order of elements along axes. */
  reverse(x: Ref, axes: readonly number[]): Ref {
    const long = axes.filter((axis) => x.shape[axis] > 1);
    if (long.length === 0) return x;
    const all = (element: number): Ref => this.ints(long.map(() => element));
    return this.node("Slice", [x, all(-1), all(-(2 ** 31)), this.ints(long), all(-1)], x.shape, x.type);
  }

  concat(xs: readonly Ref[], axis: number): Ref {
    const parts = xs.filter((x) => x.shape[axis] !== 0);
    if (parts.length === 1) return parts[0];
    if (parts.length === 0) return xs[0];
    const shape = parts[0].shape.map((extent, other) =>
      other === axis ? parts.reduce((total, x) => total + x.shape[axis], 0) : extent,
    );
    return this.node("Concat", parts, shape, xs[0].type, { axis });
  }

  /** Puts constant elements around; negative amounts crop. */
  pad(x: Ref, low: readonly number[], high: readonly number[], value: number): Ref {
    const crop = [low, high].some((amounts) => amounts.some((amount) => amount < 0));
    const cropped = crop
      ? this.slice(
          x,
          low.map((amount) => Math.max(0, -amount)),
          x.shape.map((extent, axis) => extent - Math.max(0, -high[axis])),
        )
      : x;
    const before = low.map((amount) => Math.max(0, amount));
    const after = high.map((amount) => Math.max(0, amount));
    if ([...before, ...after].every((amount) => amount === 0)) return cropped;
    const shape = cropped.shape.map((extent, axis) => extent + before[axis] + after[axis]);
    return this.node("Pad", [cropped, this.ints([...before, ...after]), this.scalar(value, x.type)], shape, x.type);
  }

  /** Puts `value` between neighbours: by a new axis beside each dilated one, padded and joined again. */
  dilate(x: Ref, factors: readonly number[], value: number): Ref {
    let result = x;
    factors.forEach((factor, axis) => {
      const extent = result.shape[axis];
      if (factor === 1 || extent <= 1) return;
      const before = result.shape.slice(0, axis);
      const after = result.shape.slice(axis + 1);
      const split = this.reshape(result, [...before, extent, 1, ...after]);
      const none = split.shape.map(() => 0);
      const padded = this.pad(
        split,
        none,
        none.map((_, position) => (position === axis + 1 ? factor - 1 : 0)),
        value,
      );
      const joined = this.reshape(padded, [...before, extent * factor, ...after]);
      result = this.sliceAxis(joined, axis, 0, (extent - 1) * factor + 1);
    });
    return result;
  }

  // Arithmetic

  /** An elementwise operator of one operand. */
  unary(opType: string, x: Ref): Ref {
    return this.node(opType, [x], x.shape, x.type);
  }

  /** An elementwise operator of several operands, broadcast. */
  binary(opType: string, x: Ref, y: Ref, type: OnnxType = x.type): Ref {
    return this.node(opType, [x, y], broadcastShape(x.shape, y.shape), type);
  }

  add = (x: Ref, y: Ref): Ref => this.binary("Add", x, y);
  sub = (x: Ref, y: Ref): Ref => this.binary("Sub", x, y);
  mul = (x: Ref, y: Ref): Ref => this.binary("Mul", x, y);
  div = (x: Ref, y: Ref): Ref => this.binary("Div", x, y);
  compare = (opType: string, x: Ref, y: Ref): Ref => this.binary(opType, x, y, "bool");

  /** An operator with a number as its second operand. */
  with(opType: string, x: Ref, element: number, type: OnnxType = x.type): Ref {
    return this.binary(opType, x, this.scalar(element, x.type), type);
  }

  where(condition: Ref, x: Ref, y: Ref): Ref {
    const shape = broadcastShape(broadcastShape(condition.shape, x.shape), y.shape);
    return this.node("Where", [condition, x, y], shape, x.type);
  }

  /** `ReduceSum` and its kind; the axes disappear unless `keep`. */
  reduce(opType: string, x: Ref, axes: readonly number[], keep = false): Ref {
    if (axes.length === 0) return x;
    if (this.provider === "webgpu" && opType === "ReduceSum" && !keep) {
      const stage = this.firstStage(x, axes);
      if (stage !== null) return this.reduce(opType, stage, axes);
    }
    const shape = keep
      ? x.shape.map((extent, axis) => (axes.includes(axis) ? 1 : extent))
      : x.shape.filter((_, axis) => !axes.includes(axis));
    return this.node(opType, [x, this.ints(axes)], shape, x.type, { keepdims: keep ? 1 : 0 });
  }

  /**
   * WebGPU's ReduceSum adds up all of an element in one thread. Where that is much, a part of the longest axis comes first,
   * of which the rest stays; null where it is little.
   */
  private firstStage(x: Ref, axes: readonly number[]): Ref | null {
    const total = axes.reduce((count, axis) => count * x.shape[axis], 1);
    if (total <= MOST_IN_A_SUM) return null;
    const longest = axes.reduce((most, axis) => (x.shape[axis] > x.shape[most] ? axis : most));
    const extent = x.shape[longest];
    const length = longestSum(extent, 1);
    if (length === total) return null;
    const [before, after] = [x.shape.slice(0, longest), x.shape.slice(longest + 1)];
    const split = this.reshape(x, [...before, extent / length, length, ...after]);
    const shape = [...before, extent / length, ...after];
    return this.node("ReduceSum", [split, this.ints([longest + 1])], shape, x.type, { keepdims: 0 });
  }

  /** Matrix product of the last two axes, NumPy's broadcasting before them. */
  matmul(x: Ref, y: Ref): Ref {
    const batch = broadcastShape(x.shape.slice(0, -2), y.shape.slice(0, -2));
    return this.node("MatMul", [x, y], [...batch, x.shape[x.shape.length - 2], y.shape[y.shape.length - 1]], x.type);
  }

  /** The graph that yields `outputs`, without the nodes and initializers that these do not need. */
  finish(name: string, inputs: readonly Ref[], outputs: readonly Ref[]): OnnxGraph {
    const needed = new Set(outputs.map((output) => output.name));
    const nodes: OnnxNode[] = [];
    for (let index = this.nodes.length - 1; index >= 0; index--) {
      const node = this.nodes[index];
      const isNeeded =
        node.output.length === 1 ? needed.has(node.output[0]) : node.output.some((name) => needed.has(name));
      if (!isNeeded) continue;
      for (const input of node.input) needed.add(input);
      nodes.push(node);
    }
    return {
      name,
      node: nodes.reverse(),
      initializer: [...this.initializers.values()].filter((tensor) => needed.has(tensor.name!)),
      input: inputs.filter((input) => needed.has(input.name)).map(valueInfo),
      output: outputs.map(valueInfo),
    };
  }
}

/** Where more numbers than these are added up, in one thread, they had better be added up in pieces. */
const MOST_IN_A_SUM = 1 << 14;

/** How long pieces then are, about. */
const PIECE_OF_A_SUM = 1 << 12;

/**
 * How much of an axis of the given extent a sum over it and `others` times as many numbers should take at once: a divisor of
 * the extent, the extent itself where all is few enough or cannot be divided.
 */
export function longestSum(extent: number, others: number): number {
  if (extent * others <= MOST_IN_A_SUM) return extent;
  for (let length = Math.min(extent, Math.floor(PIECE_OF_A_SUM / others)); length > 1; length--) {
    if (extent % length === 0) return length;
  }
  return extent;
}

export function broadcastShape(a: Shape, b: Shape): Shape {
  const rank = Math.max(a.length, b.length);
  const shape: number[] = [];
  for (let axis = 0; axis < rank; axis++) {
    const x = axis < rank - a.length ? 1 : a[axis - rank + a.length];
    const y = axis < rank - b.length ? 1 : b[axis - rank + b.length];
    shape.push(x === 1 ? y : x);
  }
  return shape;
}

function typed(type: OnnxType, elements: readonly number[]): TypedArray | BigInt64Array {
  switch (type) {
    case "float32":
      return Float32Array.from(elements);
    case "float64":
      return Float64Array.from(elements);
    case "int32":
      return Int32Array.from(elements);
    case "int64":
      return BigInt64Array.from(elements.map(BigInt));
    case "bool":
    case "uint8":
      return Uint8Array.from(elements);
  }
}

function valueInfo(ref: Ref): OnnxValueInfo {
  const dim = ref.shape.map((dimValue) => ({ dimValue }));
  return { name: ref.name, type: { tensorType: { elemType: elementTypes[ref.type], shape: { dim } } } };
}

function encodeAttribute(name: string, value: AttributeValue): OnnxAttribute {
  if (typeof value === "number") return { name, type: attributeTypes.INT, i: value };
  if (typeof value === "string") return { name, type: attributeTypes.STRING, s: new TextEncoder().encode(value) };
  if ("f" in value) return { name, type: attributeTypes.FLOAT, f: value.f };
  return { name, type: attributeTypes.INTS, ints: [...value] };
}
