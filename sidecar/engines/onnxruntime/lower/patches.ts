import { range, sizeOf, stridesOf } from "../../../graph/types";
import type { Convolution } from "./convolution";
import type { Labelled } from "./labels";
import type { Ref, Writer } from "./writer";

/**
 * The operand of a convolution with, for each spatial axis s, an axis k of the kernel beside it, so that the convolution is
 * a contraction over c and k.. . For small kernels these are, for each position in the kernel, the elements that meet
 * it; for kernels larger than the output, for each position in the output, the elements under the kernel.
 *
 * How they are cut decides the speed of convolution gradients, which is that of copying. Where the features come last the
 * patches are gathered in one go; where the spatial axes do, they are sliced one spatial axis after the other (an axis of p
 * positions takes p slices). Either way they come out in a layout that the contraction reads as it is.
 */
export function patches(w: Writer, problem: Convolution, by: "k" | "s"): Labelled {
  const plan = range(problem.spatial).map((index): Axis => {
    const [s, k] = [`s${index}`, `k${index}`];
    const extent = (name: string): number => problem.extents.get(name)!;
    const [stride, dilation] = [problem.strides[index], problem.dilation[index]];
    return by === "k"
      ? { name: s, position: k, length: s, positions: extent(k), lengths: extent(s), step: dilation, stride }
      : { name: s, position: s, length: k, positions: extent(s), lengths: extent(k), step: stride, stride: dilation };
  });
  const x = padded(w, problem);
  return isGatherable(x, plan) ? gathered(w, x, plan) : sliced(w, x, plan);
}

/** One spatial axis: element i of the patch at position p is element p * step + i * stride of the operand. */
interface Axis {
  readonly name: string;
  readonly position: string;
  readonly length: string;
  readonly positions: number;
  readonly lengths: number;
  readonly step: number;
  readonly stride: number;
}

function padded(w: Writer, { lhs, padding }: Convolution): Labelled {
  const amounts = (side: 0 | 1): number[] =>
    lhs.labels.map((name) => (name.startsWith("s") ? padding[Number(name.slice(1))][side] : 0));
  return { ref: w.pad(lhs.ref, amounts(0), amounts(1), 0), labels: lhs.labels };
}

/** Elements that lie together in memory, at least, for a gather to be worth it. */
const shortestRun = 4;
/** Indices are constants of the model. */
const mostIndices = 1 << 21;

function isGatherable(x: Labelled, plan: readonly Axis[]): boolean {
  if (plan.length === 0) return false;
  const first = x.labels.indexOf(plan[0].name);
  if (!plan.every(({ name }, index) => x.labels[first + index] === name)) return false;
  const run = sizeOf(x.ref.shape.slice(first + plan.length));
  const indices = plan.reduce((product, { positions, lengths }) => product * positions * lengths, 1);
  return run >= shortestRun && indices <= mostIndices;
}

/** [.., lengths.., positions.., rest] */
function gathered(w: Writer, x: Labelled, plan: readonly Axis[]): Labelled {
  const first = x.labels.indexOf(plan[0].name);
  const { shape } = x.ref;
  const end = first + plan.length;
  const spatial = shape.slice(first, end);
  const rows = stridesOf(spatial);

  const taken = [...plan.map(({ lengths }) => lengths), ...plan.map(({ positions }) => positions)];
  const distances = [
    ...plan.map(({ stride }, axis) => stride * rows[axis]),
    ...plan.map(({ step }, axis) => step * rows[axis]),
  ];
  const flat = w.reshape(x.ref, [...shape.slice(0, first), sizeOf(spatial), ...shape.slice(end)]);
  const indices = w.constant(`patches ${taken.join()} ${distances.join()}`, () =>
    w.initializer(strided(taken, distances), taken, "int32"),
  );
  const gatheredShape = [...shape.slice(0, first), ...taken, ...shape.slice(end)];
  const ref = w.node("Gather", [flat, indices], gatheredShape, flat.type, { axis: first });
  const labels = [...plan.map(({ length }) => length), ...plan.map(({ position }) => position)];
  return { ref, labels: [...x.labels.slice(0, first), ...labels, ...x.labels.slice(end)] };
}

/** An array of the given shape, of sums of its positions times the distances of its axes. */
function strided(shape: readonly number[], distances: readonly number[]): Int32Array {
  let sums = new Int32Array(1);
  shape.forEach((extent, axis) => {
    const next = new Int32Array(sums.length * extent);
    for (let outer = 0; outer < sums.length; outer++) {
      for (let index = 0; index < extent; index++) {
        next[outer * extent + index] = sums[outer] + index * distances[axis];
      }
    }
    sums = next;
  });
  return sums;
}

/** [.., positions.., lengths.., rest], if the spatial axes are neighbours. */
function sliced(w: Writer, x: Labelled, plan: readonly Axis[]): Labelled {
  const front = Math.min(...plan.map(({ name }) => x.labels.indexOf(name)));
  let { ref } = x;
  let labels = [...x.labels];
  for (const { name, position, length, positions, lengths, step, stride } of [...plan].reverse()) {
    const axis = labels.indexOf(name);
    const slices = range(positions).map((index): Ref => {
      const slice = w.sliceAxis(ref, axis, index * step, index * step + (lengths - 1) * stride + 1, stride);
      return w.reshape(slice, [...slice.shape.slice(0, front), 1, ...slice.shape.slice(front)]);
    });
    ref = w.concat(slices, front);
    labels = labels.map((label) => (label === name ? length : label));
    labels.splice(front, 0, position);
  }
  return { ref, labels };
}
