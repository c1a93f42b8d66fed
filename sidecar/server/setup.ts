import { messageOf } from "../graph/errors";
import type { Requests } from "../protocol/messages";
import { disappointment, setUpTensorflow, wheelOf } from "../setup/tensorflow";

export interface SetUpCallbacks {
  readonly onProgress: (fraction: number, message: string) => void;
  /** All that the tools print. */
  readonly onOutput: (text: string) => void;
}

/** Sets up a native TensorFlow.js, in the terms of the protocol. */
export async function setUp(
  folder: string,
  signal: AbortSignal,
  { onProgress, onOutput }: SetUpCallbacks,
): Promise<Requests["kernelscope/setUp"]["result"]> {
  try {
    const installed = await setUpTensorflow(
      { folder },
      { signal, onOutput, onProgress: (_step, fraction, message) => onProgress(fraction, message) },
    );
    return { kind: "done", result: { ...installed, advice: disappointment(installed, { wheel: wheelOf({}) }) } };
  } catch (error) {
    if (signal.aborted) return { kind: "cancelled" };
    return { kind: "failed", fault: { fault: "engine", message: messageOf(error), source: null } };
  }
}
