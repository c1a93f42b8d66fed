import { argumentsOf, type Equation, type Graph, type Value } from "../../graph/graph";
import { bytesOf, sameShape, sizeOf, type Shape } from "../../graph/types";
import type { MapAttributes } from "../../primitives/attributes";
import { Arena, type Chunk } from "./arena";
import { broadcastShape } from "./lower/writer";
import { bytesPerElement, optimised, views, type ArrayType, type Session } from "./optimised";
import { mappedBytes } from "./pages";
import { partition } from "./partition";
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

/** What a process takes for a run beside arrays, as seen with small ones: code that is loaded when first used, V8's heap. */
const RUNTIME_BYTES = 3 * 2 ** 20;

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
    own.set(value, mappedBytes(bytesOf(value)));
    memory.hold(mappedBytes(bytesOf(value)));
  };

  steps.forEach((step, index) => {
    switch (step.kind) {
      case "session":
        step.outputs.forEach(allocate);
        memory.hold(arenaOf(step, graph, fixed).residentBytes);
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
    (sum, output, index) => sum + (combine[index] === "sum" ? mappedBytes(bytesOf(output)) : 0),
    0,
  );
  memory.hold(partial);
  follow(body, fixed, memory, body.outputs);
  memory.hold(-partial);
}

/** Operators that may write over an operand that nobody else reads. */
const inPlace = new Set(["Cast", "Relu", "Sigmoid", "Tanh", "Clip", "Erf"]);

/** The arena of a session after a run. */
export function arenaOf(step: Session, graph: Graph, fixed: ReadonlySet<Value>): Arena {
  const { executed, viewed, given, types } = optimised(step, graph, fixed);
  const ownerOf = (name: string): string => viewed.get(name) ?? name;
  /** Of each operator the arrays that it reads, each once. */
  const read = executed.map(({ opType, input }) => (views.has(opType) ? [] : distinct(input.map(ownerOf))));
  const uses = new Map<string, number>();
  for (const names of read) for (const name of names) uses.set(name, (uses.get(name) ?? 0) + 1);

  const buffers = new Set<Buffer>();
  // Which outputs share a buffer is planned before a run: an output takes over one that is free by then, of the very same
  // shape, which is then kept in between
  const bufferOf = new Map<string, Buffer>();
  const free: Buffer[] = [];
  executed.forEach(({ opType, input, output }, index) => {
    if (views.has(opType)) return;
    const operands = read[index];
    for (const { shape, type } of temporaries(opType, input, types)) {
      buffers.add({ shape, width: bytesPerElement[type], from: index, to: index });
    }
    for (const name of output) {
      const type = types.get(name);
      if (type === undefined || given.has(name)) continue;
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
  return arenaAfter([...buffers]);
}

/**
 * What an operator's kernel holds while it runs, where that is large: `Where` picks from each of its operands into an
 * array of its own, and then joins the two.
 */
function temporaries(
  opType: string,
  operands: readonly string[],
  types: ReadonlyMap<string, ArrayType>,
): readonly ArrayType[] {
  if (opType !== "Where") return [];
  const [condition, ...picked] = operands.map((name) => types.get(name));
  if (condition === undefined) return [];
  return picked.flatMap((operand) =>
    operand ? [{ shape: broadcastShape(condition.shape, operand.shape), type: operand.type }] : [],
  );
}

function distinct(names: readonly string[]): readonly string[] {
  return names.every((name, index) => names.indexOf(name) === index) ? names : [...new Set(names)];
}

/** Memory of one or, one after the other, several outputs, from the step that needs it first to the one that does last. */
interface Buffer {
  readonly shape: Shape;
  readonly width: number;
  readonly from: number;
  to: number;
}

function arenaAfter(buffers: readonly Buffer[]): Arena {
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
  return arena;
}
