import { freemem, totalmem } from "node:os";
import { placeOn } from "../analysis/place";
import { detectDevice, hostDevice, type Device } from "../devices/detect";
import type { EngineName } from "../engines";
import type { Engine } from "../engines/engine";
import { onnxruntimePeakBytes } from "../engines/onnxruntime/memory";
import { tensorflowPeakBytes } from "../engines/tensorflow/memory";
import { bytesOf, type ValueType } from "../graph/types";
import {
  finish,
  MadeGraphs,
  StrategyPlanner,
  type Place,
  type StrategyPlan,
  type Subject,
} from "../planner/strategies";
import { formatBytes, formatMany } from "../protocol/text";
import type { Strategy } from "../quantities/jacobian";

/** It would not fit in memory and was not started: exit code 3. */
export class MemoryError extends Error {
  override readonly name = "MemoryError";
}

/** Refuses results that are larger than all the memory of the machine, which no engine and no chunk can help. */
export function checkResultFits(arrays: readonly ValueType[], batch: number, memory = totalmem()): void {
  const bytes = arrays.reduce((sum, array) => sum + bytesOf(array), 0);
  if (bytes <= memory) return;
  const fewer = Math.floor((memory / bytes) * batch);
  throw new MemoryError(
    `the Jacobian of ${formatMany(batch, "example")} takes ${formatBytes(bytes)}, and this machine has ${formatBytes(memory)} of memory; ` +
      (fewer > 0 ? `give fewer examples at once (at most ${fewer})` : "it cannot hold that of one example"),
  );
}

/** Where an engine computes: its memory, and what it holds there. */
export interface EnginePlace extends Place {
  readonly device: Device;
}

export function placeOfEngine(engine: Engine, name: EngineName): EnginePlace {
  const usesGpu = "usesGpu" in engine && engine.usesGpu === true;
  // Of the host's memory others have their part
  const device = usesGpu ? detectDevice() : { ...hostDevice(), memoryBytes: Math.min(totalmem(), freemem()) };
  const peaks: Record<EngineName, Place["enginePeakBytes"]> = {
    tensorflow: tensorflowPeakBytes,
    onnxruntime: onnxruntimePeakBytes,
    "onnxruntime-webgpu": onnxruntimePeakBytes,
    reference: null,
  };
  return { ...placeOn(device), enginePeakBytes: peaks[name], device };
}

interface Wish {
  /** What was asked for; `null` leaves it open. */
  readonly strategy: Strategy | null;
  /** What is taken where it is left open. */
  readonly usual: Strategy;
  readonly chunk: number | "auto" | null;
}

/**
 * The graph to run: as asked, if that fits in memory, or with chunk `auto` what does. Else a MemoryError that names a
 * strategy and a chunk that would fit.
 */
export function chooseWhatFits(subject: Subject, { strategy, usual, chunk }: Wish, place: EnginePlace): StrategyPlan {
  const planner = new StrategyPlanner(new MadeGraphs(subject), place);
  const asked = planner.at(usual, chunk === "auto" ? null : chunk);
  if (asked.fits) return asked;
  if (chunk === "auto") {
    const { chunked } = finish(planner.choosing(usual));
    const found = chunked ?? (strategy === null ? StrategyPlanner.best(finish(planner.choosingAll())) : null);
    if (found !== null) return found;
  }
  const best = StrategyPlanner.best(finish(planner.choosingAll()));
  const needed = formatBytes(asked.plan.peakBytes + asked.workspaceBytes);
  const { name, memoryBytes } = place.device;
  throw new MemoryError(
    `the strategy ${nameOf(asked)} would take ${needed}, and ${name} has ${formatBytes(memoryBytes)}${place.device.kind === "host" ? " free" : ""}; ` +
      (best === null
        ? "no strategy fits: give fewer examples at once"
        : `use ${optionsOf(best)}, which takes ${formatBytes(best.plan.peakBytes + best.workspaceBytes)}`),
  );
}

function nameOf({ strategy, chunk }: StrategyPlan): string {
  return chunk === null ? strategy : `${strategy} in chunks of ${chunk}`;
}

function optionsOf({ strategy, chunk }: StrategyPlan): string {
  return `--strategy "${strategy}"${chunk === null ? "" : ` --chunk ${chunk}`}`;
}
