import type { KernelEntry, KernelInfo } from "../../sidecar/protocol/ntk";
import { h, type Child } from "../dom";
import { blockPicture, hasBlocks, outputBars } from "./block";
import { chart } from "./chart";
import type { ExportedFile } from "./export";
import type { Place } from "./gaze";
import { chartSection, chartTable } from "./parts";
import { formatValue } from "./scale";
import { columnsOf, exampleText } from "./source";
import { canvasTheme } from "./theme";

/** The outputs of the pair that is pointed at or kept; `pair` holds examples. Where they cannot be had, the answer says why. */
export function blockSection(
  info: KernelInfo,
  pair: Place | null,
  answer: KernelEntry | string | null,
  save: (file: ExportedFile) => void,
): Child {
  if (!hasBlocks(info)) return null;
  const title = "Outputs of the pair";
  const block = typeof answer === "string" ? null : (answer?.block ?? null);
  if (pair === null || block === null) {
    const text =
      pair === null
        ? "Point at a pair to see how its outputs move one another; click to keep it."
        : typeof answer === "string"
          ? answer
          : "Not known yet.";
    return h(
      "section",
      { key: "block", class: "section kernel-section block", "aria-labelledby": "kernel-block" },
      h("h2", { id: "kernel-block" }, title),
      h("p", { class: "note kernel-room" }, text),
    );
  }
  const { outputs, form } = info;
  const isFull = form === "full";
  const rows = [...block].map((value, at) => [...(isFull ? [Math.floor(at / outputs), at % outputs] : [at]), value]);
  const head = isFull ? ["output of the row", "output of the column", "kernel"] : ["output", "kernel"];
  return chartSection(
    { name: "block", title, save, head, rows: () => rows },
    h("p", { class: "note" }, `${exampleText(info.x1, pair.row)} and ${exampleText(columnsOf(info), pair.column)}`),
    chart("block-chart", (width, pointer) =>
      isFull ? blockPicture(block, outputs, canvasTheme(), width, pointer) : outputBars(block, width, pointer),
    ),
    chartTable(
      "Outputs as a table",
      head.map((text) => `${text[0].toUpperCase()}${text.slice(1)}`),
      rows.map((row) => row.map((value, at) => (at === row.length - 1 ? formatValue(value) : String(value)))),
    ),
  );
}
