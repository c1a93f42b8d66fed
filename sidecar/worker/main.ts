import { availableEngines } from "../engines";
import { EngineError } from "../engines/engine";
import { ModelError } from "../graph/errors";
import { loadModel } from "../sources";
import { runJacobian } from "./jacobian";
import type { Replies, Reply, Request } from "./messages";

/** The process in which user code and native kernels run. It serves one request, and ends when its parent does. */

const send = (reply: Reply): void => {
  process.send?.(reply);
};

process.on("disconnect", () => {
  process.exit(1);
});

// A model's code must not end the process that evaluates it
const exit = process.exit.bind(process);
process.exit = (code) => {
  if (!process.connected) return exit(code);
  throw new Error("the code ends the process (process.exit)");
};

process.once("message", (request: Request) => {
  serve(request).then(
    (result) => {
      send({ kind: "done", result });
    },
    (error: unknown) => {
      const message = error instanceof ModelError ? error.describe() : (error as Error).message;
      send({ kind: "failed", fault: error instanceof ModelError ? "model" : "engine", message });
      if (!(error instanceof ModelError || error instanceof EngineError)) console.error(error);
    },
  );
});

async function serve(request: Request): Promise<Replies[keyof Replies]> {
  switch (request.kind) {
    case "trace": {
      const { weights: _weights, ...model } = await loadModel(request.model);
      return model;
    }
    case "jacobian":
      return runJacobian(request.model, request.job, {
        traced: () => {
          send({ kind: "traced" });
        },
        progress: (fraction) => {
          send({ kind: "progress", fraction });
        },
      });
    case "engines":
      return availableEngines();
  }
}
