import { range } from "../../../graph/types";
import type { Convolution } from "./convolution";
import type { Labelled } from "./labels";
import type { Ref, Writer } from "./writer";

/**
 * The operand of a convolution with, for each spatial axis s, an axis k of the kernel beside it, so that the convolution is a
 * contraction over c and k.. . They are cut one spatial axis after the other: an axis of p positions takes p slices, not
 * one for each pair of positions.
 */

/** For each position in the kernel, the elements that meet it, over all of the output. For small kernels. */
export function byKernelPosition(w: Writer, problem: Convolution): Labelled {
  return cut(w, problem, "k");
}

/** For each position in the output, the elements under the kernel. For kernels larger than the output. */
export function byOutputPosition(w: Writer, problem: Convolution): Labelled {
  return cut(w, problem, "s");
}

function cut(w: Writer, problem: Convolution, by: "k" | "s"): Labelled {
  let x = padded(w, problem);
  for (const index of range(problem.spatial)) {
    const [s, k] = [`s${index}`, `k${index}`];
    const positions = problem.extents.get(by === "k" ? k : s)!;
    const length = problem.extents.get(by === "k" ? s : k)!;
    const [step, stride] =
      by === "k"
        ? [problem.dilation[index], problem.strides[index]]
        : [problem.strides[index], problem.dilation[index]];
    x = stack(w, x, s, positions, length, step, stride, by === "k" ? [k, s] : [s, k]);
  }
  return x;
}

function padded(w: Writer, { lhs, padding }: Convolution): Labelled {
  const amounts = (side: 0 | 1): number[] =>
    lhs.labels.map((name) => (name.startsWith("s") ? padding[Number(name.slice(1))][side] : 0));
  return { ref: w.pad(lhs.ref, amounts(0), amounts(1), 0), labels: lhs.labels };
}

/** Replaces an axis by two: position p, and under it the elements p * step + i * stride. */
function stack(
  w: Writer,
  x: Labelled,
  name: string,
  positions: number,
  length: number,
  step: number,
  stride: number,
  names: readonly [string, string],
): Labelled {
  const axis = x.labels.indexOf(name);
  const slices = range(positions).map((position): Ref => {
    const start = position * step;
    const slice = w.sliceAxis(x.ref, axis, start, start + (length - 1) * stride + 1, stride);
    return w.reshape(slice, [...slice.shape.slice(0, axis), 1, ...slice.shape.slice(axis)]);
  });
  return {
    ref: w.concat(slices, axis),
    labels: [...x.labels.slice(0, axis), ...names, ...x.labels.slice(axis + 1)],
  };
}
