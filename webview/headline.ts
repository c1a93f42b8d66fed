import type { MemoryPlan } from "../sidecar/protocol/messages";
import { formatBytes, formatWay, takenBytes, formatMany } from "../sidecar/protocol/text";
import { usableBytes } from "./strategy-rows";

/** What a plan comes to, in a sentence. */
export interface Headline {
  readonly tone: "good" | "bad";
  readonly text: string;
  readonly detail: string;
  /** A number of examples that should fit, where this one does not. */
  readonly fewer: number | null;
}

/** `canVary`: whether another number of examples can be asked for. */
export function headlineOf({ batch, device, strategies, fault }: MemoryPlan, canVary: boolean): Headline {
  const memory = `the ${formatBytes(device.memoryBytes)} of ${device.name}`;
  const usable = usableBytes(device);
  if (fault !== null) return { tone: "bad", text: fault, detail: "There is no Jacobian to plan.", fewer: null };
  const best = strategies.find(({ recommended }) => recommended);
  if (best) {
    const left = formatBytes(usable - takenBytes(best));
    const beside = best.workspaceBytes > 0 ? ` and ${formatBytes(best.workspaceBytes)} of the engine’s own` : "";
    return {
      tone: "good",
      text: `${formatWay(best)} takes ${formatBytes(takenBytes(best))} and fits ${memory}.`,
      detail: `For ${formatMany(batch, "example")}: ${formatBytes(best.peakBytes)} of arrays${beside}. ${left} would be left.`,
      fewer: null,
    };
  }
  const least = [...strategies].sort((a, b) => takenBytes(a) - takenBytes(b)).at(0);
  if (least === undefined) {
    return { tone: "bad", text: "There is no way to compute this Jacobian.", detail: "", fewer: null };
  }
  const result = formatBytes(least.resultBytes);
  const remedy = canVary ? "Fewer examples or outputs" : "Fewer outputs";
  const fewer = canVary ? fewerExamples(batch, usable / takenBytes(least)) : null;
  return least.argumentBytes + least.resultBytes > usable
    ? {
        tone: "bad",
        text: `Nothing fits ${memory}: the result alone takes ${result}.`,
        detail: `Chunks do not help there. ${remedy}, or the NTK in place of the Jacobian, would.`,
        fewer,
      }
    : {
        tone: "bad",
        text: `Nothing fits ${memory}: the least is ${formatBytes(takenBytes(least))}, of ${formatWay(least)}.`,
        detail: `The result alone, ${result}, would fit; computing it does not, not even in chunks. ${remedy} would.`,
        fewer,
      };
}

/** Memory is nearly proportional to the number of examples. Rounded down to two digits. */
function fewerExamples(batch: number, part: number): number | null {
  const exact = Math.floor(0.97 * batch * part);
  const unit = 10 ** Math.max(0, Math.floor(Math.log10(Math.max(1, exact))) - 1);
  const fewer = Math.floor(exact / unit) * unit;
  return fewer >= 1 && fewer < batch ? fewer : null;
}
