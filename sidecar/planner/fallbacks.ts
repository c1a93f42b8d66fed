import type { Equation, Graph, Source } from "../graph/graph";
import { bytesOf } from "../graph/types";
import type { LoopAxis, MapAttributes } from "../primitives/attributes";
import { flopsOf } from "../transforms";
import type { Speed } from "./strategies";

/** An operation that a graph runs as a loop, because it has no batching rule. */
export interface PlannedFallback {
  readonly operation: string;
  readonly reason: string;
  readonly source: Source | null;
  /** How often it runs, all its places in the graph that share a line counted together. */
  readonly iterations: number;
  /** The same, told apart by what the loops run over. */
  readonly loops: readonly PlannedLoop[];
  /** How many times as long as one batched run the loop takes, by estimate. */
  readonly slowdown: number;
}

/** Loops of one operation over the same axes, examples before outputs; none where it is not said what they are. */
export interface PlannedLoop {
  readonly over: readonly LoopAxis[];
  readonly iterations: number;
}

interface Found extends PlannedFallback {
  readonly seconds: number;
  readonly batched: number;
}

/** The fallbacks of a graph, one for each operation and line. */
export function fallbacksOf(graph: Graph, speed: Speed): PlannedFallback[] {
  const found = new Map<string, Found>();
  const visit = (inner: Graph, times: number, around: readonly LoopAxis[]): void => {
    for (const equation of inner.equations) {
      if (equation.primitive !== "map") continue;
      const { body, length, fallback } = equation.attributes as MapAttributes;
      const iterations = times * length;
      const over = inOrder([...around, ...(fallback?.over ?? [])]);
      // What is in a loop over an operation is that operation: of nested loops the innermost counts
      const isInner = body.equations.every(({ primitive }) => primitive !== "map");
      if (fallback === null || !isInner) {
        visit(body, iterations, over);
        continue;
      }
      const source = sourceOf(equation);
      const key = `${fallback.operation} ${source?.file}:${source?.line}:${source?.column}`;
      const work = workSeconds(body, speed);
      const known = found.get(key);
      const seconds = (known?.seconds ?? 0) + iterations * (speed.secondsPerOperation + work);
      const batched = (known?.batched ?? 0) + speed.secondsPerOperation + iterations * work;
      found.set(key, {
        operation: fallback.operation,
        reason: fallback.reason,
        source,
        iterations: (known?.iterations ?? 0) + iterations,
        loops: withLoop(known?.loops ?? [], { over, iterations }),
        seconds,
        batched,
        slowdown: seconds / batched,
      });
    }
  };
  visit(graph, 1, []);
  return [...found.values()].map(({ operation, reason, source, iterations, loops, slowdown }) => ({
    operation,
    reason,
    source,
    iterations,
    loops,
    slowdown,
  }));
}

const axes: readonly LoopAxis["axis"][] = ["examples", "outputs", "parameters"];

/** Which of nested loops is the outer one is all the same for how often the innermost runs. */
function inOrder(over: readonly LoopAxis[]): LoopAxis[] {
  return [...over].sort((a, b) => axes.indexOf(a.axis) - axes.indexOf(b.axis));
}

/** Loops over the same axes are counted together: those over parts of an axis are then of the whole. */
function withLoop(loops: readonly PlannedLoop[], added: PlannedLoop): PlannedLoop[] {
  const isSame = ({ over }: PlannedLoop): boolean => JSON.stringify(over) === JSON.stringify(added.over);
  if (!loops.some(isSame)) return [...loops, added];
  return loops.map((loop) => (isSame(loop) ? { ...loop, iterations: loop.iterations + added.iterations } : loop));
}

function sourceOf({ source, attributes }: Equation): Source | null {
  return source ?? (attributes as MapAttributes).body.equations.find((equation) => equation.source)?.source ?? null;
}

/** Of one iteration; what only its framework can run is reckoned by the bytes that it moves. */
function workSeconds(body: Graph, speed: Speed): number {
  const moved = body.equations.reduce(
    (sum, { inputs, outputs }) => sum + [...inputs, ...outputs].reduce((bytes, value) => bytes + bytesOf(value), 0),
    0,
  );
  return flopsOf(body) / speed.flopsPerSecond + moved / speed.bytesPerSecond;
}
