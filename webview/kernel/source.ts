import type {
  ExamplesInfo,
  KernelArrangement,
  KernelArrangementRequest,
  KernelEntry,
  KernelEntryRequest,
  KernelInfo,
  KernelOrder,
  KernelPicture,
  KernelRange,
  KernelTile,
  KernelTileRequest,
} from "../../sidecar/protocol/ntk";

/** Where the pictures of a kernel get their numbers from. */
export interface KernelSource {
  /** What is known of the kernel now. */
  readonly info: KernelInfo;
  /** Rejects with a sentence. `signal` says that the tile is no longer wanted. */
  readonly tile: (request: KernelTileRequest, signal: AbortSignal) => Promise<KernelTile>;
  readonly entry: (request: KernelEntryRequest) => Promise<KernelEntry>;
  readonly arrangement: (request: KernelArrangementRequest) => Promise<KernelArrangement>;
}

/** Pairs of examples: how many rows and columns. */
export interface Extent {
  readonly rows: number;
  readonly columns: number;
}

export function columnsOf({ x1, x2 }: KernelInfo): ExamplesInfo {
  return x2 ?? x1;
}

export function extentOf(info: KernelInfo): Extent {
  return { rows: info.x1.count, columns: columnsOf(info).count };
}

/** The same for the same picture, and different for different ones. */
export function pictureKey({ id, view, order }: KernelPicture): string {
  return JSON.stringify([id, view, order]);
}

/** The example's name, or else its number; with its class where it has one: `cat-12.png (cat)`, `example 12`. */
export function exampleText(examples: ExamplesInfo, example: number): string {
  const name = examples.names?.[example] ?? `example ${example}`;
  const label = classOf(examples, example);
  return label === null ? name : `${name} (${label})`;
}

export function classOf({ labels, classes }: ExamplesInfo, example: number): string | null {
  const label = labels?.[example];
  if (label === undefined) return null;
  // A number alone would be taken for anything
  return /^\d+$/.test(classes[label]) ? `class ${classes[label]}` : classes[label];
}

/** A sentence that says why two kernels have no difference; null where they have one. */
export function whyIncomparable(first: KernelInfo, second: KernelInfo): string | null {
  const [a, b] = [extentOf(first), extentOf(second)];
  if (a.rows === b.rows && a.columns === b.columns) return null;
  return (
    `${first.title} has ${a.rows} x ${a.columns} pairs and ${second.title} ${b.rows} x ${b.columns}: ` +
    `compute both kernels of the same examples to see their difference.`
  );
}

/**
 * The first kernel minus the second, pair by pair. Means of pairs are linear, so a tile of the difference is the
 * difference of two tiles at every level. The examples stand as the first kernel's do.
 *
 * The range is that of the tiles seen so far, since that of a difference does not follow from those of its parts.
 */
export function differenceOf(first: KernelSource, second: KernelSource): KernelSource {
  const ranges = new Map<string, KernelRange>();
  const own = <T extends { readonly id: string }>(request: T): [T, T] => [
    { ...request, id: first.info.id },
    { ...request, id: second.info.id },
  ];
  return {
    get info() {
      return differenceInfo(first.info, second.info);
    },
    tile: async (request, signal) => {
      const [ofFirst, ofSecond] = own(request);
      const [a, b] = await Promise.all([first.tile(ofFirst, signal), second.tile(ofSecond, signal)]);
      const values = a.values.map((value, at) => value - b.values[at]);
      const key = pictureKey(request);
      const range = widened(ranges.get(key) ?? null, values);
      if (range !== null) ranges.set(key, range);
      return { ...request, version: a.version + b.version, range, rows: a.rows, columns: a.columns, values };
    },
    entry: async (request) => {
      const [a, b] = await Promise.all(own(request).map((each, at) => [first, second][at].entry(each)));
      const sameShape = a.block !== null && a.block.length === b.block?.length;
      return {
        ...request,
        value: a.value === null || b.value === null ? null : a.value - b.value,
        block: sameShape ? a.block.map((value, at) => value - b.block![at]) : null,
      };
    },
    arrangement: async (request) => ({ ...(await first.arrangement(own(request)[0])), id: request.id }),
  };
}

function differenceInfo(first: KernelInfo, second: KernelInfo): KernelInfo {
  const statuses = [first.status, second.status];
  return {
    ...first,
    id: `${first.id} - ${second.id}`,
    title: `${first.title} − ${second.title}`,
    status: (["failed", "cancelled", "running"] as const).find((status) => statuses.includes(status)) ?? "done",
    fraction: Math.min(first.fraction, second.fraction),
    version: first.version + second.version,
    layers: [],
    spectrum: null,
    message: first.message ?? second.message,
  };
}

/** The range of what was known and of `values` together. */
export function widened(range: KernelRange | null, values: Float32Array): KernelRange | null {
  let { min, max, smallest } = range ?? { min: Infinity, max: -Infinity, smallest: null };
  for (const value of values) {
    if (!Number.isFinite(value)) continue;
    if (value < min) min = value;
    if (value > max) max = value;
    const magnitude = Math.abs(value);
    if (magnitude > 0 && (smallest === null || magnitude < smallest)) smallest = magnitude;
  }
  return min > max ? null : { min, max, smallest };
}

/**
 * The order that a choice means, for kernels that are shown side by side: all stand as the first one's clusters. As given
 * where that has none (yet).
 */
export function orderOf(choice: "given" | "class" | "clusters", { id, noClusters }: KernelInfo): KernelOrder {
  if (choice !== "clusters") return choice;
  return noClusters === null ? { clustersOf: id } : "given";
}
