import { range } from "../../../graph/types";
import { ModelError } from "../../../graph/errors";
import type { Call } from "../call";

/** What convolutions and pools have in common: where a window begins and ends along each spatial dimension. */

export interface Geometry {
  readonly kernel: readonly number[];
  readonly strides: readonly number[];
  readonly dilations: readonly number[];
  readonly low: readonly number[];
  /** May be less than what `pads` says: what no window reaches is cut off. */
  readonly high: readonly number[];
  readonly output: readonly number[];
  /** Padding of the model's own, which `count_include_pad` counts; `high` may be more where sizes are rounded up. */
  readonly declaredHigh: readonly number[];
}

/** Elements that a window of `window` elements with gaps spans. */
export const span = (window: number, dilation: number): number => (window - 1) * dilation + 1;

const MOST = 2 ** 24;

export function checkedAmounts(amounts: readonly number[], count: number, least: number, name: string): number[] {
  if (
    amounts.length !== count ||
    amounts.some((amount) => !(Number.isInteger(amount) && amount >= least && amount <= MOST))
  ) {
    throw new ModelError(`its ${name} are [${amounts.join(",")}], which do not fit`);
  }
  return [...amounts];
}

export function geometryOf(call: Call, input: readonly number[], kernel: readonly number[]): Geometry {
  const n = input.length;
  checkedAmounts(kernel, n, 1, "kernel_shape");
  const strides = checkedAmounts(call.ints("strides") ?? kernel.map(() => 1), n, 1, "strides");
  const dilations = checkedAmounts(call.ints("dilations") ?? kernel.map(() => 1), n, 1, "dilations");
  const reach = kernel.map((window, i) => span(window, dilations[i]));
  const auto = call.string("auto_pad", "NOTSET");
  let low: number[];
  let declaredHigh: number[];
  if (auto === "SAME_UPPER" || auto === "SAME_LOWER") {
    const total = input.map((extent, i) =>
      Math.max(0, (Math.ceil(extent / strides[i]) - 1) * strides[i] + reach[i] - extent),
    );
    low = total.map((amount) => (auto === "SAME_UPPER" ? Math.floor(amount / 2) : Math.ceil(amount / 2)));
    declaredHigh = total.map((amount, i) => amount - low[i]);
  } else {
    const pads = auto === "VALID" ? null : call.ints("pads");
    const given = checkedAmounts(pads ?? new Array<number>(2 * n).fill(0), 2 * n, -MOST, "pads");
    [low, declaredHigh] = [given.slice(0, n), given.slice(n)];
  }
  const ceil = call.int("ceil_mode", 0) === 1 && auto === "NOTSET";
  const output = input.map((extent, i) => {
    const steps = (extent + low[i] + declaredHigh[i] - reach[i]) / strides[i];
    const count = (ceil ? Math.ceil(steps) : Math.floor(steps)) + 1;
    // A window that begins in the padding at the end is left out
    const last = ceil && (count - 1) * strides[i] >= extent + low[i] ? count - 1 : count;
    if (!(last >= 1)) throw new ModelError(`its window of ${reach[i]} does not fit into an extent of ${extent}`);
    return last;
  });
  const high = range(n).map((i) => (output[i] - 1) * strides[i] + reach[i] - input[i] - low[i]);
  return { kernel, strides, dilations, low, high, output, declaredHigh };
}
