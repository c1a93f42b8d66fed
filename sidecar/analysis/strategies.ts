import { ModelError } from "../graph/errors";
import type { Source } from "../graph/graph";
import { fallbacksOf } from "../planner/fallbacks";
import type { PlannedBuffer } from "../planner/plan";
import { MadeGraphs, StrategyPlanner, type Place, type StrategyChoice, type StrategyPlan } from "../planner/strategies";
import type {
  BufferAnalysis,
  Diagnostic,
  FallbackAnalysis,
  StrategyAnalysis,
  TimelineAnalysis,
} from "../protocol/analysis";
import type { Model } from "../sources/model";
import { placeOf } from "./source";

export interface Planned {
  readonly strategies: readonly StrategyAnalysis[];
  readonly fallbacks: readonly FallbackAnalysis[];
  /** Why there is no Jacobian. */
  readonly diagnostics: readonly Diagnostic[];
}

export const notPlanned: Planned = { strategies: [], fallbacks: [], diagnostics: [] };

/** A model as the planner sees it. */
export type PlannedModel = Pick<Model, "graph" | "parameters" | "layers" | "batch">;

/** Names of what is differentiated with respect to. */
export function trainableOf({ parameters }: Pick<PlannedModel, "parameters">): string[] {
  return parameters.filter(({ trainable }) => trainable).map(({ name }) => name);
}

/** The graphs of all ways to compute the Jacobian; null where there is nothing to differentiate. */
export function graphsOf(model: PlannedModel, batch: number): MadeGraphs | null {
  const wrt = trainableOf(model);
  if (wrt.length === 0) return null;
  return new MadeGraphs({ graph: model.graph, batch, coupled: model.batch.coupled, wrt });
}

/** A way that somebody has chosen: it is planned too, whatever the planner would choose. */
export type ChosenStrategy = Pick<StrategyAnalysis, "strategy" | "chunk">;

/**
 * What each way to compute the Jacobian takes, and what would run as a loop. Each step is a fraction of a second, and
 * gives a function for what is known after it: the strategies, whole, as far as they have been looked at.
 */
export function* planning(
  model: PlannedModel,
  graphs: MadeGraphs | null,
  place: Place,
  chosen: ChosenStrategy | null = null,
): Generator<() => Planned, Planned> {
  if (graphs === null) return notPlanned;
  try {
    return yield* planned(model, new StrategyPlanner(graphs, place), place, chosen);
  } catch (error) {
    if (!(error instanceof ModelError)) throw error;
    const message = `${error.message.charAt(0).toUpperCase()}${error.message.slice(1)}.`;
    const diagnostic = { severity: "error", code: "no-jacobian", message, source: placeOf(error.source) } as const;
    return { strategies: [], fallbacks: [], diagnostics: [diagnostic] };
  }
}

function* planned(
  model: PlannedModel,
  planner: StrategyPlanner,
  place: Place,
  chosen: ChosenStrategy | null,
): Generator<() => Planned, Planned> {
  const wholes: StrategyPlan[] = [];
  const soFar = (): Planned => {
    const strategies = wholes.map((whole) => strategyOf(model, undecided(whole), whole, false));
    return { ...notPlanned, strategies };
  };
  const choosing = planner.choosingAll();
  let step = choosing.next();
  for (; !step.done; step = choosing.next()) {
    if (step.value.chunk === null) wholes.push(step.value);
    yield soFar;
  }
  const choices = step.value;
  const best = StrategyPlanner.best(choices);
  return {
    strategies: choices.flatMap((choice) => {
      const ways = [choice.whole, choice.chunked];
      const isOwn = chosen?.strategy === choice.whole.strategy && ways.every((way) => way?.chunk !== chosen.chunk);
      if (isOwn) ways.push(planner.at(chosen.strategy, chosen.chunk));
      return ways.flatMap((each) => (each === null ? [] : [strategyOf(model, choice, each, each === best)]));
    }),
    fallbacks: choices.flatMap(({ whole: { strategy, graph } }) =>
      fallbacksOf(graph, place.speed).map(({ source, ...fallback }) => ({
        ...fallback,
        strategy,
        source: placeOf(source),
        fix: fixOf(fallback.operation),
      })),
    ),
    diagnostics: [],
  };
}

/** Of chunks nothing is known yet. */
function undecided(whole: StrategyPlan): StrategyChoice {
  return { whole, chunked: null, largestChunkThatFits: null, chunkingHelps: false };
}

function strategyOf(
  model: PlannedModel,
  choice: StrategyChoice,
  each: StrategyPlan,
  recommended: boolean,
): StrategyAnalysis {
  const { strategy, chunk, plan, workspaceBytes, iterations, fits } = each;
  const buffers = plan.largest.map((buffer) => bufferOf(model, each, buffer));
  return {
    strategy,
    chunk,
    peakBytes: plan.peakBytes,
    resultBytes: plan.resultBytes,
    argumentBytes: plan.argumentBytes + plan.constantBytes,
    workspaceBytes,
    flops: plan.flops,
    movedBytes: plan.movedBytes,
    iterations,
    fits,
    recommended,
    largest: buffers.at(0) ?? null,
    buffers,
    largestChunkThatFits: choice.largestChunkThatFits,
    chunkingHelps: choice.chunkingHelps,
    timeline: plan.timeline.map(({ liveBytes, operation, source }): TimelineAnalysis => {
      return { liveBytes, operation, line: source?.line ?? null };
    }),
  };
}

function bufferOf(model: PlannedModel, { plan, blocks }: StrategyPlan, buffer: PlannedBuffer): BufferAnalysis {
  const { bytes, shape, operation, source, output, from, to } = buffer;
  const layer = layerAt(model, source);
  return {
    bytes,
    shape,
    operation,
    parameter: output === null ? null : blocks[output].parameter,
    source: placeOf(layer?.source ?? source),
    layer: layer?.name ?? null,
    callers: layer?.callers.flatMap((caller) => placeOf(caller) ?? []) ?? [],
    share: bytes / plan.peakBytes,
    from,
    to,
  };
}

/** The layer that an operation is of, by the path that it carries. */
function layerAt({ layers }: PlannedModel, source: Source | null): Model["layers"][number] | undefined {
  return source?.module === undefined ? undefined : layers.find(({ name }) => name === source.module);
}

/** What to do about an operation that has no batching rule. */
function fixOf(operation: string): string {
  return (
    `write it with operations that Kernelscope knows, or give ${operation} a batching rule in a file that ` +
    "the setting kernelscope.batchingRules, or --batching-rules, names (docs/planner.md, Fallbacks)"
  );
}
