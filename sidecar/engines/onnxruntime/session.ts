import type * as ort from "onnxruntime-node";
import type { Constant, Equation, Value } from "../../graph/graph";
import { formatSource } from "../../graph/graph";
import type { Tensor } from "../../graph/tensor";
import { EngineError } from "../engine";
import { lowerPiece, sentinel, sentinelError, type LoweredPiece } from "./lower/graph";
import type { Provider } from "./lower/writer";
import { encodeModel } from "./onnx/encode";

/** Makes sessions: the library, and how to set it up. */
export interface SessionFactory {
  readonly library: typeof ort;
  readonly provider: Provider;
  /** `onCpu` names nodes that must not run on a GPU. */
  create(model: Uint8Array, onCpu: readonly string[]): Promise<ort.InferenceSession>;
}

/** A straight piece of a graph, compiled. */
export class Piece {
  private constructor(
    private readonly library: typeof ort,
    private readonly equations: readonly Equation[],
    private readonly session: ort.InferenceSession,
    private readonly lowered: Pick<LoweredPiece, "inputs" | "outputs">,
    /** The values whose tensors a run is given, in this order. */
    readonly inputs: readonly Value[],
    /** The values whose memory a run is given. */
    readonly outputs: readonly Value[],
  ) {}

  static async compile(
    factory: SessionFactory,
    equations: readonly Equation[],
    inputs: readonly Value[],
    outputs: readonly Value[],
    constants: readonly Constant[],
  ): Promise<Piece> {
    const { model, onCpu, ...names } = lowerPiece(equations, inputs, outputs, constants, factory.provider);
    try {
      return new Piece(
        factory.library,
        equations,
        await factory.create(encodeModel(model), onCpu),
        names,
        inputs,
        outputs,
      );
    } catch (error) {
      throw explain(error, equations);
    }
  }

  /** Runs the session. Results are written into the given arrays: onnxruntime makes no copy of them. */
  async run(inputs: readonly Tensor[], outputs: readonly Tensor[]): Promise<void> {
    const feeds: Record<string, ort.Tensor> = {};
    this.lowered.inputs.forEach((name, index) => {
      if (name !== null) feeds[name] = this.wrap(inputs[index]);
    });
    const fetches: Record<string, ort.Tensor | null> = { [sentinel]: null };
    this.lowered.outputs.forEach(({ name, shape }, index) => {
      fetches[name] = this.wrap({ ...outputs[index], shape });
    });
    try {
      await this.session.run(feeds, fetches);
    } catch (error) {
      if ((error as Error).message.includes(sentinelError)) return;
      throw explain(error, this.equations);
    }
  }

  private wrap({ dtype, data, shape }: Tensor): ort.Tensor {
    return new this.library.Tensor(dtype as "float32", data as Float32Array, shape);
  }

  async release(): Promise<void> {
    await this.session.release();
  }
}

/** onnxruntime's error with the primitive, and the user's line, that the node it names comes from. */
function explain(error: unknown, equations: readonly Equation[]): unknown {
  if (error instanceof EngineError) return error;
  const message = (error as Error).message;
  const index = /(?:Name:\s?'|Node \(|node with name '|\(node |Node:)"?(\d+):[a-z_]+\//.exec(message)?.[1];
  const equation = index === undefined ? undefined : equations[Number(index)];
  const what = equation
    ? `${equation.primitive}${equation.source ? ` (${formatSource(equation.source)})` : ""}`
    : "a graph";
  return new EngineError(`onnxruntime could not run ${what}: ${message.trim()}`, { cause: error });
}
