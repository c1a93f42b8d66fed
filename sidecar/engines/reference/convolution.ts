import type { ConvAttributes } from "../../primitives/attributes";
import { range, stridesOf, type Shape } from "../../graph/types";
import { broadcastStrides, offsets, offsetsAlong } from "./offsets";
import { slidingOffsets } from "./sliding";
import { zeros, type Kernel } from "./kernel";

/** The axes of an operand or of the output by what they are, counted from the array's first axis. */
interface Axes {
  /** The example axis, or the kernel's output features. */
  readonly outer: number;
  /** The feature axis, or the kernel's input features. */
  readonly feature: number;
  readonly spatial: readonly number[];
}

function axesOf(spec: readonly number[], batchDims: number): Axes {
  const [outer, feature, ...spatial] = spec.map((axis) => axis + batchDims);
  return { outer, feature, spatial };
}

function batchOffsets(shape: Shape, extents: Shape): Int32Array {
  return offsets(extents, broadcastStrides(shape).slice(0, extents.length));
}

export const convGeneralDilated: Kernel<ConvAttributes> = ([lhs, rhs], attributes, output) => {
  const { batchDims, featureGroups, batchGroups } = attributes;
  const result = zeros(output);
  const lhsAxes = axesOf(attributes.lhsSpec, batchDims);
  const rhsAxes = axesOf(attributes.rhsSpec, batchDims);
  const outAxes = axesOf(attributes.outSpec, batchDims);
  const lhsStrides = stridesOf(lhs.shape);
  const rhsStrides = stridesOf(rhs.shape);

  const batchShape = output.shape.slice(0, batchDims);
  const lhsBatch = batchOffsets(lhs.shape, batchShape);
  const rhsBatch = batchOffsets(rhs.shape, batchShape);
  const outBatch = offsetsAlong(output.shape, range(batchDims));
  const outExample = offsetsAlong(output.shape, [outAxes.outer]);
  const outFeature = offsetsAlong(output.shape, [outAxes.feature]);
  const outSpatial = offsetsAlong(output.shape, outAxes.spatial);
  const rhsSpatial = offsetsAlong(rhs.shape, rhsAxes.spatial);
  const lhsSpatial = slidingOffsets(
    lhsAxes.spatial.map((lhsAxis, dimension) => ({
      input: lhs.shape[lhsAxis],
      inputStride: lhsStrides[lhsAxis],
      output: output.shape[outAxes.spatial[dimension]],
      window: rhs.shape[rhsAxes.spatial[dimension]],
      stride: attributes.strides[dimension],
      dilation: attributes.rhsDilation[dimension],
      inputDilation: attributes.lhsDilation[dimension],
      padding: attributes.padding[dimension][0],
    })),
  );

  const features = rhs.shape[rhsAxes.feature];
  const featuresPerGroup = outFeature.length / featureGroups;
  const featuresPerBatchGroup = outFeature.length / batchGroups;
  const lhsFeatureStride = lhsStrides[lhsAxes.feature];
  const rhsFeatureStride = rhsStrides[rhsAxes.feature];
  for (let b = 0; b < outBatch.length; b++) {
    for (let n = 0; n < outExample.length; n++) {
      for (let f = 0; f < outFeature.length; f++) {
        const group = Math.floor(f / featuresPerGroup);
        const batchGroup = Math.floor(f / featuresPerBatchGroup);
        const example = batchGroup * outExample.length + n;
        const lhsStart = lhsBatch[b] + example * lhsStrides[lhsAxes.outer] + group * features * lhsFeatureStride;
        const rhsStart = rhsBatch[b] + f * rhsStrides[rhsAxes.outer];
        for (let o = 0; o < outSpatial.length; o++) {
          let sum = 0;
          for (let k = 0; k < rhsSpatial.length; k++) {
            const place = lhsSpatial[o * rhsSpatial.length + k];
            if (place < 0) continue;
            for (let c = 0; c < features; c++) {
              sum +=
                lhs.data[lhsStart + place + c * lhsFeatureStride] *
                rhs.data[rhsStart + rhsSpatial[k] + c * rhsFeatureStride];
            }
          }
          result[outBatch[b] + outExample[n] + outFeature[f] + outSpatial[o]] = sum;
        }
      }
    }
  }
  return result;
};
