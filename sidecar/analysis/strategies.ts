import { ModelError } from "../graph/errors";
import type { Source } from "../graph/graph";
import { fallbacksOf } from "../planner/fallbacks";
import type { PlannedBuffer } from "../planner/plan";
import {
  StrategyPlanner,
  type Place,
  type StrategyChoice,
  type StrategyPlan,
  type Subject,
} from "../planner/strategies";
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

/** What each way to compute the Jacobian takes, and what would run as a loop. */
export function planStrategies(model: Model, batch: number, place: Place): Planned {
  const wrt = model.parameters.filter(({ trainable }) => trainable).map(({ name }) => name);
  if (wrt.length === 0) return notPlanned;
  try {
    return planned(model, { graph: model.graph, batch, coupled: model.batch.coupled, wrt }, place);
  } catch (error) {
    if (!(error instanceof ModelError)) throw error;
    const message = `${error.message.charAt(0).toUpperCase()}${error.message.slice(1)}.`;
    const diagnostic = { severity: "error", code: "no-jacobian", message, source: placeOf(error.source) } as const;
    return { strategies: [], fallbacks: [], diagnostics: [diagnostic] };
  }
}

function planned(model: Model, subject: Subject, place: Place): Planned {
  const planner = new StrategyPlanner(subject, place);
  const choices = planner.chooseAll();
  const best = StrategyPlanner.best(choices);
  return {
    strategies: choices.flatMap((choice) =>
      [choice.whole, choice.chunked].flatMap((each) =>
        each === null ? [] : [strategyOf(model, choice, each, each === best)],
      ),
    ),
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

function strategyOf(model: Model, choice: StrategyChoice, each: StrategyPlan, recommended: boolean): StrategyAnalysis {
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

function bufferOf(model: Model, { plan, blocks }: StrategyPlan, buffer: PlannedBuffer): BufferAnalysis {
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
function layerAt({ layers }: Model, source: Source | null): Model["layers"][number] | undefined {
  return source?.module === undefined ? undefined : layers.find(({ name }) => name === source.module);
}

/** What to do about an operation that has no batching rule. */
function fixOf(operation: string): string {
  return (
    `write it with operations that Kernelscope knows, or register a batching rule for ${operation} ` +
    "(docs/planner.md, registerBatchingRule)"
  );
}
