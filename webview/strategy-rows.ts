import type { DeviceInfo, StrategyAnalysis } from "../sidecar/protocol/analysis";
import type { PanelState } from "../sidecar/protocol/panel";
import { formatCount, formatWay, takenBytes } from "../sidecar/protocol/text";
import type { Trial } from "./trial";

/** Strategies side by side: their order, their bars on a common scale, and which one is looked at. */

export type StrategyName = Pick<StrategyAnalysis, "strategy" | "chunk">;

/** A strategy as far as it is known: `isCurrent` where it answers the newest question. */
export interface KnownStrategy {
  readonly strategy: StrategyAnalysis;
  readonly isCurrent: boolean;
}

export interface StrategyRow extends KnownStrategy {
  /** The same for every chunk of a strategy. */
  readonly key: string;
  readonly title: string;
  /** All that it takes. */
  readonly bytes: number;
  /** Floating-point operations, as a multiple of those of the strategy that has the fewest. */
  readonly work: number;
}

export function strategyKey({ strategy, chunk }: StrategyName): string {
  return `${strategy} ${chunk === null ? "whole" : "in chunks"}`;
}

/** What a device has for arrays. */
export function usableBytes({ memoryBytes, reservedBytes = 0 }: DeviceInfo): number {
  return memoryBytes - reservedBytes;
}

const order: readonly StrategyAnalysis["strategy"][] = ["jacrev", "vmap(jacrev)", "vmap(jacfwd)", "grad-loop"];

/** Each strategy whole, and in chunks below. */
export function strategyRows(known: readonly KnownStrategy[]): StrategyRow[] {
  const least = Math.max(1, Math.min(...known.map(({ strategy }) => strategy.flops)));
  return known
    .map(({ strategy, isCurrent }) => ({
      strategy,
      isCurrent,
      key: strategyKey(strategy),
      title: formatWay(strategy),
      bytes: takenBytes(strategy),
      work: strategy.flops / least,
    }))
    .sort(
      ({ strategy: a }, { strategy: b }) =>
        order.indexOf(a.strategy) - order.indexOf(b.strategy) || Number(a.chunk !== null) - Number(b.chunk !== null),
    );
}

/** The row that was chosen to be looked at, or else the one to take, or what comes nearest to it. */
export function selectedRow(rows: readonly StrategyRow[], trial: Trial | undefined): StrategyRow | null {
  if (trial?.strategy !== undefined) {
    const own = rows.filter(({ strategy }) => strategy.strategy === trial.strategy);
    const key = strategyKey({ strategy: trial.strategy, chunk: trial.chunk ?? null });
    const found = own.find((row) => row.key === key) ?? own.at(0);
    if (found) return found;
  }
  const recommended = rows.find(({ strategy }) => strategy.recommended);
  if (recommended) return recommended;
  const smallest = [...rows].sort((a, b) => a.bytes - b.bytes).at(0);
  return smallest ?? null;
}

export function isChosen({ strategy, chunk }: StrategyName, chosen: PanelState["chosen"]): boolean {
  return chosen !== null && chosen.strategy === strategy && chosen.chunk === chunk;
}

export interface BarScale {
  /** Bytes at the right end; larger bars are cut off. */
  readonly end: number;
  /** Where the device's limit is, from 0 to 1; null where it is beyond the end. */
  readonly limit: number | null;
  readonly isCut: boolean;
}

/**
 * Ways to compute the same thing take from megabytes to petabytes. Lengths are in proportion, so that they can be
 * compared, up to a little beyond the device's limit, or beyond the largest that fits where that is small beside the limit.
 */
export function barScale(sizes: readonly number[], limit: number): BarScale {
  const most = Math.max(1, ...sizes);
  const fitting = sizes.filter((size) => size <= limit);
  const largest = Math.max(...fitting);
  let end = 1.25 * limit;
  if (fitting.length === 0) end = Math.max(end, 1.25 * Math.min(most, ...sizes));
  else if (largest < limit / 20) end = 1.5 * largest;
  if (most < end) end = Math.max(1.05 * most, limit <= 3 * most ? 1.05 * limit : 0);
  return { end, limit: limit <= end ? limit / end : null, isCut: most > end };
}

/** `1×`, `1.3×`, `96×`, `4,700×` */
export function formatTimes(ratio: number): string {
  if (ratio >= 9.95)
    return `${formatCount(Math.round(ratio < 1000 ? ratio : ratio / 100) * (ratio < 1000 ? 1 : 100))}×`;
  return `${ratio.toFixed(1).replace(/\.0$/, "")}×`;
}
