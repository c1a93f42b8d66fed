import type { Attributes, Constant, Equation, Source, Value } from "../../graph/graph";
import type { Tensor } from "../../graph/tensor";
import { isFloat, newArray, sizeOf, type DType, type TypedArray, type ValueType } from "../../graph/types";
import type { OpaqueHost } from "../engine";
import type { Backend, Collector } from "../interpreter/backend";
import { workingType, zeros } from "./kernel";
import { kernels } from "./kernels";

type AnyKernel = (
  inputs: readonly Tensor[],
  attributes: Attributes,
  output: ValueType,
  source: Source | null,
) => TypedArray;

function withElements(dtype: DType, data: TypedArray): TypedArray {
  const result = newArray(dtype, data.length);
  result.set(data);
  return result;
}

/**
 * Arrays in memory, floats in 64 bits. They are never written to once they are made, so that sharing one is free, and
 * freeing one is left to the garbage collector.
 */
export class ReferenceBackend implements Backend<Tensor> {
  constructor(
    private readonly precision: 32 | 64,
    private readonly opaque: OpaqueHost | undefined,
  ) {}

  upload({ data }: Tensor, { shape, dtype }: ValueType): Tensor {
    return { shape, dtype, data: withElements(workingType(dtype), data) };
  }

  uploadConstant({ value, data }: Constant): Tensor {
    return this.upload({ ...value, data }, value);
  }

  // eslint-disable-next-line @typescript-eslint/require-await
  async download({ data }: Tensor, { shape, dtype }: ValueType): Promise<Tensor> {
    const result = this.precision === 64 && isFloat(dtype) ? "float64" : dtype;
    return { shape, dtype: result, data: withElements(result, data) };
  }

  run(equation: Equation, inputs: readonly Tensor[]): Tensor[] {
    const { primitive, attributes, outputs, source } = equation;
    if (primitive === "opaque") return this.runOpaque(equation, inputs);
    const kernel = (kernels as Record<string, AnyKernel>)[primitive];
    const [{ shape, dtype }] = outputs;
    return [{ shape, dtype, data: kernel(inputs, attributes, outputs[0], source) }];
  }

  share(value: Tensor): Tensor {
    return value;
  }

  free(): void {
    // The garbage collector's work
  }

  sliceAt({ data }: Tensor, index: number, { shape, dtype }: Value): Tensor {
    const size = sizeOf(shape.slice(1));
    return { shape: shape.slice(1), dtype, data: data.subarray(index * size, (index + 1) * size) };
  }

  stack(length: number, { shape, dtype }: ValueType): Collector<Tensor> {
    const stacked = { shape: [length, ...shape], dtype };
    const result = zeros(stacked);
    let next = 0;
    return {
      add({ data }) {
        result.set(data, next);
        next += data.length;
      },
      finish: () => ({ ...stacked, data: result }),
      abandon: () => undefined,
    };
  }

  sum(type: ValueType): Collector<Tensor> {
    const result = zeros(type);
    return {
      add({ data }) {
        for (let index = 0; index < data.length; index++) result[index] += data[index];
      },
      finish: () => ({ shape: type.shape, dtype: type.dtype, data: result }),
      abandon: () => undefined,
    };
  }

  /** The framework is given the element types it expects. */
  private runOpaque(equation: Equation, inputs: readonly Tensor[]): Tensor[] {
    if (this.opaque === undefined) throw new Error("there is nobody to run opaque operations");
    const own = inputs.map(({ shape, dtype, data }) => ({ shape, dtype, data: withElements(dtype, data) }));
    return this.opaque.run(equation, own).map((result, index) => this.upload(result, equation.outputs[index]));
  }
}
