import { setImmediate as turn } from "node:timers/promises";
import { parentPort } from "node:worker_threads";
import { planningKernels, type PlannedKernels } from "../analysis/ntk";
import { placeOn } from "../analysis/place";
import { graphsOf, planning, type Planned, type PlannedModel } from "../analysis/strategies";
import { messageOf } from "../graph/errors";
import type { MadeGraphs } from "../planner/strategies";
import type { FromPlanning, KernelsJob, PlanJob, ToPlanning } from "./planning-messages";

/**
 * The thread in which plans are made, so that nothing in the editor waits for them. Jobs are done step by step: between
 * two steps it hears of new ones and of those that nobody wants any more. No code of the user's runs here.
 */

/** Numbers of examples for which a model's graphs are kept: sliders go back and forth. */
const MOST_BATCHES = 8;

interface Loaded {
  readonly model: PlannedModel;
  /** By the number of examples, the last used at the end. */
  readonly graphs: Map<number, MadeGraphs | null>;
}

interface Work {
  readonly id: number;
  /** Watched jobs go first, kernels last. */
  readonly rank: 0 | 1 | 2;
  /** Those of a watched job yield what is known so far. */
  readonly steps: Generator<(() => Planned) | null, Planned | PlannedKernels>;
  /** Strategies that have been told. */
  told: number;
}

const port = parentPort!;
const models = new Map<string, Loaded>();
const waiting: Work[] = [];
let isWorking = false;

function send(message: FromPlanning): void {
  port.postMessage(message);
}

port.on("message", (message: ToPlanning) => {
  switch (message.kind) {
    case "load":
      models.set(message.key, { model: message.model, graphs: new Map() });
      break;
    case "forget":
      models.delete(message.key);
      break;
    case "cancel":
      remove(message.id);
      break;
    case "plan":
      begin(message.job.id, message.job.isWatched ? 0 : 1, stepsOf(message.job));
      break;
    case "plan-kernels":
      begin(message.job.id, 2, kernelStepsOf(message.job));
  }
});

function begin(id: number, rank: Work["rank"], steps: Work["steps"]): void {
  waiting.push({ id, rank, steps, told: 0 });
  void workOn();
}

function remove(id: number): void {
  const at = waiting.findIndex((work) => work.id === id);
  if (at >= 0) waiting.splice(at, 1);
}

function* stepsOf({ key, batch, device, chosen }: PlanJob): Generator<() => Planned, Planned> {
  const { model, graphs: known } = models.get(key)!;
  const graphs = known.get(batch) ?? graphsOf(model, batch);
  known.delete(batch);
  known.set(batch, graphs);
  if (known.size > MOST_BATCHES) known.delete(known.keys().next().value!);
  return yield* planning(model, graphs, placeOn(device), chosen);
}

function kernelStepsOf({ key, batch, device }: KernelsJob): Work["steps"] {
  return planningKernels(models.get(key)!.model, batch, placeOn(device));
}

async function workOn(): Promise<void> {
  if (isWorking) return;
  isWorking = true;
  while (waiting.length > 0) {
    step(waiting.reduce((first, work) => (work.rank < first.rank ? work : first)));
    await turn();
  }
  isWorking = false;
}

function step(work: Work): void {
  const { id, rank } = work;
  try {
    const { done, value } = work.steps.next();
    if (done) {
      remove(id);
      send({ kind: "done", id, planned: value });
    } else if (rank === 0 && value !== null) {
      const planned = value();
      if (planned.strategies.length > work.told) send({ kind: "part", id, planned });
      work.told = planned.strategies.length;
    }
  } catch (error) {
    remove(id);
    send({ kind: "failed", id, message: messageOf(error) });
  }
}
