import type { KernelRange } from "../../sidecar/protocol/ntk";

/**
 * How a number becomes a part of the way along the colour map, from 0 to 1:
 * - linear: (v - low) / (high - low)
 * - log: log(v / low) / log(high / low), for numbers that are not negative
 * - symlog: 1/2 + sign(v) log(1 + |v| / unit) / (2 log(1 + high / unit)), where there are negative ones; zero is 1/2
 */
export interface ColourScale {
  readonly kind: "linear" | "log" | "symlog";
  /** Whether zero is in the middle. */
  readonly diverging: boolean;
  readonly low: number;
  readonly high: number;
  /** Of symlog: below it, the scale is about linear. */
  readonly unit: number;
}

/** A logarithmic scale goes so far below the largest magnitude: smaller ones are mostly rounding in float32. */
const depth = 1e-6;

/** With `centred`, zero is in the middle even where nothing is negative. */
export function scaleFor({ min, max, smallest }: KernelRange, logarithmic: boolean, centred = false): ColourScale {
  const top = Math.max(Math.abs(min), Math.abs(max));
  const unit = Math.max(smallest ?? 0, top * depth) || 1;
  if (min < 0 || centred) {
    const high = top || 1;
    return { kind: logarithmic ? "symlog" : "linear", diverging: true, low: -high, high, unit };
  }
  if (logarithmic && top > 0) {
    return { kind: "log", diverging: false, low: unit < top ? unit : top / 10, high: top, unit };
  }
  // All the same: in the middle of a scale that begins at zero
  return { kind: "linear", diverging: false, low: min < max ? min : 0, high: min < max ? max : 2 * top || 1, unit };
}

/** From 0 to 1; what lies beyond the ends is at them. */
export function positionOf({ kind, low, high, unit }: ColourScale, value: number): number {
  const part =
    kind === "linear"
      ? (value - low) / (high - low)
      : kind === "log"
        ? Math.log(value / low) / Math.log(high / low)
        : 0.5 + (0.5 * Math.sign(value) * Math.log1p(Math.abs(value) / unit)) / Math.log1p(high / unit);
  return value <= low ? 0 : Math.min(1, Math.max(0, part));
}

export interface Tick {
  readonly value: number;
  /** From 0 to 1. */
  readonly position: number;
}

/** Round numbers along the scale, at most about `most` of them. */
export function ticksOf(scale: ColourScale, most = 5): Tick[] {
  const { kind, low, high, unit } = scale;
  const values =
    kind === "linear"
      ? roundNumbers(low, high, most)
      : kind === "log"
        ? powersOfTen(low, high, most)
        : [
            ...powersOfTen(unit, high, most / 2)
              .map((value) => -value)
              .reverse(),
            0,
            ...powersOfTen(unit, high, most / 2),
          ];
  const ticks = values.map((value) => ({ value, position: positionOf(scale, value) }));
  // Near zero of a symlog scale, powers of ten crowd
  return kind === "symlog"
    ? ticks.filter(({ value, position }) => value === 0 || Math.abs(position - 0.5) > 0.09)
    : ticks;
}

/** Multiples of 1, 2 or 5 times a power of ten. */
export function roundNumbers(low: number, high: number, most: number): number[] {
  const step = roundStep((high - low) / most);
  const first = Math.ceil(low / step - 1e-9);
  const last = Math.floor(high / step + 1e-9);
  return Array.from({ length: last - first + 1 }, (_, index) => Number(((first + index) * step).toPrecision(12)));
}

/** The least of 1, 2, 5 times a power of ten that is not below. */
export function roundStep(least: number): number {
  const power = 10 ** Math.floor(Math.log10(least));
  return power * ([1, 2, 5].find((factor) => factor * power >= least * (1 - 1e-9)) ?? 10);
}

/** Where there are less than two, round numbers instead. */
export function powersOfTen(low: number, high: number, most: number): number[] {
  const first = Math.ceil(Math.log10(low) - 1e-9);
  const last = Math.floor(Math.log10(high) + 1e-9);
  if (last - first < 1) return roundNumbers(low, high, most).filter((value) => value > 0);
  const step = Math.ceil((last - first + 1) / most);
  const powers: number[] = [];
  // From the largest, which are what is looked at
  for (let power = last; power >= first; power -= step) powers.unshift(Number(`1e${power}`));
  return powers;
}

/** Four digits that mean something: `0.01234`, `1,234`, `1.234e-7`. */
export function formatValue(value: number): string {
  if (Number.isNaN(value)) return "not known yet";
  if (value === 0 || !Number.isFinite(value)) return minus(String(value));
  const magnitude = Math.abs(value);
  if (magnitude < 1e-3 || magnitude >= 1e6) return minus(value.toExponential(3));
  const digits = Math.max(0, 3 - Math.floor(Math.log10(magnitude)));
  return minus(value.toLocaleString("en", { maximumFractionDigits: digits, minimumFractionDigits: digits }));
}

/** A round number: `0.02`, `1e-7`. */
export function formatTick(value: number): string {
  const magnitude = Math.abs(value);
  if (value !== 0 && (magnitude < 1e-3 || magnitude >= 1e5)) return minus(value.toExponential()).replace("e+", "e");
  return minus(String(value));
}

function minus(text: string): string {
  return text.replaceAll("-", "−");
}
