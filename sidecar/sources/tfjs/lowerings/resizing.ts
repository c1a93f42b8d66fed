import type { Builder } from "../../../graph/builder";
import type { Value } from "../../../graph/graph";
import { range } from "../../../graph/types";
import * as ops from "../../../primitives/ops";
import type { Lowering, LoweringTable } from "./kernel";

/** Resizing images [example, height, width, feature]: the same fixed mixture of rows, and of columns, for every image. */

interface ResizeAttributes {
  readonly size: readonly [number, number];
  readonly alignCorners?: boolean;
  readonly halfPixelCenters?: boolean;
}

/** Which source element, with which weight, makes up an output element. */
type Sampling = readonly (readonly { from: number; weight: number }[])[];

function scaleOf(input: number, output: number, alignCorners: boolean): number {
  return alignCorners && output > 1 ? (input - 1) / (output - 1) : input / output;
}

function bilinear(input: number, output: number, { alignCorners, halfPixelCenters }: ResizeAttributes): Sampling {
  const scale = scaleOf(input, output, alignCorners ?? false);
  return range(output).map((position) => {
    const source = halfPixelCenters ? scale * (position + 0.5) - 0.5 : scale * position;
    const from = Math.max(0, Math.floor(source));
    const fraction = source - from;
    const to = Math.min(input - 1, Math.ceil(source));
    return [
      { from, weight: 1 - fraction },
      { from: to, weight: fraction },
    ];
  });
}

function nearest(input: number, output: number, { alignCorners, halfPixelCenters }: ResizeAttributes): Sampling {
  const scale = scaleOf(input, output, alignCorners ?? false);
  return range(output).map((position) => {
    const source = halfPixelCenters ? scale * (position + 0.5) : scale * position;
    const rounded = alignCorners ? Math.round(source) : Math.floor(source);
    const from = Math.min(input - 1, halfPixelCenters ? Math.max(0, rounded) : rounded);
    return [{ from, weight: 1 }];
  });
}

/** The gradient kernel of bilinear resizing knows no half pixel centres: it samples at `scale * position`. */
function bilinearOfGradient(input: number, output: number, attributes: ResizeAttributes): Sampling {
  return bilinear(input, output, { ...attributes, halfPixelCenters: false });
}

/** [output, input] */
function matrixOf(b: Builder, sampling: Sampling, input: number): Value {
  const elements = new Float32Array(sampling.length * input);
  sampling.forEach((parts, row) => {
    for (const { from, weight } of parts) elements[row * input + from] += weight;
  });
  return b.constant(elements, [sampling.length, input], "float32");
}

/** Contracts height and width of [example, height, width, feature] with axis `contract` of each matrix. */
function mix(b: Builder, images: Value, rows: Value, columns: Value, contract: 0 | 1): Value {
  const byRow = ops.dotGeneral(b, rows, images, [[contract], [1]]);
  const byColumn = ops.dotGeneral(b, columns, byRow, [[contract], [2]]);
  return ops.transpose(b, byColumn, [2, 1, 0, 3]);
}

type Sampler = (input: number, output: number, attributes: ResizeAttributes) => Sampling;

const forward =
  (sampler: Sampler): Lowering =>
  (b, { inputs: { images }, attributes }) => {
    const a = attributes as ResizeAttributes;
    const [, height, width] = images.shape;
    const rows = sampler(height, a.size[0], a);
    const columns = sampler(width, a.size[1], a);
    const x = ops.convert(b, images, "float32");
    return mix(b, x, matrixOf(b, rows, height), matrixOf(b, columns, width), 1);
  };

/** An integer factor, each element repeated, needs no arithmetic. */
const resizeNearest: Lowering = (b, call) => {
  const { images } = call.inputs;
  const a = call.attributes as ResizeAttributes;
  const [n, height, width, features] = images.shape;
  const [p, q] = [a.size[0] / height, a.size[1] / width];
  if (!a.alignCorners && Number.isInteger(p) && Number.isInteger(q)) {
    const repeated = ops.broadcastInDim(b, images, [n, height, p, width, q, features], [0, 1, 3, 5]);
    return ops.reshape(b, repeated, [n, height * p, width * q, features]);
  }
  const indices = (sampling: Sampling): Value => {
    const from = Int32Array.from(sampling, ([part]) => part.from);
    return b.constant(from, [from.length], "int32");
  };
  const rows = ops.gather(b, images, indices(nearest(height, a.size[0], a)), 1);
  return ops.gather(b, rows, indices(nearest(width, a.size[1], a)), 2);
};

/** The transpose: the cotangent goes where its element came from. */
const gradient =
  (sampler: Sampler): Lowering =>
  (b, { inputs: { images, dy }, attributes }) => {
    const a = attributes as ResizeAttributes;
    const [, height, width] = images.shape;
    const rows = sampler(height, dy.shape[1], a);
    const columns = sampler(width, dy.shape[2], a);
    return mix(b, dy, matrixOf(b, rows, height), matrixOf(b, columns, width), 0);
  };

/** Positions between `low` and `high`, fractions of the extent; null where one lies outside. */
function cropSampling(input: number, output: number, low: number, high: number, method: string): Sampling | null {
  const step = output > 1 ? ((high - low) * (input - 1)) / (output - 1) : 0;
  const first = output > 1 ? low * (input - 1) : 0.5 * (low + high) * (input - 1);
  const sources = range(output).map((position) => first + position * step);
  if (sources.some((source) => source < 0 || source > input - 1)) return null;
  return sources.map((source) => {
    if (method === "nearest") return [{ from: Math.round(source), weight: 1 }];
    const fraction = source - Math.floor(source);
    return [
      { from: Math.floor(source), weight: 1 - fraction },
      { from: Math.ceil(source), weight: fraction },
    ];
  });
}

/** The same known box cut out of every image is a resize; anything else is left to TensorFlow.js. */
const cropAndResize: Lowering = (b, { inputs: { image }, attributes, known }) => {
  const { cropSize, method } = attributes as { cropSize: [number, number]; method: string };
  const [boxes, owners] = [known("boxes"), known("boxInd")];
  if (!boxes || owners?.length !== image.shape[0]) return null;
  const isSame = boxes.every((element, index) => element === boxes[index % 4]);
  if (!isSame || !owners.every((owner, index) => owner === index)) return null;
  const [, height, width] = image.shape;
  const rows = cropSampling(height, cropSize[0], boxes[0], boxes[2], method);
  const columns = cropSampling(width, cropSize[1], boxes[1], boxes[3], method);
  if (!rows || !columns) return null;
  const x = ops.convert(b, image, "float32");
  return mix(b, x, matrixOf(b, rows, height), matrixOf(b, columns, width), 1);
};

export const resizing: LoweringTable = {
  CropAndResize: cropAndResize,
  ResizeBilinear: forward(bilinear),
  ResizeBilinearGrad: gradient(bilinearOfGradient),
  ResizeNearestNeighbor: resizeNearest,
  ResizeNearestNeighborGrad: gradient(nearest),
};
