import { ModelError } from "../../graph/errors";
import type { Attributes, Constant, Equation, Value } from "../../graph/graph";
import type { Tensor } from "../../graph/tensor";
import { newArray, sizeOf, type DType, type ValueType } from "../../graph/types";
import { EngineError, type OpaqueHost } from "../engine";
import type { Backend, Collector } from "../interpreter/backend";
import { lowerings } from "./lower/index";
import type { Lowering, Tf, TfTensor } from "./lower/lowering";

/** TensorFlow.js's element types; it has no 64-bit floats, and `supports` keeps graphs with them away. */
type TfType = Exclude<DType, "float64">;

/**
 * Arrays on a backend of TensorFlow.js. TensorFlow.js keeps one current backend for the whole process, which belongs to
 * others too (a model is built, and opaque operations run, on another one): it is switched when needed and given back.
 */
export class TfjsBackend implements Backend<TfTensor> {
  private previous: string | undefined;

  constructor(
    private readonly tf: Tf,
    private readonly name: string,
    private readonly opaque: OpaqueHost | undefined,
  ) {}

  upload({ data }: Tensor, { shape, dtype }: ValueType): TfTensor {
    this.enter();
    // TensorFlow.js keeps the array that it is given, and reads it later
    const own = newArray(dtype, data.length);
    own.set(data);
    return this.tf.tensor(own, [...shape], dtype as TfType);
  }

  uploadConstant({ value, data }: Constant): TfTensor {
    return this.upload({ ...value, data }, value);
  }

  async download(value: TfTensor, type: ValueType): Promise<Tensor> {
    this.enter();
    return toTensor(await value.data<"float32">(), type);
  }

  run(equation: Equation, inputs: readonly TfTensor[]): TfTensor[] {
    this.enter();
    const { primitive, attributes, outputs, source } = equation;
    if (primitive === "opaque") return this.runOpaque(equation, inputs);
    const lowering = (lowerings as Record<string, Lowering<Attributes>>)[primitive];
    try {
      return [this.tf.tidy(() => lowering(this.tf, inputs, attributes, outputs[0], source))];
    } catch (error) {
      if (error instanceof ModelError) throw error;
      throw new EngineError(`TensorFlow failed to run ${primitive}: ${(error as Error).message}`, { cause: error });
    }
  }

  share(value: TfTensor): TfTensor {
    this.enter();
    return this.tf.clone(value);
  }

  free(value: TfTensor): void {
    value.dispose();
  }

  sliceAt(value: TfTensor, index: number, { shape }: Value): TfTensor {
    this.enter();
    const size = sizeOf(shape.slice(1));
    return this.tf.tidy(() => {
      const rows = this.tf.reshape(value, [shape[0], size]);
      return this.tf.reshape(this.tf.slice(rows, [index, 0], [1, size]), shape.slice(1));
    });
  }

  stack(_length: number, { shape, dtype }: ValueType): Collector<TfTensor> {
    const collected: TfTensor[] = [];
    const dispose = (): void => {
      collected.forEach((value) => value.dispose());
    };
    return {
      add: (value) => collected.push(value),
      finish: () => {
        this.enter();
        const empty = (): TfTensor => this.tf.zeros([0, ...shape], dtype as TfType);
        const stacked = collected.length === 0 ? empty() : this.tf.stack(collected);
        dispose();
        return stacked;
      },
      abandon: dispose,
    };
  }

  sum({ shape, dtype }: ValueType): Collector<TfTensor> {
    let sum: TfTensor | null = null;
    return {
      add: (value) => {
        this.enter();
        const next: TfTensor = sum ? this.tf.add(sum, value) : value;
        if (sum) {
          sum.dispose();
          value.dispose();
        }
        sum = next;
      },
      finish: () => sum ?? this.tf.zeros([...shape], dtype as TfType),
      abandon: () => sum?.dispose(),
    };
  }

  leave(): void {
    if (this.previous === undefined) return;
    void this.tf.setBackend(this.previous);
    this.previous = undefined;
  }

  /** Switching is done when the call returns, for a backend that has been used before. */
  private enter(): void {
    // There is none before anything has been computed
    const current = this.tf.getBackend() as string | undefined;
    if (current === this.name) return;
    this.previous = current;
    void this.tf.setBackend(this.name);
  }

  private runOpaque(equation: Equation, inputs: readonly TfTensor[]): TfTensor[] {
    if (this.opaque === undefined) throw new Error("there is nobody to run opaque operations");
    const tensors = inputs.map((input, index) => toTensor(input.dataSync<"float32">(), equation.inputs[index]));
    this.leave();
    const results = this.opaque.run(equation, tensors);
    return results.map((result, index) => this.upload(result, equation.outputs[index]));
  }
}

/** The elements in an array of our own: TensorFlow.js may go on using the one that it gives away. */
function toTensor(elements: ArrayLike<number>, { shape, dtype }: ValueType): Tensor {
  const data = newArray(dtype, elements.length);
  data.set(elements);
  return { shape, dtype, data };
}
