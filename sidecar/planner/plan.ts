import { argumentsOf, type Equation, type Graph, type Source, type Value } from "../graph/graph";
import { bytesOf, type DType, type Shape, type TypedArray } from "../graph/types";
import type { MapAttributes } from "../primitives/attributes";
import { flopsOf } from "../transforms";

/**
 * What a graph takes, without running it: which arrays are alive while each equation runs, in the order in which they
 * run, hence the most bytes that are held at once.
 *
 * An array lives from the equation that makes it to its last use. A `reshape` makes no array: it looks at another one's
 * elements, in PyTorch as in every engine here. Every other equation writes its outputs out in full. The body of a `map`
 * is counted once, as its iterations follow one another, and what the iterations yield as a whole, from the start.
 */
export interface Plan {
  /** Arguments, constants, and the most that is alive at once beside them. */
  readonly peakBytes: number;
  /** Inputs, parameters and buffers: they are there before, and stay. */
  readonly argumentBytes: number;
  readonly constantBytes: number;
  /** The graph's outputs that are not arguments. */
  readonly resultBytes: number;
  /** Floating-point operations, a multiply-add counted as two. */
  readonly flops: number;
  /** Bytes that equations read and write. */
  readonly movedBytes: number;
  /** One moment for each equation, those of a loop's body once, in the order in which they run. */
  readonly timeline: readonly Moment[];
  /** The arrays that equations make, the largest first; at most `mostBuffers`. */
  readonly largest: readonly PlannedBuffer[];
}

/** While one equation runs: its operands and its results are both there. */
export interface Moment {
  /** Everything that is held, arguments and constants too. */
  readonly liveBytes: number;
  readonly operation: string;
  readonly source: Source | null;
  /** 0 for the graph's own equations, 1 in the body of a loop, and so on. */
  readonly depth: number;
}

/** An array that an equation makes. */
export interface PlannedBuffer {
  readonly bytes: number;
  readonly shape: Shape;
  readonly dtype: DType;
  readonly operation: string;
  readonly source: Source | null;
  /** For (a part of) a result, its position among the graph's outputs. */
  readonly output: number | null;
  /** The moments, by their place in the timeline, at which it is there: from one to another, both included. */
  readonly from: number;
  readonly to: number;
}

/** Allocators round up: CUDA's in PyTorch and in TensorFlow to this many bytes. */
const ROUNDING = 512;

const mostBuffers = 16;

/** Bytes that are set aside for an array. */
export function allocatedBytes(value: Value): number {
  return Math.ceil(bytesOf(value) / ROUNDING) * ROUNDING;
}

export function plan(graph: Graph): Plan {
  const argumentBytes = argumentsOf(graph).reduce((sum, { value }) => sum + allocatedBytes(value), 0);
  const constantBytes = constantsOf(graph);
  const ownerOf = owners(graph);
  const walk = new Walk();
  walk.follow(graph, ownerOf, argumentBytes + constantBytes, 0);
  const { timeline } = walk;
  const peakBytes = timeline.reduce((most, { liveBytes }) => Math.max(most, liveBytes), argumentBytes + constantBytes);
  const fullest = timeline.findIndex(({ liveBytes }) => liveBytes === peakBytes);
  const isThere = ({ from, to }: PlannedBuffer): boolean => from <= fullest && fullest <= to;
  return {
    peakBytes,
    argumentBytes,
    constantBytes,
    resultBytes: resultBytesOf(graph, ownerOf),
    flops: flopsOf(graph),
    movedBytes: movedBytesOf(graph),
    timeline,
    // Of equally large ones, those of the fullest moment first, then what is made last
    largest: walk
      .largest(mostBuffers)
      .sort((a, b) => b.bytes - a.bytes || Number(isThere(b)) - Number(isThere(a)) || b.from - a.from)
      .slice(0, mostBuffers),
  };
}

/** The equation that an array is of, views being of what they look at. */
function owners(graph: Graph): (value: Value) => Value {
  const viewed = new Map<Value, Value>();
  const ownerOf = (value: Value): Value => viewed.get(value) ?? value;
  for (const { primitive, inputs, outputs } of graph.equations) {
    if (primitive === "reshape") viewed.set(outputs[0], ownerOf(inputs[0]));
  }
  return ownerOf;
}

/** Constants of the graph and of the bodies in it, each array once. */
function constantsOf(graph: Graph, counted = new Set<TypedArray>()): number {
  let bytes = 0;
  for (const { value, data } of graph.constants) {
    if (counted.has(data)) continue;
    counted.add(data);
    bytes += allocatedBytes(value);
  }
  for (const equation of graph.equations) {
    if (equation.primitive === "map") bytes += constantsOf((equation.attributes as MapAttributes).body, counted);
  }
  return bytes;
}

function resultBytesOf(graph: Graph, ownerOf: (value: Value) => Value): number {
  const given = new Set<Value>([...argumentsOf(graph), ...graph.constants].map(({ value }) => value));
  const results = new Set(graph.outputs.map(ownerOf).filter((value) => !given.has(value)));
  return [...results].reduce((sum, value) => sum + allocatedBytes(value), 0);
}

function movedBytesOf(graph: Graph): number {
  let bytes = 0;
  for (const { primitive, attributes, inputs, outputs } of graph.equations) {
    if (primitive === "reshape") continue;
    if (primitive === "map") {
      const { body, length } = attributes as MapAttributes;
      bytes += length * movedBytesOf(body);
    } else {
      for (const value of inputs) bytes += bytesOf(value);
      for (const value of outputs) bytes += bytesOf(value);
    }
  }
  return bytes;
}

/** An array from when it is made to when it is let go of. */
interface Life {
  readonly value: Value;
  readonly equation: Equation;
  readonly bytes: number;
  readonly output: number | null;
  readonly from: number;
  to: number;
}

/** Goes through a graph and the bodies of the loops in it. */
class Walk {
  readonly timeline: Moment[] = [];
  private readonly lives: Life[] = [];

  /** @param held bytes that are there all the while the graph runs */
  follow(graph: Graph, ownerOf: (value: Value) => Value, held: number, depth: number): void {
    const outputs = new Map<Value, number>();
    graph.outputs.forEach((output, index) => {
      const owner = ownerOf(output);
      if (!outputs.has(owner)) outputs.set(owner, index);
    });
    const lastUse = lastUses(graph, ownerOf);
    const freed: (Value[] | undefined)[] = [];
    for (const [value, index] of lastUse) {
      const known = freed[index];
      if (known) known.push(value);
      else freed[index] = [value];
    }
    const begun = new Map<Value, Life>();
    const finish = (life: Life): void => {
      life.to = this.timeline.length - 1;
      this.lives.push(life);
    };

    let live = held;
    graph.equations.forEach((equation, index) => {
      if (equation.primitive !== "reshape") {
        for (const value of equation.outputs) {
          const bytes = allocatedBytes(value);
          live += bytes;
          const output = depth > 0 ? null : (outputs.get(value) ?? null);
          const moment = this.timeline.length;
          begun.set(value, { value, equation, bytes, output, from: moment, to: moment });
        }
      }
      if (equation.primitive === "map") {
        const { body } = equation.attributes as MapAttributes;
        this.follow(body, owners(body), live, depth + 1);
      }
      this.timeline.push({ liveBytes: live, operation: operationOf(equation), source: equation.source, depth });
      for (const value of freed[index] ?? []) {
        const life = begun.get(value)!;
        finish(life);
        live -= life.bytes;
        begun.delete(value);
      }
    });
    for (const life of begun.values()) finish(life);
  }

  /** At least so many of the arrays, or all: those that are as large as the last of so many, too. */
  largest(count: number): PlannedBuffer[] {
    const least =
      Float64Array.from(this.lives, ({ bytes }) => bytes)
        .sort()
        .at(-count) ?? 0;
    return this.lives
      .filter(({ bytes }) => bytes >= least)
      .map(({ value, equation, bytes, output, from, to }) => ({
        bytes,
        shape: value.shape,
        dtype: value.dtype,
        operation: operationOf(equation),
        source: sourceOf(equation, equation.outputs.indexOf(value)),
        output,
        from,
        to,
      }));
  }
}

/** A loop's results are of what makes them in its body. */
function sourceOf({ primitive, attributes, source }: Equation, output: number): Source | null {
  if (source !== null || primitive !== "map") return source;
  const { body } = attributes as MapAttributes;
  const made = owners(body)(body.outputs[output]);
  const maker = body.equations.find(({ outputs }) => outputs.includes(made));
  return maker === undefined ? null : sourceOf(maker, maker.outputs.indexOf(made));
}

/** For each array that an equation makes, the last one that needs it. What the caller gets is needed for ever. */
function lastUses(graph: Graph, ownerOf: (value: Value) => Value): Map<Value, number> {
  const last = new Map<Value, number>();
  graph.equations.forEach(({ primitive, inputs, outputs }, index) => {
    if (primitive !== "reshape") for (const output of outputs) last.set(output, index);
    for (const input of inputs) {
      const owner = ownerOf(input);
      if (last.has(owner)) last.set(owner, index);
    }
  });
  for (const output of graph.outputs) last.delete(ownerOf(output));
  return last;
}

/** What an operation is called: for one that only its framework can run, by that framework. */
export function operationOf({ primitive, attributes }: Equation): string {
  return primitive === "opaque" ? (attributes as { kernel: string }).kernel : primitive;
}
