import type { Analysis, PytorchAnalysis } from "./analysis";
import { formatCount, takenBytes } from "./text";

/** What the user's own PyTorch would do with a model, put together for people: the same in hovers, problems and the panel. */

export type PytorchFallback = PytorchAnalysis["fallbacks"][number];
export type PytorchError = PytorchAnalysis["errors"][number];

/** `2.13.0`, of `2.13.0+cpu` */
export function formatPytorch({ version }: PytorchAnalysis): string {
  return version.split("+")[0];
}

/** One operation of one line, in all strategies that run it as a loop. */
export function pytorchLoops({ fallbacks }: PytorchAnalysis): PytorchFallback[][] {
  const groups = new Map<string, PytorchFallback[]>();
  for (const fallback of fallbacks) {
    const { operation, where, source } = fallback;
    const key = `${operation} ${where} ${source?.file}:${source?.line}`;
    groups.set(key, [...(groups.get(key) ?? []), fallback]);
  }
  return [...groups.values()];
}

/** Names in running text, or in Markdown. */
type Named = (name: string) => string;

const plain: Named = (name) => name;

/** `aten::x, in backward, runs as a loop: vmap(jacrev) 100 times and jacrev 1,000 times` */
export function formatPytorchLoop(group: readonly PytorchFallback[], named = plain): string {
  const [{ operation, where }] = group;
  return `${named(operation)}${where === "backward" ? ", in backward," : ""} runs as a loop: ${formatPytorchLoops(group)}`;
}

/** `vmap(jacrev) raises in training mode: vmap: called random operation` */
export function formatPytorchError({ strategy, training, message }: PytorchError, named = plain): string {
  return strategy === null ? message : `${named(strategy)} raises${training ? " in training mode" : ""}: ${message}`;
}

/** `vmap(jacrev) 100 times and jacrev 1,000 times` */
export function formatPytorchLoops(group: readonly PytorchFallback[]): string {
  return group
    .map(({ strategy, iterations }) =>
      iterations === null ? strategy : `${strategy} ${iterations === 1 ? "once" : `${formatCount(iterations)} times`}`,
    )
    .join(" and ");
}

/** What there is to do about a loop or an error. */
export function pytorchFixes(all: readonly { readonly fix: string | null }[]): string[] {
  // It is worded for the command line
  const fixes = all.flatMap(({ fix }) => fix?.replaceAll("--time-limit", "the setting kernelscope.timeLimit") ?? []);
  return [...new Set(fixes)];
}

/** What a strategy takes in PyTorch, beside what it takes here. */
export interface PytorchRow {
  readonly strategy: string;
  /** `chunk_size`; null for none. */
  readonly chunk: number | null;
  /** Null where it raises an error. */
  readonly peakBytes: number | null;
  readonly fits: boolean;
  /** What the same strategy with the same chunk takes here, if that is known. */
  readonly own: number | null;
}

/** First what raises an error. */
export function pytorchRows(
  { strategies, device }: Pick<Analysis, "strategies" | "device">,
  pytorch: PytorchAnalysis,
): PytorchRow[] {
  const own = (strategy: string, chunk: number | null): number | null => {
    const same = strategies.find((each) => each.strategy === strategy && each.chunk === chunk);
    return same === undefined ? null : takenBytes(same);
  };
  const raised = pytorch.errors.flatMap(({ strategy, training }) => (strategy === null || training ? [] : [strategy]));
  const failed = [...new Set(raised)].filter((each) => pytorch.strategies.every(({ strategy }) => strategy !== each));
  return [
    ...failed.map((strategy) => ({
      strategy,
      chunk: null,
      peakBytes: null,
      fits: false,
      own: own(strategy, null),
    })),
    ...pytorch.strategies.map(({ strategy, chunk, peakBytes }) => ({
      strategy,
      chunk,
      peakBytes,
      fits: peakBytes <= device.memoryBytes,
      own: own(strategy, chunk),
    })),
  ];
}
