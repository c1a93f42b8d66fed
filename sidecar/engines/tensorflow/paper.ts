import { bytesOf, range, sizeOf, type DType, type Shape } from "../../graph/types";
import type { Tf, TfTensor } from "./lower/lowering";

/**
 * TensorFlow.js on paper: arrays that have a shape and no elements, and the operations that lowerings use, as far as
 * shapes go. A lowering that runs on it shows what it holds on its way, padded operands, patches, copies in another
 * layout, without computing anything and without a library.
 */
export class Paper {
  liveBytes = 0;
  peakBytes = 0;
  private readonly scopes: PaperTensor[][] = [];
  readonly tf = paperTf(this) as unknown as Tf;

  /** Holds these bytes too from now on; negative to give them back. */
  hold(bytes: number): void {
    this.liveBytes += bytes;
    this.peakBytes = Math.max(this.peakBytes, this.liveBytes);
  }

  make(shape: Shape, dtype: DType): PaperTensor {
    const bytes = bytesOf({ shape, dtype });
    this.hold(bytes);
    return this.view({ bytes, holds: 0 }, shape, dtype);
  }

  /** One more tensor of the same elements. */
  view(elements: Elements, shape: Shape, dtype: DType): PaperTensor {
    elements.holds++;
    const tensor: PaperTensor = {
      shape: [...shape],
      dtype,
      size: sizeOf(shape),
      elements,
      // Nobody looks at elements that there are not
      dataSync: () => new Int32Array(0),
      dispose: () => {
        if (--elements.holds === 0) this.liveBytes -= elements.bytes;
      },
    };
    this.scopes.at(-1)?.push(tensor);
    return tensor;
  }

  /** As TensorFlow.js has it: what is made within is disposed of at the end, but for what is returned. */
  tidy(compute: () => PaperTensor): PaperTensor {
    this.scopes.push([]);
    const result = compute();
    for (const tensor of this.scopes.pop()!) if (tensor !== result) tensor.dispose();
    this.scopes.at(-1)?.push(result);
    return result;
  }

  asTensor(tensor: PaperTensor): TfTensor {
    return tensor as unknown as TfTensor;
  }
}

interface Elements {
  readonly bytes: number;
  holds: number;
}

export interface PaperTensor {
  readonly shape: number[];
  readonly dtype: DType;
  readonly size: number;
  readonly elements: Elements;
  dataSync(): Int32Array;
  dispose(): void;
}

type Padding = readonly (readonly [number, number])[];

/** Extents of two operands that broadcast against each other, the last axes of one against those of the other. */
function broadcast(x: Shape, y: Shape): number[] {
  const rank = Math.max(x.length, y.length);
  return range(rank).map((axis) => {
    const [left, right] = [x[axis - rank + x.length] ?? 1, y[axis - rank + y.length] ?? 1];
    return left === 1 ? right : left;
  });
}

function slid(extent: number, window: number, stride: number, dilation: number): number {
  return Math.floor((extent - 1 - (window - 1) * dilation) / stride) + 1;
}

function paperTf(paper: Paper): object {
  const make = (shape: Shape, dtype: DType): PaperTensor => paper.make(shape, dtype);
  const unary = (x: PaperTensor): PaperTensor => make(x.shape, x.dtype);
  const binary = (x: PaperTensor, y: PaperTensor): PaperTensor => make(broadcast(x.shape, y.shape), x.dtype);
  const comparison = (x: PaperTensor, y: PaperTensor): PaperTensor => make(broadcast(x.shape, y.shape), "bool");
  const reduction = (x: PaperTensor, axes: readonly number[]): PaperTensor =>
    make(
      x.shape.filter((_, axis) => !axes.includes(axis)),
      x.dtype === "bool" ? "int32" : x.dtype,
    );
  const position = (x: PaperTensor, axis: number): PaperTensor =>
    make(
      x.shape.filter((_, other) => other !== axis),
      "int32",
    );
  const reshape = (x: PaperTensor, shape: readonly number[]): PaperTensor => {
    const known = shape.reduce((product, extent) => (extent === -1 ? product : product * extent), 1);
    return paper.view(
      x.elements,
      shape.map((extent) => (extent === -1 ? x.size / known : extent)),
      x.dtype,
    );
  };
  const names = (text: string): string[] => text.split(" ");
  return {
    ...Object.fromEntries(
      names(
        "neg abs sign floor ceil round exp expm1 log log1p sqrt rsqrt sin cos tan asin acos atan sinh cosh tanh asinh " +
          "acosh atanh erf sigmoid logicalNot cumsum reverse",
      ).map((name) => [name, unary]),
    ),
    ...Object.fromEntries(
      names("add sub mul div floorDiv mod pow maximum minimum atan2 logicalAnd logicalOr").map((name) => [
        name,
        binary,
      ]),
    ),
    ...Object.fromEntries(
      names("equal notEqual less lessEqual greater greaterEqual").map((name) => [name, comparison]),
    ),
    ...Object.fromEntries(names("sum max min prod").map((name) => [name, reduction])),
    argMax: position,
    argMin: position,
    isFinite: (x: PaperTensor) => make(x.shape, "bool"),
    where: (_condition: PaperTensor, x: PaperTensor) => make(x.shape, x.dtype),
    cast: (x: PaperTensor, dtype: DType) =>
      x.dtype === dtype ? paper.view(x.elements, x.shape, dtype) : make(x.shape, dtype),
    clone: (x: PaperTensor) => paper.view(x.elements, x.shape, x.dtype),
    reshape,
    tensor: (_data: unknown, shape: readonly number[], dtype: DType) => make(shape, dtype),
    zeros: (shape: readonly number[], dtype: DType) => make(shape, dtype),
    fill: (shape: readonly number[]) => make(shape, "float32"),
    range: (start: number, stop: number, step: number, dtype: DType) =>
      make([Math.max(0, Math.ceil((stop - start) / step))], dtype),
    transpose: (x: PaperTensor, permutation: readonly number[]) =>
      make(
        permutation.map((axis) => x.shape[axis]),
        x.dtype,
      ),
    tile: (x: PaperTensor, times: readonly number[]) =>
      make(
        x.shape.map((extent, axis) => extent * times[axis]),
        x.dtype,
      ),
    pad: (x: PaperTensor, amounts: Padding) =>
      make(
        x.shape.map((extent, axis) => extent + amounts[axis][0] + amounts[axis][1]),
        x.dtype,
      ),
    slice: (x: PaperTensor, _begin: readonly number[], size: readonly number[]) => make(size, x.dtype),
    stridedSlice: (
      x: PaperTensor,
      begin: readonly number[],
      end: readonly number[],
      strides: readonly number[],
    ): PaperTensor =>
      make(
        begin.map((from, axis) => Math.max(0, Math.ceil((end[axis] - from) / strides[axis]))),
        x.dtype,
      ),
    concat: (xs: readonly PaperTensor[], axis: number) =>
      make(
        xs[0].shape.map((extent, other) =>
          other === axis ? xs.reduce((sum, { shape }) => sum + shape[axis], 0) : extent,
        ),
        xs[0].dtype,
      ),
    matMul(x: PaperTensor, y: PaperTensor, transposeX = false, transposeY = false) {
      const rows = x.shape.at(transposeX ? -1 : -2)!;
      const columns = y.shape.at(transposeY ? -2 : -1)!;
      return make([...broadcast(x.shape.slice(0, -2), y.shape.slice(0, -2)), rows, columns], x.dtype);
    },
    conv2d(
      x: PaperTensor,
      filter: PaperTensor,
      strides: readonly number[],
      padding: "valid" | Padding,
      _format: string,
      dilations: readonly number[],
    ) {
      const around = padding === "valid" ? x.shape.map(() => [0, 0] as const) : padding;
      const spatial = [0, 1].map((axis) => {
        const extent = x.shape[axis + 1] + around[axis + 1][0] + around[axis + 1][1];
        return slid(extent, filter.shape[axis], strides[axis], dilations[axis]);
      });
      return make([x.shape[0], ...spatial, filter.shape[3]], x.dtype);
    },
    depthwiseConv2d(x: PaperTensor, filter: PaperTensor, strides: readonly number[]) {
      const spatial = [0, 1].map((axis) => slid(x.shape[axis + 1], filter.shape[axis], strides[axis], 1));
      return make([x.shape[0], ...spatial, filter.shape[2] * filter.shape[3]], x.dtype);
    },
    conv3d(x: PaperTensor, filter: PaperTensor, strides: readonly number[]) {
      const spatial = [0, 1, 2].map((axis) => slid(x.shape[axis + 1], filter.shape[axis], strides[axis], 1));
      return make([x.shape[0], ...spatial, filter.shape[4]], x.dtype);
    },
    gather: (x: PaperTensor, indices: PaperTensor, axis = 0, batchDims = 0) =>
      make([...x.shape.slice(0, axis), ...indices.shape.slice(batchDims), ...x.shape.slice(axis + 1)], x.dtype),
    unsortedSegmentSum: (x: PaperTensor, ids: PaperTensor, count: number) =>
      make([count, ...x.shape.slice(ids.shape.length)], x.dtype),
    topk(x: PaperTensor, k: number) {
      const shape = [...x.shape.slice(0, -1), k];
      return { values: make(shape, x.dtype), indices: make(shape, "int32") };
    },
    tidy: (compute: () => PaperTensor) => paper.tidy(compute),
  };
}
