import type { Builder } from "../../sidecar/graph/builder";
import { argument } from "../../sidecar/graph/builder";
import type { Argument, Graph, Value } from "../../sidecar/graph/graph";
import { range, sizeOf, type Shape } from "../../sidecar/graph/types";
import { newBuilder } from "../../sidecar/primitives";
import * as ops from "../../sidecar/primitives/ops";

/** Features between layers: divisible into 1, 2 or 4 groups. */
const FEATURES = 4;
/** Rows of tables. */
const WORDS = 5;

interface Net {
  readonly builder: Builder;
  readonly random: () => number;
  /** Between 0 and `limit - 1`. */
  readonly below: (limit: number) => number;
  /** The input of indices into tables: [3]. */
  readonly ids: Value;
  /** A parameter of the shape: a new one, or one that has been used before. */
  readonly parameter: (kind: string, shape: Shape) => Value;
}

/**
 * A random net of one example: layers with weights of all structures (dense, one for each feature, convolutions with
 * groups, strides, dilation and padding, tables), some of them used in several places, and nonlinearities between them.
 * Values between layers are images [height, width, FEATURES].
 */
export function randomNet(random: () => number, length: number): Graph {
  const builder = newBuilder();
  const inputs = [argument("x", [5, 4, FEATURES], "float32"), argument("ids", [3], "int32")];
  const parameters: Argument[] = [];
  const below = (limit: number): number => Math.floor(random() * limit);
  const net: Net = {
    builder,
    random,
    below,
    ids: inputs[1].value,
    parameter(kind, shape) {
      const known = parameters.filter(
        ({ name, value }) => name.startsWith(kind) && value.shape.join() === shape.join(),
      );
      if (known.length > 0 && random() < 0.5) return known[below(known.length)].value;
      const added = argument(`${kind}${parameters.length}`, shape, "float32");
      parameters.push(added);
      return added.value;
    },
  };
  let image = inputs[0].value;
  for (let layer = 0; layer < length; layer++) {
    image = ops.tanh(builder, layers[below(layers.length)](net, image));
  }
  const flat = ops.reshape(builder, image, [sizeOf(image.shape)]);
  const head = net.parameter("head", [sizeOf(image.shape), 3]);
  const means = ops.mul(builder, ops.reduceSum(builder, image, [0, 1]), ops.scalarLike(builder, flat, 0.1));
  const outputs = [ops.dotGeneral(builder, flat, head, [[0], [0]]), ops.reshape(builder, means, [2, 2])];
  return builder.build({ inputs, parameters, outputs });
}

type Layer = (net: Net, image: Value) => Value;

const layers: Layer[] = [dense, denseOfTransposed, perFeature, convolution, convolution, bias, table, lookup];

function dense({ builder, parameter }: Net, image: Value): Value {
  return ops.dotGeneral(builder, image, parameter("matrix", [FEATURES, FEATURES]), [[2], [0]]);
}

/** The weight on the left, its other axis contracted. */
function denseOfTransposed({ builder, parameter }: Net, image: Value): Value {
  const product = ops.dotGeneral(builder, parameter("matrix", [FEATURES, FEATURES]), image, [[1], [2]]);
  return ops.transpose(builder, product, [1, 2, 0]);
}

/** Positions mixed, by another matrix for each feature. */
function perFeature({ builder, parameter }: Net, image: Value): Value {
  const [height, width] = image.shape;
  const positions = height * width;
  const flat = ops.reshape(builder, image, [positions, FEATURES]);
  const weight = parameter("mixing", [positions, FEATURES, positions]);
  const mixed = ops.dotGeneral(builder, flat, weight, [[0], [0]], [[1], [1]]);
  return ops.reshape(builder, ops.transpose(builder, mixed, [1, 0]), [height, width, FEATURES]);
}

/** Axes of images and kernels are in any order. */
function convolution({ builder, below, random, parameter }: Net, image: Value): Value {
  const groups = [1, 2, 4][below(3)];
  const spatial = [0, 1];
  const rhsDilation = spatial.map(() => 1 + below(2));
  const window = spatial.map(() => 1 + below(3));
  const padding = spatial.map((axis): [number, number] => {
    const low = below(3);
    const reach = (window[axis] - 1) * rhsDilation[axis] + 1;
    return [low, Math.max(below(3), reach - image.shape[axis] - low)];
  });
  const order = (): number[] => {
    const axes = range(4);
    return range(4).map(() => axes.splice(Math.floor(random() * axes.length), 1)[0]);
  };
  const [lhsSpec, rhsSpec, outSpec] = [order(), order(), order()];
  // From axes in the order of the spec to where the spec has them
  const arranged = (value: Value, spec: readonly number[]): Value =>
    ops.transpose(
      builder,
      value,
      range(4).map((place) => spec.indexOf(place)),
    );
  const kernelShape = [FEATURES, FEATURES / groups, ...window];
  const kernel = parameter(
    "kernel",
    range(4).map((place) => kernelShape[rhsSpec.indexOf(place)]),
  );
  const featuresFirst = ops.transpose(builder, ops.reshape(builder, image, [1, ...image.shape]), [0, 3, 1, 2]);
  const output = ops.conv(builder, arranged(featuresFirst, lhsSpec), kernel, {
    strides: spatial.map(() => 1 + below(2)),
    padding,
    lhsDilation: [1, 1],
    rhsDilation,
    featureGroups: groups,
    batchGroups: 1,
    batchDims: 0,
    lhsSpec,
    rhsSpec,
    outSpec,
  });
  const [, , height, width] = outSpec.map((axis) => output.shape[axis]);
  const ordered = ops.transpose(builder, output, [outSpec[2], outSpec[3], outSpec[1], outSpec[0]]);
  return ops.reshape(builder, ordered, [height, width, FEATURES]);
}

function bias({ builder, parameter }: Net, image: Value): Value {
  return ops.add(builder, image, ops.reshape(builder, parameter("bias", [FEATURES]), [1, 1, FEATURES]));
}

/** Rows of a table, added up. */
function table({ builder, ids, parameter }: Net, image: Value): Value {
  const rows = ops.gather(builder, parameter("table", [WORDS, FEATURES]), ids, 0);
  return ops.add(builder, image, ops.reshape(builder, ops.reduceSum(builder, rows, [0]), [1, 1, FEATURES]));
}

/** Scores of a table's rows, and what they mean by that table or another. */
function lookup({ builder, below, parameter }: Net, image: Value): Value {
  const words = parameter("table", [WORDS, FEATURES]);
  const scores = ops.tanh(builder, ops.dotGeneral(builder, image, words, [[2], [1]]));
  const meant = below(2) === 0 ? words : parameter("meaning", [WORDS, FEATURES]);
  return ops.dotGeneral(builder, scores, meant, [[2], [0]]);
}
