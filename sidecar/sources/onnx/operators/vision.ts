import type { Builder } from "../../../graph/builder";
import type { Value } from "../../../graph/graph";
import { range, sizeOf, stridesOf } from "../../../graph/types";
import * as ops from "../../../primitives/ops";
import { constantOf, listed, type Call, type Operator, type OperatorTable } from "../call";
import { general, withBias } from "./convolutions";
import { checkedAmounts } from "./windows";

/** Images that are sampled at places which are computed: derivatives pass to the images and to the places. */

const at = ops.scalarLike;

/** Integers (as floats) that are places of an axis, held in it, and 1 where they were inside. */
function held(b: Builder, place: Value, extent: number): { index: Value; inside: Value } {
  const last = at(b, place, extent - 1);
  const zero = at(b, place, 0);
  const inside = ops.and(b, ops.ge(b, place, zero), ops.le(b, place, last));
  return { index: ops.convert(b, ops.min(b, ops.max(b, place, zero), last), "int32"), inside };
}

/**
 * Elements of images [N, C, ...spatial] at integer places, each [N, P]: [N, C, P]. Outside of an image is 0.
 *
 * @param outside whether places may be outside
 */
function fetch(b: Builder, images: Value, places: readonly Value[], outside: boolean): Value {
  const [n, c, ...spatial] = images.shape;
  const strides = stridesOf(spatial);
  let position: Value | null = null;
  let inside: Value | null = null;
  places.forEach((place, axis) => {
    const own = held(b, place, spatial[axis]);
    const part = ops.mul(b, own.index, at(b, own.index, strides[axis]));
    position = position === null ? part : ops.add(b, position, part);
    inside = inside === null ? own.inside : ops.and(b, inside, own.inside);
  });
  const flat = ops.transpose(b, ops.reshape(b, images, [n, c, sizeOf(spatial)]), [0, 2, 1]);
  const picked = ops.gather(b, flat, position as unknown as Value, 1, 1);
  const ordered = ops.transpose(b, picked, [0, 2, 1]);
  if (!outside) return ordered;
  return ops.select(b, ops.expandDims(b, inside as unknown as Value, 1), ordered, at(b, ordered, 0));
}

type Weights = readonly { readonly offset: number; readonly weight: (fraction: Value) => Value }[];

/** Images sampled between their elements, by products of weights along each axis. */
function sampled(
  b: Builder,
  images: Value,
  places: readonly Value[],
  weights: Weights,
  adjust: (place: Value, axis: number) => Value,
  outside: boolean,
): Value {
  const floors = places.map((place) => ops.stopGradient(b, ops.floor(b, place)));
  const fractions = places.map((place, axis) => ops.sub(b, place, floors[axis]));
  let combinations: (readonly Weights[number][])[] = [[]];
  for (const _ of places) combinations = combinations.flatMap((chosen) => weights.map((each) => [...chosen, each]));
  const terms = combinations.map((chosen) => {
    const corner = chosen.map(({ offset }, axis) =>
      adjust(ops.add(b, floors[axis], at(b, floors[axis], offset)), axis),
    );
    const factor = chosen
      .map(({ weight }, axis) => weight(fractions[axis]))
      .reduce((product, each) => ops.mul(b, product, each));
    return ops.mul(b, fetch(b, images, corner, outside), ops.expandDims(b, factor, 1));
  });
  return terms.slice(1).reduce((sum, term) => ops.add(b, sum, term), terms[0]);
}

const linearWeights = (b: Builder): Weights => [
  { offset: 0, weight: (fraction) => ops.sub(b, at(b, fraction, 1), fraction) },
  { offset: 1, weight: (fraction) => fraction },
];

/** Keys' cubic, of the distances 1 + f, f, 1 - f and 2 - f. */
function cubicWeights(b: Builder, a: number): Weights {
  const polynomial = (x: Value, coefficients: readonly number[]): Value =>
    coefficients.slice(1).reduce((sum, c) => ops.add(b, ops.mul(b, sum, x), at(b, x, c)), at(b, x, coefficients[0]));
  const near = (x: Value): Value => polynomial(x, [a + 2, -(a + 3), 0, 1]);
  const far = (x: Value): Value => polynomial(x, [a, -5 * a, 8 * a, -4 * a]);
  const shifted = (fraction: Value, by: number): Value => ops.add(b, fraction, at(b, fraction, by));
  const mirrored = (fraction: Value, from: number): Value => ops.sub(b, at(b, fraction, from), fraction);
  return [
    { offset: -1, weight: (fraction) => far(shifted(fraction, 1)) },
    { offset: 0, weight: near },
    { offset: 1, weight: (fraction) => near(mirrored(fraction, 1)) },
    { offset: 2, weight: (fraction) => far(mirrored(fraction, 2)) },
  ];
}

/** Samples images where a grid [N, ...output, dimensions] of places from -1 to 1 says, the last dimension first. */
const gridSample: Operator = (call) => {
  const { b } = call;
  const [images, grid] = [call.input(0), call.input(1)];
  const spatial = images.shape.slice(2);
  const [n] = images.shape;
  const output = grid.shape.slice(1, -1);
  const alignsCorners = call.int("align_corners", 0) === 1;
  const padding = call.string("padding_mode", "zeros");
  const mode = call.string("mode", "linear");
  const last = grid.shape.length - 1;
  const points = sizeOf(output);
  const places = spatial.map((extent, axis) => {
    const component = spatial.length - 1 - axis;
    const x = ops.reshape(b, ops.sliceAxis(b, grid, last, component, component + 1), [n, points]);
    const half = alignsCorners ? (extent - 1) / 2 : extent / 2;
    const shift = alignsCorners ? half : (extent - 1) / 2;
    return ops.add(b, ops.mul(b, x, at(b, x, half)), at(b, x, shift));
  });
  const limits = (axis: number): [number, number] =>
    alignsCorners ? [0, spatial[axis] - 1] : [-0.5, spatial[axis] - 0.5];
  const clamp = (place: Value, axis: number): Value =>
    ops.min(b, ops.max(b, place, at(b, place, 0)), at(b, place, spatial[axis] - 1));
  const reflect = (place: Value, axis: number): Value => {
    const [low, high] = limits(axis);
    const span = high - low;
    if (span === 0) return at(b, place, 0);
    const period = 2 * span;
    const from = ops.abs(b, ops.sub(b, place, at(b, place, low)));
    const within = ops.sub(
      b,
      from,
      ops.mul(b, ops.stopGradient(b, ops.floor(b, ops.mul(b, from, at(b, from, 1 / period)))), at(b, from, period)),
    );
    const folded = ops.select(
      b,
      ops.le(b, within, at(b, within, span)),
      within,
      ops.sub(b, at(b, within, period), within),
    );
    return clamp(ops.add(b, folded, at(b, folded, low)), axis);
  };
  const adjust = padding === "border" ? clamp : padding === "reflection" ? reflect : (place: Value): Value => place;
  const outside = padding === "zeros";
  const shape = [n, images.shape[1], ...output];
  // Cubic weights reach beyond what is inside: each of their elements is brought in by itself
  if (mode === "cubic" || mode === "bicubic") {
    return ops.reshape(b, sampled(b, images, places, cubicWeights(b, -0.75), adjust, outside), shape);
  }
  const moved = places.map(adjust);
  if (mode === "nearest") {
    return ops.reshape(
      b,
      fetch(
        b,
        images,
        moved.map((place) => ops.round(b, place)),
        true,
      ),
      shape,
    );
  }
  return ops.reshape(
    b,
    sampled(b, images, moved, linearWeights(b), (place) => place, true),
    shape,
  );
};

/** The grid that affine maps [N, d, d + 1] make of the places of an image. */
const affineGrid: Operator = (call) => {
  const { b } = call;
  const theta = call.input(0);
  const [n, , ...spatial] = call.elements(1);
  const alignsCorners = call.int("align_corners", 0) === 1;
  const d = spatial.length;
  const along = spatial.map((extent) =>
    listed(extent).map((i) =>
      alignsCorners ? (extent === 1 ? 0 : (2 * i) / (extent - 1) - 1) : (2 * i + 1) / extent - 1,
    ),
  );
  const elements: number[] = [];
  for (const point of listed(sizeOf(spatial))) {
    const strides = stridesOf(spatial);
    const coordinates = spatial.map((extent, axis) => along[axis][Math.floor(point / strides[axis]) % extent]);
    elements.push(...coordinates.reverse(), 1);
  }
  const points = constantOf(b, elements, [sizeOf(spatial), d + 1], theta.dtype);
  // [N, d, points] as [N, points, d]
  const mapped = ops.transpose(b, ops.dotGeneral(b, theta, points, [[2], [1]]), [0, 2, 1]);
  return ops.reshape(b, mapped, [n, ...spatial, d]);
};

/** Regions of images, each cut into bins whose means (or maxima) are taken of samples between elements. */
const roiAlign: Operator = (call) => {
  const { b } = call;
  const [images, regions, owners] = [call.input(0), call.input(1), call.input(2)];
  const [height, width] = [call.int("output_height", 1), call.int("output_width", 1)];
  const ratio = call.int("sampling_ratio", 0);
  const scale = call.float("spatial_scale", 1);
  const isHalf =
    call.string("coordinate_transformation_mode", call.opset >= 16 ? "half_pixel" : "output_half_pixel") ===
    "half_pixel";
  const isMax = call.string("mode", "avg") === "max";
  const [count] = regions.shape;
  const images4 = ops.gather(b, images, ops.convert(b, owners, "int32"), 0);
  const corner = (index: number): Value => {
    const part = ops.sliceAxis(b, regions, 1, index, index + 1);
    const scaled = ops.mul(b, part, at(b, part, scale));
    return isHalf ? ops.sub(b, scaled, at(b, scaled, 0.5)) : scaled;
  };
  const [x1, y1, x2, y2] = range(4).map(corner);
  const extentOf = (low: Value, high: Value): Value => {
    const extent = ops.sub(b, high, low);
    return isHalf ? extent : ops.max(b, extent, at(b, extent, 1));
  };
  const sizes = [extentOf(y1, y2), extentOf(x1, x2)];
  // Without a sampling ratio each region has as many samples as its bins are elements wide
  const samples = sizes.map((size, axis) => {
    if (ratio > 0) return new Array<number>(count).fill(ratio);
    const known = call.reading.elementsOf(size);
    if (known === null)
      throw call.unsupported("without sampling_ratio its regions must not depend on the model's inputs");
    return Array.from(known, (extent) => Math.max(1, Math.ceil(extent / [height, width][axis])));
  });
  const results = listed(count).map((region) => {
    const of = (value: Value): Value => ops.sliceAxis(b, value, 0, region, region + 1);
    const [rows, columns] = [samples[0][region], samples[1][region]];
    const along = (low: Value, size: Value, bins: number, each: number): Value => {
      const steps = listed(bins * each).map((i) => (Math.floor(i / each) + ((i % each) + 0.5) / each) / bins);
      const fractions = constantOf(b, steps, [1, steps.length], images.dtype);
      return ops.add(b, of(low), ops.mul(b, of(size), fractions));
    };
    const [ys, xs] = [along(y1, sizes[0], height, rows), along(x1, sizes[1], width, columns)];
    const points = height * rows * width * columns;
    const spread = (value: Value, axis: number): Value =>
      ops.reshape(b, ops.broadcastInDim(b, value, [1, height * rows, width * columns], [0, axis]), [1, points]);
    const places = [spread(ys, 1), spread(xs, 2)];
    const [imageHeight, imageWidth] = images.shape.slice(2);
    const isOut = [places[0], places[1]].map((place, axis) => {
      const extent = [imageHeight, imageWidth][axis];
      return ops.or(b, ops.lt(b, place, at(b, place, -1)), ops.gt(b, place, at(b, place, extent)));
    });
    const clamped = places.map((place, axis) =>
      ops.min(b, ops.max(b, place, at(b, place, 0)), at(b, place, [imageHeight, imageWidth][axis] - 1)),
    );
    const own = of(images4);
    const out = ops.or(b, isOut[0], isOut[1]);
    const bins = (values: Value): Value => ops.reshape(b, values, [images.shape[1], height, rows, width, columns]);
    if (isMax) {
      // The largest of the weighted corners of all samples
      const floors = clamped.map((place) => ops.floor(b, place));
      const fractions = clamped.map((place, axis) => ops.sub(b, place, floors[axis]));
      const corners = linearWeights(b).flatMap((v) =>
        linearWeights(b).map((h) => {
          const corner4 = [v, h].map(({ offset }, axis) => ops.add(b, floors[axis], at(b, floors[axis], offset)));
          const weight = ops.mul(b, v.weight(fractions[0]), h.weight(fractions[1]));
          return ops.mul(b, fetch(b, own, corner4, true), ops.expandDims(b, weight, 1));
        }),
      );
      const largest = corners.slice(1).reduce((most, each) => ops.max(b, most, each), corners[0]);
      const cut = ops.select(b, ops.expandDims(b, out, 1), at(b, largest, 0), largest);
      return ops.reduceMax(b, bins(cut), [2, 4]);
    }
    const values = sampled(b, own, clamped, linearWeights(b), (place) => place, true);
    const cut = ops.select(b, ops.expandDims(b, out, 1), at(b, values, 0), values);
    const sum = ops.reduceSum(b, bins(cut), [2, 4]);
    return ops.mul(b, sum, at(b, sum, 1 / (rows * columns)));
  });
  return ops.concatenate(
    b,
    results.map((result) => ops.expandDims(b, result, 0)),
    0,
  );
};

/** A convolution whose window's elements are each moved by an offset, and weighted by a mask. */
const deformConv: Operator = (call) => {
  const { b } = call;
  const [x, weight, offsets] = [call.input(0), call.input(1), call.input(2)];
  const mask = call.optional(4);
  const [n, c, ...spatial] = x.shape;
  const d = spatial.length;
  const window = weight.shape.slice(2);
  const ones = window.map(() => 1);
  const strides = checkedAmounts(call.ints("strides") ?? ones, d, 1, "strides");
  const dilations = checkedAmounts(call.ints("dilations") ?? ones, d, 1, "dilations");
  const pads = checkedAmounts(call.ints("pads") ?? new Array<number>(2 * d).fill(0), 2 * d, 0, "pads");
  const groups = call.int("group", 1);
  const offsetGroups = call.int("offset_group", 1);
  const output = offsets.shape.slice(2);
  const points = sizeOf(output);
  const taps = sizeOf(window);
  // [N, offset groups, taps, dimensions, points]
  const moves = ops.reshape(b, offsets, [n, offsetGroups, taps, d, points]);
  const masks = mask && ops.reshape(b, mask, [n, offsetGroups, taps, points]);
  const each = c / offsetGroups;
  const columns = listed(offsetGroups).map((group) => {
    const images = ops.sliceAxis(b, x, 1, group * each, (group + 1) * each);
    const places = listed(taps).map((tap) => {
      return range(d).map((axis) => {
        const place = Math.floor(tap / stridesOf(window)[axis]) % window[axis];
        const start = listed(points).map((point) => {
          const index = Math.floor(point / stridesOf(output)[axis]) % output[axis];
          return index * strides[axis] - pads[axis] + place * dilations[axis];
        });
        const move = ops.reshape(
          b,
          ops.slice(b, moves, [0, group, tap, axis, 0], [n, group + 1, tap + 1, axis + 1, points]),
          [n, points],
        );
        return ops.add(b, move, constantOf(b, start, [1, points], x.dtype));
      });
    });
    const values = places.map((place, tap) => {
      const value = sampled(b, images, place, linearWeights(b), (at2) => at2, true);
      if (!masks) return value;
      const own = ops.reshape(b, ops.slice(b, masks, [0, group, tap, 0], [n, group + 1, tap + 1, points]), [
        n,
        1,
        points,
      ]);
      return ops.mul(b, value, own);
    });
    // [N, features, taps, points]
    return ops.concatenate(
      b,
      values.map((value) => ops.expandDims(b, value, 2)),
      2,
    );
  });
  const patches = ops.concatenate(b, columns, 1);
  const features = weight.shape[0];
  const flat = ops.reshape(b, patches, [n, c * taps, points]);
  const kernel = ops.reshape(b, weight, [features, (c / groups) * taps, 1]);
  const product = general(b, flat, kernel, { featureGroups: groups });
  return withBias(b, ops.reshape(b, product, [n, features, ...output]), call.optional(3));
};

/** The largest element of each bin of a region, whose borders are whole elements. */
const maxRoiPool: Operator = (call: Call) => {
  const { b } = call;
  const x = call.input(0);
  const regions = call.elements(1);
  const [height, width] = call.ints("pooled_shape") ?? [1, 1];
  const scale = call.float("spatial_scale", 1);
  const bounds = (first: number, last: number, extent: number, bins: number): [number, number][] => {
    const [start, end] = [Math.round(first * scale), Math.round(last * scale)];
    const size = Math.max(end - start + 1, 1) / bins;
    const clamp = (place: number): number => Math.min(extent, Math.max(0, place));
    return listed(bins).map((bin) => [
      clamp(start + Math.floor(bin * size)),
      clamp(start + Math.ceil((bin + 1) * size)),
    ]);
  };
  const results = listed(regions.length / 5).map((region) => {
    const [owner, x1, y1, x2, y2] = regions.slice(5 * region, 5 * region + 5);
    const image = ops.sliceAxis(b, x, 0, owner, owner + 1);
    const bins = bounds(y1, y2, x.shape[2], height).flatMap(([top, bottom]) =>
      bounds(x1, x2, x.shape[3], width).map(([left, right]) => {
        if (bottom <= top || right <= left) return ops.full(b, [1, x.shape[1], 1], x.dtype, 0);
        const bin = ops.sliceAxis(b, ops.sliceAxis(b, image, 2, top, bottom), 3, left, right);
        return ops.expandDims(b, ops.reduceMax(b, bin, [2, 3]), 2);
      }),
    );
    return ops.reshape(b, ops.concatenate(b, bins, 2), [1, x.shape[1], height, width]);
  });
  return ops.concatenate(b, results, 0);
};

export const vision: OperatorTable = {
  GridSample: gridSample,
  AffineGrid: affineGrid,
  RoiAlign: roiAlign,
  MaxRoiPool: maxRoiPool,
  DeformConv: deformConv,
};
