import { getHeapStatistics } from "node:v8";
import { availableEngines } from "../engines";
import { EngineError } from "../engines/engine";
import { ModelError } from "../graph/errors";
import { loadModel, type LoadRequest, type Model } from "../sources";
import { endAbandoned, faultOf } from "./faults";
import { guarded } from "./guard";
import { runJacobian } from "./jacobian";
import { MemoryError } from "./memory";
import { runNtk } from "./ntk";
import { runPredict } from "./predict";
import { partialFile, type ModelRequest, type Order, type Replies, type Reply, type TracedModel } from "./messages";
import { Watchdog } from "./watchdog";

/** The process in which user code and native kernels run. It serves one request, and ends when its parent does. */

const sendToParent = process.send?.bind(process);
// User code that finds a parent likes to tell it that it is ready.
process.send = undefined;

const send = (reply: Reply): void => {
  sendToParent?.(reply);
};

/** Files and folders that are of no use when the process ends early. */
let partial: readonly string[] = [];
process.on("disconnect", () => endAbandoned(partial));

/** Serves the parent's one request. `beforeReply` is called when all is done, before the parent may end this process. */
export function serveParent(beforeReply: () => void): void {
  process.once("message", (order: Order) => {
    serve(order).then(
      (result) => {
        beforeReply();
        send({ kind: "done", result });
      },
      (error: unknown) => {
        send({ kind: "failed", ...faultOf(error) });
        const isOurs = [ModelError, EngineError, MemoryError].some((kind) => error instanceof kind);
        if (!isOurs) console.error(error);
      },
    );
  });
}

/** Loads what most requests need, before there is one. */
export async function warmUp(): Promise<void> {
  const { recordingBackend } = await import("../sources/tfjs/runtime");
  recordingBackend();
}

async function serve({ request, limits }: Order): Promise<Replies[keyof Replies]> {
  partial = [
    ...("job" in request ? [partialFile(request.job.out, process.pid)] : []),
    ...("model" in request && request.model.scratch !== undefined ? [request.model.scratch] : []),
  ];
  const watchdog = new Watchdog({
    parent: process.ppid,
    heapLimit: getHeapStatistics().heap_size_limit,
    partial,
  });
  const load = async (
    model: Omit<ModelRequest, "batch"> & Pick<LoadRequest, "batch">,
    others: readonly string[] = [],
  ) => {
    const code = { file: model.file, others: [...(model.batchingRules ?? []), ...others] };
    const loaded = await guarded(code, limits, watchdog, () =>
      loadModel({
        ...model,
        timeLimit: limits.timeLimit,
        onRead: (files) => send({ kind: "read", files }),
        onModel: (model) => send({ kind: "model", model: withoutWeights(model) }),
      }),
    );
    send({ kind: "traced" });
    return loaded;
  };
  switch (request.kind) {
    case "trace":
      return withoutWeights(await load(request.model));
    case "jacobian":
      return runJacobian(request.job, {
        load: (batch, others) => load({ ...request.model, batch }, others),
        progress: (fraction) => send({ kind: "progress", fraction }),
      });
    case "ntk":
      return runNtk(request.job, {
        load: (batch, others) => load({ ...request.model, batch }, others),
        progress: (fraction) => send({ kind: "progress", fraction }),
        examples: (examples) => send({ kind: "examples", ...examples }),
      });
    case "predict":
      return runPredict(request.job, {
        load: (batch, others) => load({ ...request.model, batch }, others),
        progress: (fraction) => send({ kind: "progress", fraction }),
      });
    case "engines":
      return availableEngines();
  }
}

function withoutWeights({ weights: _weights, ...model }: Model): TracedModel {
  return model;
}
