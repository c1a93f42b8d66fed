import type { ExamplesInfo, KernelAxis, KernelGroup, KernelInfo } from "../protocol/ntk";
import { formatCount } from "../protocol/text";

/** Which example stands where in a kernel's pictures. */

/** Among so many examples clusters are found: it takes their square in memory and time. */
const mostClustered = 3000;

/** In a few words; null where there are some. */
export function whyNoClusters({ status, x1, x2 }: Pick<KernelInfo, "status" | "x1" | "x2">): string | null {
  if (x2 !== null) return "other examples";
  if (x1.count > mostClustered) return `more than ${formatCount(mostClustered)} examples`;
  if (status === "done") return null;
  return status === "running" ? "when it is done" : "not whole";
}

export function asGiven(count: number): KernelAxis {
  return { examples: Uint32Array.from({ length: count }, (_, place) => place), groups: [] };
}

/** Class by class, in each as given; as given where there are no labels. */
export function byClass({ count, labels, classes }: ExamplesInfo): KernelAxis {
  if (labels === null) return asGiven(count);
  const members = classes.map((_, label) => [...labels.keys()].filter((example) => labels[example] === label));
  return axisOf(members.map((examples, label) => ({ label: classes[label], examples })));
}

/**
 * Examples that are alike stand together: average linkage (Sokal and Michener 1958) of the distances
 * `1 - K[n, m] / sqrt(K[n, n] K[m, m])`, by the nearest-neighbour chain (Murtagh 1983), and of its merges the last few are undone:
 * as many as leave the widest gap between their heights.
 *
 * @param kernel [N, N]
 */
export function byCluster(kernel: Float32Array, count: number): KernelAxis {
  const tree = merges(distancesOf(kernel, count), count);
  const clusters = clusterCount(tree.map(({ height }) => height));
  const members = new Map<number, number[]>(Array.from({ length: count }, (_, example) => [example, [example]]));
  const sorted = [...tree.entries()].sort(([a, first], [b, second]) => first.height - second.height || a - b);
  let tops: number[][] = [];
  for (const [done, [, { first, second }]] of sorted.entries()) {
    if (done === count - clusters) tops = [...members.values()];
    members.set(first, [...members.get(first)!, ...members.get(second)!]);
    members.delete(second);
  }
  const [whole] = members.values();
  if (clusters === 1) return { examples: Uint32Array.from(whole), groups: [] };
  const place = new Map(whole.map((example, at) => [example, at]));
  tops.sort(([a], [b]) => place.get(a)! - place.get(b)!);
  return axisOf(tops.map((examples, number) => ({ label: `cluster ${number + 1}`, examples })));
}

function axisOf(groups: readonly { readonly label: string; readonly examples: readonly number[] }[]): KernelAxis {
  let from = 0;
  const spans: KernelGroup[] = [];
  for (const { label, examples } of groups) {
    if (examples.length === 0) continue;
    spans.push({ label, from, to: from + examples.length });
    from += examples.length;
  }
  return { examples: Uint32Array.from(groups.flatMap(({ examples }) => examples)), groups: spans };
}

/** [N, N]. An example whose kernel with itself is not positive is as far as can be from all others. */
function distancesOf(kernel: Float32Array, count: number): Float32Array {
  const distances = new Float32Array(count * count);
  const norms = Float64Array.from({ length: count }, (_, n) => Math.sqrt(Math.max(0, kernel[n * count + n])));
  for (let n = 0; n < count; n++) {
    for (let m = 0; m < count; m++) {
      const product = norms[n] * norms[m];
      const alike = product > 0 ? (kernel[n * count + m] + kernel[m * count + n]) / 2 / product : -1;
      if (n !== m) distances[n * count + m] = Math.max(0, 1 - alike);
    }
  }
  return distances;
}

interface Merge {
  /** Clusters, each by the example that stands for it; from then on the first stands for both. */
  readonly first: number;
  readonly second: number;
  readonly height: number;
}

/** All N - 1 of them. `distances` is used up. */
function merges(distances: Float32Array, count: number): Merge[] {
  const sizes = new Uint32Array(count).fill(1);
  const chain: number[] = [];
  const made: Merge[] = [];
  while (made.length < count - 1) {
    if (chain.length === 0) chain.push(sizes.findIndex((size) => size > 0));
    const end = chain[chain.length - 1];
    const before = chain.length > 1 ? chain[chain.length - 2] : -1;
    // Of neighbours that are equally near the one before, so that chains end
    let nearest = before;
    let least = before < 0 ? Infinity : distances[end * count + before];
    for (let other = 0; other < count; other++) {
      const distance = distances[end * count + other];
      if (other === end || sizes[other] === 0 || distance >= least) continue;
      nearest = other;
      least = distance;
    }
    if (nearest !== before) {
      chain.push(nearest);
      continue;
    }
    chain.length -= 2;
    const [first, second] = before < end ? [before, end] : [end, before];
    made.push({ first, second, height: least });
    const total = sizes[first] + sizes[second];
    for (let other = 0; other < count; other++) {
      const [a, b] = [distances[first * count + other], distances[second * count + other]];
      const mean = (sizes[first] * a + sizes[second] * b) / total;
      distances[first * count + other] = distances[other * count + first] = mean;
    }
    sizes[first] = total;
    sizes[second] = 0;
  }
  return made;
}

/** From 2 to 12: the number at which the widest gap between heights is cut. One where all are alike. */
function clusterCount(heights: readonly number[]): number {
  const sorted = [...heights].sort((a, b) => b - a);
  let best = 1;
  let widest = 0;
  for (let clusters = 2; clusters <= Math.min(12, sorted.length); clusters++) {
    const gap = sorted[clusters - 2] - sorted[clusters - 1];
    if (gap > widest) [widest, best] = [gap, clusters];
  }
  return best;
}
