import type { Graph } from "../graph/graph";
import { isFloat, range, sizeOf } from "../graph/types";
import type { MapAttributes } from "../primitives/attributes";
import { jacobianGraph, strategies, type JacobianBlock, type Strategy } from "../quantities/jacobian";
import { plan, type Plan, type PlannedBuffer } from "./plan";

/** What is differentiated, and with respect to what. */
export interface Subject {
  /** Of one example or, where `coupled`, of the whole batch. */
  readonly graph: Graph;
  readonly batch: number;
  readonly coupled: boolean;
  readonly wrt: readonly string[];
}

/** Memory to stay within, and what holds arrays there. */
export interface Place {
  readonly memoryBytes: number;
  /** What the driver and the like keep for themselves. */
  readonly reservedBytes: number;
  /** The most bytes that the engine which will run the graph holds, arguments included; `null` for the graph's own arrays alone. */
  readonly enginePeakBytes: ((graph: Graph) => number) | null;
  readonly speed: Speed;
}

/** Orders of magnitude, to rank strategies by. */
export interface Speed {
  readonly flopsPerSecond: number;
  readonly bytesPerSecond: number;
  /** Of starting one operation. */
  readonly secondsPerOperation: number;
}

/** One strategy with one chunk. */
export interface StrategyPlan {
  readonly strategy: Strategy;
  readonly chunk: number | null;
  readonly plan: Plan;
  readonly blocks: readonly JacobianBlock[];
  readonly graph: Graph;
  /** What the engine holds at most beyond the graph's own arrays. */
  readonly workspaceBytes: number;
  readonly fits: boolean;
  /** Times that the body of a loop runs, those of inner loops multiplied; 1 where there is no loop. */
  readonly iterations: number;
  readonly seconds: number;
  readonly largest: PlannedBuffer | null;
}

/** A strategy, whole and in the largest chunks that fit. */
export interface StrategyChoice {
  readonly whole: StrategyPlan;
  /** Where the whole does not fit and chunks do. */
  readonly chunked: StrategyPlan | null;
  /** The largest chunk that fits, the number of rows where all of them do; `null` where none does, or there are no chunks. */
  readonly largestChunkThatFits: number | null;
  /** Whether smaller chunks need less memory than the whole, enough to fit. */
  readonly chunkingHelps: boolean;
}

/** A graph and what it takes, wherever it runs. */
type Made = Pick<StrategyPlan, "plan" | "blocks" | "graph" | "iterations"> & {
  /** What engines hold at most, as far as they have been asked. */
  readonly enginePeaks: Map<NonNullable<Place["enginePeakBytes"]>, number>;
};

/** Graphs of one subject, each made once: for another device they are the same. */
export class MadeGraphs {
  private readonly made = new Map<string, Made>();

  constructor(readonly subject: Subject) {}

  at(strategy: Strategy, chunk: number | null): Made {
    const key = `${strategy} ${chunk}`;
    const known = this.made.get(key);
    if (known !== undefined) return known;
    const { graph, blocks } = jacobianGraph(this.subject.graph, { ...this.subject, strategy, chunk });
    const made = { graph, blocks, plan: plan(graph), iterations: iterationsOf(graph), enginePeaks: new Map() };
    this.made.set(key, made);
    return made;
  }
}

/**
 * Finds out what strategies and chunks of one subject take on one device. What takes longer gives its caller a turn after
 * each graph, with what is known by then; `finish` does without.
 */
export class StrategyPlanner {
  private readonly subject: Subject;
  private readonly known = new Map<string, StrategyPlan>();

  constructor(
    private readonly graphs: MadeGraphs,
    private readonly place: Place,
  ) {
    this.subject = graphs.subject;
  }

  /** Those that can compute this at all: coupled examples need the whole batch. */
  get strategies(): readonly Strategy[] {
    return strategies.filter((strategy) => !(this.subject.coupled && strategy.startsWith("vmap")));
  }

  at(strategy: Strategy, chunk: number | null): StrategyPlan {
    const key = `${strategy} ${chunk}`;
    let known = this.known.get(key);
    if (known === undefined) this.known.set(key, (known = this.make(strategy, chunk)));
    return known;
  }

  /** Every strategy, in the order of `strategies`. The whole ones are known first. */
  *choosingAll(): Generator<StrategyPlan, StrategyChoice[]> {
    for (const strategy of quickFirst) if (this.strategies.includes(strategy)) yield this.at(strategy, null);
    // The cheap ones first: what is slow beside them is looked at less closely
    const order = [...this.strategies].sort((a, b) => this.at(a, null).seconds - this.at(b, null).seconds);
    const choices = new Map<Strategy, StrategyChoice>();
    let fastest = Infinity;
    for (const strategy of order) {
      const slowness = this.at(strategy, null).seconds / fastest;
      const tries = slowness > hopeless ? 1 : slowness > slow ? fewTries : mostTries;
      const choice = yield* this.choosing(strategy, tries);
      choices.set(strategy, choice);
      for (const each of [choice.whole, choice.chunked]) if (each?.fits) fastest = Math.min(fastest, each.seconds);
    }
    return this.strategies.map((strategy) => choices.get(strategy)!);
  }

  /** @param tries chunks that are tried at most, each of which builds a graph */
  *choosing(strategy: Strategy, tries = mostTries): Generator<StrategyPlan, StrategyChoice> {
    const whole = this.at(strategy, null);
    const rows = this.rows(strategy);
    if (whole.fits || rows <= 1) {
      return { whole, chunked: null, largestChunkThatFits: whole.fits && rows > 0 ? rows : null, chunkingHelps: false };
    }
    // The result alone is a lower bound, whatever the chunk
    const { plan: own } = whole;
    const least = own.argumentBytes + own.constantBytes + own.resultBytes;
    const chunk = this.fitsWithin(least) ? yield* this.largestChunk(strategy, rows, least, tries) : null;
    return {
      whole,
      chunked: chunk === null ? null : this.at(strategy, chunk),
      largestChunkThatFits: chunk,
      chunkingHelps: chunk !== null,
    };
  }

  /** The best of some choices: of what fits, the fastest, and of equally fast ones the one that takes the least. */
  static best(choices: readonly StrategyChoice[]): StrategyPlan | null {
    const fitting = choices.flatMap(({ whole, chunked }) => [whole, chunked]).filter((each) => each?.fits);
    return fitting.reduce<StrategyPlan | null>((best, each) => {
      if (each === null) return best;
      if (best === null || each.seconds < 0.95 * best.seconds) return each;
      const isAsFast = each.seconds < 1.05 * best.seconds;
      return isAsFast && each.plan.peakBytes < best.plan.peakBytes ? each : best;
    }, null);
  }

  /** What chunks are counted in: cotangents, examples or tangents; none for the loop over single ones. */
  rows(strategy: Strategy): number {
    const { graph, batch, coupled, wrt } = this.subject;
    switch (strategy) {
      case "jacrev": {
        const sizes = graph.outputs.filter(({ dtype }) => isFloat(dtype)).map(({ shape }) => sizeOf(shape));
        return Math.max(0, ...sizes) * (coupled ? 1 : batch);
      }
      case "vmap(jacrev)":
        return batch;
      case "vmap(jacfwd)":
        return Math.max(
          0,
          ...graph.parameters.filter(({ name }) => wrt.includes(name)).map(({ value }) => sizeOf(value.shape)),
        );
      case "grad-loop":
        return 0;
    }
  }

  private fitsWithin(bytes: number): boolean {
    return bytes + this.place.reservedBytes <= this.place.memoryBytes;
  }

  private make(strategy: Strategy, chunk: number | null): StrategyPlan {
    const made = this.graphs.at(strategy, chunk);
    const { graph, plan: own } = made;
    const { enginePeakBytes, speed } = this.place;
    let enginePeak = 0;
    // What does not fit by itself need not be known more exactly
    if (enginePeakBytes !== null && this.fitsWithin(own.peakBytes)) {
      enginePeak = made.enginePeaks.get(enginePeakBytes) ?? enginePeakBytes(graph);
      made.enginePeaks.set(enginePeakBytes, enginePeak);
    }
    const workspaceBytes = Math.max(0, enginePeak - own.peakBytes);
    return {
      strategy,
      chunk,
      plan: own,
      blocks: made.blocks,
      graph,
      workspaceBytes,
      fits: this.fitsWithin(own.peakBytes + workspaceBytes),
      iterations: made.iterations,
      seconds: secondsOf(graph, own, speed),
      largest: own.largest.at(0) ?? null,
    };
  }

  /**
   * More rows at once need more memory, nearly in proportion: the chunk is looked for by interpolation between ones that
   * are known to fit and not to, until the next larger one is known not to fit, or the memory is all but used. A rest, if
   * rows do not divide evenly, is joined to the others at the end, which takes the result twice: where that does not fit,
   * only chunks that divide the rows are tried.
   */
  private *largestChunk(
    strategy: Strategy,
    rows: number,
    least: number,
    mostTries: number,
  ): Generator<StrategyPlan, number | null> {
    const room = this.place.memoryBytes - this.place.reservedBytes;
    const { peakBytes, resultBytes } = this.at(strategy, null).plan;
    const chunks = least + resultBytes > room ? divisors(rows) : range(rows - 1).map((index) => index + 1);
    let low = { position: -1, bytes: least };
    let high = { position: chunks.length, bytes: unmeasured * peakBytes };
    for (let tries = 0; high.position - low.position > 1 && tries < mostTries; tries++) {
      const [from, to] = [low.position < 0 ? 0 : chunks[low.position], chunks[high.position] ?? rows];
      const guess = from + ((to - from) * (room - low.bytes)) / (high.bytes - low.bytes);
      const nearest = lastAtMost(chunks, guess);
      const position = Math.min(high.position - 1, Math.max(low.position + 1, nearest));
      const tried = this.at(strategy, chunks[position]);
      yield tried;
      const { plan: own, workspaceBytes, fits } = tried;
      const bytes = workspaceBytes > 0 || fits ? own.peakBytes + workspaceBytes : unmeasured * own.peakBytes;
      if (fits) low = { position, bytes };
      else high = { position, bytes };
      if (low.position >= 0 && low.bytes > nearlyAll * room) break;
    }
    // None of these fit: much smaller ones then, down to the smallest
    for (let { position } = high; low.position < 0 && position > 0;) {
      position >>= 3;
      const tried = this.at(strategy, chunks[position]);
      yield tried;
      if (tried.fits) low = { position, bytes: room };
    }
    return low.position < 0 ? null : chunks[low.position];
  }
}

/** Takes all turns at once. */
export function finish<T>(steps: Generator<unknown, T>): T {
  for (;;) {
    const { done, value } = steps.next();
    if (done) return value;
  }
}

/** By how long their graphs take to build, as a rule. */
const quickFirst: readonly Strategy[] = ["vmap(jacrev)", "grad-loop", "jacrev", "vmap(jacfwd)"];

/** Each try builds a graph. */
const mostTries = 8;
const fewTries = 3;

/** So many times slower than another strategy that fits, one is looked at less closely, or hardly. */
const slow = 20;
const hopeless = 500;

/** What an engine holds, in terms of the graph's own arrays, where it has not been asked: a guess to start from. */
const unmeasured = 1.4;

/** Memory of which so much is used counts as used up. */
const nearlyAll = 0.97;

function lastAtMost(chunks: readonly number[], most: number): number {
  let [low, high] = [-1, chunks.length];
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (chunks[middle] <= most) low = middle;
    else high = middle;
  }
  return low;
}

function divisors(rows: number): number[] {
  return range(Math.floor(rows / 2))
    .map((index) => index + 1)
    .filter((divisor) => rows % divisor === 0);
}

/** Loops that stand for vectorisation are not the strategy's own, and not counted. */
function iterationsOf(graph: Graph): number {
  let most = 1;
  for (const { primitive, attributes } of graph.equations) {
    if (primitive !== "map") continue;
    const { body, length, fallback } = attributes as MapAttributes;
    if (fallback === null) most = Math.max(most, length * iterationsOf(body));
  }
  return most;
}

export function secondsOf(graph: Graph, { flops, movedBytes }: Plan, speed: Speed): number {
  return (
    flops / speed.flopsPerSecond + movedBytes / speed.bytesPerSecond + operationsOf(graph) * speed.secondsPerOperation
  );
}

function operationsOf(graph: Graph): number {
  let operations = 0;
  for (const { primitive, attributes } of graph.equations) {
    if (primitive === "map") {
      const { body, length } = attributes as MapAttributes;
      operations += length * operationsOf(body);
    } else if (primitive !== "reshape") operations++;
  }
  return operations;
}
