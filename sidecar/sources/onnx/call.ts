import type { Builder } from "../../graph/builder";
import { ModelError } from "../../graph/errors";
import type { Value } from "../../graph/graph";
import { newArray, range, sizeOf, type DType, type Shape } from "../../graph/types";
import * as ops from "../../primitives/ops";
import { dtypeOfElements, elementTypeOf, rangeOf, usualElementType, type ElementType } from "./element-types";
import type { AttributeMessage, GraphMessage, NodeMessage } from "./messages";
import { readTensor, type TypedTensor } from "./tensors";

/** What a name of an ONNX graph stands for while the graph is read. */
export type Item = TensorItem | SequenceItem | NoneItem;

export interface TensorItem {
  readonly kind: "tensor";
  readonly value: Value;
  readonly type: ElementType;
}

/** A sequence has as many elements as it has when it is read. */
export interface SequenceItem {
  readonly kind: "sequence";
  readonly items: readonly Item[];
}

/** An optional without a value. */
export interface NoneItem {
  readonly kind: "none";
}

/** An operator's outputs, in order. A value without an element type has that of the first input, if that fits. */
export type Output = Value | Item | null;
export type Result = Output | readonly Output[];

/** Emits what a node computes. Throws an Error that says what is wrong, or what is not supported. */
export type Operator = (call: Call) => Result;
export type OperatorTable = Readonly<Record<string, Operator>>;

/** What of the reading of the whole model an operator may need. */
export interface Reading {
  readonly file: string;
  readonly builder: Builder;
  /** Null where the elements depend on the model's inputs. */
  elementsOf(value: Value): ArrayLike<number> | null;
  /** The shape of a value as the file has it; null where that leaves something open. */
  describedShape(name: string): Shape | null;
  /** Evaluates a subgraph of the node's; names of outer graphs are known in it. */
  evaluate(graph: GraphMessage, inputs: readonly (Item | null)[]): Item[];
  /** Something that the user should know of the model as a whole. */
  note(message: string): void;
}

/** The elements of a value are needed to read the model on, and they depend on the model's inputs. */
export class ElementsNeeded extends ModelError {}

/** An operator, or a case of one, that cannot be expressed. */
export class Unsupported extends ModelError {}

const text = new TextDecoder();

/** One node of an ONNX graph, with its inputs. */
export class Call {
  private readonly attributes: ReadonlyMap<string, AttributeMessage>;

  constructor(
    readonly node: NodeMessage,
    /** Of the node's domain. */
    readonly opset: number,
    readonly items: readonly (Item | null)[],
    readonly reading: Reading,
    attributes: readonly AttributeMessage[],
  ) {
    this.attributes = new Map(attributes.map((attribute) => [attribute.name ?? "", attribute]));
  }

  get b(): Builder {
    return this.reading.builder;
  }

  // Inputs

  has(index: number): boolean {
    return (this.items[index] ?? null) !== null;
  }

  item(index: number): Item {
    const item = this.items[index] ?? null;
    if (item === null) throw new ModelError(`its input ${index + 1} is missing`);
    return item;
  }

  tensor(index: number): TensorItem {
    const item = this.item(index);
    if (item.kind !== "tensor") throw new ModelError(`its input ${index + 1} is no tensor`);
    return item;
  }

  input(index: number): Value {
    return this.tensor(index).value;
  }

  optional(index: number): Value | null {
    return this.has(index) ? this.input(index) : null;
  }

  type(index: number): ElementType {
    return this.tensor(index).type;
  }

  /** All inputs, which are tensors. */
  all(): Value[] {
    return this.items.map((_, index) => this.input(index));
  }

  /** The elements of an input where they are known. */
  known(index: number): number[] | null {
    const elements = this.reading.elementsOf(this.input(index));
    return elements && Array.from(elements);
  }

  /** The elements of an input that the operator cannot do without. */
  elements(index: number): number[] {
    const known = this.known(index);
    if (known) return known;
    const name = this.node.input[index];
    throw new ElementsNeeded(
      `the elements of its input ${name} have to be known when the model is read, but they depend on the model's inputs; ` +
        "make them constants of the model",
    );
  }

  // Attributes

  attribute(name: string): AttributeMessage | undefined {
    return this.attributes.get(name);
  }

  /** A number that is 0 is left out of the file. */
  int(name: string, otherwise: number): number {
    const attribute = this.attributes.get(name);
    return attribute ? (attribute.i ?? 0) : otherwise;
  }

  float(name: string, otherwise: number): number {
    const attribute = this.attributes.get(name);
    return attribute ? (attribute.f ?? 0) : otherwise;
  }

  optionalFloat(name: string): number | null {
    return this.attributes.has(name) ? this.float(name, 0) : null;
  }

  ints(name: string): readonly number[] | null {
    return this.attributes.get(name)?.ints ?? null;
  }

  floats(name: string): readonly number[] | null {
    return this.attributes.get(name)?.floats ?? null;
  }

  string(name: string, otherwise: string): string {
    const attribute = this.attributes.get(name);
    return attribute ? text.decode(attribute.s) : otherwise;
  }

  strings(name: string): string[] | null {
    return this.attributes.get(name)?.strings.map((bytes) => text.decode(bytes)) ?? null;
  }

  tensorAttribute(name: string): TypedTensor | null {
    const message = this.attributes.get(name)?.t;
    return message ? readTensor(message, this.reading.file) : null;
  }

  graph(name: string): GraphMessage {
    const graph = this.attributes.get(name)?.g;
    if (graph === undefined) throw new ModelError(`it has no graph ${name}`);
    return graph;
  }

  /** Integers that are an attribute in older operator sets and an input in newer ones; null where neither is there. */
  integers(name: string, index: number): readonly number[] | null {
    const integers = this.ints(name) ?? (this.has(index) ? this.elements(index) : null);
    const wrong = integers?.find((number) => !Number.isInteger(number));
    if (wrong !== undefined) throw new ModelError(`its input ${name} holds ${wrong}, which is no whole number`);
    return integers;
  }

  // Results

  typed(value: Value, type: ElementType): TensorItem {
    return { kind: "tensor", value, type };
  }

  /** A constant with these elements. */
  constant(elements: ArrayLike<number>, shape: Shape, type: ElementType): TensorItem {
    return this.typed(constantOf(this.b, elements, shape, dtypeOf(type)), type);
  }

  /** Keeps integers of an 8- or 16-bit type in their range, as arithmetic with so few bits does. */
  wrapped(value: Value, type: ElementType): TensorItem {
    const [low, high] = rangeOf(type);
    const span = high - low + 1;
    if (value.dtype !== "int32" || span >= 2 ** 31) return this.typed(value, type);
    const at = (number: number): Value => ops.scalarLike(this.b, value, number);
    const remainder = (x: Value): Value => ops.rem(this.b, x, at(span));
    const positive = remainder(ops.add(this.b, remainder(ops.sub(this.b, value, at(low))), at(span)));
    return this.typed(ops.add(this.b, positive, at(low)), type);
  }

  unsupported(message: string): Unsupported {
    return new Unsupported(message);
  }
}

/** The graph's dtype for an element type. */
export function dtypeOf(type: ElementType): DType {
  const dtype = dtypeOfElements(type);
  if (dtype === null) throw new Unsupported(`elements of the type ${type} cannot be computed with`);
  return dtype;
}

/** The element type that an attribute names by its number. */
export function numberedType(number: number): ElementType {
  const type = elementTypeOf(number);
  dtypeOf(type);
  return type;
}

/** An array of one and the same number is a broadcast scalar, so that it takes no space in the graph. */
export function constantOf(b: Builder, elements: ArrayLike<number>, shape: Shape, dtype: DType): Value {
  const size = sizeOf(shape);
  if (size === 1) return b.scalar(elements[0], dtype, shape.length);
  let uniform = size >= 17;
  for (let index = 1; index < size && uniform; index++) uniform = Object.is(elements[index], elements[0]);
  if (uniform) return ops.full(b, shape, dtype, elements[0]);
  const data = newArray(dtype, size);
  data.set(elements);
  return b.constant(data, shape, dtype);
}

/** An output as an item; `first` is the element type of the operator's first input. */
export function itemOf(output: Value | Item, first: ElementType | null): Item {
  if ("kind" in output) return output;
  const fits = first !== null && dtypeOfElements(first) === output.dtype;
  return { kind: "tensor", value: output, type: fits ? first : usualElementType[output.dtype] };
}

// What operators share

export function positiveAxis(axis: number, rank: number): number {
  const positive = axis < 0 ? axis + rank : axis;
  if (!(Number.isInteger(positive) && positive >= 0 && positive < Math.max(rank, 1))) {
    throw new ModelError(`it has no axis ${axis} in ${rank} dimensions`);
  }
  return positive;
}

/** Sorted, without duplicates. */
export function positiveAxes(axes: readonly number[], rank: number): number[] {
  return [...new Set(axes.map((axis) => positiveAxis(axis, rank)))].sort((p, q) => p - q);
}

/** Operands brought to one rank, as NumPy's broadcasting does. */
export function aligned(b: Builder, values: readonly Value[]): Value[] {
  const rank = Math.max(...values.map(({ shape }) => shape.length));
  return values.map((value) => ops.padRank(b, value, rank));
}

/** The shape that operands broadcast to. */
export function broadcastShape(shapes: readonly Shape[]): number[] {
  const rank = Math.max(...shapes.map((shape) => shape.length));
  return Array.from({ length: rank }, (_, axis) => {
    const extents = shapes.map((shape) => shape[axis - rank + shape.length] ?? 1).filter((extent) => extent !== 1);
    if (new Set(extents).size > 1) {
      throw new ModelError(
        `its inputs do not broadcast: ${shapes.map((shape) => `[${shape.join(",")}]`).join(" and ")}`,
      );
    }
    return extents[0] ?? 1;
  });
}

/** The number of elements that may be listed one by one while a model is read. */
const MOST_LISTED = 2 ** 22;

/** A number of elements, of a file that may have made it absurd. */
export function checkedCount(count: number): number {
  if (Number.isInteger(count) && count >= 0 && count <= MOST_LISTED) return count;
  throw new ModelError(`it counts to ${count}, which is too far`);
}

/** Steps that are written out one after the other. */
const MOST_STEPS = 5000;

/** The number of steps of a sequence or a loop. */
export function checkedSteps(count: number): number {
  if (count <= MOST_STEPS) return count;
  throw new Unsupported(`it has more than ${MOST_STEPS} steps, which are written out one by one`);
}

/** 0, 1, ..., count - 1. */
export function listed(count: number): number[] {
  return range(checkedCount(count));
}

export function floating(b: Builder, x: Value): Value {
  return x.dtype === "float32" || x.dtype === "float64" ? x : ops.convert(b, x, "float32");
}

/** Booleans as 0 and 1, for operations that are not defined on them. */
export function numeric(b: Builder, x: Value): Value {
  return x.dtype === "bool" ? ops.convert(b, x, "int32") : x;
}
